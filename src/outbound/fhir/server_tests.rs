//! One server from outside: who it is asked as, when it is left alone, how many ask at once.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use futures_util::future::join_all;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::super::auth::Style;
use super::super::samples::{Peer, Reply, WITHIN, p384, reply, rsa, start};
use super::*;
use crate::shutdown::Tasks;

fn options(base_url: String, auth: Auth) -> Options {
    Options {
        name: "owl".to_owned(),
        base_url,
        fhir_version: Some("4.0"),
        auth,
        extra_headers: Vec::new(),
        allow_origins: Vec::new(),
        connect_timeout: WITHIN,
        request_timeout: WITHIN,
        body_bytes_max: 1024,
        parallel: NonZeroUsize::new(4).unwrap(),
        requests_per_second: None,
        ca: None,
        identity: None,
    }
}

fn clock() -> Clock {
    Clock::manual(start())
}

fn server(peer: &Peer, auth: Auth, clock: &Clock) -> Server {
    Server::new(options(peer.url("/fhir"), auth), clock.clone()).unwrap()
}

async fn plain() -> (Arc<Peer>, Server, Clock) {
    let (peer, clock) = (Peer::start().await, clock());
    let server = server(&peer, Auth::None, &clock);
    (peer, server, clock)
}

fn by_secret(peer: &Peer) -> Auth {
    Auth::ClientCredentials {
        token_url: peer.url("/token"),
        client_id: "owl".to_owned(),
        client_secret: Secret::new("hunter2"),
        scope: None,
        style: Style::Post,
    }
}

fn with_header(status: u16, name: &'static str, value: &str) -> Reply {
    (status, vec![(name, value.to_owned())], String::new())
}

fn seconds(count: i64) -> Timestamp {
    start() + TimeDelta::seconds(count)
}

fn smart(token_url: Option<String>) -> Auth {
    let keys = vec![p384(), rsa()];
    Auth::SmartBackend { token_url, client_id: "owl".to_owned(), scope: None, keys }
}

#[tokio::test]
async fn each_kind_of_credentials_is_sent_as_it_should_be() {
    let peer = Peer::start().await;
    let pair = STANDARD.encode("owl:hunter2");
    let basic = Auth::Basic { user: "owl".to_owned(), password: Secret::new("hunter2") };
    for (auth, header) in [
        (Auth::None, None),
        (basic, Some(format!("Basic {pair}"))),
        (Auth::Bearer(Secret::new("abc\n")), Some("Bearer abc".to_owned())),
        (by_secret(&peer), Some("Bearer t1".to_owned())),
        (smart(Some(peer.url("/token"))), Some("Bearer t2".to_owned())),
        (smart(None), Some("Bearer t3".to_owned())),
    ] {
        let answer = server(&peer, auth, &clock()).get("Appointment/1", None).await.unwrap();
        assert_eq!(answer.status, 200);
        let asked = peer.asked("/fhir/Appointment").pop().unwrap();
        assert_eq!(asked.header("authorization"), header.as_deref());
        assert_eq!(asked.path, "/fhir/Appointment/1");
        assert_eq!(asked.header("accept"), Some("application/fhir+json; fhirVersion=4.0"));
    }
}

#[tokio::test]
async fn headers_of_the_settings_go_with_each_request_unless_it_has_its_own() {
    let peer = Peer::start().await;
    let extra_headers = vec![
        ("X-Api-Key".to_owned(), Secret::new("hunter2")),
        ("Accept".to_owned(), Secret::new("text/plain")),
    ];
    let options = Options { extra_headers, ..options(peer.url("/fhir"), Auth::None) };
    let server = Server::new(options, clock()).unwrap();
    let headers = vec![("accept".to_owned(), "application/json".to_owned())];
    let target = "Appointment".to_owned();
    let request = Request { method: Method::Post, target, headers, body: Some(b"{}".to_vec()) };
    server.send(request).await.unwrap();
    let asked = peer.asked("/fhir/").pop().unwrap();
    assert_eq!(asked.header("x-api-key"), Some("hunter2"));
    assert_eq!(asked.headers.get_all("accept").iter().count(), 1);
    assert_eq!(asked.header("accept"), Some("application/json"));
    assert_eq!((asked.method.as_str(), &asked.body[..]), ("POST", &b"{}"[..]));
}

