//! A practice, its messages, and a world that plays events on them: what the suites of the core share.
//!
//! The [`World`] is the least that can stand in for engine and store: maps instead of tables, a
//! movable present, a carrier and an EHR that accept whatever they get. Every turn is decided twice
//! and checked for what must hold of any decision.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

use std::collections::{BTreeMap, BTreeSet};

use appointd::clock::Timestamp;
use appointd::core::appointment::{Appointment, Location, Notice, Provider, Status};
use appointd::core::claim::{AppointmentClaim, Claim, EhrEvent, Origin, PatientClaim};
use appointd::core::contact::Contact;
use appointd::core::decide;
use appointd::core::delivery::{Outgoing, Report, State};
use appointd::core::effect::{About, Effect, Sms, Task, TextKind, WriteBack};
use appointd::core::event::{Event, Handled, Reply};
use appointd::core::field::Field;
use appointd::core::ids::{AppointmentKey, DestinationName, Identifier, OutboxId, Seq, SourceName};
use appointd::core::local_time::{LocalTime, Zone};
use appointd::core::message::{File, Texts};
use appointd::core::phone::PhoneNumber;
use appointd::core::reason::{Outcome, Reason};
use appointd::core::reply::{Words, WordsFile};
use appointd::core::rules::{
    DeliveryRules, Notifications, Place, Practice, Reminders, Replies, Rules, Window,
};
use appointd::core::scene::{Decision, Scene};
use appointd::phi::Phi;
use chrono::{NaiveDate, NaiveTime, TimeDelta};

/// Jane Doe's phone.
pub(crate) const JANE: &str = "+14155550123";
/// Another phone.
pub(crate) const OTHER: &str = "+14155550177";
/// The present at which a world begins: Tuesday, 10:00 in New York.
pub(crate) const TUESDAY: &str = "2026-12-01T15:00:00Z";
/// A week later, in the afternoon of New York.
pub(crate) const NEXT_TUESDAY: &str = "2026-12-08T14:00:00";

