//! What public specifications of EHRs ask for can be said with values by path.

use super::*;

fn last(sch: &str) -> String {
    format!(
        "MSH|^~\\&|EHR|MAIN|APPTD|HUB|20261120110311||SIU^S12|OLD1|P|2.4\r{sch}\r\
         PID|1||M1||Doe^Jane\rPV1|1|O|||||||||||||||||V-9\r"
    )
}

#[test]
fn a_status_of_code_and_text_with_reason_and_user() {
    let set = [
        ("SCH-6", "^Confirmed by SMS"),
        ("SCH-16", "^SMSBOT"),
        ("SCH-20", "^SMSBOT"),
        ("SCH-25", "6^ARRIVED"),
    ];
    let base = last("SCH||4711|||||||||^^^20261201093000");
    let msg = built(WishKind::Confirm, &template(Form::SiuS14, &set), Some(&base)).unwrap();
    for (path, raw) in set {
        assert_eq!(get(&msg, path), raw, "{path}");
    }
    assert_eq!(get(&msg, "PV1-19"), "V-9");
}

#[test]
fn a_status_as_a_number_of_the_nhs() {
    for (wish, form, status) in
        [(WishKind::Confirm, Form::SiuS14, "1"), (WishKind::Cancel, Form::SiuS15, "4")]
    {
        let set = [("SCH-25", status), ("SCH-6", "")];
        let base = last("SCH|77|||||OPA|||||^^^20261201093000|||||||||||||||1");
        let msg = built(wish, &template(form, &set), Some(&base)).unwrap();
        assert_eq!(get(&msg, "SCH-25"), status);
        assert_eq!(get(&msg, "SCH-6"), "", "an empty text leaves nothing");
    }
}

#[test]
fn a_status_in_fields_of_the_ehrs_own_choice() {
    let set = [("SCH-25", ""), ("SCH-27", "CANCELLED"), ("SCH-28", "Patient^Web")];
    let base = last("SCH|77|88||||||||||||||||||||||||SCHEDULED|X");
    let msg = built(WishKind::Cancel, &template(Form::SiuS15, &set), Some(&base)).unwrap();
    assert_eq!(
        (get(&msg, "SCH-27"), get(&msg, "SCH-28")),
        ("CANCELLED".into(), "Patient^Web".into())
    );
    assert_eq!(get(&msg, "SCH-25"), "");

    let set = [("SCH-6", "BOOK"), ("SCH-22", "CONF")];
    let base = last("SCH|V1|A~B||||BOOK|||30|min|20261201093000|||||||||||BOOKED");
    let msg = built(WishKind::Confirm, &template(Form::SiuS14, &set), Some(&base)).unwrap();
    assert_eq!((get(&msg, "SCH-22"), get(&msg, "SCH-2")), ("CONF".into(), "A~B".into()));
    assert_eq!(get(&msg, "SCH-11"), "20261201093000", "a time at another place stays there");
}

#[test]
fn a_no_show_of_one_ehr_is_a_cancellation_of_another() {
    let set = [("SCH-6", "22^CANCELLED BY PATIENT"), ("AIL-12", "Deleted"), ("ZCS[2]-1", "SMS")];
    let base = last("SCH|9|9") + "RGS|1\rAIL|1||ROOM\rZCS|x\r";
    let msg = built(WishKind::Cancel, &template(Form::SiuS15, &set), Some(&base)).unwrap();
    assert_eq!(get(&msg, "SCH-6"), "22^CANCELLED BY PATIENT");
    assert_eq!(get(&msg, "AIL-12"), "Deleted");
    assert!(msg.text().ends_with("\rZCS|x\rZCS|SMS\r"));
}

#[test]
fn an_event_of_the_sites_own_for_a_patient_message() {
    let set = [("MSH-9", "ADT^Z05^ADT_A01"), ("EVN-1", "Z05"), ("OBX-5", "1^Attending^LOCAL")];
    let base = last("SCH|77");
    let msg = built(WishKind::Confirm, &template(Form::AdtA08, &set), Some(&base)).unwrap();
    assert_eq!((get(&msg, "MSH-9"), get(&msg, "EVN-1")), ("ADT^Z05^ADT_A01".into(), "Z05".into()));
    assert_eq!(get(&msg, "OBX-5"), "1^Attending^LOCAL");
}

#[test]
fn wrong_values_are_refused_with_what_to_write() {
    let mut template = Template::new(Form::SrmS03);
    for (path, value, told) in [
        ("SCH-25", "X", "there is no SCH in srm_s03; write ARQ"),
        ("SCH25", "X", "is no position in a message: a hyphen and a field number are missing"),
        ("sch-6", "X", "is no position in a message: a path begins with a segment name"),
        ("PID-3[*].1", "X", "names several places"),
        ("NTE[300]-3", "X", "numbers go up to 199"),
        ("PID-3.4.999", "X", "numbers go up to 199"),
        ("MSH-2", "X", "the separators are"),
        ("MSH-7", "X", "time of the message"),
        ("MSH-10", "X", "the number by which"),
        ("MSH-18", "X", "write charset"),
        ("ARQ-6", "a|b", "would be two fields"),
        ("ARQ-6.1", "a\rPID|1", "holds a line end"),
    ] {
        let refusal = template.set(path, value).unwrap_err().to_string();
        assert!(refusal.contains(told), "{path}: {refusal}");
    }
    assert!(template.values().is_empty());
    for (form, path, told) in [
        (Form::SiuS14, "ARQ-6", "write SCH"),
        (Form::AdtA08, "SCH-25", "write OBX"),
        (Form::OruR01, "AIL-3", "write OBX"),
    ] {
        let refusal = Template::new(form).set(path, "X").unwrap_err().to_string();
        assert!(refusal.contains(told), "{path}: {refusal}");
    }
}

#[test]
fn a_form_is_found_by_its_name_and_says_what_it_can() {
    for form in Form::ALL {
        assert_eq!(Form::parse(form.name()), Some(form));
    }
    assert_eq!(Form::parse("siu_s13"), None);
    for wish in [WishKind::Confirm, WishKind::Cancel] {
        assert!(Form::usual(wish).says(wish));
    }
    assert!(!Form::SiuS15.says(WishKind::Confirm) && !Form::SrmS03.says(WishKind::Cancel));
}
