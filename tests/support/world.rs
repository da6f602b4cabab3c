//! The least that can stand in for engine and store.

#![expect(clippy::panic, reason = "a world that does not come to rest fails its test")]

use std::collections::BTreeSet;
use std::convert::Infallible;

use appointd::clock::Timestamp;
use appointd::core::appointment::Appointment;
use appointd::core::claim::Claim;
use appointd::core::contact::Contact;
use appointd::core::decide;
use appointd::core::delivery::{Outgoing, Report, State, Tries};
use appointd::core::effect::{About, Effect, Sms, Task, TextKind, WriteBack};
use appointd::core::event::{Event, Handled, Reply};
use appointd::core::gate::first_state;
use appointd::core::ids::{AppointmentKey, OutboxId, Seq};
use appointd::core::phone::PhoneNumber;
use appointd::core::reason::{Outcome, Reason};
use appointd::core::rules::Rules;
use appointd::core::scene::{Decision, Scene};
use appointd::core::share::{Subject, Target, targets};
use appointd::phi::Phi;
use chrono::TimeDelta;

use super::{TUESDAY, key, new_york, phone, rules, utc};

/// A text that has left.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) at: Timestamp,
    pub(crate) to: PhoneNumber,
    pub(crate) kind: TextKind,
    pub(crate) about: Vec<About>,
    pub(crate) body: String,
    pub(crate) outbox: OutboxId,
}

