//! Triggers that the base does not read, although their messages tell of appointments.

use std::collections::BTreeMap;

use super::super::output::Output;
use super::base;
use super::draft::Draft;
use super::inventory::Place;
use super::kind::Kind;
use super::shown;
use super::study::{Study, messages};
use super::times;
use super::trial::{Came, Trial};
use crate::core::claim::EhrEvent;

/// What is proposed for a trigger: its rule, and why.
struct Guess {
    rule: &'static str,
    because: &'static str,
}

/// ADT triggers by which some systems tell of appointments (pre-admissions).
const ADMISSIONS: [(&str, Guess); 5] = [
    (
        "A05",
        Guess {
            rule: r#"{ event = "BOOKED", status = "booked" }"#,
            because: "with a time to come: pre-admissions that tell of appointments, repeated ones of their changes",
        },
    ),
    (
        "A14",
        Guess {
            rule: r#"{ event = "BOOKED", status = "booked" }"#,
            because: "with a time to come: pending admissions that tell of appointments",
        },
    ),
    (
        "A38",
        Guess {
            rule: r#"{ event = "CANCELED", status = "canceled" }"#,
            because: "with a time to come: canceled pre-admissions, by which appointments are called off",
        },
    ),
    (
        "A27",
        Guess {
            rule: r#"{ event = "CANCELED", status = "canceled" }"#,
            because: "with a time to come: canceled admissions, by which appointments are called off",
        },
    ),
    (
        "A08",
        Guess {
            rule: r#"{ event = "MODIFIED" }"#,
            because: "with a time to come: updates that carry an appointment",
        },
    ),
];

/// Requests between systems: read, but nobody is texted before it is known what they mean.
const REQUESTS: [(&str, &str); 6] = [
    ("S01", r#"{ event = "BOOKED", status = "pending", suppress = "only asked for" }"#),
    ("S02", r#"{ event = "RESCHEDULED", status = "pending", suppress = "only asked for" }"#),
    ("S03", r#"{ event = "MODIFIED", suppress = "only asked for" }"#),
    ("S04", r#"{ event = "CANCELED", status = "canceled", suppress = "only asked for" }"#),
    ("S05", r#"{ event = "CANCELED", status = "canceled", suppress = "only asked for" }"#),
    ("S06", r#"{ event = "CANCELED", status = "canceled", suppress = "only asked for" }"#),
];

/// Events by which a time is given, before the patient can have said anything to it.
const BOOKINGS: [EhrEvent; 2] = [EhrEvent::Booked, EhrEvent::Rescheduled];
/// The fewest bookings from which their status can be judged: one may have been confirmed at once.
const BOOKINGS_MIN: usize = 2;
/// What a booking's status may well say.
const UNCONFIRMED: &str =
    r#""pending", "arrived", "fulfilled", "canceled", "noshow", "entered_in_error""#;

const UNKNOWN: Guess = Guess {
    rule: r#"{ event = "MODIFIED" }"#,
    because: "with a schedule segment (SCH). What the trigger means is to be asked; until then \
              they are heard as changes",
};

pub(super) fn propose(study: &Study<'_>, now: &Trial, draft: &mut Draft) {
    for (trigger, at) in study.by_trigger() {
        let Some(sample) = at.first().and_then(|at| study.samples.get(*at)) else { continue };
        let (code, event) = (sample.code.as_str(), sample.event.as_str());
        if base::is_read(&now.mapping, code, event) || base::is_named(&now.mapping, code, event) {
            continue;
        }
        let Some((rule, because)) = guess(study, code, event, &at) else { continue };
        if !is_name(code) || !is_name(event) {
            let what = format!(
                "{} {because}: but their trigger (MSH-9 \"{}\") is none that a mapping can name.",
                messages(at.len()),
                shown::masked(&trigger)
            );
            draft.todo(what);
            continue;
        }
        let evidence = format!("{} {because}.", messages(at.len()));
        draft.trigger(trigger, rule, vec![evidence]);
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= 8 && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn guess(
    study: &Study<'_>,
    code: &str,
    event: &str,
    at: &[usize],
) -> Option<(&'static str, &'static str)> {
    if have(study, at, "SCH") {
        return Some((UNKNOWN.rule, UNKNOWN.because));
    }
    if code == "SRM" && have(study, at, "ARQ") {
        let because = "with a request (ARQ). Whether it is granted when it is sent is to be asked; \
                       until then nobody is texted";
        return REQUESTS.iter().find(|(name, _)| *name == event).map(|(_, rule)| (*rule, because));
    }
    if code == "ADT" && tell_of_time(study, at) {
        let found = ADMISSIONS.iter().find(|(name, _)| *name == event);
        return found.map(|(_, guess)| (guess.rule, guess.because));
    }
    None
}

/// Bookings that come as confirmed, all of them: nobody has asked the patient yet.
pub(super) fn propose_unconfirmed(study: &Study<'_>, now: &Trial, draft: &mut Draft) {
    let mut bookings: BTreeMap<String, &'static str> = BTreeMap::new();
    let (mut all, mut confirmed) = (0, 0);
    for (sample, reading) in study.samples.iter().zip(&now.readings) {
        let usual = base::event(&now.mapping, &sample.code, &sample.event);
        let Some(usual) = usual.filter(|event| BOOKINGS.contains(event)) else { continue };
        if let Came::Event(event) = reading.came
            && is_name(&sample.code)
            && is_name(&sample.event)
        {
            bookings.insert(sample.trigger(), usual.name());
            all += 1;
            confirmed += usize::from(event == EhrEvent::Confirmed);
        }
    }
    if confirmed == 0 || confirmed * 5 < all * 4 {
        return;
    }
    let evidence = format!("The status is confirmed already in {confirmed} of {all} bookings");
    if all < BOOKINGS_MIN {
        let hint = format!(
            "{evidence}. If it always is, it is not the patient's word: let these triggers not \
             heed it."
        );
        return draft.hint(Output::Status, hint);
    }
    for (trigger, usual) in bookings {
        let rule =
            format!("{{ event = \"{usual}\", status = \"booked\", heed = [{UNCONFIRMED}] }}");
        let because = format!("{evidence}: it is not the patient's word, and not heeded.");
        draft.trigger(trigger, &rule, vec![because]);
    }
}

/// Whether most of these messages have a segment.
fn have(study: &Study<'_>, at: &[usize], segment: &str) -> bool {
    let samples = at.iter().filter_map(|at| study.samples.get(*at));
    samples.filter(|sample| sample.msg.segment(segment).is_some()).count() * 2 >= at.len()
}

/// Whether most of these messages have a time to come where admissions and local segments have it.
fn tell_of_time(study: &Study<'_>, at: &[usize]) -> bool {
    let is_usual =
        |place: &Place| place.is_at("PV2", 8) || place.is_at("PV1", 44) || place.is_local();
    let places = study
        .inventory
        .iter()
        .filter(|(place, stats)| is_usual(place) && stats.is_mostly(&[Kind::Time]));
    places.map(|(place, _)| times::Column::of(study, place)).any(|column| {
        let ahead = at.iter().filter(|at| column.is_ahead(study, **at)).count();
        ahead * 2 >= at.len().max(1)
    })
}
