//! A practice, its messages, and a world that plays events on them: what the suites of the core share.
//!
//! The [`World`] is the least that can stand in for engine and store: maps instead of tables, a
//! movable present, a carrier and an EHR that accept whatever they get. Every turn is decided twice
//! and checked for what must hold of any decision.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod world;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use appointd::clock::Timestamp;
use appointd::core::appointment::{Location, Notice, Provider, Status};
use appointd::core::claim::{AppointmentClaim, Claim, EhrEvent, Origin, PatientClaim};
use appointd::core::field::Field;
use appointd::core::gate::Guard;
use appointd::core::ids::{AppointmentKey, DestinationName, Identifier, SourceName};
use appointd::core::local_time::{LocalTime, Zone};
use appointd::core::message::{File, Texts};
use appointd::core::phone::PhoneNumber;
use appointd::core::reply::{Words, WordsFile};
use appointd::core::rules::{
    DeliveryRules, Notifications, Place, Practice, Privacy, Reminders, Replies, Rules, Window,
};
use appointd::phi::Phi;
use chrono::{NaiveDate, NaiveTime, TimeDelta};

pub(crate) use world::World;

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
    // Its phrases are many, and are spread once.
    static WORDS: LazyLock<Words> = LazyLock::new(|| {
        let text = include_str!("../../conf/replies/en.toml");
        Words::from(toml::from_str::<WordsFile>(text).unwrap())
    });
    WORDS.clone()
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
            privacy: Privacy::Standard,
            visit_types: BTreeMap::new(),
        },
        locations: BTreeMap::from([("MAIN".to_owned(), main), ("SENS".to_owned(), sensitive)]),
        reminders: Reminders {
            offsets: vec![hours(48), hours(24)],
            window: window(9, 20),
            per_patient_per_day: 2,
            min_lead: hours(1),
            by_area_code: false,
            digest_by_phone: true,
            per_phone_per_week: None,
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
        guard: Guard::default(),
        routes: BTreeMap::from([(SourceName::new("ehr"), DestinationName::new("ehr"))]),
        callbacks: std::collections::BTreeSet::new(),
        outreach: appointd::core::rules::Outreach::default(),
        servers: BTreeMap::new(),
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
            space: SourceName::new("ehr"),
            protocol: "hl7v2",
            control_id: "MSG1".to_owned(),
            trigger: "SIU".to_owned(),
            mapping: "generic".to_owned(),
            mapping_hash: String::new(),
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
        share: appointd::core::claim::Share::default(),
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
