//! Write-backs of an invented EHR's messages; each file is about one family of forms.

mod notes;
mod other_kinds;
mod properties;
mod schedule;
mod vendors;

use std::collections::BTreeMap;

use super::*;
use crate::core::appointment::{Disposition, Location, Patient, Status};
use crate::core::ids::{AppointmentKey, Identifier, SourceName};
use crate::core::local_time::LocalTime;
use crate::phi::Phi;

const LAST: &str = "MSH|^~\\&|EHR^1.2^ISO|MAIN|APPTD|HUB|20261120110311||SIU^S13|OLD1|P|2.5.1|7||AL|NE\r\
    SCH|P-77^EHR&x|10001^EHR~10002||||BOOK^Booked|FU^Follow \\T\\ up|NORMAL|30|min|^^^20261201093000^20261201100000|||||||||||||||1^SCH^X\r\
    ZAP|as it|is~&^\r\
    PID|1||MRN1^^^MAIN&1.2&ISO^MR~^^^X^PI||Doe^Jane||||||||\"\"\r\
    PV1|1|O|||||||||||||||||V-9^^^MAIN\r\
    RGS|1|D\rAIL|1|D|OLD\rRGS|2|A\rAIL|2|A|CARD1^^^MAIN\rAIP|1||12^Roe\r";

fn appointment() -> Appointment {
    let time = |text: &str| LocalTime::settle(text.parse().unwrap(), chicago());
    let id = Identifier::new("1|0^0&1", Identifier::FILLER);
    Appointment {
        key: AppointmentKey::of(&SourceName::new("ehr"), &id),
        source: SourceName::new("ehr"),
        ids: vec![id, Identifier::new("V-9", "visit")],
        generation: 0,
        status: Status::Booked,
        disposition: Disposition::Queued,
        start: Some(time("2026-12-01T09:30:00")),
        end: Some(time("2026-12-01T10:00:00")),
        duration_minutes: Some(30),
        visit_type: None,
        location: Some(Location { code: "CARD|1".to_owned(), name: None }),
        provider: None,
        callback_phone: None,
        participation: None,
        resources: BTreeMap::new(),
        replaced_by: None,
        patient: Patient {
            id: Some("MRN1".to_owned()),
            ids: vec![Identifier::new("MRN1", "MAIN")],
            family: Some(Phi::new("Doe".to_owned())),
            ..Patient::default()
        },
        occurred_at: DATE,
        last_message: None,
        timers: Vec::new(),
        wish: None,
        sharing: crate::core::share::Sharing::default(),
        unsent_notice: None,
        history: Vec::new(),
        created_at: DATE,
    }
}

fn chicago() -> Zone {
    Zone::parse("America/Chicago").unwrap()
}

const DATE: Timestamp = chrono::DateTime::UNIX_EPOCH;

fn built(wish: WishKind, template: &Template, last: Option<&str>) -> Result<Message, Error> {
    let appointment = appointment();
    let request = Request {
        wish,
        appointment: Some(&appointment),
        control_id: "01ABCDEFGH0000000042",
        now: DATE + chrono::TimeDelta::days(20_778),
        zone: chicago(),
    };
    let last = last.map(Message::read).transpose()?;
    build(&request, template, last.as_ref())
}

fn get(msg: &Message, path: &str) -> String {
    msg.find(&Path::parse(path).unwrap()).map(|part| part.raw().to_owned()).unwrap_or_default()
}

/// A form with values of the site's own.
fn template(form: Form, set: &[(&str, &str)]) -> Template {
    let mut template = Template::new(form);
    for (path, value) in set {
        template.set(path, value).unwrap();
    }
    template
}

/// What the message says to our own reader: event, and the ids of the appointment.
fn read_back(msg: &Message) -> (String, Vec<String>) {
    let mapping = crate::mapping::lookup("hl7-default").unwrap();
    let (source, locations) = (SourceName::new("ehr"), BTreeMap::new());
    let site = crate::mapping::Site {
        source: &source,
        zone: None,
        practice_zone: chicago(),
        region: crate::core::phone::Region::US,
        locations: &locations,
    };
    let crate::mapping::Outcome::Claims(claims) = mapping.apply(msg, &site, DATE) else {
        panic!("no event")
    };
    let claim = claims.first().unwrap();
    let ids = claim.appointment.ids.iter().map(|id| id.value.clone()).collect();
    (format!("{:?}", claim.event), ids)
}
