//! The front desk of the stand-in: booking, moving, calling off, and the people it knows at first.

use chrono::{DateTime, FixedOffset, SecondsFormat, TimeDelta};
use serde_json::{Value, json};

use super::search::text;
use super::{Error, Server, Version};
use crate::clock::Timestamp;

/// The code system of reasons for a cancellation.
const REASONS: &str = "http://terminology.hl7.org/CodeSystem/appointment-cancellation-reason";
/// The system of the clinic's numbers for appointments.
const NUMBERS: &str = "urn:owl-clinic:appointment";

/// An appointment to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// The id.
    pub id: String,
    /// The id of the patient.
    pub patient: String,
    /// The id of the practitioner.
    pub practitioner: String,
    /// The id of the location.
    pub location: String,
    /// When it begins; written with this offset.
    pub start: DateTime<FixedOffset>,
    /// How long it takes, in minutes.
    pub minutes: i64,
    /// The status.
    pub status: String,
    /// The status of the patient as a participant.
    pub answer: String,
}

impl Visit {
    /// A booked visit of half an hour to Frances Diaz at Owl Clinic East, not yet confirmed.
    #[must_use]
    pub fn new(id: &str, patient: &str, start: Timestamp) -> Self {
        let own = str::to_owned;
        Self {
            id: own(id),
            patient: own(patient),
            practitioner: own("frances"),
            location: own("east"),
            start: start.fixed_offset(),
            minutes: 30,
            status: own("booked"),
            answer: own("needs-action"),
        }
    }

    /// The resource.
    #[must_use]
    pub fn resource(&self, version: Version) -> Value {
        let required = match version {
            Version::R5 => json!(true),
            Version::R4 | Version::R4b => json!("required"),
        };
        let concept =
            json!({ "coding": [{ "code": "CHECKUP", "display": "Check-up" }], "text": "Check-up" });
        let service = match version {
            Version::R5 => json!([{ "concept": concept }]),
            Version::R4 | Version::R4b => json!([concept]),
        };
        let participant = |kind: &str, id: &str, status: &str| {
            json!({
                "actor": { "reference": format!("{kind}/{id}") },
                "required": required,
                "status": status,
            })
        };
        json!({
            "resourceType": "Appointment",
            "id": self.id,
            "identifier": [{ "system": NUMBERS, "value": self.id }],
            "status": self.status,
            "serviceType": service,
            "start": written(self.start),
            "end": written(self.start + TimeDelta::minutes(self.minutes)),
            "minutesDuration": self.minutes,
            "participant": [
                participant("Patient", &self.patient, &self.answer),
                participant("Practitioner", &self.practitioner, "accepted"),
                participant("Location", &self.location, "accepted"),
            ],
        })
    }
}

impl Server {
    /// Makes an appointment; returns its version.
    ///
    /// # Errors
    /// If its id is none, or there is no room.
    pub fn book(&self, visit: &Visit) -> Result<String, Error> {
        let version = self.core.look(|state| state.version);
        self.put(visit.resource(version))
    }

    /// Moves an appointment, with the offset that it has, and asks the patient anew; `None` if there
    /// is none.
    pub fn move_to(&self, id: &str, start: Timestamp) -> Option<String> {
        let reference = format!("Appointment/{id}");
        let resource = self.get(&reference)?;
        let instant = |name: &str| {
            let text = resource.get(name).and_then(Value::as_str)?;
            DateTime::parse_from_rfc3339(text).ok()
        };
        let before = instant("start");
        let offset = before.map_or_else(|| start.fixed_offset().timezone(), |at| at.timezone());
        let length = before.zip(instant("end")).map(|(start, end)| end - start);
        let start = start.with_timezone(&offset);
        let end = start + length.unwrap_or_else(|| TimeDelta::minutes(30));
        let mut change = json!({ "start": written(start), "end": written(end) });
        // What was confirmed was the old time.
        if let (Some(list), Some(object)) =
            (answered(&resource, "needs-action"), change.as_object_mut())
        {
            object.insert("participant".to_owned(), list);
        }
        self.change(&reference, &change)
    }

