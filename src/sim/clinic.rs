//! The EHR of a world, whichever way it speaks: one front desk, one book, one transcript.
//!
//! What a visitor of the demo does is the same for both; only the lines between EHR and daemon differ.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::NaiveDateTime;
use serde_json::{Value, json};

use super::ehr::{Ehr, Line, SimAppointment, SimPatient};
use super::fhir::{self, Server, Visit};
use crate::core::local_time::{LocalTime, Zone};

/// The EHR of a world.
#[derive(Debug, Clone)]
pub enum Clinic {
    /// It sends SIU over MLLP.
    Hl7(Arc<Ehr>),
    /// It is a FHIR server.
    Fhir(Arc<FhirClinic>),
}

/// An EHR that is a FHIR server.
#[derive(Debug)]
pub struct FhirClinic {
    server: Server,
    zone: Zone,
    /// What went over the wire, in the order in which it was seen to have been answered: the clock may
    /// stand still meanwhile.
    lines: Mutex<Seen>,
}

/// What has been taken down so far, and how far that is.
#[derive(Debug, Default)]
struct Seen {
    lines: Vec<Line>,
    requests: usize,
    deliveries: usize,
}

/// Whether a request is worth showing: searches and questions about the subscription come all day.
fn is_shown(request: &fhir::Request) -> bool {
    let is_look = request.method == "GET" && request.path.contains("/Appointment/");
    let is_change = matches!(request.method.as_str(), "PATCH" | "PUT" | "POST");
    is_look || (is_change && !request.path.contains("/token"))
}

impl FhirClinic {
    /// A clinic with its places, on a server; its book is kept in this zone.
    ///
    /// # Errors
    /// If there is no room.
    pub fn new(server: Server, zone: Zone) -> Result<Arc<Self>, fhir::Error> {
        for (id, name) in [("EAST", "Owl Clinic East"), ("WEST", "Owl Clinic West")] {
            server.put(json!({ "resourceType": "Location", "id": id, "name": name }))?;
        }
        server.put(json!({
            "resourceType": "Practitioner", "id": "frances",
            "name": [{ "family": "Diaz", "given": ["Frances"] }],
        }))?;
        Ok(Arc::new(Self { server, zone, lines: Mutex::default() }))
    }

    /// The server.
    #[must_use]
    pub const fn server(&self) -> &Server {
        &self.server
    }

    fn book(&self, visit: &SimAppointment) -> String {
        let patient = &visit.patient;
        let start = LocalTime::settle(visit.start, self.zone).instant;
        let made = self
            .server
            .put(json!({
                "resourceType": "Patient", "id": patient.mrn,
                "name": [{ "use": "official", "family": patient.family, "given": [patient.given] }],
                "telecom": [{ "system": "phone", "use": "mobile", "value": patient.phone }],
            }))
            .and_then(|_version| {
                let visit = Visit {
                    location: visit.location.clone(),
                    ..Visit::new(&visit.id, &patient.mrn, start)
                };
                self.server.book(&visit)
            });
        said(made.ok())
    }

    fn reschedule(&self, id: &str, start: NaiveDateTime) -> String {
        said(self.server.move_to(id, LocalTime::settle(start, self.zone).instant))
    }

    fn relocate(&self, id: &str, location: &str) -> String {
        let reference = format!("Appointment/{id}");
        let Some(mut resource) = self.server.get(&reference) else { return said(None) };
        let participants = resource.get_mut("participant").map(Value::take).unwrap_or_default();
        let place = json!({ "reference": format!("Location/{location}") });
        let moved =
            participants.as_array().into_iter().flatten().cloned().map(|mut participant| {
                let actor = participant.pointer("/actor/reference").and_then(Value::as_str);
                let is_place = actor.is_some_and(|actor| actor.starts_with("Location/"));
                if let (true, Some(object)) = (is_place, participant.as_object_mut()) {
                    object.insert("actor".to_owned(), place.clone());
                }
                participant
            });
        let change = json!({ "participant": moved.collect::<Vec<_>>() });
        said(self.server.change(&reference, &change))
    }

    fn appointments(&self) -> Vec<SimAppointment> {
        let all = self.server.all("Appointment");
        let mut rows: Vec<_> = all.iter().filter_map(|resource| self.row(resource)).collect();
        rows.sort_by(|one, other| one.id.cmp(&other.id));
        rows
    }

