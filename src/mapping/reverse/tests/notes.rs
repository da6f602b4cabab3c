//! ADT^A08 and ORU^R01 from scheduling messages.

use super::*;

fn names(msg: &Message) -> Vec<String> {
    msg.segments().map(|segment| segment.name().to_string()).collect()
}

#[test]
fn an_update_carries_the_wish_beside_the_patient() {
    let msg = built(WishKind::Confirm, &Template::new(Form::AdtA08), Some(LAST)).unwrap();
    assert_eq!(names(&msg), ["MSH", "EVN", "ZAP", "PID", "PV1", "OBX", "OBX", "OBX"]);
    for (path, raw) in [
        ("MSH-3", "APPTD"),
        ("MSH-5", "EHR^1.2^ISO"),
        ("MSH-9", "ADT^A08^ADT_A01"),
        ("MSH-10", "01ABCDEFGH0000000042"),
        ("EVN-1", "A08"),
        ("EVN-2", "20261120180000-0600"),
        ("ZAP-2", "is~&^"),
        ("PID-3", "MRN1^^^MAIN&1.2&ISO^MR~^^^X^PI"),
        ("PID-13", "\"\""),
        ("PV1-19", "V-9^^^MAIN"),
    ] {
        assert_eq!(get(&msg, path), raw, "{path}");
    }
    let tail = "OBX|1|CE|APPTREPLY^Reply to appointment text message^L|1|\
        PATCONFIRM^Patient confirmed by text message^L||||||F|||20261120180000-0600\r\
        OBX|2|ST|APPTID^Appointment id^L|1|10001||||||F|||20261120180000-0600\r\
        OBX|3|TS|APPTSTART^Appointment start^L|1|20261201093000||||||F|||20261120180000-0600\r";
    assert!(msg.text().ends_with(tail), "{}", msg.text());
}

#[test]
fn a_result_is_a_note_to_the_chart() {
    let msg = built(WishKind::Cancel, &Template::new(Form::OruR01), Some(LAST)).unwrap();
    assert_eq!(names(&msg), ["MSH", "ZAP", "PID", "PV1", "OBR", "OBX", "OBX", "OBX", "OBX"]);
    for (path, raw) in [
        ("MSH-9", "ORU^R01^ORU_R01"),
        ("OBR-3", "01ABCDEFGH0000000042^APPTD"),
        ("OBR-4", "APPTREPLY^Reply to appointment text message^L"),
        ("OBR-7", "20261120180000-0600"),
        ("OBR-22", "20261120180000-0600"),
        ("OBR-25", "F"),
        ("OBX-5", "PATCANCEL^Patient cancelled by text message^L"),
        ("OBX[2]-2", "TX"),
        ("OBX[2]-5", "Patient cancelled by text message: appointment 10001, 2026-12-01 09:30"),
        ("OBX[3]-5", "10001"),
        ("OBX[4]-5", "20261201093000"),
        ("OBX[4]-1", "4"),
    ] {
        assert_eq!(get(&msg, path), raw, "{path}");
    }
}

#[test]
fn types_are_those_of_the_version() {
    for (version, coded, time, evn) in [
        ("2.3", "CE", "TS", "A08"),
        ("2.5.1", "CE", "TS", "A08"),
        ("2.6", "CWE", "DTM", "A08"),
        ("2.7", "CWE", "DTM", ""),
    ] {
        let last = LAST.replace("2.5.1", version);
        let msg = built(WishKind::Confirm, &Template::new(Form::AdtA08), Some(&last)).unwrap();
        assert_eq!((get(&msg, "OBX-2"), get(&msg, "OBX[3]-2")), (coded.into(), time.into()));
        assert_eq!(get(&msg, "EVN-1"), evn, "{version}");
    }
}

#[test]
fn a_site_sets_the_wish_as_the_first_observation() {
    let set = [("OBX-3", "1234-5^Reply^LN"), ("OBX-5", "Y"), ("OBR-16", "99^Diaz"), ("PV1-3", "E")];
    let msg = built(WishKind::Confirm, &template(Form::OruR01, &set), Some(LAST)).unwrap();
    for (path, raw) in set {
        assert_eq!(get(&msg, path), raw, "{path}");
    }
    assert_eq!(get(&msg, "OBX[2]-2"), "TX");
}

#[test]
fn without_a_last_message_what_is_known_makes_one() {
    for form in [Form::AdtA08, Form::OruR01] {
        let msg = built(WishKind::Confirm, &Template::new(form), None).unwrap();
        let found = names(&msg).join(" ");
        assert!(
            !found.contains("SCH") && !found.contains("RGS") && !found.contains("AIL"),
            "{found}"
        );
        for (path, raw) in [
            ("MSH-3", "APPTD"),
            ("MSH-12", "2.5.1"),
            ("MSH-18", "UNICODE UTF-8"),
            ("PID-3", "MRN1^^^MAIN"),
            ("PV1-2", "O"),
            ("PV1-19", "V-9"),
        ] {
            assert_eq!(get(&msg, path), raw, "{path}");
        }
        let id = msg.segments().find(|segment| segment.raw().contains("|APPTID^")).unwrap();
        assert_eq!(id.field(5).unwrap().raw(), "1\\F\\0\\S\\0\\T\\1");
        let start = msg.segments().find(|segment| segment.raw().contains("|APPTSTART^")).unwrap();
        assert_eq!(start.field(5).unwrap().raw(), "20261201093000-0600");
    }
}

#[test]
fn a_patient_who_is_missing_is_added() {
    let last = "MSH|^~\\&|EHR|MAIN|APPTD|HUB|2026||SIU^S13|1|P|2.4\rSFT|x\rSCH||88\rZAA|1\r";
    let msg = built(WishKind::Confirm, &Template::new(Form::AdtA08), Some(last)).unwrap();
    assert_eq!(names(&msg), ["MSH", "SFT", "EVN", "PID", "PV1", "OBX", "OBX", "OBX", "ZAA"]);
    assert_eq!((get(&msg, "PID-3.1"), get(&msg, "OBX[2]-5")), ("MRN1".into(), "88".into()));
}

#[test]
fn of_a_group_only_the_wishing_patients_data_go_into_the_chart() {
    let group = |id: &str| {
        format!(
            "MSH|^~\\&|EHR|MAIN|APPTD|HUB|2026||SIU^S12|1|P|2.4\rSCH||88\rPID|1||X9||Roe^Ann\r\
             PV1|1|O|||||||||||||||||V-7\rZPA|of Ann\rPID|2||{id}||Doe^Jane\rPV1|1|O\rZPA|of Jane\r\
             RGS|1\rZAP|of the visit\r"
        )
    };
    for form in [Form::AdtA08, Form::OruR01] {
        let msg = built(WishKind::Cancel, &Template::new(form), Some(&group("MRN1"))).unwrap();
        assert!(!msg.text().contains("Ann") && !msg.text().contains("V-7"), "{}", msg.text());
        assert!(msg.text().contains("\rPID|2||MRN1||Doe^Jane\rPV1|1|O\r"));
        assert!(
            msg.text().contains("\rZPA|of Jane\r") && msg.text().contains("\rZAP|of the visit\r")
        );
        let unknown = built(WishKind::Cancel, &Template::new(form), Some(&group("MRN2")));
        assert_eq!(unknown.err(), Some(Error::WhichPatient));
    }
}
