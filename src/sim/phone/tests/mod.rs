//! The client and the stand-in over real sockets, each checking the other.

mod control;
mod patient;
mod specification;

use std::future::Future;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::RawQuery;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::routing::post;
use chrono::{TimeZone as _, Utc};
use serde_json::Value;
use tokio::net::TcpListener;

use super::*;
use crate::outbound::twilio::{self, Auth, Doubt, Error, Filter, Outcome, Twilio};
use crate::phi::Phi;
use crate::sms::answer;
use crate::sms::error_codes::Class;
use crate::sms::request::{CreateMessage, OutboxTag, Sender};
use crate::sms::signature::{Algorithm, Content, verify};
use crate::sms::status::MessageStatus;
use crate::sms::webhook::{InboundSms, OptOutType, StatusCallback};

const DIGITS: &str = "0123456789abcdef0123456789abcdef";
const OURS: &str = "+14155550100";
const JANE: &str = "+14155550123";
const JOHN: &str = "+14155550124";

/// A stand-in, a client of it, and a listener for its webhooks.
struct Bench {
    carrier: Carrier,
    base_url: String,
    hook_url: String,
    hooks: mpsc::UnboundedReceiver<Hook>,
    answers: Arc<Mutex<Vec<StatusCode>>>,
    stop: CancellationToken,
    tracker: TaskTracker,
}

/// A webhook as it came in, with its address as the sender saw it.
struct Hook {
    url: String,
    query: Form,
    form: Form,
    headers: HeaderMap,
}

impl Hook {
    fn is_signed(&self) -> bool {
        let signature = self.headers["x-twilio-signature"].to_str().ok();
        let content = Content::Form(&self.form);
        verify(Algorithm::HmacSha1, &[token()], &self.url, content, signature).is_ok()
    }
}

impl Bench {
    async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    async fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        let (stop, tracker) = (CancellationToken::new(), TaskTracker::new());
        let (hook_sender, hooks) = mpsc::unbounded_channel();
        let answers: Arc<Mutex<Vec<StatusCode>>> = Arc::default();
        let hook_listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let hook_url = format!("http://{}", hook_listener.local_addr().unwrap());
        let hook_router = hook_router(hook_url.clone(), hook_sender, Arc::clone(&answers));
        let mut settings = Settings::new(account(), token(), phone(OURS));
        change(&mut settings);
        let clock = Clock::manual(Utc.with_ymd_and_hms(2026, 12, 1, 9, 0, 0).unwrap());
        let carrier = Carrier::start(settings, clock, &tracker, stop.clone()).unwrap();
        carrier.set_inbound_url(&format!("{hook_url}/twilio/inbound"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        for (listener, router) in [(listener, carrier.router()), (hook_listener, hook_router)] {
            let stop = stop.clone();
            let serve = async move { axum::serve(listener, router).await };
            drop(tracker.spawn(async move { stop.run_until_cancelled(serve).await }));
        }
        Self { carrier, base_url, hook_url, hooks, answers, stop, tracker }
    }

    fn client(&self) -> Twilio {
        self.client_with(|_| {})
    }

    fn client_with(&self, change: impl FnOnce(&mut twilio::Settings)) -> Twilio {
        let sender = Sender::parse(OURS).unwrap();
        let mut settings = twilio::Settings::new(account(), Auth::Token(token()), sender);
        settings.base_url.clone_from(&self.base_url);
        settings.status_callback = Some(format!("{}/twilio/status", self.hook_url));
        change(&mut settings);
        Twilio::new(settings).unwrap()
    }

    async fn next_hook(&mut self) -> Hook {
        in_time(self.hooks.recv()).await.unwrap()
    }

    async fn next_status(&mut self) -> StatusCallback {
        let hook = self.next_hook().await;
        assert!(hook.is_signed());
        StatusCallback::parse(&hook.query, hook.form).unwrap()
    }

    async fn stop(self) {
        self.stop.cancel();
        self.tracker.close();
        in_time(self.tracker.wait()).await;
    }
}

fn hook_router(
    base: String,
    hooks: mpsc::UnboundedSender<Hook>,
    answers: Arc<Mutex<Vec<StatusCode>>>,
) -> Router {
    let handler = move |uri: Uri, RawQuery(query): RawQuery, headers: HeaderMap, body: Bytes| {
        let hook = Hook {
            url: format!("{base}{uri}"),
            query: Form::parse(query.unwrap_or_default().as_bytes()).unwrap(),
            form: Form::parse(&body).unwrap(),
            headers,
        };
        hooks.send(hook).unwrap();
        let answer = answers.lock().unwrap().pop().unwrap_or(StatusCode::NO_CONTENT);
        std::future::ready(answer)
    };
    Router::new().fallback(post(handler))
}

/// A hanging test is a failed one.
async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), work).await.unwrap()
}

