//! A server of a few lines on the loopback: it reads one request as it comes, and writes what it is told.

use std::time::Duration;

use appointd_fhir::client::{Client, Method, Request, Settings};
use appointd_fhir::transport::{Roots, Transport, http_client};
use futures_util::FutureExt as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

pub(crate) struct Peer {
    listener: TcpListener,
}

impl Peer {
    pub(crate) async fn new() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    pub(crate) fn base(&self) -> String {
        format!("http://{}/fhir/r4", self.listener.local_addr().unwrap())
    }

    pub(crate) fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    pub(crate) async fn accept(&self) -> TcpStream {
        self.listener.accept().await.unwrap().0
    }

    /// Answers one request and hangs up; what was read is returned.
    pub(crate) async fn serve(&self, answer: &[u8]) -> String {
        let mut stream = self.accept().await;
        let seen = read(&mut stream).await;
        // Whoever has enough of an answer hangs up before its end.
        let _written = stream.write_all(answer).await.is_ok();
        seen
    }

    /// Whether somebody else has connected by now.
    pub(crate) fn is_called(&self) -> bool {
        self.listener.accept().now_or_never().is_some()
    }
}

/// Reads one request, its body too, as text.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some(end) = text.find("\r\n\r\n") {
            let head = text[..end].to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if bytes.len() >= end + 4 + length.map_or(0, |length| length.parse().unwrap()) {
                return text.into_owned();
            }
        }
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).await.unwrap();
        assert!(count > 0, "the request ends early");
        bytes.extend_from_slice(&buffer[..count]);
    }
}

pub(crate) fn transport() -> Transport {
    Transport {
        connect_timeout: Duration::from_secs(10),
        total_timeout: Duration::from_secs(20),
        roots: Roots::Nobody,
        identity: None,
        uses_proxies_of_environment: false,
    }
}

pub(crate) fn settings(base_url: &str) -> Settings {
    Settings {
        base_url: base_url.to_owned(),
        http: http_client(&transport()).unwrap(),
        user_agent: "appointd-test/1".to_owned(),
        body_bytes_max: 1000,
        fhir_version: Some("4.0"),
        allow_origins: Vec::new(),
    }
}

pub(crate) fn client(peer: &Peer) -> Client {
    Client::new(settings(&peer.base())).unwrap()
}

pub(crate) fn get(target: &str) -> Request {
    Request { method: Method::Get, target: target.to_owned(), headers: Vec::new(), body: None }
}

pub(crate) fn patch(headers: &[(&str, &str)]) -> Request {
    Request {
        method: Method::Patch,
        target: "Appointment/1".to_owned(),
        headers: headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        body: Some(br#"[{"op":"replace","path":"/status","value":"cancelled"}]"#.to_vec()),
    }
}

/// The values of a header, in the request's order.
pub(crate) fn values<'a>(request: &'a str, name: &str) -> Vec<&'a str> {
    let lines = request.lines().take_while(|line| !line.is_empty()).skip(1);
    let pairs = lines.filter_map(|line| line.split_once(": "));
    pairs.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
}
