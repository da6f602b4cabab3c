//! What holds for one mapping and one message, whatever they are.

use appointd::core::claim::{CLAIMS_MAX, Claim};
use appointd::hl7::Message;
use appointd::mapping::difference::difference;
use appointd::mapping::{Error, Explanation, Mapping, Outcome, Site};

use super::site::received_at;

/// Reads a message in all ways and compares them; `renders` shows what was found as well, which
/// takes as long as all else.
pub(crate) fn check(mapping: &Mapping, msg: &Message, site: &Site<'_>, renders: bool) {
    let now = received_at();
    let outcome = mapping.apply(msg, site, now);
    let (traced, trace) = mapping.apply_traced(msg, site, now);
    assert!(outcome == traced, "{}: tracing changes nothing", mapping.name());
    let (explained, explanations) = mapping.explain(msg, site, now);
    assert!(outcome == explained, "{}: explaining changes nothing", mapping.name());

    let stored = trace.clone().into_stored();
    let traces = trace.to_json(mapping.files());
    let events = traces.as_array().expect("a trace is a list of events");
    let entries = events.iter().filter_map(|event| event.as_array()).map(Vec::len).sum::<usize>();
    let written = stored.split([';', '/']).filter(|entry| !entry.is_empty()).count();
    assert_eq!(entries, written, "{}: each entry of a trace can be read", mapping.name());

    assert!(!explanations.is_empty());
    for explanation in &explanations {
        check_explanation(msg, explanation);
    }
    if renders {
        assert_eq!(difference(mapping, mapping, msg.into(), site, now), []);
        let _rendered: Vec<_> = explanations.iter().map(Explanation::to_json).collect();
    }
    let count = outcome.to_json(&mapping.origin(msg, site)).len();
    match &outcome {
        Outcome::Claims(claims) => {
            assert!((1..=CLAIMS_MAX).contains(&claims.len()), "{} claims", claims.len());
            assert_eq!(count, claims.len());
            claims.iter().for_each(check_claim);
        }
        Outcome::NoEvent(why) => assert!(!why.code.is_empty() && count == 1),
        Outcome::Failed(error) => {
            assert!(!error.to_string().is_empty() && count == 1);
            is_known(error);
        }
    }
}

fn check_explanation(msg: &Message, explanation: &Explanation) {
    for attempt in explanation.fields.iter().flat_map(|field| &field.attempts) {
        let Some(at) = attempt.position else { continue };
        let text = msg.text().get(at.start..at.end).expect("a position lies in the text");
        let raw = attempt.raw.as_ref().map(|raw| raw.expose().as_str()).unwrap_or_default();
        // Long values are cut.
        assert!(text.starts_with(raw) && (text.len() == raw.len() || raw.len() >= 500), "{at}");
        let segment = msg.segments().filter(|segment| segment.name() == at.segment);
        let segment = segment.clone().nth(usize::from(at.occurrence) - 1);
        let range = segment.map(|segment| segment.range()).expect("the segment is there");
        assert!(range.start <= at.start && at.end <= range.end, "{at} lies in its segment");
    }
}

fn check_claim(claim: &Claim) {
    assert!(!claim.appointment.ids.is_empty(), "a claim has an identifier");
    for id in claim.appointment.ids.iter().chain(&claim.patient.ids) {
        assert!(!id.value.is_empty() && !id.system.is_empty(), "an identifier is not empty");
    }
    let (start, end) = (claim.appointment.start.value(), claim.appointment.end.value());
    if let (Some(start), Some(end)) = (start, end) {
        assert!(end.instant > start.instant, "an appointment ends after it starts");
        let minutes = claim.appointment.duration_minutes.value().copied();
        let lasts = (end.instant - start.instant).num_seconds();
        assert_eq!(minutes.map(i64::from), Some((lasts + 59) / 60), "length and end agree");
    }
    assert!(claim.share.occurrence >= 1 && claim.share.occurrence <= claim.share.occurrences);
    assert!(claim.share.patients >= 1);
}

/// Limits and wrong messages are faults of the message, never of the program.
fn is_known(error: &Error) {
    assert_eq!(error.category(), appointd::hl7::Category::Malformed);
}
