//! What a hostile or damaged file does: faults, bounded in number and length, and never a panic.

use std::path::Path;

use proptest::prelude::*;

use super::{Fault, Loaded, from_text, load};

/// The shipped file with every example taken in.
fn shipped() -> String {
    let line = |line: &'static str| match line.strip_prefix('#') {
        Some(bare) if !bare.starts_with([' ', '#']) => bare,
        Some(_) | None => line,
    };
    include_str!("../../conf/appointd.toml").lines().map(line).collect::<Vec<_>>().join("\n")
}

fn read(text: &str) -> Result<Loaded, Vec<Fault>> {
    from_text(text, Path::new("/nowhere"))
}

#[test]
fn depth_and_number_of_faults_are_bounded() {
    let hostile = [
        format!("a = {}{}", "[".repeat(50_000), "]".repeat(50_000)),
        format!("a = {}1{}", "{a=".repeat(50_000), "}".repeat(50_000)),
        format!("[{}a]\nb = 1", "a.".repeat(50_000)),
        format!("{}a = 1", "a.".repeat(50_000)),
        format!("[[{}a]]", "hl7.".repeat(60)),
        (0..20_000).map(|n| format!("key{n} = 1\n")).collect(),
        "[[hl7.listener]]\n".repeat(5_000),
        "[[fhir.server]]\n".repeat(5_000),
        format!("[[fhir.server]]\n[fhir.server.write]\nconfirm = '{}'", "{a".repeat(100_000)),
        format!("[[fhir.server]]\n[fhir.server.write]\nconfirm = '{}'", "[".repeat(60_000)),
        format!("[[fhir.server]]\nsearch_actors = [{}]", "\"x\",".repeat(50_000)),
        format!("[[fhir.server]]\ncriteria = \"Appointment?{}\"", "&".repeat(500_000)),
        format!("[[fhir.server]]\nbase_url = \"https://{}\"", "a.".repeat(200_000)),
        "\"x[99999999999]\" = 1".to_owned(),
        format!("{} = 1", "k".repeat(500_000)),
        "\"a\\nb\" = 1".to_owned(),
        "[store]\ncache_bytes = 99999999999999999999999".to_owned(),
        "[sms]\nsegments_per_second = nan".to_owned(),
        "[texts]\npath = \"a\\nb\"\n[metrics]\ntoken_file = \"a\\nb\"".to_owned(),
        "[metrics]\ntoken_file = \"\\u0000\"".to_owned(),
    ];
    for text in hostile {
        let found = read(&text).unwrap_err();
        assert!((1..=301).contains(&found.len()), "{}", found.len());
        assert!(
            found
                .iter()
                .map(ToString::to_string)
                .all(|line| line.len() < 500 && !line.contains('\n')),
            "{found:?}"
        );
    }
}

fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("true".to_owned()),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(|n| format!("{n:?}")),
        ".{0,20}".prop_map(|text| format!("{text:?}").replace("\\u{", "u").replace("\\'", "'")),
        Just("\"127.0.0.1:1\"".to_owned()),
        Just("\"off\"".to_owned()),
        Just("\"9999999999d\"".to_owned()),
        Just("2026-11-20T17:03:11Z".to_owned()),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4)
                .prop_map(|v| format!("[{}]", v.join(","))),
            inner.prop_map(|v| format!("{{ name = {v}, start = {v} }}")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn wrong_types_anywhere_are_faults_and_never_a_panic(
        values in proptest::collection::vec(value(), 8),
        picks in proptest::collection::vec(0_usize..1_000, 8),
    ) {
        let text = shipped();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let keys: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].contains(" = ") && !lines[*at].starts_with('#')).collect();
        for (value, pick) in values.iter().zip(picks) {
            let at = keys[pick % keys.len()];
            let key = lines[at].split(" = ").next().unwrap().to_owned();
            lines[at] = format!("{key} = {value}");
        }
        if let Err(faults) = read(&lines.join("\n")) {
            prop_assert!(!faults.is_empty());
            prop_assert!(faults.iter().all(|fault| !fault.to_string().contains('\n')));
        }
    }

    #[test]
    fn any_text_is_read_without_a_panic(text in ".{0,200}", bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _either = read(&text).is_ok();
        let _either = read(&String::from_utf8_lossy(&bytes)).is_ok();
    }

    #[test]
    fn any_damage_to_the_shipped_file_is_read_without_a_panic(at in 0_usize..100_000, cut in 0_usize..200, with in "\\PC{0,3}") {
        let mut text = shipped().replace(|c: char| !c.is_ascii(), "?");
        let at = at % text.len();
        let end = (at + cut).min(text.len());
        text.replace_range(at..end, &with);
        let _either = read(&text).is_ok();
    }

    #[test]
    fn any_variable_is_read_without_a_panic(name in "[A-Z0-9_\\[\\].]{0,30}", section in prop_oneof!["HL7__LISTENER__[0-9]{1,3}__NAME", "LOG", "SMS__[A-Z]{1,5}"], value in ".{0,20}") {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("appointd.toml"), "").unwrap();
        let env = [(format!("APPOINTD__{name}"), value.clone()), (format!("APPOINTD__{section}"), value)];
        let _either = load(&dir.path().join("appointd.toml"), env.into_iter(), None).is_ok();
    }
}
