//! The lane of one HL7 destination: write-back over MLLP, one message in flight.
//!
//! The answer is matched by MSA-2; an answer to another message is never taken for this one, and
//! closes the connection (a late answer has cost others patient data). Every try of a message has
//! the same control id, so that the EHR can drop a repetition.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::codec::{Decoder, Encoder};
use tracing::{debug, error, info, warn};

use super::breaker::Breaker;
use crate::clock::Clock;
use crate::core::delivery::{Failure, Report};
use crate::core::effect::{Effect, WriteBack};
use crate::core::event::Event;
use crate::core::ids::DestinationName;
use crate::engine::rows::Lane;
use crate::engine::{Answer, Handle, Work};
use crate::hl7::frame::{Incoming, MllpCodec};
use crate::hl7::{AckCode, AckReceived, Charset, Message, charset};
use crate::mapping::reverse::{self, Template};
use crate::shutdown::Tasks;
use crate::telemetry::Metrics;
use crate::tls;

/// The largest answer that is read.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// How one destination is talked to.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its name.
    pub name: DestinationName,
    /// Where it listens, `host:port`.
    pub address: String,
    /// How wishes are written for it.
    pub template: Template,
    /// Transport security, if configured.
    pub tls: Option<tls::Connector>,
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// How long an answer may take.
    pub ack_timeout: Duration,
}

trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Socket for S {}

/// The lane of one destination.
pub struct Hl7Lane {
    options: Options,
    handle: Handle,
    clock: Clock,
    metrics: Arc<Metrics>,
    breaker: Breaker,
    connection: Option<Connection>,
}

struct Connection {
    socket: Box<dyn Socket>,
    codec: MllpCodec,
    buffer: BytesMut,
}

impl std::fmt::Debug for Hl7Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hl7Lane({})", self.options.name)
    }
}

/// How one exchange went.
enum Exchange {
    /// An answer to our message.
    Answered(AckReceived),
    /// Nothing was sent.
    NotSent(&'static str),
    /// It was sent, and there is no answer to it.
    NoAnswer(&'static str),
}

impl Hl7Lane {
    /// Prepares the lane.
    #[must_use]
    pub fn new(options: Options, handle: Handle, clock: Clock, metrics: Arc<Metrics>) -> Self {
        Self { options, handle, clock, metrics, breaker: Breaker::default(), connection: None }
    }

    /// Sends what is due until told to stop.
    pub async fn run(mut self, tasks: Tasks) {
        let stop = tasks.stop_token();
        let lane = Lane::Hl7(self.options.name.clone());
        loop {
            let pause = self.breaker.pause();
            let work = tokio::select! {
                work = async {
                    tokio::time::sleep(pause).await;
                    self.handle.claim(lane.clone(), 1).await
                } => work,
                () = stop.cancelled() => return,
            };
            let Some(work) = work else { return };
            for work in work {
                // Not interrupted: the answer to what is sent is worth the wait at the end too.
                self.take(work).await;
            }
        }
    }

    async fn take(&mut self, work: Work) {
        let Effect::SendHl7(write_back) = &work.row.effect else { return };
        let report = self.deliver(write_back, work.message.as_deref()).await;
        let outcome = match &report {
            Report::Accepted { .. } => "accepted",
            Report::NotDone { failure: Failure::TryLater, .. } | Report::InDoubt { .. } => "retry",
            Report::NotDone { .. }
            | Report::Delivered { .. }
            | Report::Undelivered { .. }
            | Report::NoTrace => "refused",
        };
        self.metrics.sent(self.options.name.as_str(), outcome);
        let event = Event::DeliveryReported { outbox: work.row.id.clone(), report };
        if let Answer::NotStored(category) = self.handle.act(event).await {
            error!(outbox.id = %work.row.id, ?category, "A delivery report was not stored");
        }
    }

    async fn deliver(&mut self, write_back: &WriteBack, message: Option<&[u8]>) -> Report {
        let destination = self.options.name.clone();
        let (text, charset) = match self.write(write_back, message) {
            Ok(written) => written,
            Err(problem) => {
                error!(%destination, error = %problem, "A wish cannot be written as HL7");
                let code = "template".to_owned();
                return Report::NotDone { failure: Failure::Permanent, code };
            }
        };
        let payload = charset::encode(&text, charset);
        match self.exchange(&payload, &write_back.control_id).await {
            Exchange::Answered(answer) => {
                self.note_success();
                judge(&answer, &destination)
            }
            Exchange::NotSent(code) => {
                self.note_failure(code);
                Report::NotDone { failure: Failure::TryLater, code: code.to_owned() }
            }
            Exchange::NoAnswer(code) => {
                self.note_failure(code);
                Report::InDoubt { code: code.to_owned() }
            }
        }
    }

    fn write(
        &self,
        write_back: &WriteBack,
        message: Option<&[u8]>,
    ) -> Result<(String, Charset), Box<dyn std::error::Error + Send + Sync>> {
        let raw = message.ok_or("the appointment has no stored message")?;
        let decoded = charset::decode(raw, None)?;
        let last = Message::read(&decoded.text)?;
        let order = reverse::Order {
            wish: write_back.wish,
            control_id: &write_back.control_id,
            now: self.clock.now(),
        };
        Ok((reverse::build(&order, &self.options.template, &last)?, decoded.charset))
    }

    async fn exchange(&mut self, payload: &[u8], control_id: &str) -> Exchange {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => match self.connect().await {
                Ok(connection) => connection,
                Err(problem) => {
                    debug!(destination = %self.options.name, error = %problem, "No connection");
                    return Exchange::NotSent("connect");
                }
            },
        };
        let mut frame = BytesMut::with_capacity(payload.len() + 3);
        if MllpCodec::default().encode(payload, &mut frame).is_err() {
            return Exchange::NotSent("framing_byte_in_value");
        }
        let within = self.options.ack_timeout;
        match timeout(within, connection.socket.write_all(&frame)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return Exchange::NoAnswer("write"),
        }
        let answer = timeout(within, connection.answer(control_id)).await;
        match answer {
            Ok(Ok(answer)) => {
                self.connection = Some(connection);
                Exchange::Answered(answer)
            }
            // The connection is dropped: whatever still comes on it is no answer to the next one.
            Ok(Err(code)) => Exchange::NoAnswer(code),
            Err(_) => Exchange::NoAnswer("timeout"),
        }
    }

    async fn connect(&self) -> std::io::Result<Connection> {
        let connect = async {
            let stream = TcpStream::connect(&self.options.address).await?;
            drop(tls::tune(&stream));
            let socket: Box<dyn Socket> = match &self.options.tls {
                None => Box::new(stream),
                Some(connector) => Box::new(connector.connect(stream).await?),
            };
            Ok(socket)
        };
        let socket = timeout(self.options.connect_timeout, connect)
            .await
            .map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))??;
        let limits = crate::hl7::frame::Limits {
            frame_bytes_max: ANSWER_BYTES_MAX,
            accept_bare_msh: true,
            ..crate::hl7::frame::Limits::default()
        };
        Ok(Connection { socket, codec: MllpCodec::new(limits), buffer: BytesMut::new() })
    }

    fn note_success(&mut self) {
        if self.breaker.succeeded() {
            info!(destination = %self.options.name, "The destination answers again");
            self.metrics.breaker(self.options.name.as_str(), false);
        }
    }

    fn note_failure(&mut self, code: &'static str) {
        let destination = self.options.name.as_str();
        warn!(destination, code, "The destination gives no answer");
        if self.breaker.failed() {
            error!(destination, "The destination is out of order; its lane is paused");
            self.metrics.breaker(destination, true);
        }
    }
}