/// Everything that there is.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) now: Timestamp,
    pub(crate) rules: Rules,
    pub(crate) scene: Scene,
    pub(crate) tasks: Vec<Task>,
    pub(crate) log: Vec<Outcome>,
    pub(crate) sent: Vec<Sent>,
    pub(crate) written: Vec<WriteBack>,
    /// Whether carrier and EHR report at once that they accept.
    pub(crate) accepts: bool,
    replies: u32,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_rules(rules())
    }

    pub(crate) fn with_rules(rules: Rules) -> Self {
        Self {
            now: utc(TUESDAY),
            rules,
            scene: Scene::default(),
            tasks: Vec::new(),
            log: Vec::new(),
            sent: Vec::new(),
            written: Vec::new(),
            accepts: true,
            replies: 0,
        }
    }

    /// The EHR sends a message; nothing that it causes leaves yet.
    pub(crate) fn hear(&mut self, claim: Claim) -> Vec<Reason> {
        self.hear_all(vec![claim])
    }

    /// The EHR sends a message that makes several claims.
    pub(crate) fn hear_all(&mut self, claims: Vec<Claim>) -> Vec<Reason> {
        self.next_entry();
        let mut reasons = Vec::new();
        for mut claim in claims {
            if claim.occurred_at == Timestamp::MIN_UTC {
                claim.occurred_at = self.now;
            }
            let rows = &self.scene.appointments;
            let register = rows.values().find(|known| {
                known.sharing.part.is_first()
                    && known.ids.iter().any(|id| claim.appointment.ids.contains(id))
            });
            let row = |key: &AppointmentKey| Ok::<_, Infallible>(rows.get(key).cloned());
            for Target { subject, claim } in targets(&claim, register, row).unwrap() {
                let event = Event::Claimed(Box::new(claim));
                reasons.extend(self.step(Some(&subject), &event));
            }
        }
        reasons
    }

    /// The EHR sends a message, and what is due at once is done.
    pub(crate) fn tell(&mut self, claim: Claim) -> Vec<Reason> {
        let reasons = self.hear(claim);
        self.settle();
        reasons
    }

    /// The EHR sends a message that makes several claims, and what is due at once is done.
    pub(crate) fn tell_all(&mut self, claims: Vec<Claim>) -> Vec<Reason> {
        let reasons = self.hear_all(claims);
        self.settle();
        reasons
    }

    /// A patient texts.
    pub(crate) fn reply(&mut self, from: &str, body: &str) -> Vec<Reason> {
        self.replies += 1;
        let message_id = format!("SM{}", self.replies);
        self.reply_as(&message_id, from, body, None)
    }

    pub(crate) fn reply_as(
        &mut self,
        message_id: &str,
        from: &str,
        body: &str,
        handled: Option<Handled>,
    ) -> Vec<Reason> {
        let reply = Reply {
            message_id: message_id.to_owned(),
            from: phone(from),
            body: Phi::new(body.to_owned()),
            handled,
            sent_at: None,
            media: 0,
        };
        let reasons = self.turn(None, &Event::ReplyReceived(reply));
        self.settle();
        reasons
    }

    pub(crate) fn remind_now(&mut self, id: &str) -> Vec<Reason> {
        let reasons = self.turn(None, &Event::RemindNow { appointment: key(id) });
        self.settle();
        reasons
    }

    pub(crate) fn report(&mut self, outbox: &OutboxId, report: Report) -> Vec<Reason> {
        self.turn(None, &Event::DeliveryReported { outbox: outbox.clone(), report })
    }

    /// Does what is due now.
    pub(crate) fn settle(&mut self) {
        self.advance_to(self.now);
    }

    /// Lets time pass; what falls due is done in order.
    pub(crate) fn pass(&mut self, by: TimeDelta) {
        self.advance_to(self.now + by);
    }

    /// Lets time pass while the daemon is down; what fell due is done after it.
    pub(crate) fn sleep(&mut self, by: TimeDelta) {
        self.now += by;
        self.settle();
    }

    pub(crate) fn advance_to(&mut self, to: Timestamp) {
        for _ in 0..10_000 {
            let timer = self
                .scene
                .appointments
                .values()
                .filter_map(|a| Some((a.next_due()?, a.key.clone(), a.generation)))
                .min();
            let row = self
                .scene
                .outbox
                .values()
                .filter(|row| row.state == State::Ready)
                .map(|row| (row.due, row.id.clone()))
                .min();
            match (timer, row) {
                (timer, Some((due, outbox)))
                    if due <= to && timer.as_ref().is_none_or(|(at, ..)| due <= *at) =>
                {
                    self.now = self.now.max(due);
                    self.send(&outbox);
                }
                (Some((due, appointment, generation)), _) if due <= to => {
                    self.now = self.now.max(due);
                    let _reasons = self.turn(None, &Event::TimerDue { appointment, generation });
                }
                _ => {
                    self.now = to;
                    return;
                }
            }
        }
        panic!("the world does not come to rest");
    }

    /// The sender takes a row up.
    pub(crate) fn send(&mut self, outbox: &OutboxId) -> Vec<Reason> {
        let reasons = self.turn(None, &Event::SendDue { outbox: outbox.clone() });
        let row = self.scene.outbox.get(outbox).unwrap().clone();
        if row.state != State::Sending || !reasons.contains(&Reason::Sending) {
            return reasons;
        }
        self.assert_allowed(&row);
        let id = match row.effect {
            Effect::SendSms(Sms { to, kind, about, body, .. }) => {
                let body = body.unwrap().expose().clone();
                let outbox = outbox.clone();
                self.sent.push(Sent { at: self.now, to, kind, about, body, outbox });
                format!("SM-out-{}", self.sent.len())
            }
            Effect::ReadFhir(_) | Effect::CallHttp(_) => String::new(),
            Effect::SendHl7(write_back)
            | Effect::UpdateFhir(write_back)
            | Effect::PostJson(write_back) => {
                self.written.push(write_back);
                "AA".to_owned()
            }
        };
        if self.accepts {
            let _reasons = self.report(outbox, Report::Accepted { id });
        }
        reasons
    }

    /// What holds of any text at the moment when it leaves.
    fn assert_allowed(&self, row: &Outgoing) {
        let Effect::SendSms(sms) = &row.effect else { return };
        let contact = self.scene.contact(&sms.to);
        let is_last_word = sms.kind == TextKind::OptedOut;
        assert!(!contact.consent.opted_out || is_last_word, "{:?} to an opted-out phone", sms.kind);
        let known = |about: &About| self.scene.appointments.get(&about.appointment).unwrap();
        assert!(!sms.about.iter().any(|about| known(about).patient.deceased), "{:?}", sms.kind);
        if sms.kind.is_answer() {
            return;
        }
        let local = new_york().local(self.now).time();
        assert!(self.rules.reminders.window.contains(local), "{:?} at {local}", sms.kind);
        for about in &sms.about {
            let appointment = known(about);
            assert_eq!(appointment.generation, about.generation, "{:?} is void", sms.kind);
            assert_eq!(appointment.patient.phone.as_ref(), Some(&sms.to), "{:?}", sms.kind);
            if sms.kind == TextKind::Reminder {
                assert!(appointment.awaits_patient(self.now), "reminder for nobody");
            }
        }
    }

    /// One turn.
    pub(crate) fn turn(&mut self, subject: Option<&Subject>, event: &Event) -> Vec<Reason> {
        self.next_entry();
        self.step(subject, event)
    }

    fn next_entry(&mut self) {
        self.scene.seq = Seq(self.scene.seq.0 + 1);
        self.scene.effects_before = 0;
    }

    /// One decision: taken twice, checked, applied.
    fn step(&mut self, subject: Option<&Subject>, event: &Event) -> Vec<Reason> {
        let decision = decide(subject, event, &self.scene, &self.rules, self.now);
        let again = decide(subject, event, &self.scene, &self.rules, self.now);
        assert_eq!(decision, again, "a decision follows from its inputs alone");
        assert!(!decision.because.is_empty(), "no reason for {event:?}");
        let reasons = decision.because.iter().map(|outcome| outcome.because.clone()).collect();
        self.apply(decision);
        reasons
    }

    fn apply(&mut self, decision: Decision) {
        let keys: BTreeSet<_> = decision.appointments.iter().map(|row| &row.key).collect();
        assert_eq!(keys.len(), decision.appointments.len(), "a row is written once");
        let phones: BTreeSet<_> = decision.contacts.iter().map(|row| &row.phone).collect();
        assert_eq!(phones.len(), decision.contacts.len(), "a row is written once");
        for row in decision.appointments {
            self.scene.appointments.insert(row.key.clone(), row);
        }
        for row in decision.contacts {
            self.scene.contacts.insert(row.phone.clone(), row);
        }
        for row in decision.outbox {
            self.scene.outbox.insert(row.id.clone(), row);
        }
        for row in decision.gates {
            self.scene.gates.insert(row.source.clone(), row);
        }
        for (id, ticket) in decision.tickets {
            self.scene.tickets.insert(id, ticket);
        }
        let effects = decision.effects.len();
        for (index, planned) in decision.effects.into_iter().enumerate() {
            let id = OutboxId::of(self.now, self.scene.seq, self.scene.effects_before + index);
            let row = Outgoing {
                id: id.clone(),
                state: first_state(decision.is_held, &planned.effect),
                effect: planned.effect,
                due: planned.due,
                not_after: planned.not_after,
                attempts: 0,
                created_at: self.now,
                provider_id: None,
                error: None,
                tries: Tries::default(),
            };
            assert!(self.scene.outbox.insert(id, row).is_none(), "ids of effects are unique");
        }
        self.scene.effects_before += effects;
        self.tasks.extend(decision.tasks);
        self.log.extend(decision.because);
    }

    pub(crate) fn appointment(&self, id: &str) -> &Appointment {
        self.scene.appointments.get(&key(id)).unwrap()
    }

    pub(crate) fn contact(&self, number: &str) -> Contact {
        self.scene.contact(&phone(number))
    }

    /// The names of the texts that have left, in order.
    pub(crate) fn kinds(&self) -> Vec<&'static str> {
        self.sent.iter().map(|sent| sent.kind.name()).collect()
    }

    pub(crate) fn last(&self) -> &Sent {
        self.sent.last().unwrap()
    }

    /// The rows of the outbox that wait.
    pub(crate) fn waiting(&self) -> Vec<&Outgoing> {
        self.scene.outbox.values().filter(|row| row.state == State::Ready).collect()
    }

    /// The events that were found to have happened, in order.
    pub(crate) fn happened(&self) -> Vec<(&str, &Reason)> {
        self.log.iter().map(|outcome| (outcome.event.as_str(), &outcome.because)).collect()
    }
}
