//! What a person reads of a list and of a campaign.

use chrono::DateTime;
use serde_json::{Value, json};

use crate::core::local_time::Zone;

/// How many findings are shown; all of them go to a file.
const SHOWN_MAX: usize = 20;

/// A count somewhere in an answer.
pub(super) fn count(row: &Value, pointer: &str) -> u64 {
    row.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

fn text<'a>(row: &'a Value, pointer: &str) -> &'a str {
    row.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

/// How many recipients do not wait any more.
pub(super) fn begun(row: &Value) -> u64 {
    count(row, "/recipients").saturating_sub(count(row, "/tally/waiting"))
}

/// What there is to see of a campaign in which nobody waits any more.
pub(super) fn all_begun(row: &Value) -> Option<String> {
    let (all, waiting) = (count(row, "/recipients"), count(row, "/tally/waiting"));
    let is_begun = all > 0 && waiting == 0;
    is_begun.then(|| format!("Texting all {all} begun, {} under way", count(row, "/tally/active")))
}

/// Whether anything more happens to a campaign.
pub(super) fn is_open(row: &Value) -> bool {
    let is_over = matches!(text(row, "/state"), "stopped" | "finished");
    !is_over || count(row, "/tally/active") > 0
}

/// `1 row`, `2 rows`.
fn of(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// A moment in the practice's zone.
fn local(row: &Value, pointer: &str, zone: Zone) -> Option<String> {
    let at = DateTime::parse_from_rfc3339(text(row, pointer)).ok()?.to_utc();
    let local = at.with_timezone(&zone.offset_at(at));
    Some(local.format("%Y-%m-%d %H:%M %:z").to_string())
}

/// A campaign in one line.
pub(super) fn progress(row: &Value) -> String {
    let (id, state) = (text(row, "/id"), text(row, "/state"));
    let (begun, all) = (begun(row), count(row, "/recipients"));
    format!(
        "{id}: {state}, {begun} of {all} begun, {}",
        of(count(row, "/tally/answers"), "answer", "answers")
    )
}

/// A campaign in full.
pub(super) fn campaign(row: &Value, zone: Zone) -> Vec<String> {
    let mut lines = Vec::new();
    let mut add = |name: &str, value: String| lines.push(format!("{name:<13} {value}"));
    add("Campaign", text(row, "/id").to_owned());
    add("Name", format!("{} (flow {})", text(row, "/name"), text(row, "/flow")));
    add("State", format!("{}, by {}", text(row, "/state"), text(row, "/by")));
    add("Recipients", count(row, "/recipients").to_string());
    for (name, what) in [
        ("waiting", "wait to be begun"),
        ("active", "under way"),
        ("completed", "completed"),
        ("handed_over", "given to a person"),
        ("expired", "took too long"),
        ("opted_out", "may not be texted"),
        ("failed", "could not be texted"),
        ("stopped", "left when it was stopped"),
    ] {
        let number = count(row, &format!("/tally/{name}"));
        if number > 0 {
            add("", format!("{number:>8} {what}"));
        }
    }
    let (texts, answers) = (count(row, "/tally/texts"), count(row, "/tally/answers"));
    add("So far", format!("{}, {}", of(texts, "text", "texts"), of(answers, "answer", "answers")));
    add("Pace", format!("{} recipients a minute", count(row, "/per_minute")));
    if let Some(minutes) = row.pointer("/minutes_left").and_then(Value::as_u64).filter(|m| *m > 0) {
        add("Left", format!("{} of the hours for texts", span(minutes)));
    }
    for (name, pointer) in [
        ("Made", "/created_at"),
        ("Started", "/started_at"),
        ("Goes on until", "/not_after"),
        ("Ended", "/ended_at"),
    ] {
        if let Some(at) = local(row, pointer, zone) {
            add(name, at);
        }
    }
    lines
}

fn span(minutes: u64) -> String {
    match minutes {
        0..120 => of(minutes, "minute", "minutes"),
        _ => format!("{} h {:02} min", minutes / 60, minutes % 60),
    }
}

/// What there is to say about a list.
pub(super) fn survey(survey: &Value, file: &str) -> Vec<String> {
    let delimiter = match text(survey, "/delimiter") {
        "," => "commas",
        ";" => "semicolons",
        "\t" => "tabs",
        "|" => "bars",
        other => other,
    };
    let rows = of(count(survey, "/rows"), "row", "rows");
    let mut lines = vec![format!(
        "List    {file}: {rows}, {}, separated by {delimiter}",
        text(survey, "/charset")
    )];
    let (sound, faulty) = (count(survey, "/sound"), count(survey, "/faulty"));
    let faults = if faulty == 0 {
        "none has a fault".to_owned()
    } else {
        of(faulty, "has a fault", "have faults")
    };
    lines.push(format!("        {sound} can be taken, {faults}"));
    for missing in
        survey.pointer("/missing_columns").and_then(Value::as_array).into_iter().flatten()
    {
        let advice = match missing.get("like").and_then(Value::as_str) {
            Some(like) => format!("is column \"{like}\" meant? Rename it"),
            None => "add it".to_owned(),
        };
        lines.push(format!(
            "        no column {}, which the flow's texts use: {advice}",
            text(missing, "/column")
        ));
    }
    let none = Vec::new();
    let findings = survey.pointer("/findings").and_then(Value::as_array).unwrap_or(&none);
    if !findings.is_empty() {
        lines.push(String::new());
    }
    let shown: Vec<&Value> = findings.iter().take(SHOWN_MAX).collect();
    let width = shown.iter().map(|found| text(found, "/column").chars().count()).max().unwrap_or(0);
    let digits = shown.iter().map(|found| count(found, "/line").to_string().len()).max();
    let digits = digits.unwrap_or(0);
    for found in &shown {
        let (line, column) = (count(found, "/line"), text(found, "/column"));
        let is_fault = found.get("fault") == Some(&Value::Bool(true));
        let kind = if is_fault { "fault" } else { "note " };
        let problem = text(found, "/problem");
        lines.push(format!("  {kind}  line {line:>digits$}  {column:width$}  {problem}"));
    }
    let all = count(survey, "/findings_in_all");
    let more = all.saturating_sub(u64::try_from(shown.len()).unwrap_or(0));
    if more > 0 {
        lines.push(format!("  and {more} more: --dry-run --findings FILE writes them all"));
    }
    lines
}

/// That a campaign would end before its last recipient's turn.
pub(super) fn late(quote: &Value, zone: Zone) -> Option<String> {
    let is_late = quote.get("is_late") == Some(&Value::Bool(true));
    is_late.then(|| {
        let ends_at = local(quote, "/ends_at", zone).unwrap_or_else(|| "longer".to_owned());
        let not_after = local(quote, "/not_after", zone).unwrap_or_default();
        format!(
            "the list needs until {ends_at}, the campaign ends {not_after}: raise --per-minute or --expires-after"
        )
    })
}

/// A list and its campaign in a row of a table: what scripts want of it.
pub(super) fn flat(told: &Value) -> Value {
    let of = |pointer: &str| told.pointer(pointer).cloned().unwrap_or_default();
    json!({
        "rows": of("/survey/rows"), "sound": of("/survey/sound"), "faulty": of("/survey/faulty"),
        "not_texted": of("/quote/not_texted"), "segments": of("/quote/segments"),
        "minutes": of("/quote/minutes"), "ends_at": of("/quote/ends_at"),
        "not_after": of("/quote/not_after"), "campaign": of("/campaign/id"),
        "state": of("/campaign/state"), "recipients": of("/campaign/recipients"),
        "texts": of("/campaign/tally/texts"), "answers": of("/campaign/tally/answers"),
    })
}

/// What a list comes to.
pub(super) fn quote(quote: &Value, zone: Zone) -> Vec<String> {
    let (texts, segments) = (count(quote, "/texts"), count(quote, "/segments"));
    let mut texting = format!(
        "Texts   {}, {}",
        of(texts, "first text", "first texts"),
        of(segments, "segment", "segments")
    );
    if count(quote, "/segments_max") > 1 {
        texting += &format!(", {} at most in one", count(quote, "/segments_max"));
    }
    if count(quote, "/unicode_texts") > 0 {
        texting +=
            &format!("; {} with letters that halve what fits", count(quote, "/unicode_texts"));
    }
    let mut lines = vec![texting];
    let left_out = count(quote, "/not_texted");
    if left_out > 0 {
        lines
            .push(format!("        {} not texted", of(left_out, "recipient is", "recipients are")));
    }
    let mut time = format!("Time    {} of sending", span(count(quote, "/minutes")));
    match local(quote, "/ends_at", zone) {
        Some(at) => time += &format!(" within the hours for texts: until {at}"),
        None => time += ": more than the campaign can go on",
    }
    lines.push(time);
    for sample in quote.pointer("/samples").and_then(Value::as_array).into_iter().flatten() {
        let segments = of(count(sample, "/segments"), "segment", "segments");
        let (line, alphabet) = (count(sample, "/line"), text(sample, "/alphabet"));
        lines.push(String::new());
        lines.push(format!("Line {line}: {segments}, {alphabet}"));
        lines.extend(text(sample, "/body").lines().map(|line| format!("    {line}")));
    }
    lines
}