#[tokio::test]
async fn a_known_version_is_asked_for_conditionally() {
    let (peer, server, _clock) = plain().await;
    peer.tell("/fhir/", [reply(304, "")]);
    let answer = server.get("Appointment/1", Some("W/\"3\"")).await.unwrap();
    assert_eq!(answer.status, 304);
    assert_eq!(peer.asked("/fhir/")[0].header("if-none-match"), Some("W/\"3\""));
}

#[tokio::test]
async fn a_refused_token_is_renewed_and_the_request_repeated_once() {
    let peer = Peer::start().await;
    let clock = clock();
    let server = server(&peer, by_secret(&peer), &clock);
    peer.take_only("Bearer t2");
    let body = Some(b"{\"a\":1}".to_vec());
    let target = "Appointment".to_owned();
    let request = Request { method: Method::Post, target, headers: Vec::new(), body };
    assert_eq!(server.send(request).await.unwrap().status, 200);
    let bodies: Vec<_> = peer.asked("/fhir/").into_iter().map(|asked| asked.body).collect();
    assert_eq!(bodies, [b"{\"a\":1}", b"{\"a\":1}"]);
    assert_eq!(peer.asked("/token").len(), 2);

    peer.take_only("nobody");
    clock.advance(TimeDelta::minutes(2));
    for _ in 0..3 {
        let refused = server.get("Appointment/1", None).await.unwrap_err();
        assert_eq!(refused, Trouble::Unauthorized("http_401"));
    }
    assert_eq!(peer.asked("/token").len(), 3, "the token is not what is wrong");
    assert_eq!(peer.asked("/fhir/").len(), 2 + 4);
    assert_eq!(server.state(), State::Refused("http_401"));
    // The third refusal in a row was the last one for a while.
    server.get("Appointment/1", None).await.unwrap_err();
    assert_eq!(peer.asked("/fhir/").len(), 6);
    peer.take_only("Bearer t3");
    clock.advance(TimeDelta::seconds(5));
    server.get("Appointment/1", None).await.unwrap();
    assert_eq!(server.state(), State::Up);
}

