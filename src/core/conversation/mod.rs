//! What a patient's text does: consent first, then which appointment, then what is meant.
//!
//! A reply is never guessed at: where several appointments could be meant the patient is asked
//! once, and what is not understood twice, or says more than one thing, goes to a person.

mod act;
mod answer;
mod campaign;
mod meant;
mod named;

use chrono::TimeDelta;

use super::appointment::{Appointment, Notice};
use super::campaign::SessionId;
use super::consent::{spread, tell_after_all, withdraw_texts};
use super::contact::{ConsentCause, Contact, Programme, Prompt, Question};
use super::effect::{Task, TaskKind, TextKind};
use super::event::{Handled, Reply};
use super::flow::{Happened, Inbound};
use super::ids::AppointmentKey;
use super::outreach;
use super::reason::Reason;
use super::reply::{Intent, fold, is_acknowledgment, is_carrier_stop, understand};
use super::rules::Rules;
use super::scene::{Decision, Scene};
use super::select::Numbers;
use crate::clock::Timestamp;
use crate::phi::Phi;
use act::Part;
use meant::{Meant, meant, open_appointments, prompts_at};
use named::{Names, Shown};

/// How many appointments a question lists at most.
const OPTIONS_MAX: usize = 9;
/// A revocation is confirmed at once or not at all (47 CFR 64.1200(a)(12)).
pub(super) const OPTED_OUT_WITHIN: TimeDelta = TimeDelta::minutes(5);
/// How often a phone without an open appointment is answered, and how often a patient is told that a
/// person will read the reply.
const ONCE_A_DAY: TimeDelta = TimeDelta::days(1);
/// How long after a campaign's conversation a text may belong to it.
const TALKED_LATELY: TimeDelta = TimeDelta::days(7);
/// How far apart the clocks of the provider and of this machine may be.
const CLOCK_SKEW: TimeDelta = TimeDelta::minutes(2);

/// Decides what follows from a text.
#[must_use]
pub fn decide(reply: &Reply, scene: &Scene, rules: &Rules, now: Timestamp) -> Decision {
    let mut contact = scene.contact(&reply.from);
    if !contact.hear(&reply.message_id) {
        return Decision::nothing(None, "REPLY", Reason::Repeated);
    }
    let open = open_appointments(&contact, scene, rules, now);
    // A text that was found late answers what had been sent by then.
    let at = reply.sent_at.map_or(now, |sent| now.min(sent + CLOCK_SKEW));
    let prompts = prompts_at(&contact, rules, at);
    let language = language_of(&open, &prompts, scene);
    let intent = intent_of(reply, language.as_deref(), contact.consent.opted_out, rules);
    let decision = Decision::default();
    // What was asked before: is it about the visit, or about a campaign's question?
    let kept = contact.either.take().filter(|either| now - either.at <= ONCE_A_DAY);
    let is_last = contact.spoke.is_some_and(|spoke| spoke.kind == TextKind::WhichTalk);
    if intent == Intent::Help {
        contact.either.clone_from(&kept);
    }
    let either = kept.filter(|_| is_last);
    let earlier = either.as_ref().map(|either| &either.reply);
    let reply = earlier.filter(|_| intent == Intent::Number(1)).unwrap_or(reply);
    let flow = None;
    let mut talk =
        Talk { scene, rules, now, reply, contact, open, prompts, language, flow, decision };
    match intent {
        // Who answers here is not the patient, until START says otherwise.
        Intent::Confirm
        | Intent::Cancel
        | Intent::Reschedule
        | Intent::Number(_)
        | Intent::Mixed
        | Intent::Unclear
        | Intent::WrongNumber
            if talk.is_not_the_patients() =>
        {
            talk.decision.explain(None, "REPLY", Reason::NotThePatients);
        }
        Intent::Number(1) if either.is_some() => {
            let intent = intent_of(reply, talk.language.as_deref(), false, rules);
            talk.about_visits(intent);
        }
        Intent::Confirm
        | Intent::Cancel
        | Intent::Reschedule
        | Intent::Number(_)
        | Intent::Mixed
        | Intent::Unclear
            if talk.settles(either.as_deref(), intent) => {}
        Intent::Confirm
        | Intent::Cancel
        | Intent::Reschedule
        | Intent::Number(_)
        | Intent::Mixed
        | Intent::Unclear
            if talk.for_campaign(intent) => {}
        Intent::Confirm | Intent::Mixed | Intent::Unclear if talk.is_acknowledgment() => {
            talk.decision.explain(None, "REPLY", Reason::Acknowledged);
        }
        Intent::Stop | Intent::CancelOrStop => talk.opt_out(intent),
        Intent::Start => talk.opt_in(),
        Intent::Help => talk.help(),
        Intent::WrongNumber => talk.wrong_number(),
        Intent::Confirm
        | Intent::Cancel
        | Intent::Reschedule
        | Intent::Number(_)
        | Intent::Mixed
        | Intent::Unclear => talk.about_visits(intent),
    }
    talk.close()
}