pub(crate) fn utc(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn phone(text: &str) -> PhoneNumber {
    PhoneNumber::parse_e164(text).unwrap()
}

pub(crate) fn new_york() -> Zone {
    Zone::parse("America/New_York").unwrap()
}

/// A wall-clock time in New York.
pub(crate) fn local(text: &str) -> LocalTime {
    LocalTime::settle(text.parse().unwrap(), new_york())
}

/// A day in New York, without a time.
pub(crate) fn day(text: &str) -> LocalTime {
    LocalTime::day(text.parse::<NaiveDate>().unwrap(), new_york())
}

pub(crate) fn hours(hours: i64) -> TimeDelta {
    TimeDelta::hours(hours)
}

pub(crate) fn minutes(minutes: i64) -> TimeDelta {
    TimeDelta::minutes(minutes)
}

pub(crate) fn key(id: &str) -> AppointmentKey {
    AppointmentKey::of(&SourceName::new("ehr"), &Identifier::new(id, Identifier::FILLER))
}

pub(crate) fn english_file() -> File {
    toml::from_str(include_str!("../../conf/texts/en.toml")).unwrap()
}

pub(crate) fn texts() -> Texts {
    Texts::compile(&BTreeMap::from([("en".to_owned(), english_file())]), "en").unwrap()
}

pub(crate) fn english_words() -> Words {
    Words::from(toml::from_str::<WordsFile>(include_str!("../../conf/replies/en.toml")).unwrap())
}

pub(crate) fn window(start: u32, finish: u32) -> Window {
    Window {
        start: NaiveTime::from_hms_opt(start, 0, 0).unwrap(),
        finish: NaiveTime::from_hms_opt(finish, 0, 0),
    }
}

/// The settings' defaults, for a practice in New York with one plain and one sensitive place.
pub(crate) fn rules() -> Rules {
    let main = Place {
        name: Some("Main Street Office".to_owned()),
        address: Some("1 Main Street".to_owned()),
        ..Place::default()
    };
    let sensitive = Place {
        name: Some("Addiction Center".to_owned()),
        address: Some("2 Side Street".to_owned()),
        sensitive: true,
        ..Place::default()
    };
    Rules {
        practice: Practice {
            name: "Owl Clinic".to_owned(),
            callback_phone: "415-555-0100".to_owned(),
            zone: new_york(),
        },
        locations: BTreeMap::from([("MAIN".to_owned(), main), ("SENS".to_owned(), sensitive)]),
        reminders: Reminders {
            offsets: vec![hours(48), hours(24)],
            window: window(9, 20),
            per_patient_per_day: 2,
            min_lead: hours(1),
        },
        notifications: Notifications {
            enabled: vec![
                Notice::Booked,
                Notice::Rescheduled,
                Notice::Modified,
                Notice::Confirmed,
                Notice::Canceled,
                Notice::NoShowed,
            ],
            cancel_hold: TimeDelta::seconds(120),
            stale_after: hours(24),
            tell_when_reflected: false,
        },
        replies: Replies {
            answer_until_after_end: TimeDelta::zero(),
            prompt_counts_for: hours(72),
            provider_answers_keywords: true,
            words: BTreeMap::from([("en".to_owned(), english_words())]),
        },
        delivery: DeliveryRules {
            retry_first: TimeDelta::seconds(10),
            retry_max: minutes(10),
            write_back_for: hours(24),
            reconcile_after: TimeDelta::seconds(60),
        },
        routes: BTreeMap::from([(SourceName::new("ehr"), DestinationName::new("ehr"))]),
        texts: texts(),
    }
}

/// What a message says of an appointment of Jane Doe's; [`World::tell`] stamps it with the present.
pub(crate) fn claim(event: EhrEvent, id: &str) -> Claim {
    Claim {
        event,
        occurred_at: Timestamp::MIN_UTC,
        origin: Origin {
            source: SourceName::new("ehr"),
            protocol: "hl7v2",
            control_id: "MSG1".to_owned(),
            trigger: "SIU".to_owned(),
            mapping: "generic".to_owned(),
        },
        appointment: AppointmentClaim {
            ids: vec![Identifier::new(id, Identifier::FILLER)],
            ..AppointmentClaim::default()
        },
        patient: PatientClaim {
            id: Field::Value("MRN1000".to_owned()),
            given: Field::Value(Phi::new("Jane".to_owned())),
            family: Field::Value(Phi::new("Doe".to_owned())),
            phone: Field::Value(phone(JANE)),
            ..PatientClaim::default()
        },
        quiet: None,
    }
}

/// S12.
pub(crate) fn booked(id: &str, start: &str) -> Claim {
    full(EhrEvent::Booked, id, start)
}

/// S13.
pub(crate) fn rescheduled(id: &str, start: &str) -> Claim {
    full(EhrEvent::Rescheduled, id, start)
}

/// S14.
pub(crate) fn modified(id: &str, start: &str) -> Claim {
    full(EhrEvent::Modified, id, start)
}

/// S14 with SCH-25 confirmed.
pub(crate) fn confirmed(id: &str, start: &str) -> Claim {
    full(EhrEvent::Confirmed, id, start)
}

/// S15.
pub(crate) fn canceled(id: &str, start: &str) -> Claim {
    full(EhrEvent::Canceled, id, start)
}

/// S26.
pub(crate) fn noshowed(id: &str, start: &str) -> Claim {
    full(EhrEvent::NoShowed, id, start)
}

fn full(event: EhrEvent, id: &str, start: &str) -> Claim {
    let mut claim = claim(event, id);
    claim.appointment.start = Field::Value(local(start));
    claim.appointment.visit_type = Field::Value("FOLLOWUP".to_owned());
    claim.appointment.location = Field::Value(place("MAIN"));
    claim.appointment.provider = Field::Value(doctor("Diaz"));
    claim
}

pub(crate) fn place(code: &str) -> Location {
    Location { code: code.to_owned(), name: Some("Oncology West".to_owned()) }
}

pub(crate) fn doctor(family: &str) -> Provider {
    Provider { id: None, family: Some(family.to_owned()), given: Some("Ana".to_owned()) }
}

/// The same claim, with something changed.
pub(crate) fn with(mut claim: Claim, change: impl FnOnce(&mut Claim)) -> Claim {
    change(&mut claim);
    claim
}

/// The claim with the status that its message states.
pub(crate) fn stating(claim: Claim, status: Status) -> Claim {
    with(claim, |claim| claim.appointment.status = Field::Value(status))
}

/// The claim for Rick Doe, who shares Jane's phone.
pub(crate) fn for_rick(claim: Claim) -> Claim {
    with(claim, |claim| {
        claim.patient.id = Field::Value("MRN2000".to_owned());
        claim.patient.given = Field::Value(Phi::new("Rick".to_owned()));
    })
}

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
    pub(crate) fn hear(&mut self, mut claim: Claim) -> Vec<Reason> {
        if claim.occurred_at == Timestamp::MIN_UTC {
            claim.occurred_at = self.now;
        }
        let subject = self
            .scene
            .appointments
            .values()
            .find(|known| known.ids.iter().any(|id| claim.appointment.ids.contains(id)))
            .map(|known| known.key.clone());
        self.turn(subject.as_ref(), &Event::Claimed(Box::new(claim)))
    }

    /// The EHR sends a message, and what is due at once is done.
    pub(crate) fn tell(&mut self, claim: Claim) -> Vec<Reason> {
        let reasons = self.hear(claim);
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
        let id = match row.effect {
            Effect::SendSms(Sms { to, kind, about, body, .. }) => {
                let body = body.unwrap().expose().clone();
                let outbox = outbox.clone();
                self.sent.push(Sent { at: self.now, to, kind, about, body, outbox });
                format!("SM-out-{}", self.sent.len())
            }
            Effect::SendHl7(write_back) => {
                self.written.push(write_back);
                "AA".to_owned()
            }
        };
        if self.accepts {
            let _reasons = self.report(outbox, Report::Accepted { id });
        }
        reasons
    }

    /// One turn: decided twice, checked, applied.
    pub(crate) fn turn(&mut self, subject: Option<&AppointmentKey>, event: &Event) -> Vec<Reason> {
        self.scene.seq = Seq(self.scene.seq.0 + 1);
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
        for (index, planned) in decision.effects.into_iter().enumerate() {
            let id = OutboxId::of(self.now, self.scene.seq, index);
            let row = Outgoing {
                id: id.clone(),
                effect: planned.effect,
                state: State::Ready,
                due: planned.due,
                not_after: planned.not_after,
                attempts: 0,
                created_at: self.now,
                provider_id: None,
                error: None,
            };
            assert!(self.scene.outbox.insert(id, row).is_none(), "ids of effects are unique");
        }
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
