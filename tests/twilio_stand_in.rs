//! The stand-in over HTTP against the provider's own description of its interface, where that is at
//! hand: every answer fits its schema, and every parameter that we send is known.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a helper that fails fails its test"
)]

use std::time::Duration;

use appointd::clock::Clock;
use appointd::core::phone::PhoneNumber;
use appointd::outbound::twilio::{Reach, http_client};
use appointd::phi::Phi;
use appointd::shutdown::Tasks;
use appointd::sim::phone::{Carrier, Settings};
use appointd::sms::Secret;
use appointd::sms::request::{CreateMessage, OutboxTag, Sender};
use appointd::sms::sid::{AccountSid, ServiceSid};
use appointd::sms::signature::{Algorithm, sign};
use chrono::DateTime;
use serde_json::Value;
use tokio::net::TcpListener;

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus/twilio");
const ACCOUNT: &str = "AC00000000000000000000000000000000";
const SERVICE: &str = "MG00000000000000000000000000000000";
const OURS: &str = "+15105550100";
const JANE: &str = "+14155550123";
const MESSAGES: &str = "/2010-04-01/Accounts/{AccountSid}/Messages.json";
const MESSAGE: &str = "/2010-04-01/Accounts/{AccountSid}/Messages/{Sid}.json";

/// A file of the corpus; none where there is no corpus.
fn corpus(name: &str) -> Option<Value> {
    let Ok(text) = std::fs::read(format!("{CORPUS}/{name}")) else {
        println!("skipped: there is no {CORPUS}/{name}");
        return None;
    };
    Some(serde_json::from_slice(&text).unwrap())
}

/// What is wrong with a value by a schema; only what the interface's schemas use is known.
fn faults(spec: &Value, schema: &Value, value: &Value, path: &str) -> Vec<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = spec.pointer(reference.trim_start_matches('#')).unwrap();
        return faults(spec, target, value, path);
    }
    if value.is_null() {
        let may_be = schema["nullable"] == true;
        return if may_be { Vec::new() } else { vec![format!("{path} is null")] };
    }
    let is_of_kind = match schema["type"].as_str().unwrap() {
        "string" => value.is_string(),
        "integer" => value.is_i64(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        other => panic!("{path}: {other} is not known to this checker"),
    };
    if !is_of_kind {
        return vec![format!("{path} is {value}, not a {}", schema["type"])];
    }
    let mut found = Vec::new();
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        found.push(format!("{path} is {value}, none of {words:?}"));
    }
    if let Some(text) = value.as_str() {
        found.extend(fault_of_text(schema, text).map(|what| format!("{path} is {text:?}: {what}")));
    }
    if let Some(properties) = schema["properties"].as_object() {
        for (name, inner) in value.as_object().unwrap() {
            match properties.get(name) {
                Some(schema) => {
                    found.extend(faults(spec, schema, inner, &format!("{path}.{name}")));
                }
                None => found.push(format!("{path}.{name} is not described")),
            }
        }
        let absent = properties.keys().filter(|name| value.get(name).is_none());
        found.extend(absent.map(|name| format!("{path}.{name} is absent")));
    }
    for (index, inner) in value.as_array().into_iter().flatten().enumerate() {
        found.extend(faults(spec, &schema["items"], inner, &format!("{path}[{index}]")));
    }
    found
}

fn fault_of_text(schema: &Value, text: &str) -> Option<String> {
    let length = text.chars().count() as u64;
    if schema["minLength"].as_u64().is_some_and(|min| length < min)
        || schema["maxLength"].as_u64().is_some_and(|max| length > max)
    {
        return Some(format!("has {length} characters"));
    }
    if let Some(pattern) = schema["pattern"].as_str() {
        // All patterns here are prefixes with 32 hexadecimal digits.
        let prefixes = pattern.strip_prefix('^')?.strip_suffix("[0-9a-fA-F]{32}$")?;
        let prefixes = prefixes.trim_matches(['(', ')']);
        let fits = prefixes.split('|').any(|prefix| {
            let digits = text.strip_prefix(prefix).unwrap_or_default();
            digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        });
        return (!fits).then(|| format!("does not fit {pattern}"));
    }
    let fits = match schema["format"].as_str() {
        Some("date-time-rfc-2822") => DateTime::parse_from_rfc2822(text).is_ok(),
        // They are relative to the host.
        Some("uri") => text.starts_with("/2010-04-01/") && !text.contains([' ', '<', '>']),
        Some("phone-number") => PhoneNumber::parse_e164(text).is_ok(),
        Some("currency") => text.len() == 3,
        Some(other) => panic!("{other} is not known to this checker"),
        None => true,
    };
    (!fits).then(|| format!("is no {}", schema["format"]))
}