impl Connection {
    /// Reads until the answer to a message comes.
    async fn answer(&mut self, control_id: &str) -> Result<AckReceived, &'static str> {
        loop {
            while let Some(incoming) = self.codec.decode(&mut self.buffer).map_err(|_| "framing")? {
                if let Some(answer) = read_answer(incoming, control_id)? {
                    return Ok(answer);
                }
            }
            let count = self.socket.read_buf(&mut self.buffer).await.map_err(|_| "read")?;
            if count == 0 {
                return Err("closed");
            }
        }
    }
}

/// The answer in a frame; `None` for what may be passed over.
fn read_answer(incoming: Incoming, control_id: &str) -> Result<Option<AckReceived>, &'static str> {
    let frame = match incoming {
        Incoming::Frame(frame) => frame,
        // The receiver's commit byte says nothing about the application.
        Incoming::Commit(_) => return Ok(None),
        Incoming::Abandoned(_) | Incoming::Partial(_) | Incoming::TooLarge(_) => {
            return Err("broken_answer");
        }
    };
    let decoded = charset::decode(&frame.payload, None).map_err(|_| "answer_charset")?;
    let message = Message::read(&decoded.text).map_err(|_| "answer_unreadable")?;
    let answer = AckReceived::read(&message).map_err(|_| "answer_without_msa")?;
    if answer.control_id != control_id {
        return Err("answer_to_another_message");
    }
    // SRR: the filler's decision follows its receipt of the request.
    let is_receipt_of_request =
        answer.code == AckCode::CommitAccept && is_request_answer_awaited(&message);
    Ok((!is_receipt_of_request).then_some(answer))
}

/// Whether the receiver announces an application answer (MSH-16 of a CA).
fn is_request_answer_awaited(message: &Message) -> bool {
    message.header().application_ack.eq_ignore_ascii_case("AL")
}

fn judge(answer: &AckReceived, destination: &DestinationName) -> Report {
    let code = answer.code.as_str();
    match answer.code {
        AckCode::ApplicationAccept | AckCode::CommitAccept => {
            Report::Accepted { id: code.to_owned() }
        }
        AckCode::ApplicationError | AckCode::CommitError => {
            error!(%destination, code, errors = ?answer.errors, "The EHR refuses a wish");
            Report::NotDone { failure: Failure::Permanent, code: code.to_owned() }
        }
        AckCode::ApplicationReject | AckCode::CommitReject => {
            warn!(%destination, code, errors = ?answer.errors, "The EHR cannot take a wish now");
            Report::NotDone { failure: Failure::TryLater, code: code.to_owned() }
        }
    }
}
