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
    assert_eq!(found.to_string(), "Appointment does not conform (value) at 4:18");
}

#[test]
fn what_is_no_object_is_no_appointment() {
    for text in ["", "null", "[]", "\"Appointment\"", "{", "\u{feff}{}", "{}{}"] {
        let found = report(text.as_bytes()).unwrap_err();
        assert!(matches!(found.fault, Fault::Syntax | Fault::Value), "{text}: {found}");
    }
    assert_eq!(report(b"{}").unwrap_err().fault, Fault::ResourceType);
    assert_eq!(report(b"{\"resourceType\":\"\xff\"}").unwrap_err().fault, Fault::Syntax);
}

// A stack that runs out ends the process. The threads of the runtime have 2 MiB, as these.
#[test]
fn nesting_ends_before_the_stack_does() {
    for (open, close) in [
        (r#"{"resourceType":"Appointment","contained":["#, "]}"),
        (r#"{"resourceType":"ExplanationOfBenefit","contained":["#, "]}"),
        (r#"{"resourceType":"Claim","contained":["#, "]}"),
        (r#"{"resourceType":"ActivityDefinition","contained":["#, "]}"),
        (r#"{"resourceType":"StructureDefinition","contained":["#, "]}"),
        (r#"{"resourceType":"Bundle","entry":[{"resource":"#, "}]}"),
        (r#"{"resourceType":"Parameters","parameter":[{"resource":"#, "}]}"),
        (r#"{"resourceType":"ValueSet","expansion":{"contains":["#, "]}}"),
        (r#"{"resourceType":"Patient","extension":[{"url":"a","extension":["#, "]}]}"),
    ] {
        for depth in [20, 30, 40, 60, 1000] {
            let inner = format!("{}{{}}{}", open.repeat(depth), close.repeat(depth));
            let text = format!(
                r#"{{"resourceType":"Appointment","status":"booked","participant":[{{"status":"accepted"}}],"contained":[{inner}]}}"#
            );
            let thread = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
            let reading = thread.spawn(move || report(text.as_bytes()).is_ok()).unwrap();
            let _is_ok = reading.join().unwrap();
        }
    }
    let open = r#"{"url":"a","extension":["#;
    let (opens, closes) = (open.repeat(60), "]}".repeat(60));
    let text = format!(
        r#"{{"resourceType":"Appointment","status":"booked","participant":[{{"status":"accepted"}}],"extension":[{opens}{closes}]}}"#
    );
    assert_eq!(report(text.as_bytes()), Ok(()));
}
