//! What is written to a FHIR server (`write_back` of `[[fhir.server]]`, and what belongs to it).
//!
//! Bodies of a site's own are texts with placeholders. They are tried here with made-up values, so
//! that what is sent later is JSON of the right shape; the real values are put in by whoever sends.

use serde_json::Value;

use super::fault::shown;
use super::reader::Section;
use super::suggest::clipped;

/// The largest body of a site's own; a patch has some hundred bytes.
const BODY_BYTES_MAX: usize = 64 << 10;
/// The longest path of an operation.
const PATH_BYTES_MAX: usize = 512;
/// The system of the reason that is given for a cancellation.
const REASON_SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/appointment-cancellation-reason";
/// Its code for what comes from the patient, and the text for it.
const REASON: (&str, &str) = ("pat", "Patient");

/// The placeholder of paths, with a value to try it with.
const APPOINTMENT: (&str, &str) = ("appointment", "a-1");
/// The placeholders of bodies, each with a value to try it with. None of the values but the index is
/// JSON by itself, so that one that stands outside a text is found.
const PLACEHOLDERS: [(&str, &str); 7] = [
    APPOINTMENT,
    ("patient", "p-1"),
    ("index", "0"),
    ("participant_status", "accepted"),
    ("status", "booked"),
    ("start", "2026-12-01T09:30:00-08:00"),
    ("reply_id", "r-1"),
];

/// What is written to a server, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteBack {
    /// What a confirmation changes.
    pub target: WriteTarget,
    /// By which kind of request.
    pub strategy: Strategy,
    /// Whether a change names the version that it is made to.
    pub if_match: IfMatch,
    /// Whether a JSON Patch tests what it replaces.
    pub patch_tests: bool,
    /// The reason of cancellations.
    pub cancel_reason: CancelReason,
    /// What is sent for a confirmation.
    pub confirm: WriteTemplate,
    /// What is sent for a cancellation.
    pub cancel: WriteTemplate,
}

/// What a confirmation changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteTarget {
    /// The status of the patient as a participant.
    Participant,
    /// The status of the appointment.
    Status,
}

/// A kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// PATCH with a JSON Patch.
    JsonPatch,
    /// PATCH with a `FHIRPath` Patch.
    FhirPathPatch,
    /// PUT of the resource as it was read, with the change.
    Put,
    /// POST of an `AppointmentResponse`.
    AppointmentResponse,
    /// POST to an operation.
    Operation,
}

/// Whether a change names the version that it is made to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfMatch {
    /// Always; without a version nothing is written.
    Required,
    /// If the server has told one.
    Send,
    /// Never.
    Never,
}

/// The reason of cancellations, as a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelReason {
    /// The system of the code.
    pub system: String,
    /// The code.
    pub code: String,
    /// The words for it.
    pub text: Option<String>,
}

/// What a site sends in place of the usual, with placeholders such as `{appointment}`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriteTemplate {
    /// The body, JSON; the usual one of the strategy if not set.
    pub body: Option<String>,
    /// The path below the base address, for [`Strategy::Operation`]; without it, staff enters the
    /// wish.
    pub path: Option<String>,
}

const STRATEGIES: [(&str, Strategy); 5] = [
    ("json_patch", Strategy::JsonPatch),
    ("fhirpath_patch", Strategy::FhirPathPatch),
    ("put", Strategy::Put),
    ("appointment_response", Strategy::AppointmentResponse),
    ("operation", Strategy::Operation),
];

/// Reads what belongs to `write_back`; the second says whether it is known that nothing or something
/// is written, or a wrong word stands there.
pub(super) fn read(section: &mut Section<'_>) -> (Option<WriteBack>, bool) {
    let place = section.place_of("write_back");
    let targets = [
        ("participant", Some(WriteTarget::Participant)),
        ("status", Some(WriteTarget::Status)),
        ("none", None),
    ];
    let chosen = section.chosen("write_back", &targets, None);
    let target = chosen.flatten();
    if chosen == Some(None) {
        let keys = ["strategy", "if_match", "patch_tests", "cancel_reason", "write", "operation"];
        section.idle(&keys, "write_back is \"none\"");
    }
    let strategy = section.chosen("strategy", &STRATEGIES, Strategy::JsonPatch);
    if strategy == Some(Strategy::AppointmentResponse) && target == Some(WriteTarget::Status) {
        let problem = "\"status\" cannot be said by an AppointmentResponse; write \"participant\"";
        section.fault(place, "write_back", problem);
    }
    let if_matches =
        [("required", IfMatch::Required), ("send", IfMatch::Send), ("never", IfMatch::Never)];
    let if_match = section.choice("if_match", &if_matches, IfMatch::Send);
    if strategy.is_some_and(|strategy| strategy != Strategy::JsonPatch) {
        section.idle(&["patch_tests"], "strategy is not \"json_patch\"");
    }
    let patch_tests = section.flag("patch_tests", true);
    let cancel_reason = section.table("cancel_reason", cancel_reason);
    let (confirm, cancel) = templates(section, strategy, target.is_some());
    let write_back = target.map(|target| WriteBack {
        target,
        strategy: strategy.unwrap_or(Strategy::JsonPatch),
        if_match,
        patch_tests,
        cancel_reason,
        confirm,
        cancel,
    });
    (write_back, chosen.is_some())
}

