//! The HTTP port: plain or TLS, with a bound on connections.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::tls::{self, Acceptor};

/// How long a TLS handshake may take.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// Serves routes on a bound socket until told to stop, then finishes the requests that are open.
///
/// # Errors
/// If the socket fails.
pub async fn serve(
    socket: TcpListener,
    acceptor: Option<Acceptor>,
    router: Router,
    connections_max: usize,
    stop: CancellationToken,
) -> io::Result<()> {
    let listener = Port { socket, acceptor, places: Arc::new(Semaphore::new(connections_max)) };
    let app = router.into_make_service_with_connect_info::<Peer>();
    axum::serve(listener, app).with_graceful_shutdown(stop.cancelled_owned()).await
}

/// Who called: the plain address, and the subject of the certificate shown, if one was.
#[derive(Debug, Clone)]
pub(super) struct Peer(pub(super) SocketAddr, pub(super) Option<Arc<str>>);

struct Port {
    socket: TcpListener,
    acceptor: Option<Acceptor>,
    places: Arc<Semaphore>,
}

trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Socket for S {}

/// A connection, and whose certificate was shown.
type Secured = (Box<dyn Socket>, Option<Arc<str>>);

/// A connection and its place in the count.
struct Connection {
    socket: Box<dyn Socket>,
    subject: Option<Arc<str>>,
    _place: OwnedSemaphorePermit,
}

impl axum::serve::Listener for Port {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Ok(place) = Arc::clone(&self.places).acquire_owned().await else {
                // The semaphore is never closed.
                std::future::pending::<()>().await;
                continue;
            };
            match self.socket.accept().await {
                Ok((stream, peer)) => match self.secure(stream).await {
                    Ok((socket, subject)) => {
                        return (Connection { socket, subject, _place: place }, peer);
                    }
                    Err(refusal) => debug!(%peer, error = %refusal, "A TLS handshake failed"),
                },
                Err(refusal) => {
                    warn!(error = %refusal, "An HTTP connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.socket.local_addr()
    }
}

impl Port {
    async fn secure(&self, stream: TcpStream) -> io::Result<Secured> {
        tls::tune(&stream, Some(tls::KEEPALIVE_AFTER))?;
        let Some(acceptor) = &self.acceptor else { return Ok((Box::new(stream), None)) };
        let shaken = tokio::time::timeout(HANDSHAKE_WITHIN, acceptor.accept(stream)).await;
        let shaken = shaken.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        let subject = tls::subject_of(&shaken).map(Arc::from);
        Ok((Box::new(shaken), subject))
    }
}

impl Connected<IncomingStream<'_, Port>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Port>) -> Self {
        Self(*stream.remote_addr(), stream.io().subject.clone())
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Task<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(task, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        task: &mut Task<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(task, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(task)
    }
}
