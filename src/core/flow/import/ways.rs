//! Transitions and their conditions.

use std::collections::BTreeMap;

use regex::{Regex, RegexBuilder};

use super::node::{Node, Object};
use super::{Report, TRANSITIONS_MAX, nearest, shown};
use crate::core::flow::graph::{Condition, Test, Transition};

/// How large a compiled pattern may become; what people write takes a few kilobytes.
const PATTERN_BYTES_MAX: usize = 256 * 1024;

/// The events of each type of widget.
pub(super) const EVENTS: [(&str, &[&str]); 8] = [
    (
        "trigger",
        &[
            "incomingMessage",
            "incomingRequest",
            "incomingParent",
            "incomingCall",
            "incomingConversationMessage",
        ],
    ),
    ("send-message", &["sent", "failed"]),
    ("send-and-wait-for-reply", &["incomingMessage", "timeout", "deliveryFailure"]),
    ("split-based-on", &["match", "noMatch"]),
    ("set-variables", &["next"]),
    ("make-http-request", &["success", "failed"]),
    ("run-function", &["success", "fail"]),
    ("run-subflow", &["completed", "failed"]),
];

/// Reads the transitions of a state.
pub(super) fn transitions(
    report: &mut Report<'_>,
    kind: &str,
    state: &Object<'_>,
    names: &BTreeMap<String, usize>,
) -> Vec<Transition> {
    let items = report.list(state, "transitions", TRANSITIONS_MAX);
    let events = EVENTS.iter().find(|(of, _)| *of == kind).map(|(_, events)| *events);
    // A type that nobody knows is told already.
    let Some(events) = events else { return Vec::new() };
    let mut ways: Vec<Transition> = Vec::new();
    for item in items {
        let Some(way) = transition(report, item, events, names) else { continue };
        if way.event != "match" && ways.iter().any(|other| other.event == way.event) {
            report.warn(item, format!("a second {} is never taken: remove it", way.event));
        }
        ways.push(way);
    }
    loose_ends(report, kind, state, &ways);
    ways
}

fn transition(
    report: &mut Report<'_>,
    item: Node<'_>,
    events: &[&str],
    names: &BTreeMap<String, usize>,
) -> Option<Transition> {
    let Some(object) = item.object() else {
        report.fault(item, "a transition is no object");
        return None;
    };
    let event = object.filled("event").unwrap_or_default();
    if !events.contains(&event.as_str()) {
        let problem =
            format!("unknown event {}: write one of {}", shown(&event), events.join(", "));
        report.fault(object.at("event"), problem);
        return None;
    }
    let next = object.filled("next");
    if let Some(next) = next.as_ref().filter(|next| !names.contains_key(*next)) {
        let near = nearest(next, names.keys().map(String::as_str));
        let advice = near.map_or_else(
            || "write the name of a state, or nothing to end".to_owned(),
            |near| format!("did you mean {}?", shown(near)),
        );
        report.fault(object.at("next"), format!("next {} is no state: {advice}", shown(next)));
    }
    let is_of_calls = matches!(event.as_str(), "incomingCall" | "incomingConversationMessage");
    if is_of_calls && next.is_some() {
        report.warn(item, format!("{event} never happens here: only texts and requests do"));
    }
    let mut conditions = Vec::new();
    let listed = report.list(&object, "conditions", TRANSITIONS_MAX);
    if event == "match" && listed.is_empty() {
        report.fault(item, "a match without conditions: write one, or make it noMatch");
    }
    for item in listed {
        conditions.extend(condition(report, item));
    }
    Some(Transition { event, next, conditions })
}

fn condition(report: &mut Report<'_>, item: Node<'_>) -> Option<Condition> {
    let Some(object) = item.object() else {
        report.fault(item, "a condition is no object");
        return None;
    };
    let kind = object.filled("type").unwrap_or_default();
    let known = Test::ALL.iter().find(|(name, _)| *name == kind);
    let Some((_, test)) = known else {
        let names: Vec<&str> = Test::ALL.iter().map(|(name, _)| *name).collect();
        let problem =
            format!("unknown condition {}: write one of {}", shown(&kind), names.join(", "));
        report.fault(object.at("type"), problem);
        return None;
    };
    let arguments = report.list(&object, "arguments", TRANSITIONS_MAX);
    let input = arguments.first().and_then(|node| {
        let source = node.text().filter(|text| !text.trim().is_empty())?;
        report.template(*node, "arguments", source)
    });
    let value = object.text("value").unwrap_or_default();
    let needs_value = !matches!(test, Test::IsBlank | Test::IsNotBlank);
    if needs_value && value.trim().is_empty() {
        report.warn(object.at("value"), format!("{kind} has no value to compare with"));
    }
    let value = report.template(object.at("value"), "value", value)?;
    let literal = value.template.is_literal().filter(|_| *test == Test::Regex);
    let pattern = match literal.map(pattern) {
        None => None,
        Some(Ok(pattern)) => Some(pattern),
        Some(Err(reason)) => {
            report.fault(object.at("value"), format!("the pattern cannot be used: {reason}"));
            return None;
        }
    };
    Some(Condition { test: *test, input, value, pattern })
}

/// Compiles a pattern that has to fit the whole text, in any case.
///
/// # Errors
/// Why it cannot be used.
pub(in crate::core::flow) fn pattern(text: &str) -> Result<Regex, String> {
    let build = |text: &str| {
        RegexBuilder::new(text)
            .case_insensitive(true)
            .size_limit(PATTERN_BYTES_MAX)
            .dfa_size_limit(PATTERN_BYTES_MAX)
            .build()
    };
    let text = text.trim();
    // By itself first: `a)|(b` is none, though it would be one within the group.
    let built = build(text).and_then(|_| build(&format!(r"\A(?:{text})\z")));
    built.map_err(|fault| {
        if matches!(fault, regex::Error::CompiledTooBig(_)) {
            return "it is too large: write a shorter one".to_owned();
        }
        // The last line says what is wrong; those before draw the pattern.
        let text = fault.to_string();
        let last = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
        format!("{last} (there are no look-arounds and back-references)")
    })
}

/// Ways that a flow hardly means to have no end.
fn loose_ends(report: &mut Report<'_>, kind: &str, state: &Object<'_>, ways: &[Transition]) {
    let leads = |event: &str| ways.iter().any(|way| way.event == event && way.next.is_some());
    match kind {
        "send-and-wait-for-reply" if !leads("timeout") => {
            report
                .warn(state.node, "who does not answer in time is left without a word: no timeout");
        }
        "split-based-on" if !leads("noMatch") => {
            report.warn(state.node, "what is not told apart ends without a word: no noMatch");
        }
        _ => {}
    }
}