/// The stand-in, and the provider's description.
struct Bench {
    spec: Value,
    carrier: Carrier,
    base: String,
    http: reqwest::Client,
    tasks: Tasks,
}

impl Bench {
    async fn start() -> Option<Self> {
        let spec = corpus("twilio_api_v2010.json")?;
        let tasks = Tasks::new();
        let account = AccountSid::parse(ACCOUNT).unwrap();
        let number = PhoneNumber::parse_e164(OURS).unwrap();
        let mut settings = Settings::new(account, Secret::new("12345"), number);
        settings.messaging_service_sid = Some(ServiceSid::parse(SERVICE).unwrap());
        let carrier =
            Carrier::start(settings, Clock::system(), tasks.tracker(), tasks.stop_token()).unwrap();
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", socket.local_addr().unwrap());
        let (stop, router) = (tasks.stop_token(), carrier.router());
        tasks.spawn(async move {
            let served = axum::serve(socket, router).with_graceful_shutdown(stop.cancelled_owned());
            served.await.unwrap();
        });
        let wait = Duration::from_secs(30);
        let http = http_client(Reach::PlainLoopback, wait, wait).unwrap();
        Some(Self { spec, carrier, base, http, tasks })
    }

    fn schema(&self, path: &str, method: &str, status: u16) -> &Value {
        let answers = &self.spec["paths"][path][method]["responses"];
        &answers[status.to_string()]["content"]["application/json"]["schema"]
    }

    /// Asks, and judges the answer by the description of its path.
    async fn ask(&self, path: &str, method: &str, url: &str, form: &[(&str, &str)]) -> Value {
        let method_of = reqwest::Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        let mut request = self.http.request(method_of, format!("{}{url}", self.base));
        if !form.is_empty() {
            request = request.form(form);
        }
        let answer = request.basic_auth(ACCOUNT, Some("12345")).send().await.unwrap();
        let status = answer.status().as_u16();
        let described = &self.spec["paths"][path][method]["responses"][status.to_string()];
        assert!(!described.is_null(), "{method} {url}: {status} is not described");
        if status == 204 {
            return Value::Null;
        }
        let value: Value = answer.json().await.unwrap();
        let found = faults(&self.spec, self.schema(path, method, status), &value, "answer");
        assert_eq!(found, Vec::<String>::new(), "{method} {url}");
        value
    }

    async fn stop(self) {
        self.tasks.drain(Duration::from_secs(5)).await;
    }
}

fn messages() -> String {
    MESSAGES.replace("{AccountSid}", ACCOUNT)
}

fn message(sid: &Value) -> String {
    MESSAGE.replace("{AccountSid}", ACCOUNT).replace("{Sid}", sid.as_str().unwrap())
}

#[tokio::test]
async fn every_answer_fits_its_schema() {
    let Some(bench) = Bench::start().await else { return };
    bench.carrier.hold_deliveries();
    let by_number = [("To", JANE), ("From", OURS), ("Body", "Hello")];
    let first = bench.ask(MESSAGES, "post", &messages(), &by_number).await;
    assert_eq!(first["status"], "queued");
    let by_service = [("To", JANE), ("MessagingServiceSid", SERVICE), ("Body", "Hello")];
    let second = bench.ask(MESSAGES, "post", &messages(), &by_service).await;
    assert_eq!((&second["status"], &second["from"]), (&"accepted".into(), &Value::Null));
    let to_off = [("To", "+15005530003"), ("From", OURS), ("Body", "Hello")];
    let third = bench.ask(MESSAGES, "post", &messages(), &to_off).await;
    let canceled = [("Status", "canceled")];
    let gone = bench.ask(MESSAGE, "post", &message(&second["sid"]), &canceled).await;
    assert_eq!(gone["status"], "canceled");
    bench.carrier.release_deliveries();
    let is_done =
        |texts: &[appointd::sim::phone::Text]| texts.iter().all(|text| text.status.is_final());
    let _texts = bench.carrier.wait_for(is_done).await;
    let failed = bench.ask(MESSAGE, "get", &message(&third["sid"]), &[]).await;
    assert_eq!((&failed["status"], &failed["error_code"]), (&"undelivered".into(), &30003.into()));
    bench.carrier.reply(&PhoneNumber::parse_e164(JANE).unwrap(), "C").await.unwrap();

    let mut url = format!("{}?PageSize=2", messages());
    let mut listed = 0;
    loop {
        let page = bench.ask(MESSAGES, "get", &url, &[]).await;
        listed += page["messages"].as_array().unwrap().len();
        let Some(next) = page["next_page_uri"].as_str() else { break };
        next.clone_into(&mut url);
    }
    assert_eq!(listed, 4);
    let url = format!("{}?DateSent%3E=2999-01-01", messages());
    let page = bench.ask(MESSAGES, "get", &url, &[]).await;
    assert_eq!(page["messages"], Value::Array(vec![]));
    let redacted = bench.ask(MESSAGE, "post", &message(&first["sid"]), &[("Body", "")]).await;
    assert_eq!(redacted["body"], "");
    bench.ask(MESSAGE, "delete", &message(&first["sid"]), &[]).await;
    assert_eq!(bench.carrier.all_texts().len(), 3);
    bench.stop().await;
}