fn account() -> AccountSid {
    AccountSid::parse(&format!("AC{DIGITS}")).unwrap()
}

fn token() -> Secret {
    Secret::new("12345")
}

fn phone(number: &str) -> PhoneNumber {
    PhoneNumber::parse_e164(number).unwrap()
}

fn text(to: &str, body: &str) -> CreateMessage {
    let tag = OutboxTag::new("row-1", 1).unwrap();
    CreateMessage::new(phone(to), Phi::new(body.to_owned()), tag).unwrap()
}

fn refused_with(outcome: &Outcome, expected: Class, expected_code: u32) -> bool {
    matches!(outcome, Outcome::Refused { class, code: Some(code), .. }
        if *class == expected && *code == expected_code)
}

fn accepted(outcome: Outcome) -> MessageSid {
    let Outcome::Accepted { sid, .. } = outcome else { panic!("{outcome:?}") };
    sid
}

#[tokio::test]
async fn a_text_is_accepted_delivered_and_reported() {
    let mut bench = Bench::start().await;
    let client = bench.client();
    let sid = accepted(client.create(&text(JANE, "S\u{ed}, 1+1 & 100%\n\u{1f44d}")).await);
    for status in [MessageStatus::Sent, MessageStatus::Delivered] {
        let callback = bench.next_status().await;
        assert_eq!((callback.status, &callback.message_sid), (status, &sid));
        assert_eq!(callback.tag, Some(OutboxTag::new("row-1", 1).unwrap()));
    }
    let row = client.fetch(&sid).await.unwrap();
    assert_eq!(row.body.expose(), "S\u{ed}, 1+1 & 100%\n\u{1f44d}");
    assert_eq!((row.status, row.num_segments), (Some(MessageStatus::Delivered), Some(1)));
    assert_eq!(row.created_at, Some(bench.carrier.texts(&phone(JANE))[0].at));
    bench.stop().await;
}

#[tokio::test]
async fn a_messaging_service_chooses_its_number_later() {
    let service = ServiceSid::parse(&format!("MG{DIGITS}")).unwrap();
    let own = service.clone();
    let mut bench = Bench::start_with(|settings| settings.messaging_service_sid = Some(own)).await;
    bench.carrier.hold_deliveries();
    let client = bench.client_with(|settings| settings.sender = Sender::MessagingService(service));
    let outcome = client.create(&text(JANE, "Hello")).await;
    assert!(matches!(&outcome, Outcome::Accepted { status: Some(MessageStatus::Accepted), .. }));
    let sid = accepted(outcome);
    assert_eq!(client.fetch(&sid).await.unwrap().from, None);
    bench.carrier.release_deliveries();
    assert_eq!(bench.next_status().await.status, MessageStatus::Queued);
    assert_eq!(client.fetch(&sid).await.unwrap().from, Some(phone(OURS)));
    bench.stop().await;
}

#[tokio::test]
async fn each_fault_gives_its_outcome_and_the_list_tells_the_truth() {
    let server_error =
        |http_status, code| Outcome::Unknown(Doubt::ServerError { http_status, code });
    let cases = [
        (Answer::ServerError, server_error(500, Some(20500))),
        (Answer::GatewayHtml, server_error(504, None)),
        (Answer::Garbage, Outcome::Unknown(Doubt::Unreadable)),
        (Answer::Closed, Outcome::Unknown(Doubt::Broken)),
        (Answer::Silence, Outcome::Unknown(Doubt::Timeout)),
    ];
    let bench = Bench::start().await;
    let client = bench.client_with(|settings| settings.total_timeout = Duration::from_millis(300));
    let filter = Filter { to: Some(phone(JANE)), from: Some(phone(OURS)) };
    for (number, (answer, expected)) in cases.into_iter().enumerate() {
        bench.carrier.fail_next(1, Fault::before_accept(answer));
        assert_eq!(client.create(&text(JANE, "lost")).await, expected, "{answer:?}");
        assert_eq!(client.list_recent(&filter, 50).await.unwrap().len(), number, "{answer:?}");
        bench.carrier.fail_next(1, Fault::after_accept(answer));
        assert_eq!(client.create(&text(JANE, "kept")).await, expected, "{answer:?}");
        let rows = client.list_recent(&filter, 50).await.unwrap();
        assert_eq!(
            (rows.len(), rows[0].body.expose().as_str()),
            (number + 1, "kept"),
            "{answer:?}"
        );
    }
    bench.stop().await;
}

