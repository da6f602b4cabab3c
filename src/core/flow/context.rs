//! What templates see of a run, under the names that Studio has for it.

use serde_json::{Map, Value, json};

use super::program::Program;
use super::run::{Frame, Run, TriggerKind};
use super::step::Surroundings;
use crate::core::local_time::Zone;

/// The scope of templates in the flow that is under way.
pub(super) fn scope(program: &Program, run: &Run, around: Surroundings<'_>) -> Value {
    let trigger = &run.trigger;
    let given = trigger.data.expose();
    let nothing = Map::new();
    let frame = run.frames.last();
    let data = frame.and_then(|frame| frame.data.as_ref()).map_or(given, |data| data.expose());
    let kept = |of: fn(&Frame) -> &Map<String, Value>| frame.map_or(&nothing, of);
    let flow_sid = frame.map_or("", |frame| {
        program.flow(&frame.flow).and_then(|flow| flow.sid.as_deref()).unwrap_or(&frame.flow)
    });
    json!({
        "flow": {
            "sid": trigger.sid,
            "flow_sid": flow_sid,
            "channel": { "address": trigger.from },
            "data": data,
            "variables": kept(|frame| frame.variables.expose()),
        },
        "trigger": {
            "message": message(run),
            "request": { "from": trigger.from, "to": trigger.to, "parameters": given },
            "parent": parent(run),
        },
        "contact": { "channel": { "address": trigger.to } },
        "widgets": kept(|frame| frame.widgets.expose()),
        "practice": { "name": around.practice_name, "callback_phone": around.callback_phone },
    })
}

/// The text that started the run, as Twilio's fields of it came along.
fn message(run: &Run) -> Value {
    match run.trigger.kind {
        TriggerKind::Message => {
            let mut fields = run.trigger.data.expose().clone();
            let own = [("From", &run.trigger.to), ("To", &run.trigger.from)];
            fields.extend(own.map(|(key, value)| (key.to_owned(), json!(value))));
            Value::Object(fields)
        }
        TriggerKind::Request | TriggerKind::Parent => json!({}),
    }
}

/// What a calling flow handed over.
fn parent(run: &Run) -> Value {
    let of_frame = run.frames.last().and_then(|frame| frame.data.as_ref());
    let is_called = run.trigger.kind == TriggerKind::Parent;
    let called = of_frame.or_else(|| is_called.then_some(&run.trigger.data));
    match called {
        Some(parameters) => json!({ "parameters": parameters.expose() }),
        None => json!({}),
    }
}

/// The zone for dates in templates, which only know named ones.
pub(super) fn named_zone(zone: Zone) -> chrono_tz::Tz {
    match zone {
        Zone::Iana(tz) => tz,
        Zone::Fixed(offset) => {
            let seconds = offset.local_minus_utc();
            // By POSIX, which these names follow, west is plus.
            let name = format!("Etc/GMT{:+}", -seconds / 3600);
            let named = name.parse().ok().filter(|_| seconds % 3600 == 0);
            named.unwrap_or(chrono_tz::UTC)
        }
    }
}
