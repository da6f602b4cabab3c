//! The MLLP listener: one task a connection, messages answered in the order received.
//!
//! A connection may have several messages in flight; their answers leave in order, each in one
//! write, after the commit that they report. Limits hold on frame size, junk, time within a frame,
//! connections in all and per peer; what breaks one is answered by the rules, kept where there is
//! something to keep, and counted.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesOrdered, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::bytes::{Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::intake::{Frame, Intake, Parsed, Trouble};
use super::nack::{judge, rank};
use crate::clock::Clock;
use crate::engine::{Handle, Pending, Verdict};
use crate::hl7::ack::{AckCode, AckError, Answer, ErrorCode, acknowledge};
use crate::hl7::frame::{self, Incoming, MllpCodec};
use crate::hl7::{self, AckMode, Charset, Message};
use crate::settings::{NackPolicy, Network};
use crate::shutdown::Tasks;
use crate::telemetry::Metrics;
use crate::tls;

/// How many messages of one connection may be on their way to the disk.
const IN_FLIGHT_MAX: usize = 64;
/// How long a peer may take to read an answer before its connection is closed.
const WRITE_WITHIN: Duration = Duration::from_secs(30);
/// How long a TLS handshake may take.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// How long the end of a connection is waited for.
const HANG_UP_WITHIN: Duration = Duration::from_secs(2);
/// How much is read at once.
const READ_BYTES: usize = 16 * 1024;

/// How one listener behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether and how messages are answered.
    pub ack_mode: AckMode,
    /// Whether each message of a batch is answered, or the batch once.
    pub answers_each: bool,
    /// When content errors are answered as such.
    pub nack_policy: NackPolicy,
    /// Bounds of the stream.
    pub limits: frame::Limits,
    /// How long a frame may take from its first byte to its last.
    pub frame_timeout: Duration,
    /// How long a connection may be silent; EHRs hold them for days, so there is no default.
    pub idle_timeout: Option<Duration>,
    /// After which silence the system asks whether the peer is still there.
    pub keepalive: Option<Duration>,
    /// How many connections at once.
    pub connections_max: usize,
    /// How many of them from one address.
    pub connections_per_peer_max: usize,
    /// Who may connect; empty is everybody.
    pub allow: Vec<Network>,
    /// Transport security, if configured.
    pub tls: Option<tls::Acceptor>,
}

/// A bound listener.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    intake: Arc<Intake>,
    options: Options,
    handle: Handle,
    clock: Clock,
    metrics: Arc<Metrics>,
    peers: Mutex<BTreeMap<IpAddr, usize>>,
}

impl Listener {
    /// Prepares a bound socket for listening.
    #[must_use]
    pub fn new(
        socket: TcpListener,
        intake: Arc<Intake>,
        options: Options,
        handle: Handle,
        (clock, metrics): (Clock, Arc<Metrics>),
    ) -> Self {
        let peers = Mutex::new(BTreeMap::new());
        let shared = Shared { intake, options, handle, clock, metrics, peers };
        Self { socket, shared: Arc::new(shared) }
    }

    /// Takes connections until told to stop.
    pub async fn run(self, tasks: Tasks) {
        let stop = tasks.stop_token();
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                () = stop.cancelled() => return,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let Some(place) = self.shared.admit(peer) else { continue };
                    let shared = Arc::clone(&self.shared);
                    let stop = stop.clone();
                    tasks.spawn(async move {
                        shared.serve(stream, peer, stop).await;
                        drop(place);
                    });
                }
                Err(refusal) => {
                    // Out of file descriptors, mostly; connections that end make room again.
                    warn!(error = %refusal, "A connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

/// A connection's place in the count.
struct Place {
    shared: Arc<Shared>,
    peer: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut peers = self.shared.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = peers.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                peers.remove(&self.peer);
            }
        }
        self.shared.metrics.connection_closed(&self.shared.intake.source);
    }
}