    fn row(&self, resource: &Value) -> Option<SimAppointment> {
        let text = |value: &Value, at: &str| {
            value.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let start = chrono::DateTime::parse_from_rfc3339(&text(resource, "/start")).ok()?;
        let participants = resource.get("participant")?.as_array()?;
        let actor = |kind: &str| {
            participants.iter().find_map(|participant| {
                let reference = participant.pointer("/actor/reference")?.as_str()?;
                Some((participant, reference.strip_prefix(kind)?.strip_prefix('/')?.to_owned()))
            })
        };
        let (invited, mrn) = actor("Patient")?;
        let patient = self.server.get(&format!("Patient/{mrn}"))?;
        let has_answered = text(invited, "/status") == "accepted";
        let status = match text(resource, "/status").as_str() {
            "booked" if has_answered => "Confirmed",
            "booked" => "Booked",
            "cancelled" => "Cancelled",
            "noshow" => "Noshow",
            _ => "Other",
        };
        Some(SimAppointment {
            id: text(resource, "/id"),
            patient: SimPatient {
                given: text(&patient, "/name/0/given/0"),
                family: text(&patient, "/name/0/family"),
                phone: text(&patient, "/telecom/0/value"),
                mrn,
            },
            start: self.zone.local(start.to_utc()),
            location: actor("Location").map(|(_, id)| id).unwrap_or_default(),
            status: status.to_owned(),
        })
    }

    fn transcript(&self) -> Vec<Line> {
        let mut seen = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let told = self.server.deliveries();
        for delivery in told.iter().skip(seen.deliveries) {
            let Some(status) = delivery.status else { break };
            seen.deliveries += 1;
            let line = Line {
                from: "ehr",
                at: delivery.at,
                trigger: format!("{} {}", delivery.kind, delivery.focus.join(" "))
                    .trim()
                    .to_owned(),
                text: pretty(&delivery.body),
                answer: status.to_string(),
            };
            seen.lines.push(line);
        }
        let asked = self.server.requests();
        for request in asked.iter().skip(seen.requests) {
            let Some(status) = request.status else { break };
            seen.requests += 1;
            if !is_shown(request) {
                continue;
            }
            let line = Line {
                from: "appointd",
                at: request.at,
                trigger: format!(
                    "{} {}",
                    request.method,
                    request.path.trim_start_matches("/fhir/")
                ),
                text: pretty(&request.body),
                answer: status.to_string(),
            };
            seen.lines.push(line);
        }
        seen.lines.clone()
    }
}

/// What the front desk sees of a change.
fn said(version: Option<String>) -> String {
    if version.is_some() { "AA".to_owned() } else { "unknown".to_owned() }
}

fn pretty(body: &str) -> String {
    let value: Option<Value> = serde_json::from_str(body).ok();
    let written = value.and_then(|value| serde_json::to_string_pretty(&value).ok());
    written.unwrap_or_else(|| body.to_owned())
}

impl Clinic {
    /// Whether it is a FHIR server.
    #[must_use]
    pub const fn is_fhir(&self) -> bool {
        match self {
            Self::Hl7(_) => false,
            Self::Fhir(_) => true,
        }
    }

    /// The appointments in the book.
    #[must_use]
    pub fn appointments(&self) -> Vec<SimAppointment> {
        match self {
            Self::Hl7(ehr) => ehr.appointments(),
            Self::Fhir(clinic) => clinic.appointments(),
        }
    }

    /// What went between EHR and daemon so far.
    #[must_use]
    pub fn transcript(&self) -> Vec<Line> {
        match self {
            Self::Hl7(ehr) => ehr.transcript(),
            Self::Fhir(clinic) => clinic.transcript(),
        }
    }

    /// Waits until the transcript looks as wanted.
    pub async fn wait_for(&self, mut wanted: impl FnMut(&[Line]) -> bool) {
        match self {
            Self::Hl7(ehr) => {
                ehr.wait_for(wanted).await;
            }
            Self::Fhir(clinic) => {
                clinic.server.wait_for(|_| wanted(&clinic.transcript())).await;
            }
        }
    }

    /// Books an appointment; returns how that went.
    pub async fn book(&self, visit: SimAppointment) -> String {
        match self {
            Self::Hl7(ehr) => ehr.book(visit).await,
            Self::Fhir(clinic) => clinic.book(&visit),
        }
    }

    /// Moves an appointment.
    pub async fn reschedule(&self, id: &str, start: NaiveDateTime) -> String {
        match self {
            Self::Hl7(ehr) => ehr.reschedule(id, start).await,
            Self::Fhir(clinic) => clinic.reschedule(id, start),
        }
    }

    /// Moves an appointment to another place.
    pub async fn relocate(&self, id: &str, location: &str) -> String {
        match self {
            Self::Hl7(ehr) => ehr.relocate(id, location).await,
            Self::Fhir(clinic) => clinic.relocate(id, location),
        }
    }

    /// Calls an appointment off.
    pub async fn cancel(&self, id: &str) -> String {
        match self {
            Self::Hl7(ehr) => ehr.cancel(id).await,
            Self::Fhir(clinic) => said(clinic.server.cancel(id, "prov")),
        }
    }

    /// Notes that the patient did not come.
    pub async fn no_show(&self, id: &str) -> String {
        match self {
            Self::Hl7(ehr) => ehr.no_show(id).await,
            Self::Fhir(clinic) => said(clinic.server.set_status(id, "noshow")),
        }
    }
}