#[tokio::test]
async fn every_refusal_is_an_error_as_the_provider_writes_them() {
    let Some(bench) = Bench::start().await else { return };
    let cases: [(&str, &str, &str, u16); 4] = [
        ("post", &messages(), "12345", 400),
        ("post", &messages(), "wrong", 401),
        ("get", &format!("/2010-04-01/Accounts/{ACCOUNT}/Messages/SM1.json"), "12345", 404),
        ("delete", &format!("/2010-04-01/Accounts/{ACCOUNT}/Messages/SM1.json"), "12345", 404),
    ];
    for (method, url, token, status) in cases {
        let method = reqwest::Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        let request = bench.http.request(method, format!("{}{url}", bench.base));
        let answer = request.basic_auth(ACCOUNT, Some(token)).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{url}");
        let error: Value = answer.json().await.unwrap();
        assert_eq!(error["status"], status);
        assert!(error["code"].is_i64() && error["message"].is_string(), "{error}");
        assert!(error["more_info"].as_str().unwrap().starts_with("https://"));
    }
    bench.stop().await;
}

#[test]
fn every_parameter_that_we_send_is_known() {
    let Some(spec) = corpus("twilio_api_v2010.json") else { return };
    let known = &spec["paths"][MESSAGES]["post"]["requestBody"]["content"]["application/x-www-form-urlencoded"]
        ["schema"]["properties"];
    let tag = OutboxTag::new("row-1", 1).unwrap();
    let to = PhoneNumber::parse_e164(JANE).unwrap();
    let text = CreateMessage::new(to, Phi::new("Hello".to_owned()), tag).unwrap();
    let text = text.valid_for(Duration::from_secs(60));
    for sender in [OURS, SERVICE, "72345"] {
        let sender = Sender::parse(sender).unwrap();
        for (name, value) in text.params(&sender, Some("https://x.example/status#rc=5&rp=all")) {
            let schema = &known[name];
            assert!(!schema.is_null(), "{name}");
            let number: Option<i64> = value.expose().parse().ok();
            match (schema["type"].as_str(), number) {
                (Some("integer"), number) => assert!(number.is_some(), "{name}"),
                _ => assert_ne!(schema["format"], "date-time", "{name}"),
            }
        }
    }
    let listed = spec["paths"][MESSAGES]["get"]["parameters"].as_array().unwrap();
    for name in ["To", "From", "PageSize"] {
        assert!(listed.iter().any(|parameter| parameter["name"] == name), "{name}");
    }
}

#[test]
fn the_stand_in_signs_as_the_provider_does() {
    let Some(vectors) = corpus("twilio-signature-vectors.json") else { return };
    let mut signed = 0;
    for vector in vectors.as_array().unwrap() {
        let algorithm = match vector["algorithm"].as_str() {
            Some("HMAC_SHA256") => Algorithm::HmacSha256,
            _ => Algorithm::HmacSha1,
        };
        // The stand-in posts forms, whose values are single.
        let Some(params) = vector["params"].as_object() else { continue };
        if params.is_empty() || params.values().any(|value| !value.is_string()) {
            continue;
        }
        let form = params.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap()));
        let form: appointd::sms::Form = form.collect();
        let url = vector["url"].as_str().unwrap();
        let key = Secret::new(vector["token"].as_str().unwrap());
        assert_eq!(sign(algorithm, &key, url, Some(&form)), vector["signature"], "{vector}");
        signed += 1;
    }
    assert!(signed >= 8, "{signed}");
}
