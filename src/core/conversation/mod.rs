//! What a patient's text does: consent first, then which appointment, then what is meant.
//!
//! A reply is never guessed at: where several appointments could be meant the patient is asked
//! once, and what is not understood twice, or says more than one thing, goes to a person.

mod act;
mod meant;

use chrono::TimeDelta;

use super::appointment::Appointment;
use super::consent::{spread, tell_after_all, withdraw_texts};
use super::contact::{Answered, ConsentCause, Contact, Prompt, Question};
use super::effect::{About, Effect, Planned, Sms, Task, TaskKind, TextKind};
use super::event::{Handled, Reply};
use super::ids::AppointmentKey;
use super::reason::Reason;
use super::reply::{Intent, fold, is_carrier_stop, understand};
use super::rules::Rules;
use super::scene::{Decision, Scene};
use super::select::{Choice, Numbers, select};
use crate::clock::Timestamp;
use crate::phi::Phi;
use act::Part;
use meant::{Meant, meant, open_appointments, prompts_at};

/// How many appointments a question lists at most.
const OPTIONS_MAX: usize = 9;
/// An answer that could not be sent within this time would only confuse.
const ANSWER_WITHIN: TimeDelta = TimeDelta::hours(1);
/// A revocation is confirmed at once or not at all (47 CFR 64.1200(a)(12)).
pub(super) const OPTED_OUT_WITHIN: TimeDelta = TimeDelta::minutes(5);
/// How often a phone without an open appointment is answered, and how often a patient is told that a
/// person will read the reply.
const ONCE_A_DAY: TimeDelta = TimeDelta::days(1);
/// How many answers a phone gets in an hour. A patient needs two or three; a machine that answers
/// ours would go on for ever, and the carrier refuses fifteen in half a minute (Twilio's error 14107).
const ANSWERS_MAX: usize = 6;
/// How far apart the clocks of the provider and of this machine may be.
const CLOCK_SKEW: TimeDelta = TimeDelta::minutes(2);
/// The same answer about the same appointments within this time tells nothing.
const SAME_ANSWER_PAUSE: TimeDelta = TimeDelta::minutes(10);

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
    let prompts: Vec<Prompt> = prompts_at(&contact, rules, at).into_iter().cloned().collect();
    let language = language_of(&open, &prompts, scene);
    let intent = intent_of(reply, language.as_deref(), rules);
    let decision = Decision::default();
    let mut talk = Talk { scene, rules, now, reply, contact, open, prompts, language, decision };
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
    let Talk { contact, mut decision, .. } = talk;
    decision.contacts.push(contact);
    decision
}

/// The language to read and answer in: that of the visits, else of what was last texted about.
fn language_of(open: &[Appointment], prompts: &[Prompt], scene: &Scene) -> Option<String> {
    let prompted = prompts.iter().rev().flat_map(|prompt| &prompt.appointments);
    let prompted = prompted.filter_map(|key| scene.appointments.get(key));
    open.iter().chain(prompted).find_map(|row| row.patient.language.clone())
}

