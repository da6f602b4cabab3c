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
        sharing: crate::core::share::Sharing::default(),
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

#[test]
fn a_confirmation_is_the_last_message_with_a_new_status() {
    let msg = built(WishKind::Confirm, &Template::new(Form::SiuS14), Some(LAST)).unwrap();
    for (path, raw) in [
        ("MSH-3", "APPTD"),
        ("MSH-4", "HUB"),
        ("MSH-5", "EHR^1.2^ISO"),
        ("MSH-6", "MAIN"),
        ("MSH-7", "20261120180000-0600"),
        ("MSH-9", "SIU^S14^SIU_S12"),
        ("MSH-10", "01ABCDEFGH0000000042"),
        ("MSH-13", ""),
        ("MSH-15", ""),
        ("SCH-1", "P-77^EHR&x"),
        ("SCH-2", "10001^EHR~10002"),
        ("SCH-7", "FU^Follow \\T\\ up"),
        ("SCH-11.4", "20261201093000"),
        ("SCH-16", "APPTD"),
        ("SCH-20", "APPTD"),
        ("SCH-25", "Confirmed^Confirmed"),
        ("ZAP-2", "is~&^"),
        ("PID-3", "MRN1^^^MAIN&1.2&ISO^MR~^^^X^PI"),
        ("PID-13", "\"\""),
        ("PV1-19", "V-9^^^MAIN"),
    ] {
        assert_eq!(get(&msg, path), raw, "{path}");
    }
}

#[test]
fn a_cancellation_is_an_s15_and_no_resource_is_taken_off_again() {
    let msg = built(WishKind::Cancel, &Template::new(Form::SiuS15), Some(LAST)).unwrap();
    assert_eq!(get(&msg, "MSH-9"), "SIU^S15^SIU_S12");
    assert_eq!(get(&msg, "SCH-25"), "Cancelled^Cancelled");
    assert_eq!(get(&msg, "SCH-6.1"), "PATCANCEL");
    assert!(!msg.text().contains("OLD\r"));
    assert_eq!(get(&msg, "RGS-1"), "2");
    assert_eq!(get(&msg, "RGS-2"), "X");
    assert_eq!((get(&msg, "AIL-2"), get(&msg, "AIL-3.1")), ("X".to_owned(), "CARD1".to_owned()));
    assert_eq!(get(&msg, "AIP-2"), "");
}

#[test]
fn a_request_has_the_ids_and_the_time_in_arq() {
    for (form, trigger) in [(Form::SrmS03, "S03"), (Form::SrmS04, "S04")] {
        let msg = built(WishKind::Cancel, &Template::new(form), Some(LAST)).unwrap();
        assert_eq!(get(&msg, "MSH-9"), format!("SRM^{trigger}^SRM_S01"));
        assert_eq!(get(&msg, "ARQ-1"), "P-77^EHR&x");
        assert_eq!(get(&msg, "ARQ-2"), "10001^EHR~10002");
        assert_eq!(get(&msg, "ARQ-6.1"), "PATCANCEL");
        assert_eq!(get(&msg, "ARQ-11"), "20261201093000^20261201100000");
        assert_eq!((get(&msg, "ARQ-15"), get(&msg, "ARQ-19")), ("APPTD".into(), "APPTD".into()));
        assert!(msg.segment("SCH").is_none());
        assert_eq!(get(&msg, "PID-3"), "MRN1^^^MAIN&1.2&ISO^MR~^^^X^PI");
        assert_eq!(msg.segments().nth(1).unwrap().name().as_str(), "ARQ");
    }
}

#[test]
fn an_old_version_gets_no_structure() {
    let last = LAST.replace("2.5.1", "2.3");
    let msg = built(WishKind::Confirm, &Template::new(Form::SiuS14), Some(&last)).unwrap();
    assert_eq!(get(&msg, "MSH-9"), "SIU^S14");
}

