//! The client against a server that writes what a test wants.

use std::io;
use std::time::Duration;

use appointd_fhir::client::{Client, Error, Method, NoAnswer, NotSent, Request};
use reqwest::dns::{Name, Resolve, Resolving};

use crate::peer::{Peer, client, get, patch, read, settings, values};

const EMPTY: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

#[tokio::test]
async fn a_request_carries_what_it_was_given_and_fhir_s_own_media_type() {
    let peer = Peer::new().await;
    let client = client(&peer);
    let (answer, seen) = tokio::join!(
        client.send(patch(&[("If-Match", "W/\"7\""), ("Authorization", "Bearer a.b")])),
        peer.serve(b"HTTP/1.1 200 OK\r\nETag: W/\"8\"\r\nX-Two: a\r\nX-Two: b\r\nContent-Length: 2\r\n\r\n{}"),
    );
    let answer = answer.unwrap();
    assert!(seen.starts_with("PATCH /fhir/r4/Appointment/1 HTTP/1.1\r\n"), "{seen}");
    assert!(
        seen.ends_with(
            "\r\n\r\n[{\"op\":\"replace\",\"path\":\"/status\",\"value\":\"cancelled\"}]"
        )
    );
    let fhir = ["application/fhir+json; fhirVersion=4.0"];
    assert_eq!(values(&seen, "accept"), fhir);
    assert_eq!(values(&seen, "content-type"), fhir);
    assert_eq!(values(&seen, "if-match"), ["W/\"7\""]);
    assert_eq!(values(&seen, "authorization"), ["Bearer a.b"]);
    assert_eq!(values(&seen, "user-agent"), ["appointd-test/1"]);
    assert_eq!((answer.status, &*answer.body), (200, &b"{}"[..]));
    assert_eq!(answer.header("ETag"), Some("W/\"8\""));
    let two = [("x-two".to_owned(), "a".to_owned()), ("x-two".to_owned(), "b".to_owned())];
    assert_eq!(answer.headers[1..3], two);
}

#[tokio::test]
async fn a_request_s_own_media_types_win() {
    let peer = Peer::new().await;
    let own = [
        ("accept", "application/json"),
        ("content-type", "application/json-patch+json"),
        ("user-agent", "other"),
        ("x-correlation-id", "1"),
    ];
    let client = client(&peer);
    let (answer, seen) = tokio::join!(client.send(patch(&own)), peer.serve(EMPTY));
    assert_eq!(answer.unwrap().status, 200);
    for (name, value) in own {
        assert_eq!(values(&seen, name), [value], "{seen}");
    }
}

#[tokio::test]
async fn without_a_version_the_media_type_has_no_parameter() {
    let peer = Peer::new().await;
    let mut settings = settings(&peer.base());
    settings.fhir_version = None;
    let client = Client::new(settings).unwrap();
    let (answer, seen) = tokio::join!(client.send(get("metadata")), peer.serve(EMPTY));
    assert_eq!(answer.unwrap().body, b"");
    assert_eq!(values(&seen, "accept"), ["application/fhir+json"]);
    assert!(values(&seen, "content-type").is_empty(), "{seen}");
}

#[tokio::test]
async fn methods_and_targets_become_a_request_line() {
    let peer = Peer::new().await;
    let client = client(&peer);
    let absolute = format!("{}/Appointment?page=b#top", peer.base());
    for (method, target, line) in [
        (
            Method::Get,
            "Appointment?patient=Patient/1&_count=2",
            "GET /fhir/r4/Appointment?patient=Patient/1&_count=2",
        ),
        (Method::Get, "Appointment/a%2Fb", "GET /fhir/r4/Appointment/a%2Fb"),
        (Method::Post, "", "POST /fhir/r4"),
        (Method::Put, "Appointment/1", "PUT /fhir/r4/Appointment/1"),
        (Method::Delete, "Subscription/1", "DELETE /fhir/r4/Subscription/1"),
        (Method::Get, &absolute, "GET /fhir/r4/Appointment?page=b"),
        (Method::Get, "?page=b", "GET /fhir/r4/?page=b"),
        (Method::Get, "/other/page/2", "GET /other/page/2"),
    ] {
        let request = Request { method, ..get(target) };
        let (answer, seen) = tokio::join!(client.send(request), peer.serve(EMPTY));
        answer.unwrap();
        assert_eq!(seen.lines().next(), Some(&*format!("{line} HTTP/1.1")));
    }
}

