//! A mapping with ten times the rules of `hl7-default` that reads the same: each field asks nine
//! places that no message has, or that a condition forbids, for each place that it asks otherwise.

use std::fmt::Write as _;

/// Fields, with how many sources `hl7-default` has for each.
const FIELDS: [(&str, &str, usize); 16] = [
    ("message", "occurred_at", 1),
    ("appointment", "ids", 3),
    ("appointment", "status", 4),
    ("appointment", "event", 2),
    ("appointment", "start", 8),
    ("appointment", "end", 3),
    ("appointment", "duration", 6),
    ("appointment", "type", 6),
    ("appointment", "location", 2),
    ("appointment", "provider", 4),
    ("appointment", "callback_phone", 2),
    ("patient", "ids", 5),
    ("patient", "name", 2),
    ("patient", "phone", 2),
    ("patient", "language", 2),
    ("patient", "deceased", 2),
];
/// How many filters are added, none of which holds.
const FILTERS: usize = 40;
/// Tests that hold for no message of the fixtures.
const TESTS: [&str; 8] = [
    "equals = \"zz\"",
    "in = [\"zz\", \"zzz\"]",
    "prefix = \"zz\"",
    "suffix = \"zz\"",
    "contains = \"zz\"",
    "matches = \"zz*z?\"",
    "regex = '^zz+$'",
    "at_least = \"99.9\"",
];

/// The text of the mapping's file.
pub(crate) fn tenfold() -> String {
    let mut text = String::from("extends = \"hl7-default\"\n");
    let mut section = "";
    let mut number = 0;
    for (table, field, sources) in FIELDS {
        if table != section {
            section = table;
            let _infallible = writeln!(text, "[{table}]");
        }
        let _infallible = write!(text, "{field} = [");
        for _ in 0..9 * sources {
            number += 1;
            let _infallible = write!(text, "{}, ", source(field, number));
        }
        text.push_str("\"inherited\"]\n");
    }
    for (number, test) in (0..FILTERS).zip(TESTS.into_iter().cycle()) {
        let _infallible = write!(
            text,
            "[[ignore_if]]\ncode = \"n{number}\"\nreason = \"never\"\nwhen = {{ path = \"PID-5.1\", {test} }}\n"
        );
    }
    text
}

/// A segment that is nowhere, a field beyond the end of one that is there, or a condition.
fn source(field: &str, number: usize) -> String {
    let fields = 100 + number;
    let test = TESTS.get(number % TESTS.len()).copied().unwrap_or_default();
    match number % 4 {
        0 => format!("\"ZZ{}-{fields}\"", number % 10),
        1 => format!("\"PID-{fields}\""),
        2 => format!("\"AIL-{fields}\""),
        _ if field == "occurred_at" => format!("\"MSH-{fields}\""),
        _ => format!("{{ path = \"SCH-{number}\", when = {{ path = \"PID-5.1\", {test} }} }}"),
    }
}
