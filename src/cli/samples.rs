//! What `appointd check` prints of texts: each as a patient would read it, and what it costs.

use serde_json::{Value, json};

use super::out::{self, Format};
use crate::core::message::{About, Sample, Size, VARIABLES, samples};
use crate::core::rules::Rules;

/// Prints a sample of every template.
pub(super) fn print(rules: &Rules, format: Format) {
    // What cannot be written is a fault of the settings and told there.
    let samples: Vec<Sample> = samples(rules).into_iter().filter_map(Result::ok).collect();
    match format {
        Format::Text => samples.iter().for_each(block),
        Format::Json | Format::Csv => {
            let rows: Vec<Value> = samples.iter().map(row).collect();
            out::rows(&rows, format);
        }
    }
}

/// The variables of templates, for the long help.
pub(super) fn variables() -> String {
    let width = VARIABLES.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let line = |(name, meaning): &(&str, &str)| format!("  {name:width$}  {meaning}");
    let lines: Vec<String> = VARIABLES.iter().map(line).collect();
    let list = format!("  {:width$}  all that a text is about, each with the same", "appointments");
    format!("Variables of texts:\n{}\n{list}", lines.join("\n"))
}

fn block(sample: &Sample) {
    let which = &sample.which;
    let variant = which.variant.map_or_else(String::new, |number| format!(", variant {number}"));
    let about = match sample.about {
        About::Nothing => "",
        About::One => ", one appointment",
        About::Several => ", several appointments",
    };
    out::say(&format!("{} {}{variant}{about}", which.language, which.name));
    for line in sample.text.lines() {
        out::say(&format!("    {line}"));
    }
    out::say(&format!("    = {}; at worst {}", told(&sample.typical), told(&sample.worst)));
    out::say("");
}

/// `GSM-7, 2 segments`; `UCS-2 because of 'á', 3 segments`.
fn told(size: &Size) -> String {
    let segments = size.segments;
    let why = if size.forced_by.is_empty() {
        String::new()
    } else {
        let quoted: Vec<String> = size.forced_by.iter().map(|c| format!("{c:?}")).collect();
        format!(" because of {}", quoted.join(" "))
    };
    let plural = if segments.count == 1 { "" } else { "s" };
    format!("{}{why}, {} segment{plural}", segments.encoding.name(), segments.count)
}

fn row(sample: &Sample) -> Value {
    let about = match sample.about {
        About::Nothing => "nothing",
        About::One => "one",
        About::Several => "several",
    };
    let forced = |size: &Size| size.forced_by.iter().collect::<String>();
    json!({
        "language": sample.which.language,
        "name": sample.which.name,
        "variant": sample.which.variant,
        "about": about,
        "text": sample.text,
        "encoding": sample.typical.segments.encoding.name(),
        "segments": sample.typical.segments.count,
        "forced_by": forced(&sample.typical),
        "worst_encoding": sample.worst.segments.encoding.name(),
        "worst_segments": sample.worst.segments.count,
        "worst_forced_by": forced(&sample.worst),
    })
}
