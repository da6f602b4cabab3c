//! Whom flows may ask, and what an answer is to them; the servers are on this machine.

use std::net::SocketAddr;

use axum::Router;
use axum::http::StatusCode;
use axum::response::Redirect;
use axum::routing::{any, get, post};
use tokio::net::TcpListener;

use super::*;

fn hosts(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|host| (*host).to_owned()).collect()
}

#[test]
fn only_listed_hosts_are_asked_and_by_https() {
    let list = hosts(&["api.example.org", "api.example.org:8443", "127.0.0.1:8000", "[::1]:8000"]);
    let is_let_through = |text: &str| Url::parse(text).is_ok_and(|url| is_allowed(&url, &list));
    for good in [
        "https://api.example.org/a?b=c",
        "https://API.example.org:443/",
        "https://api.example.org:8443/",
        "http://127.0.0.1:8000/a",
        "http://[::1]:8000/",
    ] {
        assert!(is_let_through(good), "{good}");
    }
    for bad in [
        "http://api.example.org/",
        "https://api.example.org:9443/",
        "https://api.example.org.evil.example/",
        "https://api.example.org@evil.example/",
        "https://user:pass@api.example.org/",
        "https://evil.example/api.example.org",
        "http://127.0.0.1/",
        "http://127.0.0.1:8001/",
        "http://localhost:8000/",
        "ftp://api.example.org/",
        "file:///etc/passwd",
        "",
    ] {
        assert!(!is_let_through(bad), "{bad}");
    }
    assert!(!is_allowed(&Url::parse("https://api.example.org/").unwrap(), &hosts(&[])));
}

/// A server with an address for each case.
async fn server() -> SocketAddr {
    let long = "x".repeat(BODY_MAX + 1);
    let json = || async { ([(CONTENT_TYPE, "application/json")], "{\"a\":1}") };
    let echo = |kind: axum::http::HeaderMap, body: String| async move {
        let told = |name| kind[name].to_str().unwrap();
        format!("{} {} {body}", told(CONTENT_TYPE.as_str()), told("idempotency-key"))
    };
    let router = Router::new()
        .route("/json", get(json))
        .route("/echo", post(echo))
        .route("/long", get(|| async { long }))
        .route("/moved", get(|| async { Redirect::temporary("https://evil.example/") }))
        .route("/busy", any(|| async { StatusCode::SERVICE_UNAVAILABLE }))
        .route("/broken", any(|| async { StatusCode::BAD_GATEWAY }))
        .route("/gone", get(|| async { StatusCode::GONE }))
        .route("/never", any(std::future::pending::<StatusCode>));
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    Tasks::new().spawn(async move { axum::serve(socket, router).await.unwrap() });
    address
}

async fn called(address: SocketAddr, path: &str, list: &[&str]) -> Called {
    let caller = Caller::new(Duration::from_secs(60)).unwrap();
    let call = Call {
        method: Method::Get,
        url: Phi::new(format!("http://{address}{path}")),
        content_type: None,
        body: Phi::new(String::new()),
    };
    caller.call("1-1-0", &call, &hosts(list)).await
}

#[tokio::test]
async fn what_a_server_answers_is_a_success_or_a_failure() {
    let address = server().await;
    let host = address.to_string();
    let list = [host.as_str()];
    let Called::Answered(answer) = called(address, "/json", &list).await else { panic!() };
    assert_eq!((answer.status, answer.content_type.as_str()), (200, "application/json"));
    assert_eq!(answer.body.expose(), "{\"a\":1}");
    // A redirect is an answer, and is not followed.
    let Called::Answered(answer) = called(address, "/moved", &list).await else { panic!() };
    assert_eq!(answer.status, 307);
    let not = |failure, code: &str| Called::Not(failure, code.to_owned());
    for (path, expected) in [
        ("/busy", not(Failure::TryLater, "503")),
        ("/broken", not(Failure::TryLater, "502")),
        ("/gone", not(Failure::Permanent, "410")),
        ("/nowhere", not(Failure::Permanent, "404")),
        ("/long", not(Failure::Permanent, "too_large")),
    ] {
        assert_eq!(called(address, path, &list).await, expected, "{path}");
    }
    let expected = not(Failure::Permanent, "not_allowed");
    assert_eq!(called(address, "/json", &["127.0.0.1"]).await, expected);
}

#[tokio::test]
async fn a_body_goes_out_as_the_flow_says() {
    let address = server().await;
    let caller = Caller::new(Duration::from_secs(60)).unwrap();
    for (kind, expected) in [
        (Some("application/json"), "application/json 1-1-0 a=1"),
        (None, "application/x-www-form-urlencoded 1-1-0 a=1"),
    ] {
        let call = Call {
            method: Method::Post,
            url: Phi::new(format!("http://{address}/echo")),
            content_type: kind.map(str::to_owned),
            body: Phi::new("a=1".to_owned()),
        };
        let called = caller.call("1-1-0", &call, &hosts(&[&address.to_string()])).await;
        let Called::Answered(answer) = called else { panic!("{called:?}") };
        assert_eq!(answer.body.expose(), expected);
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_tried_again() {
    let address = server().await;
    let caller = Caller::new(Duration::from_millis(50)).unwrap();
    let call = Call {
        method: Method::Get,
        url: Phi::new(format!("http://{address}/never")),
        content_type: None,
        body: Phi::new(String::new()),
    };
    let called = caller.call("1-1-0", &call, &hosts(&[&address.to_string()])).await;
    assert_eq!(called, Called::Not(Failure::TryLater, "timeout".to_owned()));
}

#[tokio::test]
async fn a_post_that_may_have_been_done_is_not_repeated() {
    let address = server().await;
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let caller = Caller::new(Duration::from_millis(200)).unwrap();
    for (address, path, failure, code) in [
        (address, "/never", Failure::Permanent, "timeout"),
        (address, "/broken", Failure::Permanent, "502"),
        (address, "/busy", Failure::TryLater, "503"),
        (unused, "/", Failure::TryLater, "connect"),
    ] {
        let call = Call {
            method: Method::Post,
            url: Phi::new(format!("http://{address}{path}")),
            content_type: None,
            body: Phi::new("a=1".to_owned()),
        };
        let called = caller.call("1-1-0", &call, &hosts(&[&address.to_string()])).await;
        assert_eq!(called, Called::Not(failure, code.to_owned()), "{path}");
    }
}