#[tokio::test]
async fn a_throttled_request_was_never_processed() {
    let bench = Bench::start().await;
    let client = bench.client();
    bench.carrier.fail_number(&phone(JANE), Some(Fault::before_accept(Answer::Throttled)));
    for _ in 0..2 {
        let outcome = client.create(&text(JANE, "Hello")).await;
        assert!(refused_with(&outcome, Class::ThrottleNow, 20429), "{outcome:?}");
    }
    accepted(client.create(&text(JOHN, "Hello")).await);
    bench.carrier.fail_number(&phone(JANE), None);
    accepted(client.create(&text(JANE, "Hello")).await);
    assert_eq!(bench.carrier.texts(&phone(JANE)).len(), 1);
    bench.stop().await;
}

#[tokio::test]
async fn without_a_connection_nothing_was_sent() {
    let bench = Bench::start().await;
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", unused.local_addr().unwrap());
    drop(unused);
    let client = bench.client_with(|settings| settings.base_url = base_url);
    let outcome = client.create(&text(JANE, "Hello")).await;
    let Outcome::NotSent { cause } = outcome else { panic!("{outcome:?}") };
    assert!(!cause.contains(DIGITS) && !cause.contains("4155550123"), "{cause}");
    let listed = client.list_recent(&Filter::default(), 1).await;
    assert!(matches!(listed, Err(Error::Unavailable(_))));
    bench.stop().await;
}

#[tokio::test]
async fn an_answer_that_does_not_end_is_not_read_to_its_end() {
    let router = Router::new().fallback(|| async { (StatusCode::CREATED, "x".repeat(1_000_000)) });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let bench = Bench::start().await;
    let stop = bench.stop.clone();
    let serve = async move { axum::serve(listener, router).await };
    drop(bench.tracker.spawn(async move { stop.run_until_cancelled(serve).await }));
    let client = bench.client_with(|settings| settings.base_url = base_url);
    let outcome = client.create(&text(JANE, "Hello")).await;
    assert_eq!(outcome, Outcome::Unknown(Doubt::Unreadable));
    bench.stop().await;
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let bench = Bench::start().await;
    let target = format!("{}/2010-04-01/x", bench.base_url);
    let redirect = axum::response::Redirect::temporary(&target);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let stop = bench.stop.clone();
    let serve =
        async move { axum::serve(listener, Router::new().fallback(|| async { redirect })).await };
    drop(bench.tracker.spawn(async move { stop.run_until_cancelled(serve).await }));
    let client = bench.client_with(|settings| settings.base_url = base_url);
    let outcome = client.create(&text(JANE, "Hello")).await;
    let expected = Outcome::Refused { class: Class::Config, code: None, http_status: 307 };
    assert_eq!(outcome, expected);
    bench.stop().await;
}

#[tokio::test]
async fn magic_numbers_are_refused_as_by_test_credentials() {
    let bench = Bench::start().await;
    let to = [
        ("+15005550001", Class::BadNumber, 21211),
        ("+15005550002", Class::Unroutable, 21612),
        ("+15005550003", Class::Unroutable, 21408),
        ("+15005550004", Class::OptedOut, 21610),
        ("+15005550009", Class::BadNumber, 21614),
        ("+14150550123", Class::BadNumber, 21211),
    ];
    for (number, class, code) in to {
        let outcome = bench.client().create(&text(number, "Hello")).await;
        assert!(refused_with(&outcome, class, code), "{number} {outcome:?}");
    }
    let from = [
        ("+15005550001", Class::Config, 21212),
        ("+15005550007", Class::Config, 21606),
        ("+15005550008", Class::ThrottleQueue, 21611),
        (JOHN, Class::Config, 21606),
    ];
    for (number, class, code) in from {
        let client = bench.client_with(|settings| settings.sender = Sender::From(phone(number)));
        let outcome = client.create(&text(JANE, "Hello")).await;
        assert!(refused_with(&outcome, class, code), "{number} {outcome:?}");
    }
    let magic = Sender::parse("+15005550006").unwrap();
    accepted(
        bench.client_with(|settings| settings.sender = magic).create(&text(JANE, "Hello")).await,
    );
    bench.stop().await;
}