#[tokio::test]
async fn requests_at_once_share_one_token_and_one_renewal() {
    let peer = Peer::start().await;
    let server = server(&peer, by_secret(&peer), &clock());
    let answers = join_all((0..4).map(|_| server.get("Patient/1", None))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(peer.asked("/token").len(), 1);
    peer.take_only("Bearer t2");
    let answers = join_all((0..4).map(|_| server.get("Patient/1", None))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(peer.asked("/token").len(), 2);
}

#[tokio::test]
async fn fixed_credentials_that_are_refused_are_not_sent_again() {
    let peer = Peer::start().await;
    peer.take_only("nobody");
    let server = server(&peer, Auth::Bearer(Secret::new("abc")), &clock());
    let refused = server.get("Patient/1", None).await.unwrap_err();
    assert_eq!(refused, Trouble::Unauthorized("http_401"));
    assert_eq!(peer.asked("/fhir/").len(), 1);
}

#[tokio::test]
async fn without_a_token_nothing_is_sent() {
    let peer = Peer::start().await;
    let clock = clock();
    let server = server(&peer, by_secret(&peer), &clock);
    let busy = (429, vec![("retry-after", "30".to_owned())], String::new());
    peer.tell("/token", [reply(400, r#"{"error":"invalid_client"}"#), reply(502, ""), busy]);
    let get = || server.get("Patient/1", None);
    assert_eq!(get().await.unwrap_err(), Trouble::Unauthorized("invalid_client"));
    assert_eq!(server.state(), State::Refused("invalid_client"));
    clock.advance(TimeDelta::minutes(1));
    assert_eq!(get().await.unwrap_err(), Trouble::NotSent("token_failed"));
    clock.advance(TimeDelta::minutes(1));
    let until = seconds(150);
    assert_eq!(get().await.unwrap_err(), Trouble::Paused { until });
    assert!(peer.asked("/fhir/").is_empty());
    clock.advance(TimeDelta::seconds(30));
    assert_eq!(get().await.unwrap().status, 200);
}

#[tokio::test]
async fn a_server_that_asks_for_it_is_left_alone() {
    let (peer, server, clock) = plain().await;
    let date = "Mon, 30 Nov 2026 18:05:00 GMT";
    for (answer, until) in [
        (with_header(429, "retry-after", "120"), seconds(120)),
        (with_header(503, "retry-after", "10"), seconds(130)),
        (with_header(429, "retry-after", date), seconds(300)),
        // The fourth time in a row; without a time of its own it is asked less and less.
        (reply(429, ""), seconds(340)),
    ] {
        let dated = answer.1.iter().any(|(_, value)| value == date);
        let mut answer = answer;
        if dated {
            // The server writes a date of its own otherwise, by the clock of this machine.
            answer.1.push(("date", "Mon, 30 Nov 2026 18:02:10 GMT".to_owned()));
        }
        peer.tell("/fhir/", [answer]);
        let count = peer.asked("/fhir/").len();
        for _ in 0..3 {
            let trouble = server.get("Patient/1", None).await.unwrap_err();
            assert_eq!(trouble, Trouble::Paused { until });
        }
        assert_eq!(peer.asked("/fhir/").len(), count + 1);
        assert!(matches!(server.state(), State::Paused { until: told, .. } if told == until));
        clock.advance_to(until);
        assert_eq!(server.state(), State::Up);
    }
    assert_eq!(server.get("Patient/1", None).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_server_out_of_order_is_paused_and_tried_again() {
    let (peer, server, clock) = plain().await;
    peer.tell("/fhir/", [500, 404, 500, 502, 503].map(|status| reply(status, "<html>")));
    for status in [500, 404, 500, 502, 503] {
        assert_eq!(server.state(), State::Up);
        assert_eq!(server.get("Patient/1", None).await.unwrap().status, status);
    }
    let until = seconds(5);
    assert_eq!(server.state(), State::Paused { until, why: "http_503" });
    let paused = server.get("Patient/1", None).await.unwrap_err();
    assert_eq!(paused, Trouble::Paused { until });
    assert_eq!(peer.asked("/fhir/").len(), 5);
    let waiting = async {
        server.until_open().await;
        server.get("Patient/1", None).await.unwrap()
    };
    let (answer, ()) = tokio::join!(waiting, async { clock.advance_to(until) });
    assert_eq!(answer.status, 200);
    assert_eq!(server.state(), State::Up);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_paused() {
    let clock = clock();
    let options = options("http://127.0.0.1:1/fhir".to_owned(), Auth::None);
    let server = Server::new(options, clock).unwrap();
    for _ in 0..3 {
        let trouble = server.get("Patient/1", None).await.unwrap_err();
        assert_eq!(trouble, Trouble::NotSent("connect"));
    }
    assert!(matches!(server.state(), State::Paused { why: "connect", .. }));
}

#[tokio::test]
async fn what_is_wrong_with_a_request_says_nothing_of_the_server() {
    let (peer, server, _clock) = plain().await;
    peer.tell("/fhir/", (0..4).map(|_| reply(200, &"x".repeat(1025))));
    for _ in 0..4 {
        let get = async |target: &str| server.get(target, None).await.unwrap_err();
        assert_eq!(get("http://127.0.0.1:2/fhir/Patient/1").await, Trouble::Foreign);
        assert_eq!(get("https://ehr.example/Patient/1").await, Trouble::Foreign);
        assert_eq!(get("http://a:b@127.0.0.1/").await, Trouble::NotSent("address"));
        assert_eq!(get("Patient/1").await, Trouble::TooLarge);
        let bad = server.get("Patient/1", Some("a\r\nb")).await.unwrap_err();
        assert_eq!(bad, Trouble::NotSent("header"));
    }
    assert_eq!(server.state(), State::Up);
}

#[tokio::test]
async fn no_more_requests_than_allowed_are_under_way() {
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let open = Arc::new(Semaphore::new(0));
    let (under_way, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let handler = {
        let (open, under_way, most) = (open.clone(), under_way.clone(), most.clone());
        move || async move {
            let count = under_way.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(count, Ordering::SeqCst);
            arrived.send(()).unwrap();
            open.acquire().await.unwrap().forget();
            under_way.fetch_sub(1, Ordering::SeqCst);
            "{}"
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/fhir", listener.local_addr().unwrap());
    let router = Router::new().fallback(handler);
    Tasks::new().spawn(async move { axum::serve(listener, router).await.unwrap() });
    let parallel = NonZeroUsize::new(2).unwrap();
    let server = Server::new(Options { parallel, ..options(base, Auth::None) }, clock()).unwrap();
    let all = join_all((0..6).map(|_| server.get("Patient/1", None)));
    let letting = async {
        for _ in 0..6 {
            arrivals.recv().await.unwrap();
            for _ in 0..200 {
                // Whoever else could come has come.
                tokio::task::yield_now().await;
            }
            open.add_permits(1);
        }
    };
    let (answers, ()) = tokio::join!(all, letting);
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(most.load(Ordering::SeqCst), 2);
}

#[test]
fn options_that_cannot_work_are_refused_at_once() {
    let good = || options("https://ehr.example/fhir".to_owned(), Auth::None);
    let refused = |options| Server::new(options, clock()).unwrap_err();
    let plain = options("http://ehr.example/fhir".to_owned(), Auth::None);
    assert!(matches!(refused(plain), Error::Address(AddressFault::PlainHttp)));
    let allow_origins = vec!["http://files.example".to_owned()];
    let other = Options { allow_origins, ..good() };
    assert!(matches!(refused(other), Error::Address(AddressFault::PlainHttp)));
    let extra_headers = vec![("X-Key".to_owned(), Secret::new("a\nb"))];
    assert!(matches!(refused(Options { extra_headers, ..good() }), Error::Header(1)));
    let ca = Some(PathBuf::from("no/such/ca.pem"));
    assert!(matches!(refused(Options { ca, ..good() }), Error::File { .. }));
    let local = || options("http://127.0.0.1/fhir".to_owned(), Auth::None);
    let query = Options { base_url: "http://127.0.0.1/fhir?a=b".to_owned(), ..local() };
    assert!(matches!(refused(query), Error::Base));
    let bad = |auth| {
        let Error::Auth(error) = refused(Options { auth, ..local() }) else { panic!("not auth") };
        error
    };
    let user = "a:b".to_owned();
    assert_eq!(bad(Auth::Basic { user, password: Secret::new("c") }), auth::Error::User);
    assert_eq!(bad(Auth::Bearer(Secret::new("a b"))), auth::Error::Bearer);
    let client_id = "owl".to_owned();
    let none = Auth::SmartBackend { token_url: None, client_id, scope: None, keys: Vec::new() };
    assert_eq!(bad(none), auth::Error::NoKey);
    let plain = smart(Some("http://login.example/token".to_owned()));
    assert_eq!(bad(plain), auth::Error::TokenUrl(AddressFault::PlainHttp));
}

#[tokio::test]
async fn nothing_secret_is_printed() {
    let peer = Peer::start().await;
    peer.take_only("nobody");
    let extra_headers = vec![("X-Api-Key".to_owned(), Secret::new("hunter3"))];
    let auth = by_secret(&peer);
    let options = Options { extra_headers, ..options(peer.url("/fhir"), auth) };
    let mut printed = format!("{options:?}");
    let server = Server::new(options, clock()).unwrap();
    let trouble = server.get("Patient/1?name=Doe", None).await.unwrap_err();
    printed.push_str(&format!("{server:?} {trouble:?} {trouble} {:?}", server.state()));
    for secret in ["hunter2", "hunter3", "Bearer t", "Doe"] {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
}