/// The language to read and answer in: that of the visits, else of what was last texted about.
fn language_of(open: &[Appointment], prompts: &[Prompt], scene: &Scene) -> Option<String> {
    let prompted = prompts.iter().rev().flat_map(|prompt| &prompt.appointments);
    let prompted = prompted.filter_map(|key| scene.appointments.get(key));
    open.iter().chain(prompted).find_map(|row| row.patient.language.clone())
}

fn intent_of(reply: &Reply, language: Option<&str>, is_out: bool, rules: &Rules) -> Intent {
    let said = || understand(reply.body.expose(), language.map(primary), &rules.replies.words);
    match reply.handled {
        // The provider blocks on this word too, and the patient may have meant the visit.
        Some(Handled::Stop) if fold(reply.body.expose()) == "cancel" => Intent::CancelOrStop,
        Some(Handled::Stop) => Intent::Stop,
        // Twilio lifts a block on YES; where there was none, the word is the patient's answer.
        Some(Handled::Start) if !is_out && said() == Intent::Confirm => Intent::Confirm,
        Some(Handled::Start) => Intent::Start,
        Some(Handled::Help) => Intent::Help,
        // A picture may say anything; a person has to look at it.
        None if reply.media > 0 && reply.body.expose().trim().is_empty() => Intent::Mixed,
        None => said(),
    }
}

/// What staff read of a text; a picture is with the provider.
fn note_of(reply: &Reply) -> Phi<String> {
    if reply.media == 0 {
        return reply.body.clone();
    }
    let words = reply.body.expose().trim();
    let blank = if words.is_empty() { "" } else { " " };
    Phi::new(format!("{words}{blank}[{} picture(s) or file(s), not kept here]", reply.media))
}

/// The language part of a BCP 47 tag.
#[must_use]
pub fn primary(tag: &str) -> &str {
    tag.split(['-', '_']).next().unwrap_or(tag)
}

/// What to do about the visit, if a number alone says it.
const fn choice(number: u8) -> Option<Intent> {
    match number {
        1 => Some(Intent::Confirm),
        2 => Some(Intent::Reschedule),
        3 => Some(Intent::Cancel),
        _ => None,
    }
}

const fn is_about_visit(intent: Intent) -> bool {
    matches!(intent, Intent::Confirm | Intent::Cancel | Intent::Reschedule)
}

struct Talk<'a> {
    scene: &'a Scene,
    rules: &'a Rules,
    now: Timestamp,
    reply: &'a Reply,
    contact: Contact,
    /// The appointments that can be answered to, earliest first.
    open: Vec<Appointment>,
    /// The texts that this one may answer, oldest first.
    prompts: Vec<Prompt>,
    language: Option<String>,
    /// The recipient of a campaign whose flow the reply goes to.
    flow: Option<(SessionId, Inbound)>,
    decision: Decision,
}