    /// Calls an appointment off, with a code such as `pat` or `prov`; `None` if there is none.
    pub fn cancel(&self, id: &str, reason: &str) -> Option<String> {
        let version = self.core.look(|state| state.version);
        let concept = json!({ "coding": [{ "system": REASONS, "code": reason }] });
        let change = json!({ "status": "cancelled", version.cancel_reason(): concept });
        self.change(&format!("Appointment/{id}"), &change)
    }

    /// Sets the status of an appointment to any code; `None` if there is none.
    pub fn set_status(&self, id: &str, code: &str) -> Option<String> {
        self.change(&format!("Appointment/{id}"), &json!({ "status": code }))
    }

    /// Notes that the patient has confirmed to the front desk; `None` if there is no appointment.
    pub fn confirm_by_staff(&self, id: &str) -> Option<String> {
        self.answer(id, "accepted")
    }

    /// Sets the status of the patients of an appointment as participants; `None` if there is none.
    pub fn answer(&self, id: &str, status: &str) -> Option<String> {
        let reference = format!("Appointment/{id}");
        let participants = answered(&self.get(&reference)?, status)?;
        self.change(&reference, &json!({ "participant": participants }))
    }

    /// Puts a few invented patients, a practitioner, two locations and some appointments of the days
    /// to come.
    ///
    /// # Errors
    /// If there is no room.
    pub fn invent(&self) -> Result<(), Error> {
        for resource in [
            patient("jane", "Jane", "Doe", "(415) 555-0123"),
            patient("john", "John", "Roe", "(415) 555-0124"),
            practitioner("frances", "Frances", "Diaz"),
            location("east", "Owl Clinic East", "12 Elm St"),
            location("west", "Owl Clinic West", "7 Oak Ave"),
        ] {
            self.put(resource)?;
        }
        let now = self.core.clock.now();
        // At 18:00 UTC it is day in all of America.
        let at = |days: i64| {
            let day = (now + TimeDelta::days(days)).date_naive();
            day.and_hms_opt(18, 0, 0).map_or(now, |at| at.and_utc())
        };
        self.book(&Visit::new("visit-1", "jane", at(3)))?;
        let west = Visit { location: "west".to_owned(), ..Visit::new("visit-2", "john", at(5)) };
        self.book(&west)?;
        self.book(&Visit::new("visit-3", "jane", at(30)))?;
        Ok(())
    }
}

/// The participants with the patients' answers set; `None` if there are none.
fn answered(resource: &Value, status: &str) -> Option<Value> {
    let mut participants = resource.get("participant")?.clone();
    for participant in participants.as_array_mut()? {
        let actor = text(participant, "/actor/reference").unwrap_or_default();
        let is_patient = actor.contains("Patient/");
        if let (true, Some(object)) = (is_patient, participant.as_object_mut()) {
            object.insert("status".to_owned(), json!(status));
        }
    }
    Some(participants)
}

/// A patient with a mobile phone.
fn patient(id: &str, given: &str, family: &str, phone: &str) -> Value {
    json!({
        "resourceType": "Patient",
        "id": id,
        "identifier": [{ "system": "urn:owl-clinic:mrn", "value": format!("MRN-{id}") }],
        "active": true,
        "name": [{ "use": "official", "family": family, "given": [given] }],
        "telecom": [{ "system": "phone", "use": "mobile", "value": phone }],
        "birthDate": "1980-01-01",
        "communication": [{
            "language": { "coding": [{ "system": "urn:ietf:bcp:47", "code": "en-US" }] },
            "preferred": true,
        }],
    })
}

fn practitioner(id: &str, given: &str, family: &str) -> Value {
    json!({
        "resourceType": "Practitioner",
        "id": id,
        "name": [{ "family": family, "given": [given], "prefix": ["Dr."] }],
    })
}

fn location(id: &str, name: &str, street: &str) -> Value {
    json!({
        "resourceType": "Location",
        "id": id,
        "extension": [{
            "url": "http://hl7.org/fhir/StructureDefinition/timezone",
            "valueCode": "America/Los_Angeles",
        }],
        "status": "active",
        "name": name,
        "telecom": [{ "system": "phone", "value": "(510) 555-0100" }],
        "address": { "line": [street], "city": "Oakland", "state": "CA" },
    })
}

/// An instant as FHIR writes it, with its offset.
fn written(at: DateTime<FixedOffset>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
