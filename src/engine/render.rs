//! Rows as JSON objects: one shape for the API, the command line and files.

use serde_json::{Value, json};

use super::rows::Entry;
use crate::core::appointment::Appointment;
use crate::core::contact::Contact;
use crate::core::delivery::Outgoing;
use crate::core::effect::Effect;
use crate::core::ids::Seq;
use crate::core::local_time::LocalTime;
use crate::core::reason::Outcome;
use crate::core::task::{TaskId, Ticket};

/// Renders an appointment for people and scripts.
#[must_use]
pub fn appointment_json(row: &Appointment) -> Value {
    let (sharing, mut others) = (&row.sharing, json!({}));
    if sharing.has_patients() {
        others = json!({ "shared": true });
    }
    if sharing.has_times() {
        let place = json!({ "number": sharing.part.occurrence, "of": sharing.occurrences });
        others = joined(others, json!({ "occurrence": place }));
    }
    if let Some(answer) = row.participation {
        others = joined(others, json!({ "participation": answer }));
    }
    if !row.resources.is_empty() {
        others = joined(others, json!({ "resources": row.resources }));
    }
    let row = json!({
        "key": row.key,
        "status": row.status,
        "disposition": row.disposition.to_string(),
        "start": row.start.as_ref().map(LocalTime::to_rfc3339),
        "time_zone": row.start.as_ref().map(|start| start.zone.to_string()),
        "patient": row.patient,
        "type": row.visit_type,
        "location": row.location,
        "provider": row.provider,
        "ids": row.ids,
        "generation": row.generation,
        "timers": row.timers,
        "wish": row.wish,
        "created_at": row.created_at,
    });
    joined(row, others)
}

/// Renders what was decided about one appointment, and why.
#[must_use]
pub fn outcome_json(outcome: &Outcome) -> Value {
    json!({
        "appointment": outcome.appointment,
        "event": outcome.event,
        "because": outcome.because.to_string(),
        "reason": outcome.because,
    })
}

/// Renders an entry of the journal.
#[must_use]
pub fn entry_json(seq: Seq, entry: &Entry) -> Value {
    let outcomes: Vec<Value> = entry.outcomes.iter().map(outcome_json).collect();
    json!({ "seq": seq, "at": entry.at, "cause": entry.cause, "outcomes": outcomes })
}

/// Renders a row of the outbox.
#[must_use]
pub fn outgoing_json(row: &Outgoing) -> Value {
    let common = json!({
        "id": row.id,
        "state": row.state.name(),
        "due": row.due,
        "not_after": row.not_after,
        "attempts": row.attempts,
        "created_at": row.created_at,
        "provider_id": row.provider_id,
        "error": row.error,
    });
    let own = match &row.effect {
        Effect::SendSms(sms) => json!({
            "kind": sms.kind.name(),
            "to": sms.to,
            "body": sms.body,
            "about": sms.about,
        }),
        Effect::ReadFhir(read) => json!({
            "kind": "read",
            "server": read.server,
            "what": read.what,
        }),
        Effect::CallHttp(call) => json!({
            "kind": "call",
            "recipient": call.session.to_string(),
            "url": call.call.url,
        }),
        Effect::SendHl7(write_back)
        | Effect::UpdateFhir(write_back)
        | Effect::PostJson(write_back) => json!({
            "kind": "write_back",
            "wish": write_back.wish,
            "destination": write_back.destination,
            "control_id": write_back.control_id,
            "appointment": write_back.appointment,
        }),
    };
    joined(common, own)
}

/// Renders a task.
#[must_use]
pub fn ticket_json(id: TaskId, ticket: &Ticket) -> Value {
    let task = &ticket.task;
    json!({
        "id": id.to_string(),
        "kind": task.kind,
        "urgent": task.kind.is_urgent(),
        "state": ticket.state,
        "by": ticket.by,
        "at": task.at,
        "changed_at": ticket.changed_at,
        "appointment": task.appointment,
        "phone": task.phone,
        "note": task.note,
        "notes": ticket.notes,
        "notes_left_out": ticket.notes_left_out,
        "seq": id.seq,
    })
}

/// Renders whether a phone may be texted, since when and by whose word.
#[must_use]
pub fn consent_json(contact: &Contact) -> Value {
    let consent = &contact.consent;
    json!({
        "phone": contact.phone,
        "opted_out": consent.opted_out,
        "since": consent.since,
        "by": consent.by,
        "without": consent.without,
        "changes": consent.changes,
    })
}

/// The keys of two objects in one.
pub(super) fn joined(mut first: Value, second: Value) -> Value {
    if let (Value::Object(into), Value::Object(from)) = (&mut first, second) {
        into.extend(from);
    }
    first
}
