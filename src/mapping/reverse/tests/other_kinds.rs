//! Last messages of another kind than the form: an appointment feed by ADT.

use super::*;

const ADT: &str = "MSH|^~\\&|EHR|MAIN|APPTD|HUB|20261120||ADT^A05^ADT_A05|1|P|2.4|||AL\r\
    EVN|A05|20261120110311|20261201|04|U1|20261120110000\r\
    PID|1||MRN1^^^MAIN&1.2&ISO^MR||Doe^Jane\rPD1|||x\rNK1|1|Roe^Jo\r\
    PV1|1|P|CARD1^^^MAIN||||||||||||||||V-9^^^MAIN\rPV2||||||||20261201093000\r\
    OBX|1|NM|WEIGHT||71\rDG1|1||X\rIN1|1|A\rZU3|1|as~it^is|\r";

fn names(msg: &Message) -> Vec<String> {
    msg.segments().map(|segment| segment.name().to_string()).collect()
}

#[test]
fn an_update_of_a_patient_message_keeps_all_of_it() {
    let msg = built(WishKind::Confirm, &Template::new(Form::AdtA08), Some(ADT)).unwrap();
    let text = msg.text();
    let expected = [
        "MSH", "EVN", "PID", "PD1", "NK1", "PV1", "PV2", "OBX", "OBX", "OBX", "OBX", "DG1", "IN1",
        "ZU3",
    ];
    assert_eq!(names(&msg), expected);
    assert_eq!(get(&msg, "MSH-9"), "ADT^A08^ADT_A01");
    assert_eq!(get(&msg, "MSH-15"), "");
    assert_eq!(get(&msg, "EVN-1"), "A08");
    assert_eq!((get(&msg, "EVN-2"), get(&msg, "EVN-6")), (get(&msg, "MSH-7"), get(&msg, "MSH-7")));
    assert_eq!((get(&msg, "EVN-3"), get(&msg, "EVN-4")), ("20261201".into(), "04".into()));
    assert_eq!(get(&msg, "OBX-3.1"), "APPTREPLY", "a site's OBX-5 is the wish");
    assert_eq!((get(&msg, "OBX-1"), get(&msg, "OBX[3]-1")), ("2".into(), "4".into()));
    for line in ADT.split_terminator('\r').skip(2) {
        assert!(text.contains(&format!("\r{line}\r")), "{line}");
    }
}

#[test]
fn a_result_of_a_patient_message_holds_patient_visit_and_the_note() {
    let msg = built(WishKind::Cancel, &Template::new(Form::OruR01), Some(ADT)).unwrap();
    let expected = ["MSH", "PID", "PD1", "PV1", "PV2", "OBR", "OBX", "OBX", "OBX", "OBX", "ZU3"];
    assert_eq!(names(&msg), expected);
    assert_eq!(get(&msg, "MSH-9"), "ORU^R01^ORU_R01");
    assert!(!msg.text().contains("WEIGHT"));
}

#[test]
fn a_notice_of_a_patient_message_gets_the_schedule_that_is_known() {
    for (form, wish) in [(Form::SiuS14, WishKind::Confirm), (Form::SiuS15, WishKind::Cancel)] {
        let msg = built(wish, &Template::new(form), Some(ADT)).unwrap();
        let expected = ["MSH", "SCH", "PID", "PD1", "PV1", "PV2", "OBX", "DG1", "RGS", "ZU3"];
        assert_eq!(names(&msg), expected);
        for (path, raw) in [
            ("MSH-3", "APPTD"),
            ("MSH-5", "EHR"),
            ("MSH-12", "2.4"),
            ("SCH-2", "1\\F\\0\\S\\0\\T\\1"),
            ("SCH-9", "30"),
            ("SCH-11", "^^^20261201093000-0600^20261201100000-0600"),
            ("SCH-16", "APPTD"),
            ("PV1-19", "V-9^^^MAIN"),
            ("ZU3-2", "as~it^is"),
        ] {
            assert_eq!(get(&msg, path), raw, "{path}");
        }
    }
}

#[test]
fn a_request_of_a_patient_message_has_ids_and_time() {
    let msg = built(WishKind::Confirm, &Template::new(Form::SrmS03), Some(ADT)).unwrap();
    assert_eq!(names(&msg), ["MSH", "ARQ", "PID", "PV1", "PV2", "OBX", "DG1", "RGS", "ZU3"]);
    let id = "1\\F\\0\\S\\0\\T\\1";
    assert_eq!((get(&msg, "ARQ-1"), get(&msg, "ARQ-2")), (id.into(), id.into()));
    assert_eq!(get(&msg, "ARQ-11"), "20261201093000-0600^20261201100000-0600");
}

#[test]
fn a_visit_number_is_the_appointments_where_there_is_no_other() {
    let mut known = appointment();
    known.ids.remove(0);
    let request = Request {
        wish: WishKind::Confirm,
        appointment: Some(&known),
        control_id: "1",
        now: DATE,
        zone: chicago(),
    };
    let last = Message::read(ADT).unwrap();
    let of = |form| build(&request, &Template::new(form), Some(&last)).unwrap();
    assert_eq!(get(&of(Form::SiuS14), "SCH-2"), "V-9");
    assert_eq!(get(&of(Form::SrmS03), "ARQ-2"), "V-9");
    assert_eq!(get(&of(Form::AdtA08), "OBX[2]-5"), "V-9");
    let request = Request { appointment: None, ..request };
    let unknown = build(&request, &Template::new(Form::SiuS14), Some(&last));
    assert_eq!(unknown.err(), Some(Error::NothingKnown));
    let note = build(&request, &Template::new(Form::AdtA08), Some(&last)).unwrap();
    assert_eq!(get(&note, "OBX[2]-5"), "V-9", "what the message says is enough for a note");
}

#[test]
fn foreign_separators_are_kept_in_what_is_added() {
    let adt = "MSH$%*/@$EHR$MAIN$APPTD$HUB$2026$$ADT%A05$1$P$2.3\rPID$1$$MRN1\r";
    let msg = built(WishKind::Confirm, &Template::new(Form::SiuS14), Some(adt)).unwrap();
    assert_eq!(get(&msg, "SCH-2"), "1|0^0&1");
    assert_eq!(get(&msg, "SCH-11"), "%%%20261201093000-0600%20261201100000-0600");
    let msg = built(WishKind::Confirm, &Template::new(Form::OruR01), Some(adt)).unwrap();
    assert_eq!(get(&msg, "OBX-3"), "APPTREPLY%Reply to appointment text message%L");
    assert_eq!(get(&msg, "PV1-19"), "V-9");
}
