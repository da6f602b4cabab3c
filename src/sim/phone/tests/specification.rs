//! Both sides against the provider's published specification.

use std::collections::BTreeSet;

use super::*;

const SPEC: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus/twilio/twilio_api_v2010.json");

#[tokio::test]
async fn both_sides_keep_to_the_providers_own_specification() {
    let Ok(spec) = std::fs::read(SPEC) else { return };
    let spec: Value = serde_json::from_slice(&spec).unwrap();
    let path = &spec["paths"]["/2010-04-01/Accounts/{AccountSid}/Messages.json"];
    let known =
        &path["post"]["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"];
    let message = text(JANE, "Hello").valid_for(Duration::from_secs(60));
    for sender in [OURS.to_owned(), format!("MG{DIGITS}")] {
        for (name, _) in
            message.params(&Sender::parse(&sender).unwrap(), Some("https://x.example/"))
        {
            assert!(known["properties"].get(name).is_some(), "{name}");
        }
    }
    let listed = path["get"]["parameters"].as_array().unwrap();
    for name in ["To", "From", "PageSize"] {
        assert!(listed.iter().any(|parameter| parameter["name"] == name), "{name}");
    }
    let bench = Bench::start().await;
    accepted(bench.client().create(&message).await);
    let own = wire::message(&bench.carrier.all_texts()[0], &account());
    let schemas = &spec["components"]["schemas"];
    let fields = schemas["api.v2010.account.message"]["properties"].as_object().unwrap();
    let names = |object: &serde_json::Map<String, Value>| -> BTreeSet<String> {
        object.keys().cloned().collect()
    };
    assert_eq!(names(own.as_object().unwrap()), names(fields));
    let words = |name: &str| schemas[name]["enum"].as_array().unwrap().clone();
    for status in words("message_enum_status") {
        assert!(MessageStatus::parse(status.as_str().unwrap()).is_some(), "{status}");
    }
    for direction in [Direction::Inbound, Direction::OutboundApi, Direction::OutboundReply] {
        assert!(words("message_enum_direction").contains(&direction.as_str().into()));
    }
    // The example of the specification is an answer that we can read.
    let examples = &path["post"]["responses"]["201"]["content"]["application/json"]["examples"];
    for example in examples.as_object().unwrap().values() {
        assert!(answer::message(example["value"].to_string().as_bytes()).is_ok());
    }
    bench.stop().await;
}
