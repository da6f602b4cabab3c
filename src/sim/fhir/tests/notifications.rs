//! What a notification is, in each kind, and as real servers sent it.

use std::collections::BTreeSet;
use std::path::Path;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::*;

fn hex_hmac(key: &str, body: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    let code = mac.chain_update(body.as_bytes()).finalize().into_bytes();
    code.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn signed(url: &str) -> Value {
    let mut wanted = criteria(url);
    wanted["extension"] = json!([{
        "url": "https://www.medplum.com/fhir/StructureDefinition/subscription-secret",
        "valueString": "key",
    }]);
    wanted
}

#[tokio::test]
async fn medplum_posts_the_resource_and_signs_it() {
    let bench = Bench::start().await;
    let id = bench.subscribe(&signed(&bench.receiver.url)).await;
    let start = Utc.with_ymd_and_hms(2026, 12, 7, 18, 0, 0).unwrap();
    bench.server.book(&Visit::new("new", "john", start)).unwrap();
    bench.server.set_status("new", "arrived").unwrap();
    bench.server.delete("Appointment/new");
    bench.server.put(json!({ "resourceType": "Patient", "id": "other" })).unwrap();
    let heard = bench.heard().await;
    assert_eq!(heard.len(), 3, "a patient is no appointment");
    for (hook, interaction) in heard.iter().zip(["create", "update", "delete"]) {
        assert_eq!((hook.method.as_str(), hook.path.as_str()), ("POST", "/hook"));
        assert_eq!(hook.header("content-type"), "application/fhir+json");
        assert_eq!(hook.header("x-medplum-subscription"), id);
        assert_eq!(hook.header("x-medplum-interaction"), interaction);
        assert_eq!(hook.header("x-hook-token"), "s3cret");
        assert_eq!(hook.header("x-signature"), hex_hmac("key", &hook.text));
    }
    assert_eq!(heard[0].at("/status"), "booked", "each as it was then");
    assert_eq!(heard[1].at("/status"), "arrived");
    assert_eq!(heard[2].text, "{}");
    assert_eq!(heard[2].header("x-medplum-deleted-resource"), "Appointment/new");
    let deliveries = bench.server.deliveries();
    assert_eq!(deliveries[1].focus, ["Appointment/new"]);
    assert_eq!((deliveries[1].status, deliveries[1].attempts), (Some(200), 1));
    assert!(deliveries.iter().all(|one| one.is_taken && one.kind == "criteria"));
}

#[tokio::test]
async fn hapi_puts_and_deletes_below_the_endpoint() {
    let bench = Bench::start_with(|options| options.knobs = Knobs::like(Habit::Hapi)).await;
    bench.subscribe(&criteria(&bench.receiver.url)).await;
    bench.server.set_status("visit-1", "arrived").unwrap();
    bench.server.delete("Appointment/visit-1");
    let heard = bench.heard().await;
    let told: Vec<(&str, &str)> =
        heard.iter().map(|hook| (hook.method.as_str(), hook.path.as_str())).collect();
    let path = "/hook/Appointment/visit-1";
    assert_eq!(told, [("PUT", path), ("DELETE", path)]);
    assert_eq!(heard[0].at("/status"), "arrived");
    assert_eq!((heard[1].text.as_str(), heard[1].header("x-hook-token")), ("", "s3cret"));
}

#[tokio::test]
async fn without_a_payload_the_post_is_empty() {
    let bench = Bench::start().await;
    let mut wanted = criteria(&bench.receiver.url);
    wanted["channel"].as_object_mut().unwrap().remove("payload");
    wanted["criteria"] = json!("Appointment?status=arrived&patient=jane");
    bench.subscribe(&wanted).await;
    bench.server.set_status("visit-1", "arrived").unwrap();
    bench.server.set_status("visit-1", "cancelled").unwrap();
    bench.server.set_status("visit-2", "arrived").unwrap();
    let heard = bench.heard().await;
    assert_eq!(heard.len(), 1, "what leaves the criteria is not told");
    assert_eq!((heard[0].method.as_str(), heard[0].text.as_str()), ("POST", ""));
    assert_eq!(heard[0].header("x-hook-token"), "s3cret");
}

#[tokio::test]
async fn a_topic_tells_as_much_as_was_asked_for() {
    for version in [Version::R4, Version::R4b, Version::R5] {
        for content in ["empty", "id-only", "full-resource"] {
            let bench = Bench::start_with(|options| options.version = version).await;
            let url = &bench.receiver.url;
            let is_r5 = version == Version::R5;
            let wanted = if is_r5 { r5(url, content) } else { backport(url, content) };
            bench.subscribe(&wanted).await;
            bench.receiver.take();
            bench.server.set_status("visit-1", "arrived").unwrap();
            bench.server.delete("Appointment/visit-1");
            let heard = bench.heard().await;
            let [change, removal] = heard.as_slice() else { panic!("{heard:?}") };
            assert_eq!(
                (change.kind().as_str(), change.numbers()),
                ("event-notification", vec!["1".into()])
            );
            assert_eq!(removal.numbers(), ["2"]);
            assert_eq!(removal.status()["eventsSinceSubscriptionStart"], "2");
            let (name, value) = if is_r5 {
                ("x-hook-token", "s3cret")
            } else {
                ("authorization", "Bearer hook-secret")
            };
            assert_eq!(change.header(name), value);
            let focus = format!("{}/Appointment/visit-1", bench.server.base_url());
            if content == "empty" {
                assert_eq!(change.at("/entry/1"), &Value::Null);
                assert_eq!(change.foci(), ["null"]);
                continue;
            }
            assert_eq!(change.foci(), [focus.as_str()]);
            assert_eq!(change.at("/entry/1/fullUrl"), focus.as_str());
            assert_eq!(change.at("/entry/1/request/method"), "PUT");
            assert_eq!(removal.at("/entry/1/request/method"), "DELETE");
            assert_eq!(removal.at("/entry/1/resource"), &Value::Null);
            let is_full = content == "full-resource";
            let status = change.at("/entry/1/resource/status");
            assert_eq!(status, &if is_full { json!("arrived") } else { Value::Null });
        }
    }
}

#[tokio::test]
async fn a_filter_narrows_a_topic() {
    let bench = Bench::start().await;
    let mut wanted = backport(&bench.receiver.url, "id-only");
    wanted["_criteria"] = json!({ "extension": [{
        "url": "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-filter-criteria",
        "valueString": "Appointment?location=west",
    }] });
    bench.subscribe(&wanted).await;
    bench.receiver.take();
    bench.server.set_status("visit-1", "arrived").unwrap();
    bench.server.set_status("visit-2", "arrived").unwrap();
    assert_eq!(bench.heard().await.len(), 1);
    let bench = Bench::start_with(|options| options.version = Version::R5).await;
    let mut wanted = r5(&bench.receiver.url, "id-only");
    wanted["filterBy"] = json!([{ "filterParameter": "location", "value": "Location/west" }]);
    bench.subscribe(&wanted).await;
    bench.receiver.take();
    bench.server.set_status("visit-1", "arrived").unwrap();
    bench.server.set_status("visit-2", "arrived").unwrap();
    let heard = bench.heard().await;
    assert_eq!(heard.len(), 1);
    assert!(heard[0].foci()[0].ends_with("visit-2"));
}

#[tokio::test]
async fn a_heartbeat_comes_when_it_is_asked_for() {
    let bench = Bench::start().await;
    bench.subscribe(&backport(&bench.receiver.url, "id-only")).await;
    bench.subscribe(&criteria(&bench.receiver.url)).await;
    bench.server.set_status("visit-1", "arrived").unwrap();
    bench.heard().await;
    bench.server.heartbeat();
    let heard = bench.heard().await;
    let [beat] = heard.as_slice() else { panic!("{heard:?}") };
    assert_eq!((beat.kind().as_str(), beat.events().len()), ("heartbeat", 0));
    assert_eq!(beat.status()["eventsSinceSubscriptionStart"], "1");
}

#[tokio::test]
async fn athena_signs_with_the_secret_of_the_request() {
    let bench = Bench::start_with(|options| {
        options.version = Version::R4b;
        options.knobs = Knobs::like(Habit::Athena);
    })
    .await;
    let secret = [("x-hub-secret", "key")];
    let wanted = backport(&bench.receiver.url, "id-only");
    let made = bench.ask(Method::POST, "Subscription", &secret, Some(&wanted)).await;
    assert_eq!(bench.status(made.at("/id").as_str().unwrap()).await, "active");
    bench.server.set_status("visit-1", "arrived").unwrap();
    bench.server.set_status("visit-2", "arrived").unwrap();
    let first = bench.heard().await.remove(0);
    assert_eq!(first.header("x-hub-signature"), format!("sha256={}", hex_hmac("key", &first.text)));
    assert_eq!(first.numbers(), ["1", "2"]);
    let event = &first.events()[0];
    assert_eq!(event["id"].as_str().unwrap().len(), 36);
    assert_eq!(event["focus"]["identifier"]["value"], "visit-1");
    assert_eq!(event["focus"]["reference"], Value::Null);
    bench.server.set_status("visit-2", "booked").unwrap();
    assert_eq!(bench.heard().await[0].numbers(), ["1"], "anew in each Bundle");
}

/// Every path of a JSON value, list places left out.
fn shape(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                shape(value, &format!("{path}/{name}"), found);
            }
        }
        Value::Array(list) => {
            list.iter().for_each(|value| shape(value, &format!("{path}/*"), found));
        }
        Value::String(_) => drop(found.insert(format!("{path}: text"))),
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            found.insert(format!("{path}: other"));
        }
    }
}

