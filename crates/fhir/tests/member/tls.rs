//! Certificates: whom the client trusts, who it says it is, and that a refusal is no doubt.

use std::sync::Arc;

use appointd_fhir::client::{Client, Error, NotSent};
use appointd_fhir::transport::{Error as TransportError, Roots, Transport, http_client};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::{ServerConfig, WebPkiClientVerifier};

use crate::peer::{Peer, get, read, settings, transport};

type Certified = CertifiedKey<KeyPair>;

fn certified() -> Certified {
    generate_simple_self_signed(["localhost".to_owned()]).unwrap()
}

fn pem(certified: &Certified) -> Vec<u8> {
    certified.cert.pem().into_bytes()
}

/// A server with a certificate that asks for one, of this client and nobody else.
fn acceptor(own: &Certified, client: &Certified) -> TlsAcceptor {
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(client.cert.der().clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(own.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

fn https(peer: &Peer, transport: &Transport) -> Client {
    let mut settings = settings(&format!("https://localhost:{}/fhir", peer.port()));
    settings.http = http_client(transport).unwrap();
    Client::new(settings).unwrap()
}

#[tokio::test]
async fn a_client_trusts_its_roots_and_shows_its_identity() {
    let peer = Peer::new().await;
    let (server, own) = (certified(), certified());
    let identity = [pem(&own), own.signing_key.serialize_pem().into_bytes()].concat();
    let roots = Roots::Pem(pem(&server));
    let client = https(&peer, &Transport { roots, identity: Some(identity), ..transport() });
    let acceptor = acceptor(&server, &own);
    let serve = async {
        let mut stream = acceptor.accept(peer.accept().await).await.unwrap();
        let seen = read(&mut stream).await;
        stream.write_all(b"HTTP/1.1 204 Done\r\n\r\n").await.unwrap();
        stream.shutdown().await.unwrap();
        seen
    };
    let (answer, seen) = tokio::join!(client.send(get("metadata")), serve);
    assert_eq!(answer.unwrap().status, 204);
    assert!(seen.starts_with("GET /fhir/metadata "));
}

#[tokio::test]
async fn a_server_that_turns_our_certificate_down_has_done_nothing() {
    let peer = Peer::new().await;
    let (server, own, expected) = (certified(), certified(), certified());
    let strange = [pem(&own), own.signing_key.serialize_pem().into_bytes()].concat();
    for identity in [None, Some(strange)] {
        let roots = Roots::Pem(pem(&server));
        let client = https(&peer, &Transport { roots, identity, ..transport() });
        let acceptor = acceptor(&server, &expected);
        let serve = async {
            let refused = acceptor.accept(peer.accept().await).into_fallible().await;
            let (_error, mut stream) = refused.err().unwrap();
            // What is unread when the connection is closed would reset it before the alert arrives.
            stream.shutdown().await.unwrap();
            let mut rest = Vec::new();
            let _read = stream.read_to_end(&mut rest).await.is_ok();
        };
        let (answer, ()) = tokio::join!(client.send(get("metadata")), serve);
        assert_eq!(answer.unwrap_err(), Error::NotSent(NotSent::Tls));
    }
}

#[tokio::test]
async fn a_server_that_is_not_trusted_or_speaks_no_tls_gets_nothing() {
    let peer = Peer::new().await;
    let (server, other) = (certified(), certified());
    let roots = Roots::Pem(pem(&other));
    let client = https(&peer, &Transport { roots, ..transport() });
    let acceptor = acceptor(&server, &other);
    let serve = async { acceptor.accept(peer.accept().await).await.is_ok() };
    let (answer, is_accepted) = tokio::join!(client.send(get("metadata")), serve);
    assert_eq!(answer.unwrap_err(), Error::NotSent(NotSent::Tls));
    assert!(!is_accepted);
    let plain = async {
        let mut stream = peer.accept().await;
        stream.write_all(b"HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        let mut rest = Vec::new();
        let _read = stream.read_to_end(&mut rest).await.is_ok();
    };
    let (answer, ()) = tokio::join!(client.send(get("metadata")), plain);
    assert_eq!(answer.unwrap_err(), Error::NotSent(NotSent::Tls));
}

#[test]
fn certificates_that_are_none_are_told_apart() {
    let own = certified();
    for roots in ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA"] {
        let transport = Transport { roots: Roots::Pem(roots.into()), ..transport() };
        assert!(matches!(http_client(&transport), Err(TransportError::Roots)), "{roots}");
    }
    for identity in [pem(&own), own.signing_key.serialize_pem().into_bytes(), b"no PEM".to_vec()] {
        let transport = Transport { identity: Some(identity), ..transport() };
        assert!(matches!(http_client(&transport), Err(TransportError::Identity)));
        assert!(!format!("{transport:?}").contains("PEM"));
    }
}