impl Talk<'_> {
    /// The decision, with what follows for a campaign.
    fn close(self) -> Decision {
        let Talk { contact, mut decision, flow, scene, rules, now, .. } = self;
        decision.contacts.push(contact.clone());
        outreach::end_for_consent(&contact, &mut decision, scene, now);
        if let Some((session, text)) = flow {
            outreach::take(&session, &Happened::Heard(text), &mut decision, scene, rules, now);
        }
        decision
    }

    fn opt_out(&mut self, intent: Intent) {
        let is_carriers =
            intent == Intent::CancelOrStop || is_carrier_stop(self.reply.body.expose());
        let by = match self.reply.handled {
            Some(_) => ConsentCause::Provider,
            None if is_carriers => ConsentCause::Keyword,
            None => ConsentCause::Words,
        };
        // The provider answers the words that it knows, and would refuse a second answer.
        let is_answered = self.reply.handled.is_some()
            || (is_carriers && self.rules.replies.provider_answers_keywords);
        self.shut(by, is_answered);
        if intent == Intent::CancelOrStop && !self.open.is_empty() {
            // No text can ask what was meant any more: a person has to call.
            let subject = self.open.first().map(|appointment| appointment.key.clone());
            self.task(TaskKind::CancelOrOptOut, subject);
        }
        self.decision.explain(None, "OPTED_OUT", Reason::Understood(intent));
    }

    fn wrong_number(&mut self) {
        let subject = self.open.first().map(|appointment| appointment.key.clone());
        self.task(TaskKind::WrongNumber, subject);
        self.shut(ConsentCause::WrongNumber, false);
        self.decision.explain(None, "OPTED_OUT", Reason::WrongNumber);
    }

    /// Whether the text says no more than that the last one of ours, which asked nothing, was read:
    /// an "ok" to a cancellation confirms no visit.
    fn is_acknowledgment(&self) -> bool {
        let spoke = self.contact.spoke.filter(|spoke| !spoke.asks);
        spoke.is_some_and(|spoke| self.now - spoke.at <= ONCE_A_DAY)
            && !self.reply.body.expose().contains(['?', '¿'])
            && is_acknowledgment(self.reply.body.expose(), &self.rules.replies.words)
    }

    /// Whether the last text told that a visit is off or was missed: a bare letter may be about that.
    fn was_told_off(&self) -> bool {
        let spoke = self.contact.spoke.filter(|spoke| self.now - spoke.at <= ONCE_A_DAY);
        spoke.is_some_and(|spoke| {
            matches!(spoke.kind, TextKind::Notice(Notice::Canceled | Notice::NoShowed))
        })
    }

    fn is_not_the_patients(&self) -> bool {
        let consent = &self.contact.consent;
        consent.opted_out && consent.by == Some(ConsentCause::WrongNumber)
    }

    /// Switches texts off, those that wait included.
    fn shut(&mut self, by: ConsentCause, is_answered: bool) {
        let is_news = self.contact.set_consent(true, by, self.now);
        self.contact.question = None;
        spread(&self.contact, self.scene, &mut self.decision);
        withdraw_texts(&self.contact, self.scene, &mut self.decision);
        if is_news && !is_answered {
            self.answer(TextKind::OptedOut, &[]);
        }
    }

    fn opt_in(&mut self) {
        let was_allowed = self.contact.consent.allows(Programme::Appointments);
        let changed = self.contact.set_consent(false, ConsentCause::Keyword, self.now);
        spread(&self.contact, self.scene, &mut self.decision);
        if changed && !was_allowed {
            tell_after_all(&self.contact, self.scene, &mut self.decision, self.now);
        }
        if changed && self.answers_keywords() {
            self.answer(TextKind::OptedIn, &[]);
        }
        self.decision.explain(None, "OPTED_IN", Reason::Understood(Intent::Start));
    }

    fn help(&mut self) {
        if self.answers_keywords() {
            self.answer(TextKind::Help, &[]);
        }
        self.decision.explain(None, "REPLY", Reason::Understood(Intent::Help));
    }

    /// Whether a word such as HELP still needs an answer of ours.
    const fn answers_keywords(&self) -> bool {
        self.reply.handled.is_none() && !self.rules.replies.provider_answers_keywords
    }

    fn about_visits(&mut self, intent: Intent) {
        let shown = self.shown();
        match self.named(&shown) {
            Names::These(parts) => return self.act_on(&parts),
            // It speaks of a visit that there is not, or of one of several: not of any other.
            Names::InDoubt if matches!(intent, Intent::Confirm | Intent::Cancel) => {
                return self.hand_over(Reason::MoreThanOneThing);
            }
            Names::InDoubt | Names::None => {}
        }
        match intent {
            Intent::Confirm | Intent::Cancel | Intent::Reschedule => self.act(intent),
            Intent::Number(number) => self.number(number, &shown),
            Intent::Mixed => self.mixed(),
            Intent::Stop
            | Intent::CancelOrStop
            | Intent::Start
            | Intent::Help
            | Intent::WrongNumber
            | Intent::Unclear => self.unclear(&shown),
        }
    }

    fn number(&mut self, number: u8, shown: &Shown) {
        if shown.numbers == Numbers::Nothing {
            return match choice(number) {
                Some(intent) => self.act(intent),
                None => self.unclear(shown),
            };
        }
        let picked = usize::from(number).checked_sub(1).and_then(|i| shown.keys.get(i));
        match (shown.question, picked) {
            (Some(intent), Some(key)) => {
                let keys = vec![key.clone()];
                self.act_on(&[Part { intent, keys }]);
            }
            // Of a list without a question the number says which, and not what.
            (None, Some(_)) | (_, None) => self.unclear(shown),
        }
    }

    fn act(&mut self, intent: Intent) {
        match meant(intent, &self.prompts, &self.open, self.scene) {
            Meant::These(keys) if self.was_told_off() && intent != Intent::Reschedule => {
                self.ask_which(intent, keys);
            }
            Meant::These(keys) => self.act_on(&[Part { intent, keys }]),
            Meant::Among(keys) => self.ask_which(intent, keys),
            Meant::Gone(keys) => self.say_what_changed(&keys),
            Meant::Nothing => self.nothing_open(intent),
        }
    }

    fn ask_which(&mut self, intent: Intent, mut keys: Vec<AppointmentKey>) {
        keys.truncate(OPTIONS_MAX);
        let asked = self.contact.question.as_ref();
        if asked.is_some_and(|asked| asked.intent == intent && asked.options == keys) {
            // Asked once; the same answer again says no more than before.
            return self.hand_over(Reason::HandedToStaff);
        }
        self.contact.question = Some(Question { options: keys.clone(), intent, at: self.now });
        self.answer_about(TextKind::WhichOne, &keys);
        self.decision.explain(None, "REPLY", Reason::AskedWhich);
    }

    fn mixed(&mut self) {
        if self.open.is_empty() && self.gone_since().is_empty() {
            return self.nothing_open(Intent::Mixed);
        }
        self.hand_over(Reason::MoreThanOneThing);
    }

    /// Gives the reply to a person, and tells the patient so once a day.
    fn hand_over(&mut self, reason: Reason) {
        let subject = self.only_one_meant();
        self.task(TaskKind::Unclear, subject.clone());
        let is_told = self.contact.handed_at.is_some_and(|at| self.now - at < ONCE_A_DAY);
        if !is_told {
            self.contact.handed_at = Some(self.now);
            self.answer(TextKind::HandedToStaff, &[]);
        }
        self.decision.explain(subject, "REPLY", reason);
    }

    fn only_one_meant(&self) -> Option<AppointmentKey> {
        match meant(Intent::Unclear, &self.prompts, &self.open, self.scene) {
            Meant::These(keys) => keys.into_iter().next(),
            Meant::Among(_) | Meant::Gone(_) | Meant::Nothing => None,
        }
    }

    fn unclear(&mut self, shown: &Shown) {
        if self.open.is_empty() && self.gone_since().is_empty() {
            return self.nothing_open(Intent::Unclear);
        }
        let last = self.contact.not_understood_at.replace(self.now);
        if last.is_some_and(|last| self.now - last >= ONCE_A_DAY) {
            self.contact.not_understood = 0;
        }
        self.contact.not_understood = self.contact.not_understood.saturating_add(1);
        if self.contact.not_understood > 1 {
            return self.hand_over(Reason::HandedToStaff);
        }
        let is_open = |key: &&AppointmentKey| self.open.iter().any(|open| open.key == **key);
        let listed: Vec<AppointmentKey> = if shown.numbers == Numbers::Places {
            shown.keys.iter().filter(is_open).cloned().collect()
        } else {
            Vec::new()
        };
        self.answer_about(TextKind::NotUnderstood, &listed);
        self.list_anew(&listed);
        self.decision.explain(self.only_one_meant(), "REPLY", Reason::NotUnderstood);
    }

    fn nothing_open(&mut self, intent: Intent) {
        if self.is_found_late() {
            // Whoever texted hours ago, maybe to another service on this number, waits no more.
            return self.decision.explain(None, "REPLY", Reason::NothingOpen);
        }
        let is_patients = !self.contact.appointments.is_empty();
        let talked = self.contact.talk.is_some()
            || self.contact.talked_at.is_some_and(|at| self.now - at <= TALKED_LATELY);
        if talked || is_patients && matches!(intent, Intent::Reschedule | Intent::Mixed) {
            // The visit is over or off, or a campaign's conversation, and the patient says something
            // still.
            return self.hand_over(Reason::NothingOpen);
        }
        let answered = self.contact.stranger_answered_at;
        if answered.is_none_or(|answered| self.now - answered >= ONCE_A_DAY) {
            self.contact.stranger_answered_at = Some(self.now);
            self.answer(TextKind::NothingOpen, &[]);
        }
        self.decision.explain(None, "REPLY", Reason::NothingOpen);
    }

    fn task(&mut self, kind: TaskKind, appointment: Option<AppointmentKey>) {
        self.decision.tasks.push(Task {
            kind,
            appointment,
            phone: Some(self.contact.phone.clone()),
            note: note_of(self.reply),
            at: self.now,
        });
    }
}