fn shape_of(value: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    shape(value, "", &mut found);
    // Who takes part is the clinic's affair.
    found.retain(|path| !path.starts_with("/entry/*/resource/participant"));
    found
}

/// A capture of a real server, if the captures are at hand.
fn capture(name: &str) -> Option<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus/fhir");
    let text = std::fs::read_to_string(folder.join(name)).ok()?;
    Some(serde_json::from_str(&text).unwrap())
}

/// An appointment such as the one in the captures.
fn plain_visit() -> Value {
    json!({
        "resourceType": "Appointment",
        "id": "plain",
        "status": "booked",
        "start": "2026-12-07T09:00:00-05:00",
        "end": "2026-12-07T09:30:00-05:00",
        "participant": [{ "actor": { "reference": "Patient/jane" }, "status": "needs-action" }],
    })
}

#[tokio::test]
async fn notifications_look_as_helios_was_seen_to_send_them() {
    let knobs = Knobs::like(Habit::Helios);
    for (content, made, removed) in [
        ("id-only", "event-id-only-create", "event-id-only-delete"),
        ("full-resource", "event-full-resource-create", "event-full-resource-delete"),
        ("empty", "event-empty-nonconformant-has-focus", ""),
    ] {
        let bench = Bench::start_with(|options| options.knobs = knobs.clone()).await;
        bench.subscribe(&backport(&bench.receiver.url, content)).await;
        bench.server.put(plain_visit()).unwrap();
        bench.server.delete("Appointment/plain");
        let heard = bench.heard().await;
        for (hook, name) in heard.iter().zip(["handshake", made, removed]) {
            let Some(real) = capture(&format!("hfs_capture/{name}.body.json")) else { continue };
            assert_eq!(shape_of(&hook.body), shape_of(&real), "{name}");
        }
    }
}

