//! What a patient's text does: consent first, then which appointment, then what is meant.
//!
//! A reply is never guessed at: where several appointments could be meant the patient is asked
//! once, and what is not understood twice goes to a person.

use chrono::TimeDelta;

use super::appointment::{Appointment, Notice, Wish, WishKind, WishState};
use super::consent::spread;
use super::contact::{ConsentCause, Contact, Question};
use super::effect::{About, Effect, Planned, Sms, Task, TaskKind, TextKind, WriteBack};
use super::event::{Handled, Reply};
use super::ids::AppointmentKey;
use super::reason::Reason;
use super::reply::{Intent, fold, understand};
use super::rules::Rules;
use super::scene::{Decision, Scene};
use crate::clock::Timestamp;
use crate::phi::Phi;

/// How many appointments a question lists at most.
const OPTIONS_MAX: usize = 9;
/// An answer that could not be sent within this time would only confuse.
const ANSWER_WITHIN: TimeDelta = TimeDelta::hours(1);
/// How often a phone without an open appointment is answered.
const STRANGER_PAUSE: TimeDelta = TimeDelta::days(1);

/// Decides what follows from a text.
#[must_use]
pub fn decide(reply: &Reply, scene: &Scene, rules: &Rules, now: Timestamp) -> Decision {
    let mut contact = scene.contact(&reply.from);
    if !contact.hear(&reply.message_id) {
        return Decision::nothing(None, "REPLY", Reason::Repeated);
    }
    let open = open_appointments(&contact, scene, rules, now);
    let language = open.first().and_then(|appointment| appointment.patient.language.clone());
    let intent = intent_of(reply, language.as_deref(), rules);
    let mut talk =
        Talk { scene, rules, now, reply, contact, language, decision: Decision::default() };
    match intent {
        Intent::Stop | Intent::CancelOrStop => talk.opt_out(intent, &open),
        Intent::Start => talk.opt_in(),
        Intent::Help => talk.help(),
        Intent::Confirm | Intent::Cancel | Intent::Reschedule => talk.act(intent, &open),
        Intent::Number(number) => talk.number(number, &open),
        Intent::WrongNumber | Intent::Mixed | Intent::Unclear => talk.unclear(&open),
    }
    let Talk { contact, mut decision, .. } = talk;
    decision.contacts.push(contact);
    decision
}

fn intent_of(reply: &Reply, language: Option<&str>, rules: &Rules) -> Intent {
    match reply.handled {
        // The provider blocks on this word too, and the patient may have meant the visit.
        Some(Handled::Stop) if fold(reply.body.expose()) == "cancel" => {
            return Intent::CancelOrStop;
        }
        Some(Handled::Stop) => return Intent::Stop,
        Some(Handled::Start) => return Intent::Start,
        Some(Handled::Help) => return Intent::Help,
        None => {}
    }
    understand(reply.body.expose(), language.map(primary), &rules.replies.words)
}

/// The language part of a BCP 47 tag.
#[must_use]
pub fn primary(tag: &str) -> &str {
    tag.split(['-', '_']).next().unwrap_or(tag)
}

/// The appointments that a reply can be about, earliest first.
fn open_appointments(
    contact: &Contact,
    scene: &Scene,
    rules: &Rules,
    now: Timestamp,
) -> Vec<Appointment> {
    let mut open: Vec<Appointment> = contact
        .appointments
        .iter()
        .filter_map(|key| scene.appointments.get(key))
        .filter(|a| a.status.is_open() && !a.patient.deceased)
        .filter(|a| a.ends_at().is_some_and(|end| end + rules.replies.answer_until_after_end > now))
        .cloned()
        .collect();
    open.sort_by_key(|a| a.start.as_ref().map(|start| start.instant));
    open
}

struct Talk<'a> {
    scene: &'a Scene,
    rules: &'a Rules,
    now: Timestamp,
    reply: &'a Reply,
    contact: Contact,
    language: Option<String>,
    decision: Decision,
}