impl Shared {
    fn admit(self: &Arc<Self>, peer: SocketAddr) -> Option<Place> {
        let refuse = |why: &'static str| {
            self.metrics.connection_refused(&self.intake.source, why);
            warn!(source = %self.intake.source, %peer, why, "A connection is refused");
            None
        };
        let options = &self.options;
        if !options.allow.is_empty() && !options.allow.iter().any(|net| net.contains(peer.ip())) {
            return refuse("address");
        }
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if peers.values().sum::<usize>() >= options.connections_max {
            return refuse("connections");
        }
        let count = peers.entry(peer.ip()).or_insert(0);
        if *count >= options.connections_per_peer_max {
            return refuse("connections_per_peer");
        }
        *count += 1;
        self.metrics.connection_opened(&self.intake.source);
        Some(Place { shared: Arc::clone(self), peer: peer.ip() })
    }

    async fn serve(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr, stop: CancellationToken) {
        if let Err(refusal) = tls::tune(&stream, self.options.keepalive) {
            debug!(%peer, error = %refusal, "A socket option is not supported");
        }
        info!(source = %self.intake.source, %peer, "An EHR has connected");
        match &self.options.tls {
            None => self.converse(stream, peer, stop).await,
            Some(acceptor) => match timeout(HANDSHAKE_WITHIN, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => Box::pin(self.converse(stream, peer, stop)).await,
                Ok(Err(refusal)) => {
                    self.metrics.connection_refused(&self.intake.source, "tls");
                    warn!(%peer, error = %refusal, "A TLS handshake failed");
                }
                Err(_) => self.metrics.connection_refused(&self.intake.source, "tls"),
            },
        }
        info!(source = %self.intake.source, %peer, "An EHR has disconnected");
    }

    async fn converse<S>(self: &Arc<Self>, stream: S, peer: SocketAddr, stop: CancellationToken)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let mut stream = Stream::new(self, peer.to_string());
        let mut answers: FuturesOrdered<BoxFuture<'static, Vec<Bytes>>> = FuturesOrdered::new();
        loop {
            let may_read = answers.len() < IN_FLIGHT_MAX && !stream.is_over && !stop.is_cancelled();
            if !may_read && answers.is_empty() {
                return hang_up(reader, writer).await;
            }
            tokio::select! {
                biased;
                Some(frames) = answers.next(), if !answers.is_empty() => {
                    for frame in frames {
                        let written = timeout(WRITE_WITHIN, writer.write_all(&frame)).await;
                        if !matches!(written, Ok(Ok(()))) {
                            // What is in flight is stored; the peer will ask again.
                            return;
                        }
                    }
                    if answers.is_empty() && timeout(WRITE_WITHIN, writer.flush()).await.is_err() {
                        return;
                    }
                }
                incoming = stream.next(&mut reader), if may_read => {
                    if let Some(incoming) = incoming
                        && let Some(answer) = self.take(incoming, &mut stream).await
                    {
                        answers.push_back(answer);
                    }
                }
                () = stop.cancelled(), if may_read => {}
            }
        }
    }

    /// Hands what came to the engine; the answer, if there is to be one, is ready when it is stored.
    async fn take(
        self: &Arc<Self>,
        incoming: Incoming,
        stream: &mut Stream,
    ) -> Option<BoxFuture<'static, Vec<Bytes>>> {
        let source = &self.intake.source;
        match incoming {
            Incoming::Frame(frame) => {
                self.metrics.frame(source, frame.payload.len(), frame.discarded_bytes);
                let read = self.intake.read(&frame.payload, &stream.peer, self.clock.now());
                Some(self.submit(read).await)
            }
            Incoming::TooLarge(head) => {
                warn!(%source, peer = stream.peer, "A frame is over the limit");
                self.metrics.frame_fault(source, "too_large");
                stream.is_over = true;
                let fault = "the frame is over hl7.listener.max_frame_bytes; its head is kept";
                let mut parsed = self.intake.fragment(&head, &stream.peer, fault);
                parsed.request = hl7::ack::header_only(&String::from_utf8_lossy(&head));
                parsed.trouble = Trouble::TooLarge;
                let read =
                    Frame { messages: vec![parsed], batch_id: None, charset: Charset::UTF_8 };
                Some(self.submit(read).await)
            }
            Incoming::Abandoned(bytes) => {
                self.metrics.frame_fault(source, "abandoned");
                self.keep(&bytes, stream, "the sender began a new frame within this one").await;
                None
            }
            Incoming::Partial(bytes) => {
                self.metrics.frame_fault(source, "partial");
                self.keep(&bytes, stream, "the connection ended within this frame").await;
                None
            }
            Incoming::Commit(_) => None,
        }
    }

    /// Keeps the bytes of a frame that is no message; nobody is answered.
    async fn keep(&self, bytes: &[u8], stream: &Stream, fault: &str) {
        if bytes.is_empty() {
            return;
        }
        let parsed = self.intake.fragment(bytes, &stream.peer, fault);
        drop(self.handle.submit(parsed.received).await);
    }

    async fn submit(self: &Arc<Self>, read: Frame) -> BoxFuture<'static, Vec<Bytes>> {
        let mut pending: Vec<(Pending, Option<Message>, Trouble)> = Vec::new();
        for Parsed { received, request, trouble } in read.messages {
            pending.push((self.handle.enqueue(received).await, request, trouble));
        }
        let shared = Arc::clone(self);
        let (batch_id, charset) = (read.batch_id, read.charset);
        Box::pin(async move {
            let mut results = Vec::with_capacity(pending.len());
            for (pending, request, trouble) in pending {
                results.push((pending.verdict().await, request, trouble));
            }
            shared.answer(results, batch_id.as_deref(), charset)
        })
    }

    /// One answer a frame: of a batch, the worst verdict under the batch's control id.
    fn answer(
        &self,
        results: Vec<(Verdict, Option<Message>, Trouble)>,
        batch_id: Option<&str>,
        charset: Charset,
    ) -> Vec<Bytes> {
        if self.options.answers_each && results.len() > 1 {
            let each = results.into_iter().map(|result| self.answer(vec![result], None, charset));
            return each.flatten().collect();
        }
        let mut worst = (hl7::Verdict::Accepted, None);
        let mut request = None;
        for (verdict, message, trouble) in results {
            self.metrics.verdict(&self.intake.source, &verdict);
            if matches!(verdict, Verdict::Stored { .. }) {
                self.intake.hear(self.clock.now());
                self.metrics.heard(&self.intake.source, self.clock.now());
            }
            let judged = judge(&verdict, trouble, self.options.nack_policy);
            if rank(judged.0) > rank(worst.0) {
                worst = judged;
            }
            request = request.or(message);
        }
        let header = request.as_ref().map(Message::header).unwrap_or_default();
        let plan = hl7::plan(&header, self.options.ack_mode, worst.0);
        [plan.now, plan.later]
            .into_iter()
            .flatten()
            .filter_map(|code| {
                self.metrics.acknowledged(&self.intake.source, code.as_str());
                self.frame(code, &worst, request.as_ref(), batch_id, charset)
            })
            .collect()
    }

    fn frame(
        &self,
        code: AckCode,
        (_, error): &(hl7::Verdict, Option<(ErrorCode, &'static str)>),
        request: Option<&Message>,
        batch_id: Option<&str>,
        charset: Charset,
    ) -> Option<Bytes> {
        let now = self.clock.now();
        let control_id = new_control_id(now);
        let error = error.filter(|_| !code.is_positive());
        let answer = Answer {
            code,
            error: error.map(|(code, text)| AckError { code, location: None, text }),
            control_id: &control_id,
            request_id: batch_id,
            now,
        };
        let text = acknowledge(request, &answer);
        let payload = hl7::charset::encode(&text, charset);
        let mut framed = BytesMut::with_capacity(payload.len() + 3);
        MllpCodec::default().encode(payload.as_slice(), &mut framed).ok()?;
        Some(framed.freeze())
    }
}

/// Closes in a way that lets the last answer arrive: bytes that were never read would make the
/// system reset the connection, and the answer with it.
async fn hang_up<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(mut reader: R, mut writer: W) {
    let linger = async {
        if writer.shutdown().await.is_err() {
            return;
        }
        let mut ignored = [0; 4096];
        while matches!(reader.read(&mut ignored).await, Ok(count) if count > 0) {}
    };
    drop(timeout(HANG_UP_WITHIN, linger).await);
}

/// A new control id: the time, and bits that no other process draws.
#[must_use]
pub fn new_control_id(now: crate::clock::Timestamp) -> String {
    let mut random = [0; 8];
    // Without randomness the time alone still tells answers apart well enough to be matched.
    let _filled = getrandom::fill(&mut random).is_ok();
    let millis = u64::try_from(now.timestamp_millis()).unwrap_or(0);
    hl7::control_id(millis, u64::from_be_bytes(random))
}

/// The reading half of a connection.
struct Stream {
    codec: MllpCodec,
    buffer: BytesMut,
    peer: String,
    frame_timeout: Duration,
    idle_timeout: Option<Duration>,
    /// Runs from the first byte of a frame.
    deadline: Option<std::pin::Pin<Box<tokio::time::Sleep>>>,
    is_ended: bool,
    is_over: bool,
}

impl Stream {
    fn new(shared: &Shared, peer: String) -> Self {
        Self {
            codec: MllpCodec::new(shared.options.limits),
            buffer: BytesMut::new(),
            peer,
            frame_timeout: shared.options.frame_timeout,
            idle_timeout: shared.options.idle_timeout,
            deadline: None,
            is_ended: false,
            is_over: false,
        }
    }

    /// The next thing that the stream brings; `None` when there is none yet or none any more.
    ///
    /// May be dropped and called again: what was read stays in the buffer.
    async fn next<R: AsyncRead + Unpin>(&mut self, reader: &mut R) -> Option<Incoming> {
        loop {
            let decoded = if self.is_ended {
                self.codec.decode_eof(&mut self.buffer)
            } else {
                self.codec.decode(&mut self.buffer)
            };
            match decoded {
                Ok(Some(incoming)) => {
                    self.deadline = None;
                    return Some(incoming);
                }
                Ok(None) if self.is_ended => {
                    self.is_over = true;
                    return None;
                }
                Ok(None) => {}
                Err(fault) => {
                    warn!(peer = self.peer, error = %fault, "A connection does not speak MLLP");
                    self.is_over = true;
                    return None;
                }
            }
            self.read(reader).await;
        }
    }

    async fn read<R: AsyncRead + Unpin>(&mut self, reader: &mut R) {
        self.buffer.reserve(READ_BYTES);
        let frame_timeout = self.frame_timeout;
        let count = if self.codec.is_within_frame() {
            let deadline =
                self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(frame_timeout)));
            tokio::select! {
                count = reader.read_buf(&mut self.buffer) => count.unwrap_or(0),
                () = deadline => {
                    debug!(peer = self.peer, "A frame did not end in time");
                    0
                }
            }
        } else {
            match self.idle_timeout {
                Some(idle) => match timeout(idle, reader.read_buf(&mut self.buffer)).await {
                    Ok(count) => count.unwrap_or(0),
                    Err(_) => 0,
                },
                None => reader.read_buf(&mut self.buffer).await.unwrap_or(0),
            }
        };
        if count == 0 {
            self.is_ended = true;
        }
    }
}
