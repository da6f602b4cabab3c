//! Triggers that the base does not read, although their messages tell of appointments.

use super::base;
use super::draft::Draft;
use super::kind::Kind;
use super::shown;
use super::study::{Study, messages};
use super::times;
use super::trial::Trial;

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
            because: "pre-admissions with a time to come tell of appointments; repeated ones of later changes",
        },
    ),
    (
        "A14",
        Guess {
            rule: r#"{ event = "BOOKED", status = "booked" }"#,
            because: "pending admissions with a time to come tell of appointments",
        },
    ),
    (
        "A38",
        Guess {
            rule: r#"{ event = "CANCELED", status = "canceled" }"#,
            because: "canceled pre-admissions are canceled appointments",
        },
    ),
    (
        "A27",
        Guess {
            rule: r#"{ event = "CANCELED", status = "canceled" }"#,
            because: "canceled pending admissions are canceled appointments",
        },
    ),
    (
        "A08",
        Guess {
            rule: r#"{ event = "MODIFIED" }"#,
            because: "updates that carry an appointment's time",
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

const UNKNOWN: Guess = Guess {
    rule: r#"{ event = "MODIFIED" }"#,
    because: "a schedule segment (SCH) in them; what the trigger means is to be asked",
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
                "{} have no trigger that a mapping can name (MSH-9 \"{}\"), but {because}.",
                messages(at.len()),
                shown::masked(&trigger),
            );
            draft.todo(what);
            continue;
        }
        let evidence = format!("{}: {because}.", messages(at.len()));
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
        let because = "requests (ARQ); whether they are done when they are sent is to be asked";
        return REQUESTS.iter().find(|(name, _)| *name == event).map(|(_, rule)| (*rule, because));
    }
    if code == "ADT" && tell_of_time(study, at) {
        let found = ADMISSIONS.iter().find(|(name, _)| *name == event);
        return found.map(|(_, guess)| (guess.rule, guess.because));
    }
    None
}

/// Whether most of these messages have a segment.
fn have(study: &Study<'_>, at: &[usize], segment: &str) -> bool {
    let samples = at.iter().filter_map(|at| study.samples.get(*at));
    samples.filter(|sample| sample.msg.segment(segment).is_some()).count() * 2 >= at.len()
}

/// Whether most of these messages have a time to come where admissions and local segments have it.
fn tell_of_time(study: &Study<'_>, at: &[usize]) -> bool {
    let is_usual = |place: &super::inventory::Place| {
        place.is_at("PV2", 8) || place.is_at("PV1", 44) || place.is_local()
    };
    let places = study
        .inventory
        .iter()
        .filter(|(place, stats)| is_usual(place) && stats.is_mostly(&[Kind::Time]));
    places.map(|(place, _)| times::Column::of(study, place)).any(|column| {
        let ahead = at.iter().filter(|at| column.is_ahead(study, **at)).count();
        ahead * 2 >= at.len().max(1)
    })
}