#[tokio::test]
async fn refusals_come_back_with_status_headers_and_whatever_body() {
    let peer = Peer::new().await;
    for status in [401, 404, 409, 412, 429, 500, 503] {
        let answer = format!(
            "HTTP/1.1 {status} No\r\nRetry-After: 120\r\nContent-Type: text/html; fhirVersion=\"\u{e9}\"\r\n\
             Content-Length: 12\r\n\r\n<html>\u{ff}\0</p>"
        );
        let answer: Vec<u8> = answer.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        let client = client(&peer);
        let (answer, _seen) = tokio::join!(client.send(patch(&[])), peer.serve(&answer));
        let answer = answer.unwrap();
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("retry-after"), Some("120"));
        assert_eq!(answer.body, b"<html>\xff\0</p>");
        assert!(!peer.is_called(), "{status} was repeated");
    }
}

#[tokio::test]
async fn a_refused_connection_was_surely_not_sent() {
    let peer = Peer::new().await;
    let client = client(&peer);
    drop(peer);
    let error = client.send(patch(&[])).await.unwrap_err();
    assert_eq!(error, Error::NotSent(NotSent::Connect));
    assert!(!error.may_be_performed());
}

#[tokio::test]
async fn a_name_that_leads_nowhere_was_surely_not_sent() {
    struct Nowhere;
    impl Resolve for Nowhere {
        fn resolve(&self, _name: Name) -> Resolving {
            Box::pin(async { Err(io::Error::from(io::ErrorKind::NotFound).into()) })
        }
    }
    let mut settings = settings("http://ehr.invalid/fhir");
    let builder = reqwest::Client::builder().tls_certs_only([]).no_proxy();
    settings.http = builder.dns_resolver(Nowhere).build().unwrap();
    let client = Client::new(settings).unwrap();
    let error = client.send(get("metadata")).await.unwrap_err();
    assert_eq!(error, Error::NotSent(NotSent::Dns));
}

#[tokio::test]
async fn silence_after_the_request_may_be_a_deed() {
    let peer = Peer::new().await;
    let client = client(&peer);
    let silent = async {
        let mut stream = peer.accept().await;
        let seen = read(&mut stream).await;
        // From here on nothing moves but the clock.
        tokio::time::pause();
        (stream, seen)
    };
    let (answer, (_stream, seen)) = tokio::join!(client.send(patch(&[])), silent);
    let error = answer.unwrap_err();
    assert!(seen.starts_with("PATCH "));
    assert_eq!(error, Error::NoAnswer(NoAnswer::Timeout));
    assert!(error.may_be_performed());
    assert!(!peer.is_called(), "it was repeated");
}

#[tokio::test]
async fn a_broken_answer_may_be_a_deed() {
    let peer = Peer::new().await;
    let client = client(&peer);
    for (answer, doubt) in [
        (&b""[..], NoAnswer::Broken),
        (b"no HTTP\r\n\r\n", NoAnswer::Broken),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", NoAnswer::Unfinished { status: 200 }),
        (
            b"HTTP/1.1 201 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            NoAnswer::Unfinished { status: 201 },
        ),
    ] {
        let (answer, _seen) = tokio::join!(client.send(patch(&[])), peer.serve(answer));
        assert_eq!(answer.unwrap_err(), Error::NoAnswer(doubt));
        assert!(!peer.is_called(), "it was repeated");
    }
}

#[tokio::test]
async fn a_body_ends_at_its_limit() {
    let peer = Peer::new().await;
    let client = client(&peer);
    let body = |count: usize| "x".repeat(count);
    let sized =
        |count| format!("HTTP/1.1 200 OK\r\nContent-Length: {count}\r\n\r\n{}", body(count));
    let chunked = |count: usize| {
        let chunk = format!("64\r\n{}\r\n", body(100)).repeat(count / 100);
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}0\r\n\r\n")
    };
    for (answer, is_taken) in
        [(sized(1000), true), (sized(1001), false), (chunked(1000), true), (chunked(90_000), false)]
    {
        let (answer, _seen) = tokio::join!(client.send(get("a")), peer.serve(answer.as_bytes()));
        match answer {
            Ok(answer) => assert!(is_taken && answer.body.len() == 1000),
            Err(error) => assert!(!is_taken && error == Error::TooLarge { status: 200 }),
        }
    }
}