#[tokio::test]
async fn notifications_look_as_medplum_was_seen_to_send_them() {
    let bench = Bench::start_with(|options| {
        options.knobs = Knobs { latest_only: false, ..Knobs::like(Habit::Medplum) };
    })
    .await;
    bench.subscribe(&signed(&bench.receiver.url)).await;
    bench.server.put(plain_visit()).unwrap();
    bench.server.cancel("plain", "pat").unwrap();
    bench.server.delete("Appointment/plain");
    let heard = bench.heard().await;
    for (hook, name) in heard.iter().zip(["create", "update-cancelled", "delete"]) {
        let Some(real) = capture(&format!("medplum_capture/{name}.body.json")) else { continue };
        let mut real = shape_of(&real);
        // Who wrote it, and where it belongs, are Medplum's own.
        real.retain(|path| {
            !["author", "project", "compartment"].iter().any(|own| path.contains(own))
        });
        let mut ours = shape_of(&hook.body);
        for shape in [&mut real, &mut ours] {
            shape.retain(|path| !path.starts_with("/participant"));
        }
        assert_eq!(ours, real, "{name}");
        let headers = capture(&format!("medplum_capture/{name}.headers.json")).unwrap();
        let names: Vec<String> = headers["headers"]
            .as_object()
            .unwrap()
            .keys()
            .map(|name| name.to_lowercase())
            .collect();
        for name in names.iter().filter(|name| name.starts_with("x-") && *name != "x-trace-id") {
            assert!(hook.headers.contains_key(name), "{name}");
        }
    }
}

#[tokio::test]
async fn notifications_look_as_the_specification_shows_them() {
    for (version, folder) in [(Version::R4b, "r4b_hl7"), (Version::R5, "r5_hl7")] {
        let bench = Bench::start_with(|options| options.version = version).await;
        let url = &bench.receiver.url;
        let is_r5 = version == Version::R5;
        let wanted = if is_r5 { r5(url, "empty") } else { backport(url, "empty") };
        bench.subscribe(&wanted).await;
        bench.server.set_status("visit-1", "arrived").unwrap();
        bench.server.heartbeat();
        let heard = bench.heard().await;
        for (hook, name) in heard.iter().zip(["handshake", "empty", "heartbeat"]) {
            let file = format!("{folder}/notification-{name}.json");
            let Some(real) = capture(&file) else { continue };
            let mut real = shape_of(&real);
            let is_own = |path: &String| {
                path.contains("/text/")
                    || path.starts_with("/meta")
                    || path == "/entry/*/resource/id: text"
            };
            real.retain(|path| !is_own(path));
            // Optional, and left out of one example.
            real.insert("/entry/*/resource/topic: text".to_owned());
            assert_eq!(shape_of(&hook.body), real, "{file}");
        }
    }
}