#[test]
fn a_site_sets_what_it_wants_and_missing_segments_are_added() {
    let set: BTreeMap<String, String> = [
        ("SCH-25", "CONF^Confirmed"),
        ("SCH-6.2", "Tom & Jerry"),
        ("ZAA-3.1", "a|b"),
        ("PID-13", "\"\""),
        ("MSH-15", "AL"),
    ]
    .map(|(path, value)| (path.to_owned(), value.to_owned()))
    .into();
    let template = Template::parse("siu_s14", &set).unwrap();
    let msg = built(WishKind::Confirm, &template, Some(LAST)).unwrap();
    assert_eq!(get(&msg, "SCH-25"), "CONF^Confirmed");
    assert_eq!(get(&msg, "SCH-6"), "PATCONFIRM^Tom \\T\\ Jerry");
    assert_eq!(get(&msg, "ZAA-3"), "a\\F\\b");
    assert_eq!(get(&msg, "MSH-15"), "AL");
}

#[test]
fn without_a_last_message_a_minimal_one_is_made() {
    let msg = built(WishKind::Confirm, &Template::new(Form::SiuS14), None).unwrap();
    for (path, raw) in [
        ("MSH-3", "APPTD"),
        ("MSH-5", ""),
        ("MSH-9", "SIU^S14^SIU_S12"),
        ("SCH-2", "1\\F\\0\\S\\0\\T\\1"),
        ("SCH-9", "30"),
        ("SCH-11", "^^^20261201093000-0600^20261201100000-0600"),
        ("SCH-25.1", "Confirmed"),
        ("PID-3", "MRN1^^^MAIN"),
        ("PID-5", "Doe"),
        ("PV1-19", "V-9"),
        ("AIL-3", "CARD\\F\\1"),
    ] {
        assert_eq!(get(&msg, path), raw, "{path}");
    }
}

#[test]
fn a_last_message_without_schedule_gives_only_its_ends() {
    let adt = "MSH|^~\\&|EHR|MAIN|APPTD|HUB|2026||ADT^A08|1|P|2.4\rPID|1||X\r";
    let msg = built(WishKind::Cancel, &Template::new(Form::SiuS15), Some(adt)).unwrap();
    assert_eq!(get(&msg, "MSH-3"), "APPTD");
    assert_eq!(get(&msg, "MSH-5"), "EHR");
    assert_eq!(get(&msg, "SCH-2"), "1\\F\\0\\S\\0\\T\\1");
}

#[test]
fn foreign_separators_are_kept() {
    let last = "MSH$%*/@$EHR$MAIN$APPTD$HUB$2026$$SIU%S12$1$P$2.3\rSCH$12%x$13\rPID$1$$M1\r";
    let msg = built(WishKind::Confirm, &Template::new(Form::SiuS14), Some(last)).unwrap();
    assert_eq!(get(&msg, "MSH-9"), "SIU%S14");
    assert_eq!(get(&msg, "SCH-25"), "Confirmed%Confirmed");
    assert!(msg.text().contains("PID$1$$M1\r"));
}

#[test]
fn wrong_templates_are_refused_with_every_fault() {
    let set = ["MSH-10", "MSH-2", "SCH[*]-6", "SCH", "sch-6"]
        .map(|path| (path.to_owned(), String::new()));
    let faults = Template::parse("siu_s13", &set.into()).unwrap_err();
    assert_eq!(faults.len(), 6);
    assert!(faults.iter().all(|fault| !fault.to_string().is_empty()));
}

#[test]
fn a_value_that_would_break_the_message_is_refused() {
    for (path, value) in [("SCH-6", "a|b"), ("SCH-6", "a\rPID|1")] {
        let set = [(path.to_owned(), value.to_owned())].into();
        let template = Template::parse("siu_s14", &set).unwrap();
        assert!(built(WishKind::Confirm, &template, Some(LAST)).is_err(), "{value:?}");
    }
}

#[test]
fn nothing_is_invented_where_nothing_is_known() {
    let request = Request {
        wish: WishKind::Cancel,
        appointment: None,
        control_id: "1",
        now: DATE,
        zone: chicago(),
    };
    let template = Template::new(Form::SiuS15);
    assert_eq!(build(&request, &template, None).err(), Some(Error::NothingKnown));
    let last = Message::read(LAST).unwrap();
    assert!(build(&request, &template, Some(&last)).is_ok());
}