#[tokio::test]
async fn malformed_requests_get_twilios_codes() {
    let bench = Bench::start().await;
    let long = "x".repeat(1601);
    let cases: [(&[(&str, &str)], u64); 8] = [
        (&[], 21604),
        (&[("To", JANE)], 21602),
        (&[("To", JANE), ("Body", "")], 21602),
        (&[("To", JANE), ("Body", "x")], 21603),
        (&[("To", "nobody"), ("Body", "x"), ("From", OURS)], 21211),
        (&[("To", JANE), ("From", OURS), ("Body", &long)], 21617),
        (&[("To", JANE), ("From", OURS), ("Body", "x"), ("StatusCallback", "/s")], 21609),
        (&[("To", JANE), ("Body", "x"), ("MessagingServiceSid", "MG1")], 21701),
    ];
    let url = format!("{}/2010-04-01/Accounts/{}/Messages.json", bench.base_url, account());
    for (params, code) in cases {
        let request = bench.carrier.core.http.post(&url).form(params);
        let response = request.basic_auth(account(), Some("12345")).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{params:?}");
        let body: Value = response.json().await.unwrap();
        assert_eq!((&body["code"], &body["status"]), (&code.into(), &400.into()), "{params:?}");
    }
    let request = bench.carrier.core.http.post(&url).body("Body=%ff");
    let response = request.basic_auth(account(), Some("12345")).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(bench.carrier.all_texts(), []);
    bench.stop().await;
}

#[tokio::test]
async fn wrong_credentials_are_a_fault_of_configuration() {
    let key = KeySid::parse(&format!("SK{DIGITS}")).unwrap();
    let own = (key.clone(), Secret::new("key-secret"));
    let bench = Bench::start_with(|settings| settings.api_key = Some(own)).await;
    let wrong = bench.client_with(|settings| settings.auth = Auth::Token(Secret::new("wrong")));
    let outcome = wrong.create(&text(JANE, "Hello")).await;
    assert!(refused_with(&outcome, Class::Config, 20003), "{outcome:?}");
    let listed = wrong.list_recent(&Filter::default(), 1).await;
    assert!(matches!(listed, Err(Error::Refused { class: Class::Config, http_status: 401, .. })));
    let other = AccountSid::parse(&format!("AC{}", DIGITS.replace('0', "f"))).unwrap();
    let other = bench.client_with(|settings| settings.account_sid = other);
    let outcome = other.create(&text(JANE, "Hello")).await;
    assert!(refused_with(&outcome, Class::Config, 20003), "{outcome:?}");
    let secret = Secret::new("key-secret");
    let by_key = bench.client_with(|settings| settings.auth = Auth::ApiKey { sid: key, secret });
    accepted(by_key.create(&text(JANE, "Hello")).await);
    bench.stop().await;
}

#[tokio::test]
async fn the_list_is_read_page_by_page() {
    let bench = Bench::start().await;
    let client = bench.client();
    for number in 0..230 {
        let to = if number % 10 == 9 { JOHN } else { JANE };
        accepted(client.create(&text(to, &format!("text {number}"))).await);
    }
    let to_jane = Filter { to: Some(phone(JANE)), from: None };
    let rows = client.list_recent(&to_jane, 205).await.unwrap();
    let bodies: Vec<_> = rows.iter().map(|row| row.body.expose().as_str()).collect();
    assert_eq!((bodies.len(), bodies[0], bodies[204]), (205, "text 228", "text 2"));
    assert_eq!(client.list_recent(&to_jane, 1_000).await.unwrap().len(), 207);
    assert_eq!(client.list_recent(&to_jane, 3).await.unwrap().len(), 3);
    assert_eq!(client.list_recent(&Filter::default(), 0).await.unwrap(), []);
    bench.stop().await;
}
