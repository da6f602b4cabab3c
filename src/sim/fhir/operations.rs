//! Operations beyond reading and writing: a participant's answer, `$cancel`, `$status`, `$events`.

use serde_json::{Value, json};

use super::reply::{Asked, Reply};
use super::search::{Query, text};
use super::state::State;
use super::store::{Key, instant, uuid_of};
use super::subscribe::{Event, Kind};
use crate::clock::Timestamp;

impl State {
    /// Sets the status of the participant that an `AppointmentResponse` is of.
    ///
    /// # Errors
    /// The refusal, if the appointment or the participant is not there.
    pub(super) fn respond(&mut self, response: &Value, now: Timestamp) -> Result<(), Reply> {
        let unfit = |told: &str| Reply::refused(422, "processing", told);
        let about = text(response, "/appointment/reference").and_then(Key::parse);
        let about = about.filter(|key| key.kind == "Appointment");
        let key = about.ok_or_else(|| unfit("there is no appointment"))?;
        let answer = text(response, "/participantStatus");
        let answer = answer.ok_or_else(|| unfit("there is no participantStatus"))?;
        let actor = text(response, "/actor/reference").and_then(Key::parse);
        let actor = actor.ok_or_else(|| unfit("there is no actor"))?;
        self.meddle(&key, now);
        let known = self.store.live(&key).ok_or_else(|| unfit("the appointment is not known"))?;
        let mut changed = known.clone();
        let participants = changed.get_mut("participant").and_then(Value::as_array_mut);
        let mut own = participants.into_iter().flatten().filter_map(|one| {
            let is_own =
                text(one, "/actor/reference").and_then(Key::parse).as_ref() == Some(&actor);
            one.as_object_mut().filter(|_| is_own)
        });
        let own = own.next().ok_or_else(|| unfit("the actor does not take part"))?;
        own.insert("status".to_owned(), json!(answer));
        let is_kept = self.put(&key, changed, now).is_some();
        if is_kept { Ok(()) } else { Err(unfit("the appointment cannot be changed")) }
    }

    /// `POST Appointment/id/$cancel`, as Medplum has it: what is booked or pending is canceled.
    pub(super) fn cancel_operation(&mut self, key: &Key, asked: &Asked, now: Timestamp) -> Reply {
        self.meddle(key, now);
        let Some(resource) = self.store.live(key) else {
            return Reply::refused(404, "not-found", "the resource is not known");
        };
        if !matches!(text(resource, "/status"), Some("booked" | "pending")) {
            return Reply::refused(
                400,
                "invalid",
                "only what is booked or pending can be canceled",
            );
        }
        let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        let parameters = body.get("parameter").and_then(Value::as_array);
        let is_reason = |one: &&Value| {
            text(one, "/name").is_some_and(|name| name.to_ascii_lowercase().ends_with("reason"))
        };
        let reason = parameters
            .and_then(|all| all.iter().find(is_reason)?.get("valueCodeableConcept").cloned());
        let mut change = json!({ "status": "cancelled" });
        if let (Some(reason), Some(object)) = (reason, change.as_object_mut()) {
            object.insert(self.version.cancel_reason().to_owned(), reason);
        }
        match self.merge(key, &change, now) {
            Some(held) => self.write_reply(200, &held, asked, now),
            None => Reply::refused(422, "processing", "the appointment cannot be changed"),
        }
    }

    /// `GET Subscription/id/$status`.
    pub(super) fn status_operation(&mut self, id: &str, now: Timestamp) -> Reply {
        let channel = self.channel(id).filter(|channel| channel.kind == Kind::Topic);
        let Some(channel) = channel.filter(|_| !self.knobs.no_status_operation) else {
            return Reply::refused(404, "not-supported", "there is no such operation");
        };
        let status = self.told((id, "query-status"), &channel, &[], now);
        Reply::ok(json!({
            "resourceType": "Bundle",
            "id": uuid_of(format!("status {id} {}", instant(now)).as_bytes()),
            "type": "searchset",
            "total": 1,
            "entry": [{
                "fullUrl": format!("urn:uuid:{}", uuid_of(id.as_bytes())),
                "resource": status,
                "search": { "mode": "match" },
            }],
        }))
    }

    /// `GET Subscription/id/$events?eventsSinceNumber=&eventsUntilNumber=`; both are inclusive.
    pub(super) fn events_operation(&mut self, id: &str, asked: &Asked, now: Timestamp) -> Reply {
        let channel = self.channel(id).filter(|channel| channel.kind == Kind::Topic);
        let Some(channel) = channel.filter(|_| !self.knobs.no_events_operation) else {
            return Reply::refused(404, "not-supported", "there is no such operation");
        };
        let bound = |name: &str| bound(asked, name);
        let since = bound("eventsSinceNumber").unwrap_or(0);
        let until = bound("eventsUntilNumber").unwrap_or(u64::MAX);
        let known = self.hooks.get(id).into_iter().flat_map(|hook| hook.events.iter());
        let wanted = known.filter(|event| (since..=until).contains(&event.number)).cloned();
        let events: Vec<Event> =
            if self.knobs.empty_events { Vec::new() } else { wanted.collect() };
        Reply::ok(self.told((id, "query-event"), &channel, &events, now))
    }
}

/// A bound of `$events`, from the address or from Parameters.
fn bound(asked: &Asked, name: &str) -> Option<u64> {
    let query = Query::parse(&asked.query);
    let named = query.first(name).and_then(|value| value.parse().ok());
    named.or_else(|| {
        let body: Value = serde_json::from_slice(&asked.body).ok()?;
        let all = body.get("parameter")?.as_array()?;
        let one = all.iter().find(|one| text(one, "/name") == Some(name))?;
        // A text in some versions of the guide, a number in others.
        let (_, value) = one.as_object()?.iter().find(|(name, _)| name.starts_with("value"))?;
        value.as_u64().or_else(|| value.as_str()?.parse().ok())
    })
}
