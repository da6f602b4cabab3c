//! What holds for every message and every value.

use proptest::prelude::*;

use super::*;

const SCHEDULES: [(Form, WishKind); 5] = [
    (Form::SiuS14, WishKind::Confirm),
    (Form::SiuS14, WishKind::Cancel),
    (Form::SiuS15, WishKind::Cancel),
    (Form::SrmS03, WishKind::Confirm),
    (Form::SrmS04, WishKind::Cancel),
];

/// Fields as senders write them: parts, repetitions, escapes, nulls, empty ones at the end.
fn segment() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        3 => "Z[A-Z0-9]{2}",
        1 => prop_oneof![
            Just("NTE".to_owned()), Just("PID".to_owned()), Just("PV1".to_owned()),
            Just("OBX".to_owned()), Just("DG1".to_owned()), Just("NK1".to_owned()),
            Just("QQQ".to_owned()),
        ],
    ];
    let value = prop_oneof![
        Just(String::new()),
        Just("\"\"".to_owned()),
        "[A-Za-z0-9ü日 .~^&\\\\]{1,12}",
        Just("\\T\\\\F\\\\X0A\\".to_owned()),
    ];
    (name, prop::collection::vec(value, 1..9), 0_usize..4).prop_map(|(name, fields, empty)| {
        format!("{name}|{}{}", fields.join("|"), "|".repeat(empty))
    })
}

fn message() -> impl Strategy<Value = String> {
    prop::collection::vec(segment(), 1..12).prop_map(|segments| {
        format!(
            "MSH|^~\\&|EHR|MAIN|APPTD|HUB|2026||SIU^S12|1|P|2.5||||\rSCH|P^1|F1~F2|||||||30|min|^^^2026|\r\
             {}\rRGS|1\r",
            segments.join("\r")
        )
    })
}

fn lines<'a>(msg: &'a Message, without: &[&str]) -> Vec<&'a str> {
    let segments = msg.segments().filter(|segment| !without.contains(&segment.name().as_str()));
    segments.map(|segment| segment.raw()).collect()
}

fn paths() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        Just("SCH"),
        Just("PID"),
        Just("PV1"),
        Just("NTE[2]"),
        Just("ZAP"),
        Just("ZNW"),
        Just("AIL"),
    ];
    let level = prop::option::of(1_u16..5);
    (segment, 1_u16..30, level.clone(), 1_u16..5, level).prop_map(
        |(name, field, rep, part, sub)| {
            let rep = rep.map_or_else(String::new, |rep| format!("[{rep}]"));
            let sub = sub.map_or_else(String::new, |sub| format!(".{sub}"));
            format!("{name}-{field}{rep}.{part}{sub}")
        },
    )
}

proptest! {
    #[test]
    fn what_no_value_names_goes_back_byte_for_byte(last in message()) {
        let before = Message::read(&last).unwrap();
        for (form, wish) in SCHEDULES {
            let after = built(wish, &Template::new(form), Some(&last)).unwrap();
            let edited = ["MSH", "SCH", "ARQ"];
            prop_assert_eq!(lines(&before, &edited), lines(&after, &edited));
            let sch = form.code() == "SRM";
            let ids = if sch { ["ARQ-1", "ARQ-2"] } else { ["SCH-1", "SCH-2"] };
            prop_assert_eq!(ids.map(|path| get(&after, path)), ["P^1", "F1~F2"]);
        }
    }

    #[test]
    fn a_note_keeps_z_segments_and_a_single_patient_byte_for_byte(last in message()) {
        let before = Message::read(&last).unwrap();
        prop_assume!(last.matches("\rPID|").count() < 2);
        for form in [Form::AdtA08, Form::OruR01] {
            let after = built(WishKind::Confirm, &Template::new(form), Some(&last)).unwrap();
            let is_kept = |line: &&str| line.starts_with('Z') || line.starts_with("PID");
            let kept = |msg| lines(msg, &[]).into_iter().filter(is_kept).map(str::to_owned);
            let mut found: Vec<_> = kept(&after).collect();
            if before.segment("PID").is_none() {
                found.retain(|line| !line.starts_with("PID"));
            }
            prop_assert_eq!(kept(&before).collect::<Vec<_>>(), found);
        }
    }

    #[test]
    fn any_text_set_in_a_component_is_read_back(path in paths(), value: String) {
        let value: String = value.chars().filter(|char| !char.is_control()).collect();
        let template = template(Form::SiuS14, &[(&path, &value)]);
        let msg = built(WishKind::Confirm, &template, Some(LAST)).unwrap();
        // As its receiver does: from the text, and without a need of repair.
        let read = Message::read(msg.text()).unwrap();
        prop_assert_eq!((read.text(), read.repairs()), (msg.text(), &[][..]));
        let expected = if value == "\"\"" { "" } else { value.as_str() };
        let found = read.get(&Path::parse(&path).unwrap()).into_text().into_owned();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn a_wire_value_means_the_same_in_every_separators(value in "[a-z%*/@$^~&ü]{0,12}") {
        let last = "MSH$%*/@$EHR$MAIN$APPTD$HUB$2026$$SIU%S12$1$P$2.3\rSCH$12%x$13\rPID$1$$M1\r";
        let template = template(Form::SiuS14, &[("SCH-7", &value)]);
        let of = |last| {
            let msg = built(WishKind::Confirm, &template, Some(last)).unwrap();
            let field = msg.segment("SCH").unwrap().field(7).unwrap();
            let parts = field.repetitions().map(|repetition| {
                let parts = repetition.components().map(|part| part.text().into_owned());
                parts.collect::<Vec<_>>()
            });
            parts.collect::<Vec<_>>()
        };
        // Subcomponents are not told apart by the text of a component; their own test is above.
        prop_assume!(!value.contains('&'));
        prop_assert_eq!(of(last), of(LAST));
    }
}