fn intent_of(reply: &Reply, language: Option<&str>, rules: &Rules) -> Intent {
    match reply.handled {
        // The provider blocks on this word too, and the patient may have meant the visit.
        Some(Handled::Stop) if fold(reply.body.expose()) == "cancel" => Intent::CancelOrStop,
        Some(Handled::Stop) => Intent::Stop,
        Some(Handled::Start) => Intent::Start,
        Some(Handled::Help) => Intent::Help,
        // A picture may say anything; a person has to look at it.
        None if reply.media > 0 && reply.body.expose().trim().is_empty() => Intent::Mixed,
        None => understand(reply.body.expose(), language.map(primary), &rules.replies.words),
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
    decision: Decision,
}

/// The appointments that the patient has before the eyes.
struct Shown {
    keys: Vec<AppointmentKey>,
    numbers: Numbers,
    question: Option<Intent>,
}

impl Talk<'_> {
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
        let changed = self.contact.set_consent(false, ConsentCause::Keyword, self.now);
        spread(&self.contact, self.scene, &mut self.decision);
        if changed {
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
        // With one visit before the eyes what is understood needs no name.
        let is_plain = is_about_visit(intent) && shown.keys.len() <= 1;
        if !is_plain && let Some(parts) = self.named(&shown) {
            return self.act_on(&parts);
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

    fn shown(&self) -> Shown {
        let is_fresh =
            |question: &&Question| self.now - question.at <= self.rules.replies.prompt_counts_for;
        if let Some(question) = self.contact.question.as_ref().filter(is_fresh) {
            let keys = question.options.clone();
            return Shown { keys, numbers: Numbers::Places, question: Some(question.intent) };
        }
        if let Some(latest) = self.prompts.last().filter(|latest| latest.appointments.len() > 1) {
            let keys = latest.appointments.clone();
            return Shown { keys, numbers: Numbers::Places, question: None };
        }
        let keys = self.open.iter().map(|open| open.key.clone()).collect();
        Shown { keys, numbers: Numbers::Nothing, question: None }
    }

    /// What the text says of appointments that it names, if it does so plainly.
    fn named(&self, shown: &Shown) -> Option<Vec<Part>> {
        let rows: Vec<Option<&Appointment>> =
            shown.keys.iter().map(|key| self.scene.appointments.get(key)).collect();
        let choices: Vec<Choice<'_>> = rows
            .iter()
            .map(|row| Choice {
                given: row.and_then(|row| Some(row.patient.given.as_ref()?.expose().as_str())),
                start: row.and_then(|row| row.start.as_ref()),
            })
            .collect();
        let words = &self.rules.replies.words;
        let zone = self.open.first().and_then(|open| Some(open.start.as_ref()?.zone));
        let today = zone.unwrap_or(self.rules.practice.zone).date(self.now);
        let picks = select(self.reply.body.expose(), &choices, shown.numbers, words, today);
        let own = self.language.as_deref().map(primary);
        let mut parts = Vec::new();
        for pick in picks {
            let said = pick.rest.trim();
            let intent = if said.is_empty() { shown.question } else { None };
            let intent = intent.unwrap_or_else(|| understand(said, own, words));
            if !is_about_visit(intent) {
                return None;
            }
            let keys = pick.choices.iter().filter_map(|index| shown.keys.get(*index)).cloned();
            parts.push(Part { intent, keys: keys.collect() });
        }
        (!parts.is_empty()).then_some(parts)
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
            (None, Some(_)) => {
                self.answer_about(TextKind::NotUnderstood, &shown.keys);
                self.decision.explain(None, "REPLY", Reason::AskedForOne);
            }
            (_, None) => self.unclear(shown),
        }
    }

    fn act(&mut self, intent: Intent) {
        let prompts: Vec<&Prompt> = self.prompts.iter().collect();
        match meant(intent, &prompts, &self.open, self.scene) {
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
        let prompts: Vec<&Prompt> = self.prompts.iter().collect();
        match meant(Intent::Unclear, &prompts, &self.open, self.scene) {
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
        let listed = if shown.numbers == Numbers::Places { shown.keys.as_slice() } else { &[] };
        self.answer_about(TextKind::NotUnderstood, listed);
        self.decision.explain(self.only_one_meant(), "REPLY", Reason::NotUnderstood);
    }

    fn nothing_open(&mut self, intent: Intent) {
        let is_patients = !self.contact.appointments.is_empty();
        if is_patients && matches!(intent, Intent::Reschedule | Intent::Mixed) {
            // The visit is over or off, and the patient wants something still.
            return self.hand_over(Reason::NothingOpen);
        }
        let answered = self.contact.stranger_answered_at;
        if answered.is_none_or(|answered| self.now - answered >= ONCE_A_DAY) {
            self.contact.stranger_answered_at = Some(self.now);
            self.answer(TextKind::NothingOpen, &[]);
        }
        self.decision.explain(None, "REPLY", Reason::NothingOpen);
    }

    /// Answers about those of the appointments that are open.
    fn answer_about(&mut self, kind: TextKind, keys: &[AppointmentKey]) {
        let rows: Vec<Appointment> = keys
            .iter()
            .filter_map(|key| self.open.iter().find(|open| open.key == *key))
            .cloned()
            .collect();
        self.answer(kind, &rows.iter().collect::<Vec<_>>());
    }

    fn answer(&mut self, kind: TextKind, about: &[&Appointment]) {
        let keys: Vec<AppointmentKey> = about.iter().map(|a| a.key.clone()).collect();
        if let Some(reason) = self.objection(kind, &keys) {
            return self.decision.explain(keys.first().cloned(), "REPLY", reason);
        }
        self.contact.answered.push(Answered { at: self.now, kind, about: keys });
        let about = about
            .iter()
            .map(|a| About { appointment: a.key.clone(), generation: a.generation })
            .collect();
        let is_revocation = kind == TextKind::OptedOut;
        self.decision.effects.push(Planned {
            effect: Effect::SendSms(Sms {
                to: self.contact.phone.clone(),
                kind,
                about,
                language: self.language.clone(),
                body: None,
            }),
            due: self.now,
            not_after: self.now + if is_revocation { OPTED_OUT_WITHIN } else { ANSWER_WITHIN },
        });
    }

    /// Why an answer is not given. What machines send is answered a few times only.
    fn objection(&mut self, kind: TextKind, about: &[AppointmentKey]) -> Option<Reason> {
        let now = self.now;
        self.contact.answered.retain(|answered| now - answered.at < TimeDelta::hours(1));
        if kind == TextKind::OptedOut {
            return None;
        }
        if self.contact.answered.len() >= ANSWERS_MAX {
            return Some(Reason::AnsweredEnough);
        }
        let is_same = |answered: &Answered| {
            answered.kind == kind
                && answered.about == about
                && now - answered.at < SAME_ANSWER_PAUSE
        };
        let repeats = !about.is_empty() && kind != TextKind::WhichOne;
        (repeats && self.contact.answered.last().is_some_and(is_same))
            .then_some(Reason::AnsweredBefore)
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