impl Talk<'_> {
    fn opt_out(&mut self, intent: Intent, open: &[Appointment]) {
        let by = if self.reply.handled.is_some() {
            ConsentCause::Provider
        } else {
            ConsentCause::Keyword
        };
        self.contact.set_consent(true, by, self.now);
        self.contact.question = None;
        spread(&self.contact, self.scene, &mut self.decision);
        if intent == Intent::CancelOrStop && !open.is_empty() {
            // No text can ask what was meant any more: a person has to call.
            let subject = open.first().map(|appointment| appointment.key.clone());
            self.task(TaskKind::CancelOrOptOut, subject);
        }
        self.decision.explain(None, "OPTED_OUT", Reason::Understood(intent));
    }

    fn opt_in(&mut self) {
        let changed = self.contact.set_consent(false, ConsentCause::Keyword, self.now);
        spread(&self.contact, self.scene, &mut self.decision);
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

    /// Whether an opt-out word still needs an answer of ours.
    const fn answers_keywords(&self) -> bool {
        self.reply.handled.is_none() && !self.rules.replies.provider_answers_keywords
    }

    fn number(&mut self, number: u8, open: &[Appointment]) {
        let Some(question) = self.contact.question.clone() else {
            let intent = match number {
                1 => Intent::Confirm,
                2 => Intent::Reschedule,
                3 => Intent::Cancel,
                _ => return self.unclear(open),
            };
            return self.act(intent, open);
        };
        let picked = usize::from(number).checked_sub(1).and_then(|i| question.options.get(i));
        let picked = picked.and_then(|key| open.iter().find(|a| a.key == *key));
        match picked {
            Some(appointment) => {
                let appointment = appointment.clone();
                self.act_on(question.intent, &appointment);
            }
            None => self.unclear(open),
        }
    }

    fn act(&mut self, intent: Intent, open: &[Appointment]) {
        if open.is_empty() {
            return self.nothing_open();
        }
        match self.meant(open) {
            Some(appointment) => self.act_on(intent, &appointment),
            None => self.ask_which(intent, open),
        }
    }

    /// The appointment that a reply means, if there is no doubt.
    fn meant(&self, open: &[Appointment]) -> Option<Appointment> {
        if let [only] = open {
            return Some(only.clone());
        }
        let prompt = self.contact.prompt.as_ref()?;
        if self.now - prompt.at > self.rules.replies.prompt_counts_for {
            return None;
        }
        let mut prompted = open.iter().filter(|a| prompt.appointments.contains(&a.key));
        let first = prompted.next()?;
        prompted.next().is_none().then(|| first.clone())
    }

    fn ask_which(&mut self, intent: Intent, open: &[Appointment]) {
        let listed: Vec<&Appointment> = open.iter().take(OPTIONS_MAX).collect();
        self.contact.question = Some(Question {
            options: listed.iter().map(|a| a.key.clone()).collect(),
            intent,
            at: self.now,
        });
        self.answer(TextKind::WhichOne, &listed);
        self.decision.explain(None, "REPLY", Reason::AskedWhich);
    }

    fn act_on(&mut self, intent: Intent, appointment: &Appointment) {
        self.contact.question = None;
        self.contact.not_understood = 0;
        let mut after = appointment.clone();
        after.remember(self.scene.seq);
        let (event, text) = match intent {
            Intent::Confirm if after.unsent_notice == Some(Notice::Rescheduled) => {
                // It is about a start that is no longer so; the new one is about to be told.
                let key = after.key.clone();
                self.decision.explain(Some(key), "REPLY", Reason::TimeChanged);
                return;
            }
            Intent::Confirm => {
                self.wish(&mut after, WishKind::Confirm);
                ("CONFIRM", TextKind::ConfirmNoted)
            }
            Intent::Cancel => {
                self.wish(&mut after, WishKind::Cancel);
                ("CANCEL", TextKind::CancelNoted)
            }
            Intent::Reschedule
            | Intent::Stop
            | Intent::CancelOrStop
            | Intent::Start
            | Intent::Help
            | Intent::WrongNumber
            | Intent::Number(_)
            | Intent::Mixed
            | Intent::Unclear => {
                self.task(TaskKind::Reschedule, Some(after.key.clone()));
                ("RESCHEDULE_REQUESTED", TextKind::RescheduleNoted)
            }
        };
        self.answer(text, &[&after]);
        let key = after.key.clone();
        self.decision.explain(Some(key), event, Reason::Understood(intent));
        self.decision.appointments.push(after);
    }

    fn wish(&mut self, after: &mut Appointment, kind: WishKind) {
        if after.has_wish(kind) {
            return;
        }
        after.wish = Some(Wish { kind, requested_at: self.now, state: WishState::Requested });
        let destination = self.rules.routes.get(&after.source);
        let is_server = destination.is_some_and(|name| self.rules.is_server(name));
        let is_others =
            if is_server { after.sharing.forbids(kind) } else { !after.sharing.is_alone() };
        if is_others {
            return self.by_hand(after);
        }
        let Some(destination) = destination else {
            // Nobody else tells the practice.
            return self.task(TaskKind::EnterByHand, Some(after.key.clone()));
        };
        // Which start the patient was told: a change that no text told of was not agreed to.
        let prompt = self.contact.prompt.as_ref();
        let told = prompt.and_then(|prompt| prompt.starts.get(&after.key).copied());
        let write_back = WriteBack {
            destination: destination.clone(),
            appointment: after.key.clone(),
            wish: kind,
            message: after.last_message,
            control_id: String::new(),
            told_start: told.or_else(|| after.start.as_ref().map(|start| start.instant)),
        };
        self.decision.effects.push(Planned {
            effect: if is_server {
                Effect::UpdateFhir(write_back)
            } else {
                Effect::SendHl7(write_back)
            },
            due: self.now,
            not_after: self.now + self.rules.delivery.write_back_for,
        });
    }

    /// Leaves to a person what a message would say for all who share the number.
    fn by_hand(&mut self, after: &Appointment) {
        let note = format!("{}; texted: {}", Reason::Shared, self.reply.body.expose());
        self.task(TaskKind::EnterByHand, Some(after.key.clone()));
        if let Some(task) = self.decision.tasks.last_mut() {
            task.note = Phi::new(note);
        }
        self.decision.explain(Some(after.key.clone()), "WRITE_BACK", Reason::Shared);
    }

    fn unclear(&mut self, open: &[Appointment]) {
        if open.is_empty() {
            return self.nothing_open();
        }
        self.contact.not_understood = self.contact.not_understood.saturating_add(1);
        let subject = self.meant(open).map(|appointment| appointment.key);
        if self.contact.not_understood == 1 {
            self.answer(TextKind::NotUnderstood, &[]);
            self.decision.explain(subject, "REPLY", Reason::NotUnderstood);
            return;
        }
        self.task(TaskKind::Unclear, subject.clone());
        if self.contact.not_understood == 2 {
            // Told once; after that a person has it, and a machine's chatter would only annoy.
            self.answer(TextKind::HandedToStaff, &[]);
        }
        self.decision.explain(subject, "REPLY", Reason::HandedToStaff);
    }

    fn nothing_open(&mut self) {
        let is_due = self
            .contact
            .stranger_answered_at
            .is_none_or(|answered| self.now - answered >= STRANGER_PAUSE);
        if is_due {
            self.contact.stranger_answered_at = Some(self.now);
            self.answer(TextKind::NothingOpen, &[]);
        }
        self.decision.explain(None, "REPLY", Reason::NothingOpen);
    }

    fn answer(&mut self, kind: TextKind, about: &[&Appointment]) {
        let about = about
            .iter()
            .map(|a| About { appointment: a.key.clone(), generation: a.generation })
            .collect();
        self.decision.effects.push(Planned {
            effect: Effect::SendSms(Sms {
                to: self.contact.phone.clone(),
                kind,
                about,
                language: self.language.clone(),
                body: None,
            }),
            due: self.now,
            not_after: self.now + ANSWER_WITHIN,
        });
    }

    fn task(&mut self, kind: TaskKind, appointment: Option<AppointmentKey>) {
        self.decision.tasks.push(Task {
            kind,
            appointment,
            phone: Some(self.contact.phone.clone()),
            note: self.reply.body.clone(),
            at: self.now,
        });
    }
}
