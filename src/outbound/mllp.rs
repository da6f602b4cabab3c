//! A client's side of MLLP: one message in flight, its answer matched by MSA-2.
//!
//! Used by the lanes of destinations, by `appointd send` and by the EHR stand-in. After anything but
//! an answer to the message the connection is to be dropped: a late answer must not be taken for the
//! next message's.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::bytes::BytesMut;
use tokio_util::codec::{Decoder, Encoder};

use crate::hl7::frame::{Incoming, Limits, MllpCodec};
use crate::hl7::{AckCode, AckReceived, Message, charset};
use crate::tls;

/// The largest answer that is read.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Socket for S {}

/// A connection to a listener.
pub struct Connection {
    socket: Box<dyn Socket>,
    codec: MllpCodec,
    buffer: BytesMut,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connection")
    }
}

/// How one exchange went.
#[derive(Debug, Clone)]
pub enum Exchange {
    /// An answer to our message.
    Answered(Answered),
    /// Nothing was sent.
    NotSent(&'static str),
    /// It was sent, and there is no answer to it.
    NoAnswer(&'static str),
}

/// An answer to our message.
#[derive(Debug, Clone)]
pub struct Answered {
    /// What it says.
    pub ack: AckReceived,
    /// The answer itself.
    pub message: Message,
}

impl Connection {
    /// Connects to `host:port`.
    ///
    /// # Errors
    /// If nobody listens there, or not in time, or not who it should be.
    pub async fn open(
        address: &str,
        tls: Option<&tls::Connector>,
        within: Duration,
    ) -> io::Result<Self> {
        let connect = async {
            let stream = TcpStream::connect(address).await?;
            tls::tune(&stream, Some(tls::KEEPALIVE_AFTER))?;
            let socket: Box<dyn Socket> = match tls {
                None => Box::new(stream),
                Some(connector) => Box::new(connector.connect(stream).await?),
            };
            Ok::<_, io::Error>(socket)
        };
        let socket = timeout(within, connect)
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        let limits = Limits {
            frame_bytes_max: ANSWER_BYTES_MAX,
            accept_bare_msh: true,
            ..Limits::default()
        };
        Ok(Self { socket, codec: MllpCodec::new(limits), buffer: BytesMut::new() })
    }

    /// Sends a message and waits for its answer.
    pub async fn exchange(
        &mut self,
        payload: &[u8],
        control_id: &str,
        within: Duration,
    ) -> Exchange {
        self.exchange_until(payload, control_id, within, |_| true).await
    }

    /// Sends a message and waits for the answer that decides; one that does not is what comes back
    /// if no other follows in time.
    pub async fn exchange_until(
        &mut self,
        payload: &[u8],
        control_id: &str,
        within: Duration,
        decides: impl Fn(&AckReceived) -> bool,
    ) -> Exchange {
        let mut frame = BytesMut::with_capacity(payload.len() + 3);
        if MllpCodec::default().encode(payload, &mut frame).is_err() {
            return Exchange::NotSent("framing_byte_in_value");
        }
        match timeout(within, self.socket.write_all(&frame)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return Exchange::NoAnswer("write"),
        }
        let mut receipt = None;
        let answered = timeout(within, async {
            loop {
                let answered = self.answer(control_id).await?;
                if decides(&answered.ack) {
                    return Ok(answered);
                }
                receipt = Some(answered);
            }
        });
        match (answered.await.unwrap_or(Err("timeout")), receipt) {
            (Ok(answered), _) | (Err(_), Some(answered)) => Exchange::Answered(answered),
            (Err(code), None) => Exchange::NoAnswer(code),
        }
    }

    /// Reads until an answer to a message comes.
    async fn answer(&mut self, control_id: &str) -> Result<Answered, &'static str> {
        loop {
            while let Some(incoming) = self.codec.decode(&mut self.buffer).map_err(|_| "framing")? {
                if let Some(answered) = read_answer(incoming, control_id)? {
                    return Ok(answered);
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
fn read_answer(incoming: Incoming, control_id: &str) -> Result<Option<Answered>, &'static str> {
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
    let ack = AckReceived::read(&message).map_err(|_| "answer_without_msa")?;
    if ack.control_id != control_id {
        return Err("answer_to_another_message");
    }
    // A receipt that announces the application's own answer (MSH-16): that one decides.
    let announces = message.header().application_ack.eq_ignore_ascii_case("AL");
    if ack.code == AckCode::CommitAccept && announces {
        return Ok(None);
    }
    Ok(Some(Answered { ack, message }))
}
