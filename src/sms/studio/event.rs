//! The reference system's appointment event: flat fields, all of them text, each checked.
//!
//! What may be left out is left as it was known. A number for the patient is `To`; where
//! `patient_phone` says another one, the caller has mixed up two patients and is told.

use chrono::{FixedOffset, NaiveDateTime};
use serde_json::{Map, Value};

use super::time::{self, Unread};
use super::{ExecutionSid, Fault};
use crate::clock::Timestamp;
use crate::core::local_time::Zone;
use crate::core::phone::{PhoneNumber, Region};
use crate::phi::Phi;

/// What is known about the caller.
#[derive(Debug, Clone, Copy)]
pub struct Site<'a> {
    /// The flow's id, which is part of what an execution is told apart by.
    pub flow_sid: &'a str,
    /// How phone numbers are written there.
    pub region: Region,
}

/// What is told of an appointment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventType {
    /// It is new.
    Booked,
    /// Something but its time has changed.
    Modified,
    /// Its time has changed.
    Rescheduled,
    /// The patient did not come.
    NoShowed,
    /// It is off.
    Canceled,
    /// The patient is known to come.
    Confirmed,
    /// The patient is to be reminded now.
    Remind,
    /// The patient wants no texts.
    OptedOut,
}

impl EventType {
    /// All words that are taken; the first of a kind is its name.
    const WORDS: [(&'static str, Self); 11] = [
        ("BOOKED", Self::Booked),
        ("MODIFIED", Self::Modified),
        ("RESCHEDULED", Self::Rescheduled),
        ("NOSHOWED", Self::NoShowed),
        ("CANCELED", Self::Canceled),
        ("CANCEL", Self::Canceled),
        ("CANCELLED", Self::Canceled),
        ("CONFIRMED", Self::Confirmed),
        ("CONFIRM", Self::Confirmed),
        ("REMIND", Self::Remind),
        ("OPTED-OUT", Self::OptedOut),
    ];

    /// Reads a word in any case; an underscore counts as a hyphen.
    ///
    /// ```
    /// use appointd::sms::studio::EventType;
    /// assert_eq!(EventType::parse("cancel"), Some(EventType::Canceled));
    /// assert_eq!(EventType::parse("Opted_Out"), Some(EventType::OptedOut));
    /// assert_eq!(EventType::parse("MOVED"), None);
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let word = text.to_ascii_uppercase().replace('_', "-");
        Self::WORDS.iter().find(|(known, _)| *known == word).map(|(_, event)| *event)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::WORDS.iter().find(|(_, event)| *event == self).map_or("", |(name, _)| name)
    }

    /// Whether it says nothing without the time of the visit.
    const fn needs_start(self) -> bool {
        match self {
            Self::Booked | Self::Modified | Self::Rescheduled => true,
            Self::NoShowed | Self::Canceled | Self::Confirmed | Self::Remind | Self::OptedOut => {
                false
            }
        }
    }
}

/// An appointment event; what is `None` was not said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppointmentEvent {
    /// The id of the execution that it is; the same event again has the same.
    pub sid: ExecutionSid,
    /// What is told.
    pub event: EventType,
    /// When it was so at the EHR.
    pub occurred_at: Timestamp,
    /// The appointment's number at the EHR.
    pub appointment_id: String,
    /// What the wall clock shows at its start.
    pub start: Option<NaiveDateTime>,
    /// The zone of that.
    pub zone: Option<Zone>,
    /// The place, by the code or the words that the EHR has for it.
    pub location: Option<String>,
    /// The patient's record number.
    pub patient_id: String,
    /// Given name.
    pub patient_given: Option<Phi<String>>,
    /// Family name.
    pub patient_family: Option<Phi<String>>,
    /// Whom to text.
    pub phone: PhoneNumber,
    /// The provider's number at the EHR.
    pub provider_id: Option<String>,
    /// Given name.
    pub provider_given: Option<String>,
    /// Family name.
    pub provider_family: Option<String>,
    /// Whom to call, as it was written.
    pub callback_phone: Option<String>,
}

