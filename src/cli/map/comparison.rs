//! `--diff` and `--coverage`: a mapping judged by many messages before it goes live.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::{Failure, mappings, out};
use super::{Arguments, Bench, each_sample};
use crate::clock::Clock;
use crate::mapping::coverage::Coverage;
use crate::mapping::difference::difference;

/// Shows what a new mapping reads otherwise than an old one.
pub(super) fn diff(
    arguments: &Arguments,
    bench: &Bench,
    old: &str,
    new: &str,
) -> Result<(), Failure> {
    let settings = bench.settings.as_ref();
    let (old, new) = (mappings::choice(old, settings)?, mappings::choice(new, settings)?);
    let now = Clock::system().now();
    let mut rows: Vec<Value> = Vec::new();
    let mut fields: BTreeMap<String, u64> = BTreeMap::new();
    let mut unreadable = 0_u64;
    let count = each_sample(arguments, bench, |sample| {
        let (Ok(input), Some(site)) = (sample.input(), bench.site(sample)) else {
            unreadable += u64::from(!sample.is_passed());
            return;
        };
        let (before, after) = (old.of(input, site.source), new.of(input, site.source));
        let changes = difference(before.mapping, after.mapping, input, &site, now);
        let origin = after.mapping.origin(input, &site);
        for change in &changes {
            *fields.entry(change.field.clone()).or_default() += 1;
            let mut row = json!({ "control_id": origin.control_id, "trigger": origin.trigger });
            if let (Some(row), Value::Object(change)) = (row.as_object_mut(), change.to_json()) {
                row.extend(change);
            }
            rows.push(sample.name(row));
        }
    })?;
    out::rows(&rows, arguments.format);
    let told: Vec<String> =
        fields.iter().map(|(field, count)| format!("{field} {count}")).collect();
    let told = if told.is_empty() { "nothing differs".to_owned() } else { told.join(", ") };
    out::complain(&format!("{count} message(s) compared: {told}"));
    if unreadable > 0 {
        out::complain(&format!("{unreadable} message(s) cannot be read and were passed over"));
    }
    Ok(())
}

/// Shows what of a mapping is not used, and what of the messages is not read.
pub(super) fn coverage(arguments: &Arguments, bench: &Bench) -> Result<(), Failure> {
    let choices = bench.choices(arguments.mapping.as_deref())?;
    let now = Clock::system().now();
    let mut coverages: BTreeMap<String, Coverage> = BTreeMap::new();
    each_sample(arguments, bench, |sample| {
        let (Ok(input), Some(site)) = (sample.input(), bench.site(sample)) else {
            return;
        };
        let Some(choice) = choices.get(sample.feed) else { return };
        let mapping = choice.of(input, site.source).mapping;
        coverages
            .entry(mapping.name().to_owned())
            .or_insert_with(|| Coverage::of(mapping))
            .add(mapping, input, &site, now);
    })?;
    let mut rows = Vec::new();
    for (name, coverage) in &coverages {
        for mut row in coverage.to_json() {
            if let Some(object) = row.as_object_mut() {
                object.insert("mapping".to_owned(), json!(name));
            }
            rows.push(row);
        }
    }
    out::rows(&rows, arguments.format);
    for (name, coverage) in &coverages {
        let (messages, rules, used) = coverage.counts();
        out::complain(&format!("{name}: {messages} message(s) use {used} of {rules} rules"));
    }
    Ok(())
}
