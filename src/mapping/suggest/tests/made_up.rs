//! A made-up EHR that follows the standard nowhere: everything stands where no default looks.

use serde_json::json;

use super::*;

/// An appointment of the Doe family.
struct Visit {
    trigger: &'static str,
    number: u32,
    status: &'static str,
    /// The phone of the patient, who is known by it here.
    phone: &'static str,
    given: &'static str,
    start: &'static str,
    end: &'static str,
}

const JANE: Visit = Visit {
    trigger: "SIU^S12",
    number: 4711,
    status: "Booked",
    phone: "(415)555-0123",
    given: "Jane",
    start: "2026-12-01 09:30",
    end: "2026-12-01 10:00",
};

const VISITS: [Visit; 5] = [
    JANE,
    Visit {
        number: 4712,
        phone: "(415)555-0124",
        given: "John",
        start: "2026-12-02 13:00",
        end: "2026-12-02 13:20",
        ..JANE
    },
    Visit { trigger: "SIU^S14", status: "Confirmed", ..JANE },
    Visit { trigger: "SIU^S15", status: "Cancelled", number: 4712, given: "John", ..JANE },
    Visit { trigger: "SIU^Z07", status: "Checked In", ..JANE },
];

fn sample(visit: &Visit) -> String {
    let Visit { trigger, number, status, phone, given, start, end } = visit;
    let id = if *given == "Jane" { 1000 } else { 1001 };
    message(
        trigger,
        &[
            &format!("SCH||||||||||||||||||||||{status}"),
            &format!("PID|1||MRN{id}||Doe^{given}|||||||||{phone}^^CP||||||123-45-6789"),
            "PV1|1|O",
            &format!("ZAP|Q-{number}|N7|{start}|{end}|Y"),
            "ZPR|77^Diaz^Frances^A|OWL1^Owl Clinic|spa",
        ],
    )
}

fn samples() -> Vec<String> {
    VISITS.iter().map(sample).collect()
}

#[test]
fn what_no_default_finds_is_found_and_read() {
    let samples = samples();
    let found = proposal(&samples);
    assert_eq!((found.samples, found.events_before, found.events_after), (5, 0, 5));
    let read = events(&compiled(found.to_toml()), &samples);
    let (first, text) = (&read[0], found.to_toml());
    assert_eq!(first["event"], "BOOKED", "{text}");
    assert_eq!(first["appointment"]["ids"], json!([{"value": "Q-4711", "system": "filler"}]));
    assert_eq!(first["appointment"]["start"], "2026-12-01T09:30:00-06:00", "{text}");
    assert_eq!(first["appointment"]["end"], "2026-12-01T10:00:00-06:00", "{text}");
    assert_eq!(first["appointment"]["duration_minutes"], 30);
    assert_eq!(first["appointment"]["provider"]["family"], "Diaz", "{text}");
    assert_eq!(first["appointment"]["location"], json!({"code": "OWL1", "name": "Owl Clinic"}));
    assert_eq!(first["patient"]["phone"], "+14155550123", "{text}");
    assert_eq!(first["patient"]["language"], "es", "{text}");
    let told: Vec<_> = read
        .iter()
        .map(|event| (event["event"].as_str().unwrap(), event["appointment"]["status"].clone()))
        .collect();
    let expected = [
        ("BOOKED", json!("booked")),
        ("BOOKED", json!("booked")),
        ("CONFIRMED", json!("confirmed")),
        ("CANCELED", json!("canceled")),
        ("MODIFIED", json!("arrived")),
    ];
    assert_eq!(told, expected, "{text}");
}

#[test]
fn one_message_is_enough_to_begin_with() {
    let one = [sample(&JANE)];
    let found = proposal(&one);
    let read = events(&compiled(found.to_toml()), &one);
    assert_eq!(read[0]["appointment"]["id"], "Q-4711", "{}", found.to_toml());
    assert_eq!(read[0]["appointment"]["start"], "2026-12-01T09:30:00-06:00");
    assert_eq!(read[0]["patient"]["phone"], "+14155550123");
}

#[test]
fn evidence_names_the_place_the_count_and_the_form() {
    let text = proposal(&samples()).to_toml().to_owned();
    let words = text.replace("\n# ", " ");
    for said in [
        "ZAP-1 holds an identifier in 5 of 5 messages: \"A-9999\"; different values: 2.",
        "ZAP-3 holds a time in 5 of 5 messages: \"9999-99-99 99:99\"; after the message's own in 5.",
        "SCH-22 holds words for a status in 5 of 5 messages: \"Booked\" 2, \"Cancelled\" 1, \
         \"Checked In\" 1, \"Confirmed\" 1.",
        "PID-14 holds phone numbers in 5 of 5 messages (.1 \"(999)999-9999\"), in 5 of 5 that had \
         none, said to be mobile in 5.",
        "triggers: SIU^S12 (2); SIU^S14 (1); SIU^S15 (1); SIU^Z07, ignored by the base (1)",
        "sent by: OWL / MAIN (5)",
        "version: 2.4 (5)",
    ] {
        assert!(words.contains(said), "{said}\n{text}");
    }
    assert!(text.contains("an event                    0 (0%)        5 (100%)"), "{text}");
    assert!(
        text.contains("appointment.start           0 (0%)        5 (100%)      ZAP-3 5"),
        "{text}"
    );
    assert!(text.contains("#   ZAP-5: a flag Y/N in 5: \"A\""), "{text}");
    assert!(text.contains("opted_out: Flags Y/N stand in ZAP-5"), "{text}");
}

#[test]
fn no_value_of_a_patient_stands_in_a_proposal() {
    let text = proposal(&samples()).to_toml().to_owned();
    for value in [
        "Doe", "Jane", "John", "555", "Q-471", "MRN1", "2026-12", "202611", "123-45", "Diaz",
        "Frances",
    ] {
        assert!(!text.contains(value), "{value}\n{text}");
    }
}

#[test]
fn a_proposal_depends_on_its_samples_only() {
    let samples = samples();
    assert_eq!(proposal(&samples), proposal(&samples));
    let mut turned = samples.clone();
    turned.reverse();
    let keys = |text: &str| -> Vec<String> {
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    };
    assert_eq!(keys(proposal(&samples).to_toml()), keys(proposal(&turned).to_toml()));
}