impl AppointmentEvent {
    /// Reads the members of `Parameters`; others than the known ones are left alone.
    ///
    /// # Errors
    /// Every fault there is.
    pub fn read(
        parameters: &Map<String, Value>,
        to: &PhoneNumber,
        site: Site<'_>,
    ) -> Result<Self, Vec<Fault>> {
        let mut fields = Fields { parameters, faults: Vec::new() };
        let event = fields.event_type();
        let occurred_at = fields.occurred_at();
        let appointment_id = fields.needed("appointment_id", &ID);
        let patient_id = fields.needed("patient_id", &ID);
        let start = fields.start(event);
        let zone = fields.zone();
        fields.same_phone(to, site.region);
        let name = |fields: &mut Fields<'_>, field| fields.text(field, &NAME);
        let patient_given = name(&mut fields, "patient_first_name").map(Phi::new);
        let patient_family = name(&mut fields, "patient_last_name").map(Phi::new);
        let provider_id = fields.text("provider_id", &ID);
        let provider_given = name(&mut fields, "provider_first_name");
        let provider_family = name(&mut fields, "provider_last_name");
        let callback_phone = fields.callback_phone(site.region);
        let location = fields.text("appointment_location", &PLACE);
        let faults = fields.faults;
        match (event, occurred_at, appointment_id, patient_id) {
            (Some(event), Some(occurred_at), Some(appointment_id), Some(patient_id))
                if faults.is_empty() =>
            {
                let mut read = Self {
                    sid: ExecutionSid::of(&[]),
                    event,
                    occurred_at,
                    appointment_id,
                    start,
                    zone,
                    location,
                    patient_id,
                    patient_given,
                    patient_family,
                    phone: to.clone(),
                    provider_id,
                    provider_given,
                    provider_family,
                    callback_phone,
                };
                read.sid = read.own_sid(site.flow_sid);
                Ok(read)
            }
            _ => Err(faults),
        }
    }

    /// The id made of everything that is said: the order of members and blanks around values are not.
    fn own_sid(&self, flow_sid: &str) -> ExecutionSid {
        let told = |text: &Option<String>| text.clone().unwrap_or_default();
        let hidden = |text: &Option<Phi<String>>| {
            text.as_ref().map(|text| text.expose().clone()).unwrap_or_default()
        };
        let parts = [
            flow_sid.to_owned(),
            self.appointment_id.clone(),
            self.event.name().to_owned(),
            self.occurred_at.to_rfc3339(),
            self.start.map(|start| start.to_string()).unwrap_or_default(),
            self.zone.map(|zone| zone.to_string()).unwrap_or_default(),
            told(&self.location),
            self.patient_id.clone(),
            hidden(&self.patient_given),
            hidden(&self.patient_family),
            self.phone.as_str().to_owned(),
            told(&self.provider_id),
            told(&self.provider_given),
            told(&self.provider_family),
            told(&self.callback_phone),
        ];
        ExecutionSid::of(&parts.each_ref().map(String::as_str))
    }
}

/// What a kind of text may hold.
struct Kind {
    chars_max: usize,
    too_long: &'static str,
    /// Whether a whole number is taken for a text too: engines write ids as both.
    may_be_number: bool,
    /// Whether it is for people, who must not be led elsewhere by it.
    is_shown: bool,
    /// Whether it is somebody's name.
    is_name: bool,
}

/// No EHR has longer ids; HL7's own limit for the identifier of an EI is 199 (HL7 v2.5.1, 2.A.28).
const ID: Kind = Kind {
    chars_max: 199,
    too_long: "is longer than 199 characters",
    may_be_number: true,
    is_shown: false,
    is_name: false,
};
/// Twice the longest name that a passport can hold; a text of one segment has 160 characters.
const NAME: Kind = Kind {
    chars_max: 80,
    too_long: "is longer than 80 characters",
    may_be_number: false,
    is_shown: true,
    is_name: true,
};
/// A place with its address.
const PLACE: Kind = Kind {
    chars_max: 200,
    too_long: "is longer than 200 characters",
    may_be_number: false,
    is_shown: true,
    is_name: false,
};
/// Words, times and phone numbers; what is longer is none of them.
const WORD: Kind = Kind {
    chars_max: 64,
    too_long: "is longer than 64 characters",
    may_be_number: false,
    is_shown: false,
    is_name: false,
};

/// The members while they are read, and what is wrong with them.
struct Fields<'a> {
    parameters: &'a Map<String, Value>,
    faults: Vec<Fault>,
}

