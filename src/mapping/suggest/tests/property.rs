//! Whatever the samples are, the proposal is a mapping file that loads.

use proptest::prelude::*;

use super::*;

/// Values of all kinds, and whatever could break a file of TOML or a path.
const VALUES: [&str; 36] = [
    "",
    "\"\"",
    "Booked",
    "CONF",
    "Cancelled",
    "No Show",
    "Rescheduled",
    "1",
    "30",
    "min",
    "Y",
    "N",
    "20261201",
    "202612010930",
    "20261201093000-0600",
    "2026-12-01 09:30",
    "20260231",
    "0000",
    "(415)555-0123",
    "4155550123",
    "+44 7700 900123",
    "MOBILE",
    "CP",
    "FAX",
    "jane@example.org",
    "Doe, Jane",
    "Owl Clinic",
    "spa",
    "Q-4711",
    "10001",
    "'''\"\"\"",
    "]=|*[",
    "\\X0A\\ # \\",
    "é日\u{202e}",
    "[triggers]",
    "a\u{1}\u{7f}b",
];
const SEGMENTS: [&str; 18] = [
    "SCH", "PID", "PV1", "PV2", "AIS", "AIG", "AIL", "AIP", "RGS", "TQ1", "OBX", "ZAP", "ZBX",
    "NK1", "ARQ", "EVN", "GT1", "Z01",
];
const TRIGGERS: [&str; 14] = [
    "SIU^S12",
    "SIU^S13",
    "SIU^S14",
    "SIU^S15",
    "SIU^S26",
    "SIU^Z02",
    "ADT^A05",
    "ADT^A60",
    "SRM^S01",
    "ORU^R01",
    "SIU",
    "",
    "\"^]",
    "SIU^\u{1}S",
];

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => prop::sample::select(&VALUES[..]).prop_map(str::to_owned),
        1 => "\\PC{0,12}",
        1 => "[0-9]{1,16}",
    ]
}

fn segment() -> impl Strategy<Value = String> {
    let field = prop::collection::vec(value(), 1..4)
        .prop_flat_map(|parts| prop_oneof![Just(parts.join("^")), Just(parts.join("~"))]);
    let sparse = prop_oneof![2 => Just(String::new()), 3 => field];
    (prop::sample::select(&SEGMENTS[..]), prop::collection::vec(sparse, 0..30))
        .prop_map(|(name, fields)| format!("{name}|{}", fields.join("|")))
}

fn sample() -> impl Strategy<Value = Option<Message>> {
    let header = (prop::sample::select(&TRIGGERS[..]), value(), value());
    (header, prop::collection::vec(segment(), 0..10)).prop_map(
        |((trigger, sender, label), segments)| {
            let header =
                format!("MSH|^~\\&|{sender}|MAIN|||20261120110311||{trigger}|1|P|2.4||||||{label}");
            let text = std::iter::once(header).chain(segments).collect::<Vec<_>>().join("\r");
            Message::read(&text).ok()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_samples_make_a_mapping_that_loads(samples in prop::collection::vec(sample(), 0..6)) {
        let samples: Vec<_> = samples.into_iter().flatten().collect();
        let found = proposal_of(&samples);
        compiled(found.to_toml());
        prop_assert!(found.events_after >= found.events_before);
        let is_harmless = !found.to_toml().contains(['\u{202e}', '\u{7f}', '\r']);
        prop_assert!(is_harmless);
        prop_assert_eq!(&found, &proposal_of(&samples));
    }
}
