//! Keys under `appointd`, which Studio ignores.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::node::{Node, Object};
use super::{Report, shown};
use crate::core::flow::graph::{Expect, Handoff, Retry, Text, Texts};

/// The key.
const KEY: &str = "appointd";
/// What may stand under it in a state, and in a flow.
const OF_STATE: [&str; 8] = ["expect", "min", "max", "choices", "retry", "body", "handoff", "note"];
const OF_FLOW: [&str; 3] = ["language", "expires", "note"];
/// How often a question is asked again at most: more would be harassment.
const RETRIES_MAX: u32 = 5;
/// How many words a choice has at most, and how many choices there are.
const CHOICES_MAX: usize = 50;
/// Bounds of numbers, beyond which nobody is asked.
const NUMBER_MAX: i64 = 1_000_000;
/// How long a flow may take at most.
const EXPIRES_MAX: TimeDelta = TimeDelta::days(90);

fn extension<'t>(report: &mut Report<'_>, of: &Object<'t>, known: &[&str]) -> Option<Object<'t>> {
    let node = of.get(KEY)?;
    let Some(object) = node.object() else {
        report.fault(node, "appointd is no object");
        return None;
    };
    for (key, node) in object.fields().filter(|(key, _)| !known.contains(key)) {
        let problem = format!("appointd.{} is unknown: there are {}", shown(key), known.join(", "));
        report.fault(node, problem);
    }
    Some(object)
}

/// How long a flow may take, and its language.
pub(super) fn of_flow(
    report: &mut Report<'_>,
    flow: &Object<'_>,
) -> (Option<TimeDelta>, Option<String>) {
    let Some(own) = extension(report, flow, &OF_FLOW) else { return (None, None) };
    let expires = own.filled("expires").and_then(|text| {
        let time = duration(&text);
        if time.is_none() {
            report
                .fault(own.at("expires"), "expires is no time such as \"72h\", \"90m\" or \"7d\"");
        }
        time
    });
    let language = own.filled("language").map(|tag| tag.to_ascii_lowercase());
    if language.as_deref().is_some_and(|tag| !is_language(tag)) {
        report.fault(own.at("language"), "language is none such as \"en\" or \"es\"");
    }
    (expires, language)
}

/// What a person is told when a state is reached.
pub(super) fn handoff(report: &mut Report<'_>, properties: &Object<'_>) -> Option<Handoff> {
    let own = properties.get(KEY).and_then(Node::object)?;
    let node = own.get("handoff")?;
    let Some(handoff) = node.object() else {
        report.fault(node, "handoff is no object: write {\"note\": \"..\", \"urgent\": false}");
        return None;
    };
    let note = report.needed(&handoff, "note")?;
    let is_urgent = match handoff.get("urgent").map(Node::value) {
        None => false,
        Some(serde_json::Value::Bool(is)) => is,
        Some(_) => {
            report.fault(handoff.at("urgent"), "urgent is true or false");
            false
        }
    };
    Some(Handoff { note, is_urgent })
}

/// The texts of a state: `body`, and those of other languages.
pub(super) fn texts(report: &mut Report<'_>, properties: &Object<'_>) -> Option<Texts> {
    let own = extension(report, properties, &OF_STATE);
    let body = report.needed(properties, "body");
    let others = own.map(|own| languages(report, &own, "body")).unwrap_or_default();
    Some(Texts { body: body?, others })
}

/// Checks the keys of a state that texts nobody.
pub(super) fn check(report: &mut Report<'_>, properties: &Object<'_>) {
    let _checked = extension(report, properties, &["handoff", "note"]);
}