#[tokio::test]
async fn addresses_of_other_servers_are_refused_unless_they_are_listed() {
    let (peer, other) = (Peer::new().await, Peer::new().await);
    let targets = [
        format!("http://127.0.0.1:{}/fhir/r4/Patient/1", other.port()),
        format!("//127.0.0.1:{}/fhir", other.port()),
        format!("\\\\127.0.0.1:{}/fhir", other.port()),
        format!("https://127.0.0.1:{}/fhir", peer.port()),
        format!("http://localhost:{}/fhir", peer.port()),
        "file:///etc/hosts".to_owned(),
        "urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7".to_owned(),
    ];
    let client = client(&peer);
    for target in &targets {
        assert_eq!(client.send(get(target)).await.unwrap_err(), Error::ForeignOrigin, "{target}");
    }
    assert!(!other.is_called() && !peer.is_called());
    let mut settings = settings(&peer.base());
    settings.allow_origins = vec![format!("http://127.0.0.1:{}", other.port())];
    let client = Client::new(settings).unwrap();
    let (answer, seen) = tokio::join!(client.send(get(&targets[0])), other.serve(EMPTY));
    answer.unwrap();
    assert!(seen.starts_with("GET /fhir/r4/Patient/1 "));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let (peer, other) = (Peer::new().await, Peer::new().await);
    for status in [301, 302, 303, 307, 308] {
        let to = other.base();
        let answer = format!("HTTP/1.1 {status} Go\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
        let client = client(&peer);
        let (answer, _seen) = tokio::join!(client.send(get("a")), peer.serve(answer.as_bytes()));
        let answer = answer.unwrap();
        assert_eq!((answer.status, answer.header("location")), (status, Some(&*to)));
        assert!(!other.is_called());
    }
}

#[tokio::test]
async fn an_answer_that_a_client_fetched_elsewhere_is_not_believed() {
    let (peer, other) = (Peer::new().await, Peer::new().await);
    let mut settings = settings(&peer.base());
    settings.http = reqwest::Client::builder().tls_certs_only([]).no_proxy().build().unwrap();
    let client = Client::new(settings).unwrap();
    let to = other.base();
    let answer = format!("HTTP/1.1 307 Go\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
    let (answer, _seen, _elsewhere) =
        tokio::join!(client.send(get("a")), peer.serve(answer.as_bytes()), other.serve(EMPTY));
    assert_eq!(answer.unwrap_err(), Error::NoAnswer(NoAnswer::Redirected));
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_before() {
    let peer = Peer::new().await;
    let client = client(&peer);
    for header in [("bad name", "a"), ("", "a"), ("x", "a\r\nInjected: 1"), ("x", "a\0")] {
        assert_eq!(client.send(patch(&[header])).await.unwrap_err(), Error::Header);
    }
    let with_password = format!("http://jane:secret@127.0.0.1:{}/fhir", peer.port());
    for target in [&with_password, "http://[", "https://:1"] {
        assert_eq!(client.send(get(target)).await.unwrap_err(), Error::Url);
    }
    assert!(!peer.is_called());
    for base in [
        "",
        "ehr.example/fhir",
        "ftp://ehr.example",
        "mailto:jane@ehr.example",
        "http://",
        "https://jane:secret@ehr.example/fhir",
        "https://ehr.example/fhir?key=1",
        "https://ehr.example/#a",
    ] {
        assert_eq!(Client::new(settings(base)).unwrap_err(), Error::Url, "{base}");
    }
    let mut settings = settings("https://ehr.example/fhir");
    settings.user_agent = "a\nb".to_owned();
    assert_eq!(Client::new(settings.clone()).unwrap_err(), Error::Header);
    settings.allow_origins = vec!["files.example".to_owned()];
    assert_eq!(Client::new(settings).unwrap_err(), Error::Url);
}

#[tokio::test]
async fn nothing_that_is_printed_holds_a_secret_or_a_patient() {
    let mut settings = settings("https://ehr.example/fhir");
    settings.user_agent = "Doe".to_owned();
    let mut request = patch(&[("Authorization", "Bearer Doe")]);
    request.target = "Patient?name=Doe".to_owned();
    let response = appointd_fhir::client::Response {
        status: 200,
        headers: vec![("location".to_owned(), "Patient/Doe".to_owned())],
        body: b"Doe".to_vec(),
    };
    let mut printed = format!("{settings:?} {request:?} {response:?}");
    settings.http = reqwest::Client::builder()
        .tls_certs_only([])
        .connect_timeout(Duration::from_secs(1))
        .user_agent("Doe")
        .build()
        .unwrap();
    printed += &format!("{:?}", Client::new(settings).unwrap());
    assert!(!printed.contains("Doe"), "{printed}");
    assert!(printed.contains("https://ehr.example/fhir"), "{printed}");
}
