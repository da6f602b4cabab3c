//! From an appointment as it was read at a FHIR server to what the engine takes.
//!
//! What is read is a bundle in the form in which the journal keeps it: one appointment with all that
//! belongs to it, or the word that it is gone. Reading it again from the journal takes the same road.

use serde_json::{Value, json};

use super::intake::{Intake, Parsed, Trouble, explained};
use crate::clock::Timestamp;
use crate::core::claim::Claim;
use crate::core::ids::Identifier;
use crate::engine::rows::digest;
use crate::engine::{Reading, Received, Sameness};
use crate::fhir::resource::{fingerprint, identity};
use crate::mapping::{Outcome, Resource};

/// How a resource came to us.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// The server.
    pub peer: &'a str,
    /// Why nobody is to be told, if nobody is.
    pub quiet: Option<&'a str>,
}

impl Intake {
    /// What is known of bytes before anything of them is read.
    #[must_use]
    pub fn arrived(&self, raw: Vec<u8>, arrival: &Arrival<'_>) -> Received {
        self.received(raw, arrival.peer, Reading::NoEvent(String::new()))
    }

    /// Reads appointments in the form in which the journal keeps them.
    #[must_use]
    pub fn resources(&self, raw: Vec<u8>, arrival: &Arrival<'_>, now: Timestamp) -> Vec<Parsed> {
        let Ok(text) = std::str::from_utf8(&raw) else {
            return vec![self.unread(raw, arrival, "this is no UTF-8".to_owned())];
        };
        match Resource::read_all(text) {
            Err(fault) => vec![self.unread(raw, arrival, fault.to_string())],
            Ok(resources) if resources.is_empty() => {
                vec![self.unread(raw, arrival, "there is no appointment in it".to_owned())]
            }
            Ok(resources) => {
                let resources = resources.iter();
                resources
                    .map(|read| match read {
                        Ok(resource) => self.resource(resource, raw.clone(), arrival, now),
                        Err(refusal) => self.unread(raw.clone(), arrival, refusal.to_string()),
                    })
                    .collect()
            }
        }
    }

    /// Reads appointments with the mapping in force, explains each step, and changes nothing.
    pub(super) fn explain_resources(&self, raw: &[u8], now: Timestamp) -> Vec<Value> {
        let fault = |fault: String| vec![json!({ "event": null, "fault": fault })];
        let Ok(text) = std::str::from_utf8(raw) else {
            return fault("this is no UTF-8".to_owned());
        };
        let live = self.live();
        match Resource::read_all(text) {
            Err(refusal) => fault(refusal.to_string()),
            Ok(resources) => resources
                .iter()
                .flat_map(|read| {
                    let resource = match read {
                        Ok(resource) => resource,
                        Err(refusal) => return fault(refusal.to_string()),
                    };
                    let chosen = live.mapping.of(resource, &self.source);
                    explained(chosen, resource.into(), &self.site(&live), now)
                })
                .collect(),
        }
    }

    fn resource(
        &self,
        resource: &Resource,
        raw: Vec<u8>,
        arrival: &Arrival<'_>,
        now: Timestamp,
    ) -> Parsed {
        let live = self.live();
        let mut received = self.arrived(raw, arrival);
        received.trigger = resource.kind().to_owned();
        received.sender = arrival.peer.to_owned();
        let chosen = live.mapping.of(resource, &self.source);
        if let Some((id, content)) = content_of(&received.raw) {
            received.control_id = id;
            // A mapping that was mended reads the same resource as something else.
            let content = format!("{content}.{}", chosen.mapping.hash());
            received.sameness = Sameness::Content(content);
        }
        received.mapping = chosen.mapping.name().to_owned();
        received.mapping_hash = chosen.mapping.hash().to_owned();
        received.detected = chosen.because.map(str::to_owned);
        let (outcome, trace) = chosen.mapping.apply_traced(resource, &self.site(&live), now);
        received.trace = trace.into_stored();
        let (reading, trouble) = match outcome {
            Outcome::Claims(claims) => {
                let claims = claims.into_iter().map(|claim| self.placed(claim, arrival)).collect();
                (Reading::Claims(claims), Trouble::None)
            }
            Outcome::NoEvent(reason) => {
                let said = format!("{} ({})", reason.sentence, reason.code);
                (Reading::NoEvent(said), Trouble::None)
            }
            Outcome::Failed(fault) => (Reading::Fault(fault.to_string()), Trouble::Mapping),
        };
        received.reading = reading;
        Parsed { received, request: None, trouble }
    }

    /// The claim with what the feed knows of it: whose appointments these are, and that nobody is to
    /// be told.
    fn placed(&self, mut claim: Claim, arrival: &Arrival<'_>) -> Claim {
        claim.origin.space = self.space.clone();
        if let Some(resource) =
            claim.appointment.resource.as_ref().filter(|_| self.space != self.source)
        {
            // The other feed's numbers are its own: an id of this server is never one of them.
            let ids = claim.appointment.ids.iter_mut();
            for id in ids.filter(|id| id.system == Identifier::FILLER && id.value == resource.id) {
                "fhir".clone_into(&mut id.system);
            }
        }
        claim.quiet = claim.quiet.or_else(|| arrival.quiet.map(str::to_owned));
        claim
    }

    fn unread(&self, raw: Vec<u8>, arrival: &Arrival<'_>, fault: String) -> Parsed {
        let control_id = digest(&raw);
        let mut received = self.arrived(raw, arrival);
        received.control_id = control_id;
        received.sender = arrival.peer.to_owned();
        received.reading = Reading::Fault(fault);
        Parsed { received, request: None, trouble: Trouble::Parse }
    }
}

/// Which appointment a bundle is about, and a digest of what it says.
fn content_of(raw: &[u8]) -> Option<(String, String)> {
    let bundle: Value = serde_json::from_slice(raw).ok()?;
    let entries = bundle.get("entry").and_then(Value::as_array);
    let (first, rest) = match entries.map(Vec::as_slice) {
        Some([first, rest @ ..]) => (first, rest),
        // An appointment by itself.
        Some([]) | None => (&bundle, &[][..]),
    };
    let resource = first.get("resource").unwrap_or(first);
    let id = match identity(resource) {
        Some(identity) => format!("{}/{}", identity.kind, identity.id),
        // One that is gone has only its address left.
        None => first.get("request")?.get("url")?.as_str()?.to_owned(),
    };
    let rest: Vec<&Value> = rest.iter().collect();
    Some((id, fingerprint(first, &rest)))
}
