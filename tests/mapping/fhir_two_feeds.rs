//! One appointment, two feeds: the HL7 feed and the FHIR server call it by the same number.

use appointd::hl7::Message;
use appointd::mapping::{Library, Outcome, check_examples};

use super::resources::only;
use super::{received_at, with_site};

/// A site's mapping for the server of an EHR whose messages put the number into SCH-2.
const OWN: &str = include_str!("two-feeds.toml");

#[test]
fn both_feeds_know_an_appointment_by_one_number() {
    let library = Library::load([("conf/two-feeds.toml", OWN)]).unwrap();
    let own = library.lookup("two-feeds").unwrap();
    let faults: Vec<_> = check_examples(own).iter().map(ToString::to_string).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let msg = "MSH|^~\\&|OWL|MAIN|||20301120110311||SIU^S12|M1|P|2.4\r\
        SCH|2001^OWL|10001^OWL|||||||||^^^20301201093000\rPID|1||MRN1^^^OWL^MR||Doe^Jane";
    let msg = Message::read(msg).unwrap();
    let resource = only(
        r#"{"resourceType": "Appointment", "id": "a17", "status": "booked", "start": "2030-12-01T15:30:00Z",
            "identifier": [{"system": "urn:owl:visit", "value": "10001"}, {"system": "urn:owl:slot", "value": "77"}],
            "participant": [{"actor": {"reference": "Patient/p1"}, "status": "accepted"}]}"#,
    );
    with_site(|site| {
        let hl7 = library.lookup("hl7-default").unwrap().apply(&msg, site, received_at());
        let fhir = own.apply(&resource, site, received_at());
        let (Outcome::Claims(hl7), Outcome::Claims(fhir)) = (hl7, fhir) else {
            panic!("two claims")
        };
        let (hl7, fhir) = (&hl7[0].appointment, &fhir[0].appointment);
        assert_eq!(hl7.ids.first(), fhir.ids.first(), "the number that both are known by");
        let fhir_id = fhir.ids.iter().find(|id| id.system == "fhir").unwrap();
        assert_eq!(fhir_id.value, "a17");
        assert_eq!(fhir.resource.as_ref().unwrap().id, "a17");
        let same = |one: &appointd::core::local_time::LocalTime| one.instant;
        assert_eq!(hl7.start.value().map(same), fhir.start.value().map(same));
    });
}
