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
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::tls::{self, Acceptor};

/// How many connections wait to be served at most.
const SECURED_MAX: usize = 16;
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
    let (secured, ready) = mpsc::channel(SECURED_MAX);
    let address = socket.local_addr()?;
    let door = Door { acceptor, secured, places: Arc::new(Semaphore::new(connections_max)) };
    let tasks = TaskTracker::new();
    let _accepting = tasks.spawn(door.open(socket, tasks.clone(), stop.clone()));
    let listener = Port { ready, address };
    let app = router.into_make_service_with_connect_info::<Peer>();
    axum::serve(listener, app).with_graceful_shutdown(stop.cancelled_owned()).await
}

/// Who called: the plain address, and the subject of the certificate shown, if one was.
#[derive(Debug, Clone)]
pub(super) struct Peer(pub(super) SocketAddr, pub(super) Option<Arc<str>>);

/// Connections that are ready to be served.
struct Port {
    ready: mpsc::Receiver<(Connection, SocketAddr)>,
    address: SocketAddr,
}

/// Lets connections in. A handshake is waited for beside the others: one caller who says nothing must
/// not keep out the rest.
struct Door {
    acceptor: Option<Acceptor>,
    secured: mpsc::Sender<(Connection, SocketAddr)>,
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
        match self.ready.recv().await {
            Some(connection) => connection,
            // The door is shut: nobody comes any more.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.address)
    }
}

impl Door {
    async fn open(self, socket: TcpListener, tasks: TaskTracker, stop: CancellationToken) {
        loop {
            let accepted = tokio::select! {
                accepted = self.next(&socket) => accepted,
                () = stop.cancelled() => return,
            };
            let Some((place, stream, peer)) = accepted else { continue };
            let (acceptor, secured) = (self.acceptor.clone(), self.secured.clone());
            let _handshake = tasks.spawn(async move {
                match secure(acceptor.as_ref(), stream).await {
                    Ok((socket, subject)) => {
                        let connection = Connection { socket, subject, _place: place };
                        // Nobody serves any more: the connection is closed with it.
                        drop(secured.send((connection, peer)).await);
                    }
                    Err(refusal) => debug!(%peer, error = %refusal, "A TLS handshake failed"),
                }
            });
        }
    }

    async fn next(
        &self,
        socket: &TcpListener,
    ) -> Option<(OwnedSemaphorePermit, TcpStream, SocketAddr)> {
        let place = Arc::clone(&self.places).acquire_owned().await.ok()?;
        match socket.accept().await {
            Ok((stream, peer)) => Some((place, stream, peer)),
            Err(refusal) => {
                warn!(error = %refusal, "An HTTP connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                None
            }
        }
    }
}

async fn secure(acceptor: Option<&Acceptor>, stream: TcpStream) -> io::Result<Secured> {
    tls::tune(&stream, Some(tls::KEEPALIVE_AFTER))?;
    let Some(acceptor) = acceptor else { return Ok((Box::new(stream), None)) };
    let shaken = tokio::time::timeout(HANDSHAKE_WITHIN, acceptor.accept(stream)).await;
    let shaken = shaken.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let subject = tls::subject_of(&shaken).map(Arc::from);
    Ok((Box::new(shaken), subject))
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