/// Texts by language.
fn languages(report: &mut Report<'_>, own: &Object<'_>, key: &str) -> BTreeMap<String, Text> {
    let Some(node) = own.get(key) else { return BTreeMap::new() };
    let Some(object) = node.object() else {
        report.fault(node, format!("{key} is no object: write {{\"es\": \"..\"}}"));
        return BTreeMap::new();
    };
    let mut texts = BTreeMap::new();
    for (tag, node) in object.fields() {
        let source = node.text().filter(|text| !text.trim().is_empty());
        match source.filter(|_| is_language(tag)) {
            Some(source) => {
                let text = report.template(node, key, source);
                texts.extend(text.map(|text| (tag.to_owned(), text)));
            }
            None => report.fault(node, "is no text under a language such as \"es\""),
        }
    }
    texts
}

/// What a reply is read as.
pub(super) fn expect(report: &mut Report<'_>, properties: &Object<'_>) -> Option<Expect> {
    let own = properties.get(KEY).and_then(Node::object)?;
    let kind = own.filled("expect")?;
    match kind.as_str() {
        "number" => {
            let bound = |key| own.get(key).map(|node| node.value().as_i64());
            let (min, max) = (bound("min").unwrap_or(Some(0)), bound("max").unwrap_or(Some(10)));
            match (min, max) {
                (Some(min), Some(max)) if 0 <= min && min < max && max <= NUMBER_MAX => {
                    Some(Expect::Number { min, max })
                }
                _ => {
                    report.fault(own.node, "min and max are whole numbers, min the smaller one");
                    None
                }
            }
        }
        "yes_no" => Some(Expect::YesNo),
        "choice" => choices(report, &own).map(Expect::Choice),
        other => {
            let problem =
                format!("expect {} is unknown: write number, yes_no or choice", shown(other));
            report.fault(own.at("expect"), problem);
            None
        }
    }
}

fn choices(report: &mut Report<'_>, own: &Object<'_>) -> Option<Vec<(String, Vec<String>)>> {
    let Some(object) = own.get("choices").and_then(Node::object) else {
        let problem = "choices are missing: write {\"MORNING\": [\"am\", \"early\"], ..}";
        report.fault(own.at("choices"), problem);
        return None;
    };
    let mut choices = Vec::new();
    for (word, node) in object.fields() {
        let items = node.array().unwrap_or_default();
        let also: Vec<String> = items.into_iter().filter_map(Node::text).collect();
        if node.array().is_none() || also.len() > CHOICES_MAX {
            report.fault(node, "is no list of words that mean the same");
        }
        choices.push((word.to_owned(), also));
    }
    if choices.is_empty() || choices.len() > CHOICES_MAX {
        report.fault(object.node, "there are no choices, or too many");
        return None;
    }
    Some(choices)
}

/// How a question is asked again.
pub(super) fn retry(report: &mut Report<'_>, properties: &Object<'_>) -> Option<Retry> {
    let own = properties.get(KEY).and_then(Node::object)?;
    let node = own.get("retry")?;
    let Some(retry) = node.object() else {
        report.fault(node, "retry is no object: write {\"max\": 2, \"text\": \"..\"}");
        return None;
    };
    let max = retry.get("max").map_or(Some(1), |node| node.value().as_u64());
    let max =
        max.and_then(|max| u32::try_from(max).ok()).filter(|max| (1..=RETRIES_MAX).contains(max));
    if max.is_none() {
        report.fault(retry.at("max"), format!("max is a number from 1 to {RETRIES_MAX}"));
    }
    let body = report.needed(&retry, "text");
    let others = languages(report, &retry, "body");
    Some(Retry { max: max?, texts: Texts { body: body?, others } })
}

fn is_language(tag: &str) -> bool {
    (2..=3).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// `72h`, `90m`, `7d`.
fn duration(text: &str) -> Option<TimeDelta> {
    let number: String = text.chars().take_while(char::is_ascii_digit).collect();
    let unit = text.strip_prefix(number.as_str())?.trim();
    let count = number.parse::<i64>().ok().filter(|count| *count > 0)?;
    let time = match unit {
        "m" => TimeDelta::try_minutes(count),
        "h" => TimeDelta::try_hours(count),
        "d" => TimeDelta::try_days(count),
        _ => None,
    };
    time.filter(|time| *time <= EXPIRES_MAX)
}