fn cancel_reason(section: &mut Section<'_>) -> CancelReason {
    let system = section.text("system").unwrap_or_else(|| REASON_SYSTEM.to_owned());
    let code = section.text("code").unwrap_or_else(|| REASON.0.to_owned());
    let usual = (code == REASON.0).then(|| REASON.1.to_owned());
    CancelReason { text: section.text("text").or(usual), system, code }
}

/// Reads what is sent for a confirmation, and for a cancellation.
fn templates(
    section: &mut Section<'_>,
    strategy: Option<Strategy>,
    is_written: bool,
) -> (WriteTemplate, WriteTemplate) {
    match strategy {
        Some(Strategy::Operation) | None => {}
        Some(Strategy::Put) => {
            section.idle(&["write"], "strategy \"put\" sends the resource as it was read");
            section.idle(&["operation"], "strategy is not \"operation\"");
        }
        Some(Strategy::JsonPatch | Strategy::FhirPathPatch | Strategy::AppointmentResponse) => {
            section.idle(&["operation"], "strategy is not \"operation\"");
        }
    }
    let bodies = section
        .table("write", |section| ["confirm", "cancel"].map(|key| body(section, key, strategy)));
    let is_operation = is_written && strategy == Some(Strategy::Operation);
    let [confirm, cancel] = bodies;
    let (confirm, cancel) = section.table("operation", |section| {
        let confirm =
            WriteTemplate { path: path(section, "confirm", confirm.as_deref()), body: confirm };
        let cancel =
            WriteTemplate { path: path(section, "cancel", cancel.as_deref()), body: cancel };
        (confirm, cancel)
    });
    let has_path = confirm.path.is_some() || cancel.path.is_some();
    let wanted = "write operation.confirm, operation.cancel or both";
    section.need(has_path || !is_operation, "operation", wanted);
    (confirm, cancel)
}

/// Reads a body of the site's own.
fn body(
    section: &mut Section<'_>,
    key: &'static str,
    strategy: Option<Strategy>,
) -> Option<String> {
    section.parsed_unseen(key, "write JSON, with placeholders such as {appointment}", |text| {
        if text.len() > BODY_BYTES_MAX {
            return Err(format!("has more than {BODY_BYTES_MAX} bytes"));
        }
        let filled = fill(text, &PLACEHOLDERS)?;
        let json: Value = serde_json::from_str(&filled).map_err(|fault| {
            format!("is no JSON (line {}, column {})", fault.line(), fault.column())
        })?;
        match strategy.and_then(|strategy| misshapen(&json, strategy)) {
            Some(problem) => Err(problem.to_owned()),
            None => Ok(text.to_owned()),
        }
    })
}

/// What keeps a body from being what the strategy sends.
fn misshapen(json: &Value, strategy: Strategy) -> Option<&'static str> {
    let is_of = |kind: &str| json.get("resourceType").and_then(Value::as_str) == Some(kind);
    match strategy {
        Strategy::JsonPatch => {
            let has = |step: &Value, key| step.get(key).is_some_and(Value::is_string);
            let is_patch = json.as_array().is_some_and(|steps| {
                !steps.is_empty() && steps.iter().all(|step| has(step, "op") && has(step, "path"))
            });
            (!is_patch).then_some("is no JSON Patch: a list of steps, each with op and path")
        }
        Strategy::FhirPathPatch => {
            (!is_of("Parameters")).then_some("is no FHIRPath Patch: a resource Parameters")
        }
        Strategy::AppointmentResponse => {
            (!is_of("AppointmentResponse")).then_some("is no resource AppointmentResponse")
        }
        Strategy::Operation | Strategy::Put => (!json.is_object()).then_some("is no JSON object"),
    }
}

/// Reads the path of an operation; path or body must say which appointment is meant.
fn path(section: &mut Section<'_>, key: &'static str, body: Option<&str>) -> Option<String> {
    let wanted = "write a path such as \"Appointment/{appointment}/$confirm\"";
    section.parsed_unseen(key, wanted, |text| {
        let filled = fill(text, &[APPOINTMENT])?;
        let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~$/?&=".contains(&byte);
        let is_path = (1..=PATH_BYTES_MAX).contains(&filled.len())
            && filled.bytes().all(is_good)
            && filled.split(['/', '?']).all(|part| !part.is_empty() && part != "." && part != "..");
        if !is_path {
            return Err(format!("{} is no path below the base address", shown(text)));
        }
        let says_which = |text: &str| text.contains("{appointment}");
        if !says_which(text) && !body.is_some_and(says_which) {
            return Err("does not say which appointment, nor does the body".to_owned());
        }
        Ok(text.to_owned())
    })
}

/// Puts values in place of placeholders; braces with anything else in them stay.
///
/// # Errors
/// The first placeholder that there is none of.
fn fill(text: &str, values: &[(&str, &str)]) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let end = after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(0);
        let (word, tail) = after.split_at_checked(end).unwrap_or(("", after));
        match tail.strip_prefix('}').filter(|_| !word.is_empty()) {
            Some(tail) => {
                let Some((_, value)) = values.iter().find(|(name, _)| *name == word) else {
                    let names: Vec<&str> = values.iter().map(|(name, _)| *name).collect();
                    let word = clipped(word);
                    let names = names.join("}, {");
                    return Err(format!("has no placeholder {{{word}}}, only {{{names}}}"));
                };
                filled.push_str(value);
                rest = tail;
            }
            None => {
                filled.push('{');
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
#[path = "fhir_write_tests.rs"]
mod tests;
