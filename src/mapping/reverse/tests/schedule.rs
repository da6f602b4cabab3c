//! SIU and SRM from the appointment's own message, or from none.

use super::*;

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
    let set = [
        ("SCH-25", "CONF^Confirmed"),
        ("SCH-6.2", "Tom & Jerry"),
        ("ZAA-3.1", "a|b"),
        ("PID-13", "\"\""),
        ("MSH-15", "AL"),
    ];
    let template = template(Form::SiuS14, &set);
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
fn foreign_separators_are_kept() {
    let last = "MSH$%*/@$EHR$MAIN$APPTD$HUB$2026$$SIU%S12$1$P$2.3\rSCH$12%x$13\rPID$1$$M1\r";
    let msg = built(WishKind::Confirm, &Template::new(Form::SiuS14), Some(last)).unwrap();
    assert_eq!(get(&msg, "MSH-9"), "SIU%S14");
    assert_eq!(get(&msg, "SCH-25"), "Confirmed%Confirmed");
    assert!(msg.text().contains("PID$1$$M1\r"));
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

#[test]
fn a_status_can_say_a_cancellation_too() {
    let set = [("SCH-25", "CANCEL^Cancelled by patient")];
    let msg = built(WishKind::Cancel, &template(Form::SiuS14, &set), Some(LAST)).unwrap();
    assert_eq!(get(&msg, "MSH-9"), "SIU^S14^SIU_S12");
    assert_eq!(get(&msg, "SCH-25"), "CANCEL^Cancelled by patient");
    assert_eq!(get(&msg, "SCH-6.1"), "PATCANCEL");
}

#[test]
fn our_own_reader_finds_the_event_and_the_same_ids() {
    let before = read_back(&Message::read(LAST).unwrap());
    for (wish, form, event) in [
        (WishKind::Confirm, Form::SiuS14, "Confirmed"),
        (WishKind::Cancel, Form::SiuS15, "Canceled"),
        (WishKind::Cancel, Form::SiuS14, "Canceled"),
    ] {
        for version in ["2.3", "2.3.1", "2.4", "2.5.1", "2.8"] {
            let last = LAST.replace("2.5.1", version);
            let msg = built(wish, &Template::new(form), Some(&last)).unwrap();
            assert_eq!(read_back(&msg), (event.to_owned(), before.1.clone()), "{form:?} {version}");
        }
    }
}

#[test]
fn a_request_names_the_ehrs_id_where_no_placer_has_one() {
    let last = LAST.replace("SCH|P-77^EHR&x|", "SCH||");
    let msg = built(WishKind::Confirm, &Template::new(Form::SrmS03), Some(&last)).unwrap();
    assert_eq!(get(&msg, "ARQ-1"), "10001^EHR");
    assert_eq!(get(&msg, "ARQ-2"), "10001^EHR~10002");
}

#[test]
fn a_request_of_the_ehrs_own_kind_stays_whole() {
    let last = "MSH|^~\\&|EHR|MAIN|APPTD|HUB|2026||SRM^S01|1|P|2.4\rARQ|77|88|||||FU||||20261201\r\
        NTE|1||ring twice\rPID|1||M1\rRGS|1\r";
    let msg = built(WishKind::Confirm, &Template::new(Form::SrmS03), Some(last)).unwrap();
    assert_eq!(get(&msg, "MSH-9"), "SRM^S03^SRM_S01");
    assert!(msg.text().contains(
        "\rARQ|77|88||||PATCONFIRM^Patient confirmed by text message|FU||||20261201||||APPTD||||APPTD\r\
         NTE|1||ring twice\rPID|1||M1\rRGS|1\r"
    ));
}

#[test]
fn what_is_said_of_a_resource_goes_with_it() {
    let last = "MSH|^~\\&|EHR|MAIN|APPTD|HUB|2026||SIU^S13|1|P|2.4\rSCH||88\rNTE|1||of the visit\r\
        RGS|1|A\rAIL|1|D|OLD\rNTE|1||of the old room\rZAL|kept\rAIL|2|A|NEW\rNTE|1||of the new room\r";
    let msg = built(WishKind::Confirm, &Template::new(Form::SiuS14), Some(last)).unwrap();
    let tail: Vec<&str> = msg.text().split('\r').skip(2).collect();
    let expected =
        ["NTE|1||of the visit", "RGS|1|X", "ZAL|kept", "AIL|2|X|NEW", "NTE|1||of the new room", ""];
    assert_eq!(tail, expected);
}

#[test]
fn a_segment_that_is_missing_is_added_where_it_belongs() {
    let set = [("NTE-3", "Moved\\T\\ed"), ("NTE[2]-3.1", "a & b"), ("PV1-2", "O"), ("ZZZ-1", "1")];
    let last = "MSH|^~\\&|EHR|MAIN|APPTD|HUB|2026||SIU^S12|1|P|2.4\rSCH||88\rPID|1||M1\rRGS|1\r";
    let msg = built(WishKind::Confirm, &template(Form::SiuS14, &set), Some(last)).unwrap();
    let names: Vec<_> = msg.segments().map(|segment| segment.name().to_string()).collect();
    assert_eq!(names, ["MSH", "SCH", "NTE", "NTE", "PID", "PV1", "RGS", "ZZZ"]);
    assert_eq!(get(&msg, "NTE-3"), "Moved\\T\\ed", "a whole field is in wire form");
    assert_eq!(get(&msg, "NTE[2]-3"), "a \\T\\ b", "a component is text");
}

#[test]
fn what_is_set_is_written_in_the_messages_own_separators() {
    let last = "MSH$%*/@$EHR$MAIN$APPTD$HUB$2026$$SIU%S12$1$P$2.3\rSCH$12%x$13\rPID$1$$M1\r";
    let set = [("SCH-25", "A^b\\T\\c%d&e~F"), ("SCH-7.2", "x%y^z")];
    let msg = built(WishKind::Confirm, &template(Form::SiuS14, &set), Some(last)).unwrap();
    assert_eq!(get(&msg, "SCH-25"), "A%b&c/S/d@e*F");
    assert_eq!(get(&msg, "SCH-7"), "%x/S/y^z");
}

#[test]
fn the_version_that_a_site_sets_is_the_one_that_counts() {
    let last = LAST.replace("2.5.1", "2.3");
    let set = [("MSH-12", "2.5.1^USA")];
    let msg = built(WishKind::Confirm, &template(Form::SiuS14, &set), Some(&last)).unwrap();
    assert_eq!(get(&msg, "MSH-9"), "SIU^S14^SIU_S12");
    let set = [("MSH-9", "SIU^S14")];
    let msg = built(WishKind::Confirm, &template(Form::SiuS14, &set), Some(LAST)).unwrap();
    assert_eq!(get(&msg, "MSH-9"), "SIU^S14");
}

#[test]
fn a_character_set_is_named_where_the_destination_has_one() {
    let mut template = Template::new(Form::SiuS14);
    let msg = built(WishKind::Confirm, &template, Some(LAST)).unwrap();
    assert_eq!(get(&msg, "MSH-18"), "");
    template.charset_label = Some("8859/1".to_owned());
    let msg = built(WishKind::Confirm, &template, Some(LAST)).unwrap();
    assert_eq!(get(&msg, "MSH-18"), "8859/1");
}

#[test]
fn several_schedules_in_one_message_are_not_taken_for_one() {
    let last = format!("{LAST}SCH|P-78|20001\rRGS|3\r");
    let msg = built(WishKind::Cancel, &Template::new(Form::SiuS15), Some(&last)).unwrap();
    assert_eq!(msg.text().matches("\rSCH|").count(), 1);
    assert_eq!(get(&msg, "SCH-2"), "1\\F\\0\\S\\0\\T\\1", "the id that is known");
    assert!(msg.text().contains("\rZAP|as it|is~&^\r"));
}