impl Fields<'_> {
    fn fault<T>(&mut self, field: &'static str, problem: &'static str) -> Option<T> {
        self.faults.push(Fault::new(field, problem));
        None
    }

    /// A text without blanks around it; nothing where it is absent, null or empty.
    fn text(&mut self, field: &'static str, kind: &Kind) -> Option<String> {
        let text = match self.parameters.get(field)? {
            Value::Null => return None,
            // Some keyboards write it for an apostrophe, as in O`Neill.
            Value::String(text) if kind.is_name => text.trim().replace('`', "'"),
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) if kind.may_be_number && !number.is_f64() => number.to_string(),
            Value::Number(_) => return self.fault(field, "is a number; write a text in quotes"),
            Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                return self.fault(field, "is no text; write a text in quotes");
            }
        };
        if text.chars().count() > kind.chars_max {
            return self.fault(field, kind.too_long);
        }
        if text.contains(|c: char| c.is_control() || is_invisible(c)) {
            return self.fault(field, "has control characters; write one line of text");
        }
        if text.contains(['<', '>', '{', '}', '`']) {
            return self.fault(field, "has characters of markup (< > { } `); write plain text");
        }
        if kind.is_shown && text.contains("://") {
            return self.fault(field, "has a web address in it; write plain text");
        }
        (!text.is_empty()).then_some(text)
    }

    fn needed(&mut self, field: &'static str, kind: &Kind) -> Option<String> {
        let before = self.faults.len();
        let text = self.text(field, kind);
        if text.is_none() && self.faults.len() == before {
            return self.fault(field, "is missing");
        }
        text
    }

    fn event_type(&mut self) -> Option<EventType> {
        let text = self.needed("event_type", &WORD)?;
        let event = EventType::parse(&text);
        let wanted = "is no event; write BOOKED, RESCHEDULED, MODIFIED, CONFIRMED, CANCELED, \
                      NOSHOWED, REMIND or OPTED-OUT";
        event.or_else(|| self.fault("event_type", wanted))
    }

    fn occurred_at(&mut self) -> Option<Timestamp> {
        let field = "event_datetime_utc";
        let text = self.needed(field, &WORD)?;
        time::instant(&text).map_or_else(
            |unread| {
                let form = "is no time; write it in UTC, as 2026-12-01T17:30:00Z";
                self.fault(field, unread.problem(form))
            },
            Some,
        )
    }

    fn start(&mut self, event: Option<EventType>) -> Option<NaiveDateTime> {
        let field = "appointment_datetime";
        let is_needed = event.is_some_and(EventType::needs_start);
        let text = if is_needed { self.needed(field, &WORD) } else { self.text(field, &WORD) }?;
        time::wall_clock(&text).map_or_else(
            |unread| {
                let form = "is no time; write what the clock shows there, as 2026-12-01T09:30:00";
                self.fault(field, unread.problem(form))
            },
            Some,
        )
    }

    fn zone(&mut self) -> Option<Zone> {
        let field = "appointment_timezone";
        let text = self.text(field, &WORD)?;
        let text = if text.eq_ignore_ascii_case("z") { "UTC" } else { &text };
        // No place is further from Greenwich than these.
        let is_place =
            |offset: &FixedOffset| (-12 * 3_600..=14 * 3_600).contains(&offset.local_minus_utc());
        match Zone::parse(text) {
            Ok(Zone::Fixed(offset)) if is_place(&offset) => Some(Zone::Fixed(offset)),
            Ok(Zone::Iana(zone)) => Some(Zone::Iana(zone)),
            Ok(Zone::Fixed(_)) | Err(_) => {
                self.fault(field, "is no time zone; write -0700, -07:00 or America/Los_Angeles")
            }
        }
    }

    fn same_phone(&mut self, to: &PhoneNumber, region: Region) {
        let field = "patient_phone";
        let Some(text) = self.text(field, &WORD) else { return };
        let problem = match PhoneNumber::parse(&text, region) {
            Ok(phone) if phone == *to => return,
            Ok(_) => "is another number than To; write the same in both",
            Err(_) => "is no phone number; write it as +14155550123",
        };
        let _nothing: Option<()> = self.fault(field, problem);
    }

    /// What is no phone number is not said: the practice's own stands in texts then, and the event
    /// counts.
    fn callback_phone(&mut self, region: Region) -> Option<String> {
        let before = self.faults.len();
        let text = self.text("provider_callback_phone", &WORD);
        self.faults.truncate(before);
        text.filter(|text| PhoneNumber::parse(text, region).is_ok())
    }
}

impl Unread {
    const fn problem(self, form: &'static str) -> &'static str {
        match self {
            Self::Form => form,
            Self::NoSuchTime => "names a day or a time of day that does not exist",
            Self::Year => "lies in a year before 2000 or after 2100",
        }
    }
}

/// Whether a character changes how the text around it is read, or hides in it. The joiners of Arabic
/// and Indic scripts (U+200C, U+200D) stand in names.
const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
    )
}
