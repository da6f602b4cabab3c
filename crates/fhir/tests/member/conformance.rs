//! The typed reading of what came in: what it says, what it must not say, and that it survives.

use appointd_fhir::conformance::{Fault, Nonconformity, report};

const FITTING: &str = r#"{
  "resourceType": "Appointment",
  "id": "1",
  "status": "booked",
  "_start": {"extension": [{
    "url": "http://hl7.org/fhir/StructureDefinition/tz-code", "valueCode": "America/New_York"
  }]},
  "start": "2026-12-01T09:00:00-05:00",
  "end": "2026-12-01T09:30:00-05:00",
  "cancelationReason": {"text": "none"},
  "vendorField": true,
  "participant": [
    {"actor": {"reference": "Patient/1", "display": "Jane Doe"}, "status": "accepted"}
  ]
}"#;

fn fault(from: &str, to: &str) -> Nonconformity {
    let changed = FITTING.replacen(from, to, 1);
    assert_ne!(changed, FITTING);
    report(changed.as_bytes()).unwrap_err()
}

#[test]
fn an_appointment_of_r4_conforms() {
    assert_eq!(report(FITTING.as_bytes()), Ok(()));
}

#[test]
fn a_report_says_where_and_never_what() {
    for (from, to, expected, line) in [
        ("\"booked\"", "\"Doe\"", Fault::Value, 4),
        ("09:00:00-05:00", "09:00:00", Fault::Value, 8),
        ("\"id\": \"1\"", "\"id\": 555", Fault::Value, 3),
        ("\"status\": \"booked\",", "", Fault::Missing, 15),
        (", \"status\": \"accepted\"", "", Fault::Missing, 13),
        ("\"Appointment\"", "\"Patient\"", Fault::ResourceType, 1),
        ("\"resourceType\": \"Appointment\",", "", Fault::ResourceType, 1),
        ("\"Appointment\"", "7", Fault::Value, 2),
        ("\"Jane Doe\"", "\"Jane Doe", Fault::Syntax, 13),
    ] {
        let found = fault(from, to);
        assert_eq!((found.fault, found.line), (expected, line), "{to}");
        let printed = format!("{found} {found:?}");
        assert!(!printed.contains("Doe") && !printed.contains("555"), "{printed}");
    }
    let found = fault("\"booked\"", "\"Doe\"");
    assert_eq!(found.to_string(), "Appointment does not conform (value) at 4:17");
}

#[test]
fn what_is_no_object_is_no_appointment() {
    for text in ["", "null", "[1]", "\"Appointment\"", "{", "\u{feff}{}", "{}{}"] {
        let found = report(text.as_bytes()).unwrap_err();
        assert!(matches!(found.fault, Fault::Syntax | Fault::Value), "{text}: {found}");
    }
    for text in ["{}", "[]", r#"["Patient"]"#] {
        assert_eq!(report(text.as_bytes()).unwrap_err().fault, Fault::ResourceType);
    }
    assert_eq!(report(b"{\"resourceType\":\"\xff\"}").unwrap_err().fault, Fault::Syntax);
}

/// An Appointment with something within brackets.
fn nested(field: &str, open: &str, close: &str, depth: usize) -> String {
    let (open, close) = (open.repeat(depth), close.repeat(depth));
    FITTING.replacen("\"id\"", &format!("\"{field}\": [{open}{close}],\"id\""), 1)
}

// A stack that runs out ends the process. The threads of the runtime have 2 MiB, these have one.
#[test]
fn nesting_ends_before_the_stack_does() {
    let resource = |name: &str| format!("{{\"resourceType\":\"{name}\",\"contained\":[");
    let types = ["Appointment", "Claim", "ExplanationOfBenefit", "ActivityDefinition", "Contract"];
    let cases = types.iter().map(|name| ("contained", resource(name), "]}"));
    let extension = ("extension", r#"{"url":"a","extension":["#.to_owned(), "]}");
    for (field, open, close) in cases.chain([extension]) {
        for (depth, is_deep) in [(1, false), (15, false), (16, true), (60, true), (9000, true)] {
            let text = nested(field, &open, close, depth);
            let thread = std::thread::Builder::new().stack_size(1024 * 1024);
            let found = thread.spawn(move || report(text.as_bytes())).unwrap().join().unwrap();
            let is_refused = found.is_err_and(|found| found.fault == Fault::Depth);
            assert_eq!(is_refused, is_deep, "{open} {depth}");
        }
    }
}

#[test]
fn brackets_in_text_are_no_nesting() {
    for text in ["[".repeat(100), "\\\"[{".repeat(100), "\\\\".to_owned()] {
        let text = FITTING.replacen("Jane Doe", &text, 1);
        assert_eq!(report(text.as_bytes()), Ok(()), "{text}");
    }
    let fields = (0..100).map(|n| format!("\"a{n}\": [{{}}], ")).collect::<String>();
    let wide = FITTING.replacen("\"id\"", &format!("{fields}\"id\""), 1);
    assert_eq!(report(wide.as_bytes()), Ok(()));
}
