//! `appointd query`.

use serde_json::{Map, Value, json};

use super::client::{Target, load, target};
use super::{Config, Failure, Format, block_on, out};
use crate::clock::Clock;
use crate::engine::view::{Subject, View};
use crate::http::api::Narrowing;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// appointments, history, messages, timers, outbox, quarantine, tasks, servers, audit or consent
    subject: String,
    /// Only this patient's, by record number
    #[arg(long)]
    patient: Option<String>,
    /// Only this phone's
    #[arg(long)]
    phone: Option<String>,
    /// Only this appointment's, by key or any of its identifiers
    #[arg(long)]
    appointment: Option<String>,
    /// Not before: 2026-12-01, 2026-12-01T09:30:00Z, or a span back from now such as 7d
    #[arg(long)]
    since: Option<String>,
    /// Not after, likewise
    #[arg(long)]
    until: Option<String>,
    /// Only with this status, state or event
    #[arg(long)]
    status: Option<String>,
    /// At most so many rows
    #[arg(long)]
    limit: Option<usize>,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    #[command(flatten)]
    config: Config,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Some(subject) = Subject::parse(&arguments.subject) else {
        let known: Vec<&str> = Subject::ALL.iter().map(|(name, _)| *name).collect();
        return Err(Failure::Usage(format!(
            "there is no \"{}\" to query; there are: {}",
            arguments.subject,
            known.join(", ")
        )));
    };
    let mut narrowing = Narrowing {
        patient: arguments.patient.clone(),
        phone: arguments.phone.clone(),
        appointment: arguments.appointment.clone(),
        since: arguments.since.clone(),
        until: arguments.until.clone(),
        status: arguments.status.clone(),
        limit: arguments.limit,
    };
    let settings = load(&arguments.config)?;
    let filter = narrowing
        .filter(Clock::system().now(), settings.region)
        .map_err(|bad| Failure::Usage(format!("--{bad}")))?;
    subject
        .check(&filter)
        .map_err(|unknown| Failure::Usage(format!("--{} {unknown}", unknown.field)))?;
    // The daemon reads it as these settings do.
    narrowing.phone = filter.phone.as_ref().map(|phone| phone.as_str().to_owned());
    let rows = block_on(async {
        match target(&settings).await? {
            Target::Daemon(client) => {
                let path = format!("/query/{}", arguments.subject);
                Ok(out::list(client.get(&path, &narrowing).await?))
            }
            Target::Store(store) => View::new(store)
                .query(subject, &filter)
                .map_err(|refusal| Failure::Failed(refusal.to_string())),
        }
    })?;
    let rows = match arguments.format {
        Format::Json => rows,
        Format::Text | Format::Csv => rows.iter().map(legible).collect(),
    };
    out::rows(&rows, arguments.format);
    Ok(())
}

/// A row for people and spreadsheets: nested parts become columns that say one thing each.
pub(super) fn legible(row: &Value) -> Value {
    let Some(object) = row.as_object() else { return row.clone() };
    let mut plain = Map::new();
    for (name, value) in object {
        match (name.as_str(), value) {
            ("cause", _) => {
                plain.insert("what".to_owned(), json!(what(value)));
            }
            ("outcomes", Value::Array(outcomes)) => {
                for part in ["appointment", "event", "because"] {
                    let parts: Vec<&str> =
                        outcomes.iter().filter_map(|o| o.get(part)?.as_str()).collect();
                    plain.insert(part.to_owned(), json!(parts.join("; ")));
                }
            }
            ("patient" | "location" | "provider", Value::Object(parts)) => {
                let parts = parts.iter().filter(|(_, part)| part.is_string());
                plain.extend(parts.map(|(part, value)| (format!("{name}.{part}"), value.clone())));
            }
            // How the subscription is, before whatever else is known of it.
            ("subscription", Value::Object(parts)) => {
                for part in ["status", "end", "failures"] {
                    let value = parts.get(part).cloned();
                    plain.extend(value.map(|value| (format!("{name}.{part}"), value)));
                }
            }
            // How many, and what was said last.
            ("notes", Value::Array(notes)) => {
                plain.insert("notes".to_owned(), json!(notes.len()));
                let last = notes.last().and_then(|note| note.get("note").cloned());
                plain.extend(last.map(|last| ("last_note".to_owned(), last)));
            }
            ("without", Value::Array(programmes)) => {
                let names: Vec<&str> = programmes.iter().filter_map(Value::as_str).collect();
                plain.insert(name.clone(), json!(names.join(" ")));
            }
            ("changes", Value::Array(changes)) => {
                plain.insert(name.clone(), json!(changes.len()));
            }
            ("notes_left_out" | "seq", _) if row.get("urgent").is_some() => {}
            ("ids" | "timers" | "about", _) => {}
            _ => {
                plain.insert(name.clone(), value.clone());
            }
        }
    }
    Value::Object(plain)
}

/// What caused an entry of the journal, in a few words.
fn what(cause: &Value) -> String {
    let text = |pointer: &str| cause.pointer(pointer).and_then(Value::as_str).unwrap_or("");
    if cause.get("message").is_some() {
        let refused = text("/message/filed/quarantined");
        let ignored = text("/message/filed/no_event");
        let parts = [text("/message/trigger"), text("/message/control_id")];
        let trigger = parts.join(" ").trim().to_owned();
        return match (refused, ignored) {
            ("", "") => trigger,
            ("", reason) => format!("{trigger}: {reason}"),
            (fault, _) => format!("{trigger}: {fault}"),
        };
    }
    if cause.get("reply").is_some() {
        return format!("reply from {}: {}", text("/reply/from"), text("/reply/body"));
    }
    if cause.get("send").is_some() {
        return "sending".to_owned();
    }
    if cause.get("delivery").is_some() {
        return "delivery".to_owned();
    }
    if cause.get("operator").is_some() {
        return format!("operator: {}", text("/operator/action"));
    }
    cause.as_str().unwrap_or("").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_says_how_a_subscription_is() {
        let row = json!({
            "server": "fhir-ehr",
            "subscription": { "id": "7", "status": "active", "made_for": "x", "failures": 0 },
        });
        let shown = json!({
            "server": "fhir-ehr",
            "subscription.status": "active",
            "subscription.failures": 0,
        });
        assert_eq!(legible(&row), shown);
    }
}
