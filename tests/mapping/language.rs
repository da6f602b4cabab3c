//! Each construct of the mapping language, by a site's file that uses it.

use std::sync::Arc;

use appointd::core::ids::SourceName;
use appointd::hl7::Message;
use appointd::mapping::{Library, Mapping, Outcome, Output};
use serde_json::{Value, json};

use super::{START, events, explained, siu};

/// Compiles a site's file on top of the default mapping.
fn own(text: &str) -> Arc<Mapping> {
    let text = format!("extends = \"hl7-default\"\n{text}");
    let library = Library::load([("conf/own.toml", text.as_str())]);
    let library = library.map_err(|faults| faults[0].to_string()).unwrap();
    Arc::clone(library.lookup("own").unwrap())
}

fn read(mapping: &Mapping, text: &str) -> Value {
    explained(mapping, text).2
}

fn faults(text: &str) -> String {
    let text = format!("extends = \"hl7-default\"\n{text}");
    let faults = Library::load([("conf/own.toml", text.as_str())]).unwrap_err();
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_dialects_zone_is_that_of_times_without_offset() {
    for (own_text, start) in [
        ("", "2026-12-01T09:30:00-06:00"),
        ("[defaults]\nzone = \"UTC\"", "2026-12-01T03:30:00-06:00"),
        ("[defaults]\nzone = \"America/New_York\"", "2026-12-01T09:30:00-05:00"),
        ("[defaults]\nzone = \"message\"", "2026-12-01T09:30:00-08:00"),
        (
            "[defaults]\nzone = \"UTC\"\n[appointment]\nstart = { path = \"SCH-11.4\", zone = \"-05:00\" }",
            "2026-12-01T09:30:00-05:00",
        ),
    ] {
        let text = siu("S12", &[START], "").replace("20261120110311", "20261120110311-0800");
        assert_eq!(read(&own(own_text), &text)["appointment"]["start"], start, "{own_text}");
    }
    let stated = siu("S12", &[(11, "^^^20261201093000-0700")], "");
    let utc = own("[defaults]\nzone = \"UTC\"");
    assert_eq!(read(&utc, &stated)["appointment"]["start"], "2026-12-01T09:30:00-07:00");
}

#[test]
fn names_in_capitals_are_written_as_names() {
    let text = siu("S14", &[], "PID|1||||O'BRIEN^mary ann\rAIP|1||12^ROE^de la Cruz");
    let json = read(&own(""), &text);
    assert_eq!(json["patient"]["family"], "O'Brien");
    assert_eq!(json["patient"]["given"], "Mary Ann");
    assert_eq!(json["appointment"]["provider"]["family"], "Roe");
    assert_eq!(json["appointment"]["provider"]["given"], "de la Cruz");
    let kept = read(&own("[defaults]\nname_case = \"keep\""), &text);
    assert_eq!(kept["patient"]["family"], "O'BRIEN");
}

#[test]
fn a_capture_cuts_the_value_out() {
    let mapping = own(r#"
        [appointment]
        ids = { path = "SCH-2", system = "filler", capture = '^(\d+)M' }
        type = [{ path = "NTE-3", capture = 'Type: *(\w+)' }, "inherited"]
        start = { path = "NTE-3", capture = '\d{12}' }
    "#);
    let sch = [(2, "189M90009")];
    let json = read(&mapping, &siu("S12", &sch, "NTE|1||Type: recall at 202612010930 sharp"));
    assert_eq!(json["appointment"]["id"], "189");
    assert_eq!(json["appointment"]["type"], "recall");
    assert_eq!(json["appointment"]["start"], "2026-12-01T09:30:00-06:00");
    let (_, explanation, json) =
        explained(&mapping, &siu("S14", &[(2, "189M1"), (8, "CHECK")], "NTE|1||none"));
    assert_eq!(json["appointment"]["type"], "CHECK");
    let tried = &explanation.field(Output::VisitType).unwrap().attempts[0];
    assert_eq!(tried.result, "the regular expression does not fit");
    assert_eq!(read(&mapping, &siu("S14", &[(2, "X9")], ""))["field"], "appointment.ids");
}

#[test]
fn conditions_know_expressions_and_feeds() {
    let mapping = own(r#"
        [[ignore_if]]
        code = "odd"
        reason = "odd record numbers are tests"
        when = { path = "PID-3.1", regex = '^T\d*[13579]$' }
        [[suppress_if]]
        code = "main"
        reason = "the main feed is silent"
        when = { source = "main" }
    "#);
    let outcome = |pid: &str| explained(&mapping, &siu("S14", &[], &format!("PID|1||{pid}"))).0;
    assert!(matches!(outcome("T123"), Outcome::NoEvent(_)));
    for pid in ["T124", "XT123", "t123"] {
        let Outcome::Claims(claims) = outcome(pid) else { panic!("{pid} is an event") };
        assert_eq!(claims[0].quiet.as_deref(), Some("the main feed is silent"));
    }
}

#[test]
fn a_full_name_in_one_component_is_parted() {
    let mapping = own("[appointment]\nprovider = { path = \"AIG-3\", id = 1, full = 2 }");
    let provider = |aig: &str| {
        read(&mapping, &siu("S14", &[], &format!("AIG|1||{aig}")))["appointment"]["provider"]
            .clone()
    };
    let full = json!({"id": "7", "family": "Diaz", "given": "Frances M"});
    assert_eq!(provider("7^Diaz, Frances M"), full);
    assert_eq!(provider("7^Owl Clinic"), json!({"id": "7", "family": "Owl Clinic"}));
    assert_eq!(provider("^Diaz,"), json!({"family": "Diaz"}));
}

#[test]
fn an_identifier_may_need_another_to_be_unique() {
    let mapping = own(
        "[appointment]\nids = { path = \"SCH-2\", system = \"filler\", also = [\"SCH-3\", \"MSH-4\"] }",
    );
    let id =
        |sch: &[(usize, &str)]| read(&mapping, &siu("S14", sch, ""))["appointment"]["id"].clone();
    assert_eq!(id(&[(3, "2")]), "10001/2/MAIN");
    assert_eq!(id(&[]), "10001/MAIN");
}

#[test]
fn a_constant_of_a_code_is_the_meaning_itself() {
    let mapping = own(r#"
        [appointment]
        event = [{ value = "RESCHEDULED", when = { path = "SCH-6.1", equals = "MOVE" } }, "inherited"]
        status = [{ value = "arrived", when = { path = "ZAR-1", present = true } }, "inherited"]
    "#);
    assert_eq!(read(&mapping, &siu("S14", &[START, (6, "move")], ""))["event"], "RESCHEDULED");
    let arrived = read(&mapping, &siu("S14", &[], "ZAR|1"));
    assert_eq!(arrived["appointment"]["status"], "arrived");
    assert!(
        faults("[appointment]\nstatus = { value = \"arived\" }").contains("no status, did you")
    );
}

#[test]
fn each_patient_of_a_group_visit_gets_an_event() {
    let group = siu(
        "S12",
        &[START],
        "PID|1||M1||Doe^Jane||||||||4155550101^PRN^CP\rPV1|1|O\rPID|2||M2||Roe^John||||||||\"\"\rRGS|1\rAIL|1||CARD",
    );
    let both = events(&own(""), &group);
    assert_eq!(both.len(), 2);
    for (event, (id, phone)) in
        both.iter().zip([("M1", json!("+14155550101")), ("M2", Value::Null)])
    {
        assert_eq!(event["event"], "BOOKED");
        assert_eq!(event["appointment"]["id"], "10001");
        assert_eq!(event["appointment"]["location"]["code"], "CARD");
        assert_eq!((&event["patient"]["id"], &event["patient"]["phone"]), (&json!(id), &phone));
    }
    let one = events(&own("[message]\npatients = \"first\""), &group);
    assert_eq!((one.len(), &one[0]["patient"]["id"]), (1, &json!("M1")));
}

#[test]
fn each_time_of_a_series_is_an_event() {
    let series =
        siu("S12", &[(11, "^^^202612010930~^^^202612080930~^^^202612150930")], "PID|1||M1");
    let starts = |mapping: &Mapping| -> Vec<Value> {
        events(mapping, &series).iter().map(|e| e["appointment"]["start"].clone()).collect()
    };
    let all: Vec<Value> = [1, 8, 15]
        .map(|day| json!(format!("2026-12-{day:02}T09:30:00-06:00")))
        .into_iter()
        .collect();
    assert_eq!(starts(&own("")), all);
    assert_eq!(starts(&own("[message]\ntimes = \"first\"")), all[..1]);
    let timing = siu("S12", &[], "TQ1|1||||||202612010930\rTQ1|2||||||202612080930\rPID|1||M1");
    let both = events(&own(""), &timing);
    assert_eq!(both.len(), 2);
    assert_eq!(both[1]["appointment"]["start"], all[1]);
}

#[test]
fn of_a_group_only_those_who_are_meant_are_ignored() {
    let mapping = own(r#"
        [[ignore_if]]
        code = "test_patient"
        reason = "test patients are not texted"
        when = { path = "PID-5.1", prefix = "ZZ" }
    "#);
    let group = |names: [&str; 2]| {
        let [a, b] = names;
        events(&mapping, &siu("S14", &[], &format!("PID|1||M1||{a}\rPID|2||M2||{b}")))
    };
    let one = group(["ZZTEST", "Doe"]);
    assert_eq!((one.len(), &one[0]["patient"]["id"]), (1, &json!("M2")));
    let none = group(["ZZTEST", "ZZTOP"]);
    assert_eq!((none.len(), &none[0]["code"]), (1, &json!("test_patient")));
}

#[test]
fn more_patients_than_anyone_means_go_to_a_person() {
    let crowd: String = (0..65).map(|n| format!("PID|{n}||M{n}\r")).collect();
    let json = read(&own(""), &siu("S14", &[], &crowd));
    assert_eq!(json["code"], "failed");
    assert!(json["reason"].as_str().unwrap().contains("65 appointments"));
}

#[test]
fn a_dialect_is_recognised_by_what_its_file_says() {
    let file = |reason: &str, rank: u16, prefix: &str| {
        format!(
            "extends = \"hl7-default\"\n[detect]\nwhen = {{ path = \"MSH-3.1\", prefix = \"{prefix}\" }}\nreason = \"{reason}\"\nrank = {rank}\n"
        )
    };
    let (a, b, c) =
        (file("a says so", 90, "OWL"), file("b says so", 90, "OWLSOFT"), file("c", 80, "OWLSOFT"));
    let library = Library::load([("m/a.toml", &*a), ("m/b.toml", &*b), ("m/c.toml", &*c)]).unwrap();
    let source = SourceName::new("main");
    let detect = |sender: &str| {
        let text = siu("S12", &[START], "").replace("|EHR|", &format!("|{sender}|"));
        let msg = Message::read(&text).unwrap();
        library
            .detect(&msg, &source)
            .map(|found| (found.mapping.name().to_owned(), found.because.to_owned()))
    };
    assert_eq!(detect("OWLSOFT 3"), Some(("a".to_owned(), "a says so".to_owned())));
    assert_eq!(detect("owl"), Some(("a".to_owned(), "a says so".to_owned())));
    assert_eq!(detect("Nobody's"), None);
}

#[test]
fn a_changed_file_has_another_hash() {
    let (a, b) = (own("title = \"A\""), own("title = \"B\""));
    assert_eq!(a.hash().len(), 16);
    assert_ne!(a.hash(), b.hash());
    assert_eq!(a.hash(), own("title = \"A\"").hash());
    let json = read(&a, &siu("S14", &[], ""));
    assert_eq!(json["source"]["mapping_hash"], a.hash());
}

#[test]
fn an_explanation_tells_conditions_steps_and_rules() {
    let mapping = own(r#"
        [appointment]
        type = [{ path = "ZVT-1", when = { all = [{ path = "MSH-4", equals = "WEST" }, { not = { trigger = "S15" } }] } }, "inherited"]
        [[suppress_if]]
        code = "inpatient"
        reason = "inpatients are told at the ward"
        when = { path = "PV1-2", equals = "I" }
    "#);
    let text = siu("S14", &[START, (9, "30"), (25, "1^SCH")], "PID|1||M1||DOE\\T\\SON\rPV1|1|I");
    let (_, explanation, _) = explained(&mapping, &text);
    let rules: Vec<_> = explanation.rules.iter().map(|rule| rule.rule.as_str()).collect();
    assert_eq!(rules, ["trigger SIU^S14", "suppress_if inpatient: PV1-2 is \"i\""]);
    assert!(explanation.rules[1].written_at.starts_with("conf/own.toml:"));
    let tried = &explanation.field(Output::VisitType).unwrap().attempts[0];
    assert_eq!(
        tried.result,
        "its condition does not hold: MSH-4 is \"west\" and not (trigger is *^S15)"
    );
    let steps =
        |output| explanation.field(output).unwrap().taken().next().unwrap().steps.join("; ");
    assert!(steps(Output::Start).contains("in America/Chicago, the feed's or practice's zone"));
    assert!(steps(Output::Duration).contains("no unit: 60 seconds each"));
    assert!(steps(Output::Status).contains("means booked"));
    assert!(steps(Output::Name).contains("capital at each word's begin"));
}

#[test]
fn a_trace_says_rule_and_bytes_and_holds_no_value() {
    let mapping = own("[appointment]\ntype = { value = \"VISIT\" }");
    let text =
        siu("S12", &[START], "PID|1||M1||Doe^Jane||||||||4155550101^PRN^PH~4155550102^PRN^CP");
    let (outcome, trace) = super::traced(&mapping, &text);
    assert!(matches!(outcome, Outcome::Claims(_)));
    let stored = trace.into_stored();
    assert!(!stored.contains("Jane") && !stored.contains("555") && stored.len() < 400, "{stored}");
    let json = appointd::mapping::Trace::from_stored(stored).to_json(mapping.files());
    let field = |name: &str| {
        json[0].as_array().unwrap().iter().find(|entry| entry["field"] == name).unwrap().clone()
    };
    let start = field("appointment.start");
    assert_eq!(start["position"], "SCH1-11.1.4");
    let bytes = |value: &Value| usize::try_from(value.as_u64().unwrap()).unwrap();
    let range = bytes(&start["bytes"][0])..bytes(&start["bytes"][1]);
    assert_eq!(text.get(range), Some("20261201093000"));
    assert!(start["written_at"].as_str().unwrap().starts_with("mappings/hl7-default.toml:"));
    assert_eq!(field("patient.phone")["position"], "PID1-13.2");
    assert_eq!(field("appointment.type")["constant"], true);
    assert_eq!(field("appointment.type")["written_at"], "conf/own.toml:3");
}

#[test]
fn a_trace_of_a_failure_says_what_was_tried() {
    let mapping = own("");
    let (outcome, trace) = super::traced(&mapping, &siu("S12", &[], "TQ1|1||||||soon"));
    assert!(matches!(outcome, Outcome::Failed(_)));
    let json = trace.to_json(mapping.files());
    let results: Vec<_> = json[0]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["field"] == "appointment.start")
        .map(|entry| entry["result"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(results, ["its condition does not hold", "nothing there", "no time"]);
}

#[test]
fn what_is_wrong_with_the_new_constructs_is_told() {
    for (text, wanted) in [
        ("[defaults]\nzone = \"Mars\"", "is no time zone"),
        ("[defaults]\nname_case = \"upper\"", "names are written \"title\""),
        ("[patient]\nphone = [\"PID-13.1\"]", "patient.phone is read as a whole: write PID-13"),
        ("[patient]\nname = { path = \"PID-5.1\" }", "patient.name is read as a whole"),
        (
            "[appointment]\ntype = { path = \"SCH-8\", when = { path = \"PV1-2\", contains = \"-\" } }",
            "nothing is left; write a regex",
        ),
        (
            "[appointment]\ntype = { path = \"SCH-8\", when = { path = \"PV1-2\", matches = \"*\" } }",
            "nothing is left",
        ),
        ("[tables.status]\nbooked = [\"X Y\"]\narrived = [\"xy\"]", "cannot mean both"),
        ("[message]\npatients = \"all\"", "\"each\" or \"first\""),
        ("[detect]\nreason = \"x\"", "detection needs when and reason"),
        (
            "[appointment]\ntype = { path = \"NTE-3\", capture = '(' }",
            "regular expression cannot be read: unclosed group",
        ),
        (
            "[appointment]\ntype = { path = \"NTE-3\", capture = '\\w{9999}{9}' }",
            "regular expression is too large",
        ),
        (
            "[appointment]\nprovider = { path = \"AIP-3\", capture = '.' }",
            "own.toml:3: appointment.provider.capture: unknown key",
        ),
        ("[appointment]\nlocation = { path = \"AIL-3\", full = 2 }", "unknown key"),
        (
            "[appointment]\nstart = [\"SCH-11.4\", \"SCH-11.4\"]",
            "start[2]: never reached: SCH-11.4 was asked before it",
        ),
        (
            "[appointment]\nids = { path = \"SCH-2\", also = [\"SCH.3\"] }",
            "a hyphen and a field number",
        ),
        (
            "[[ignore_if]]\ncode = \"a\"\nreason = \"r\"\nwhen = { source = \"x\" }\n[[ignore_if]]\ncode = \"a\"\nreason = \"r\"\nwhen = { source = \"y\" }",
            "there is a rule \"a\" before it",
        ),
    ] {
        let told = faults(text);
        assert!(told.contains(wanted), "{wanted}\n---\n{told}");
    }
}

#[test]
fn a_condition_looks_at_the_first_component_as_a_source_does() {
    let text = siu("S12", &[START], "TQ1|1||||||202612020800");
    for version in ["2.5^DEU", "2.5.1^AUS&&ISO3166_1"] {
        let json = read(&own(""), &text.replace("|P|2.4", &format!("|P|{version}")));
        assert_eq!(json["appointment"]["start"], "2026-12-02T08:00:00-06:00", "{version}");
    }
}

#[test]
fn only_times_that_differ_are_counted() {
    for (sch, more, starts) in [
        ("^^^202612010930~^^^202612010930", "", 1),
        ("^^^202612010930~\"\"", "", 1),
        ("^^^202612010930~^^^^^R", "AIS|1||X|202612010800", 1),
        ("^^^202612010930~~^^^202612080930", "AIS|1||X|202612010800", 2),
        ("", "TQ1|1||||||202612010930\rTQ1|2||||||202612010930", 1),
        ("", "TQ1|1||||||202612010930\rTQ1|2", 1),
    ] {
        let all = events(&own(""), &siu("S12", &[(11, sch)], more));
        assert_eq!(all.len(), starts, "{sch} {more}");
        assert!(all.iter().all(|event| {
            event["appointment"]["start"].as_str().unwrap().ends_with("T09:30:00-06:00")
        }));
    }
}

#[test]
fn what_is_suppressed_can_be_seen() {
    let mapping =
        own("[[suppress_if]]\ncode = \"all\"\nreason = \"nobody\"\nwhen = { trigger = \"S14\" }");
    assert_eq!(read(&mapping, &siu("S14", &[], ""))["suppressed"], "nobody");
    assert_eq!(read(&mapping, &siu("S12", &[START], "")).get("suppressed"), None);
    let day = read(&own(""), &siu("S12", &[(11, "^^^20261201")], ""));
    assert_eq!(day["appointment"]["date_only"], true);
}
