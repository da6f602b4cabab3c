//! An EHR stand-in: sends SIU messages over MLLP, takes write-backs, and reflects them as a real
//! one does, with a message of its own. A request (SRM) it answers with its decision (SRR), or with
//! a receipt only if it is told to answer `CA`.
//!
//! It keeps a small book of appointments in memory and a transcript of every message in both
//! directions. Everybody in it is invented.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::NaiveDateTime;
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::bytes::BytesMut;
use tokio_util::codec::{Decoder, Encoder};

use crate::clock::{Clock, Timestamp};
use crate::hl7::ack::{AckCode, Answer, acknowledge};
use crate::hl7::frame::{Incoming, MllpCodec};
use crate::hl7::{Draft, Message, Path, Segment, SegmentName, control_id, escape};
use crate::outbound::mllp::{Connection, Exchange};
use crate::shutdown::Tasks;

/// How long the daemon may take to acknowledge.
const ACK_WITHIN: Duration = Duration::from_secs(30);
/// How long a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// A patient of the stand-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SimPatient {
    /// Record number.
    pub mrn: String,
    /// Given name.
    pub given: String,
    /// Family name.
    pub family: String,
    /// Phone, as a front desk types it.
    pub phone: String,
}

/// An appointment in the stand-in's book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SimAppointment {
    /// Filler id (SCH-2).
    pub id: String,
    /// For whom.
    pub patient: SimPatient,
    /// Wall-clock start.
    pub start: NaiveDateTime,
    /// Location code.
    pub location: String,
    /// Status, as SCH-25 says it.
    pub status: String,
}

/// One message of the transcript.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Who sent it: `ehr` or `appointd`.
    pub from: &'static str,
    /// When.
    pub at: Timestamp,
    /// MSH-9.
    pub trigger: String,
    /// The message, with CR as line ends.
    pub text: String,
    /// The answer's code.
    pub answer: String,
}

#[derive(Debug, Default)]
struct Book {
    appointments: BTreeMap<String, SimAppointment>,
    transcript: Vec<Line>,
    sent: u64,
    /// Codes to answer the next write-backs with, before `AA` again.
    answers: Vec<AckCode>,
}

/// The stand-in.
#[derive(Debug)]
pub struct Ehr {
    clock: Clock,
    book: Mutex<Book>,
    feed: tokio::sync::Mutex<Feed>,
    changed: watch::Sender<usize>,
    /// Whether write-backs come back as messages of its own.
    reflects: bool,
}

/// What becomes of a write-back.
struct Taken {
    answer: String,
    /// The message of our own that follows from it.
    reflection: Option<(&'static str, SimAppointment)>,
    hangs_up: bool,
}

#[derive(Debug)]
struct Feed {
    address: Option<SocketAddr>,
    connection: Option<Connection>,
}

impl Ehr {
    /// Prepares a stand-in; [`Ehr::listen`] and [`Ehr::connect`] give it its two ends.
    #[must_use]
    pub fn new(clock: Clock, reflects: bool) -> Arc<Self> {
        Arc::new(Self {
            clock,
            book: Mutex::default(),
            feed: tokio::sync::Mutex::new(Feed { address: None, connection: None }),
            changed: watch::channel(0).0,
            reflects,
        })
    }

    /// Takes write-backs on a bound socket.
    pub fn listen(self: &Arc<Self>, socket: TcpListener, tasks: &Tasks) {
        let ehr = Arc::clone(self);
        let (stop, group) = (tasks.stop_token(), tasks.clone());
        tasks.spawn(async move {
            loop {
                let accepted = tokio::select! {
                    accepted = socket.accept() => accepted,
                    () = stop.cancelled() => return,
                };
                let Ok((stream, _)) = accepted else { continue };
                let (ehr, stop) = (Arc::clone(&ehr), stop.clone());
                group.spawn(async move {
                    tokio::select! {
                        () = ehr.serve(stream) => {}
                        () = stop.cancelled() => {}
                    }
                });
            }
        });
    }

    /// Says where the daemon listens.
    pub async fn connect(&self, address: SocketAddr) {
        *self.feed.lock().await = Feed { address: Some(address), connection: None };
    }

    /// Closes the connection to the daemon; the next message opens another.
    pub async fn disconnect(&self) {
        self.feed.lock().await.connection = None;
    }

    /// Answers the next write-backs with these codes.
    pub fn answer_next(&self, codes: &[AckCode]) {
        self.lock().answers.extend_from_slice(codes);
    }

    /// The messages so far.
    #[must_use]
    pub fn transcript(&self) -> Vec<Line> {
        self.lock().transcript.clone()
    }

    /// The appointments in the book.
    #[must_use]
    pub fn appointments(&self) -> Vec<SimAppointment> {
        self.lock().appointments.values().cloned().collect()
    }

    /// Waits until the transcript looks as wanted.
    pub async fn wait_for(&self, mut wanted: impl FnMut(&[Line]) -> bool) -> Vec<Line> {
        let mut changed = self.changed.subscribe();
        loop {
            changed.borrow_and_update();
            let transcript = self.transcript();
            if wanted(&transcript) {
                return transcript;
            }
            // The sender lives in `self`.
            let _changed = changed.changed().await;
        }
    }

    /// Books an appointment (SIU^S12); returns the answer's code.
    pub async fn book(&self, appointment: SimAppointment) -> String {
        self.lock().appointments.insert(appointment.id.clone(), appointment.clone());
        self.send("S12", &appointment).await
    }

    /// Moves an appointment (SIU^S13).
    pub async fn reschedule(&self, id: &str, start: NaiveDateTime) -> String {
        self.change("S13", id, |row| {
            row.start = start;
            // What was confirmed was the old time.
            "Booked".clone_into(&mut row.status);
        })
        .await
    }

    /// Moves an appointment to another place (SIU^S14).
    pub async fn relocate(&self, id: &str, location: &str) -> String {
        self.change("S14", id, |row| location.clone_into(&mut row.location)).await
    }

    /// Calls an appointment off (SIU^S15).
    pub async fn cancel(&self, id: &str) -> String {
        self.change("S15", id, |row| "Cancelled".clone_into(&mut row.status)).await
    }

    /// Notes that the patient did not come (SIU^S26).
    pub async fn no_show(&self, id: &str) -> String {
        self.change("S26", id, |row| "Noshow".clone_into(&mut row.status)).await
    }

    async fn change(
        &self,
        trigger: &str,
        id: &str,
        change: impl FnOnce(&mut SimAppointment),
    ) -> String {
        let changed = {
            let mut book = self.lock();
            let Some(row) = book.appointments.get_mut(id) else { return "unknown".to_owned() };
            change(row);
            row.clone()
        };
        self.send(trigger, &changed).await
    }

    async fn send(&self, trigger: &str, appointment: &SimAppointment) -> String {
        let now = self.clock.now();
        let control_id = {
            let mut book = self.lock();
            book.sent += 1;
            control_id(u64::try_from(now.timestamp_millis()).unwrap_or(0), book.sent)
        };
        let text = siu(trigger, &control_id, appointment, now);
        let answer = self.exchange(&text, &control_id).await;
        self.note("ehr", &format!("SIU^{trigger}"), &text, &answer);
        answer
    }

    async fn exchange(&self, text: &str, control_id: &str) -> String {
        let mut feed = self.feed.lock().await;
        let Some(address) = feed.address else { return "not connected".to_owned() };
        let mut connection = match feed.connection.take() {
            Some(connection) => connection,
            None => match Connection::open(&address.to_string(), None, CONNECT_WITHIN).await {
                Ok(connection) => connection,
                Err(_) => return "no connection".to_owned(),
            },
        };
        match connection.exchange(text.as_bytes(), control_id, ACK_WITHIN).await {
            Exchange::Answered(answered) => {
                feed.connection = Some(connection);
                answered.ack.code.as_str().to_owned()
            }
            Exchange::NotSent(code) | Exchange::NoAnswer(code) => code.to_owned(),
        }
    }

    async fn serve(self: &Arc<Self>, mut stream: TcpStream) {
        let mut codec = MllpCodec::default();
        let mut buffer = BytesMut::new();
        loop {
            while let Ok(Some(incoming)) = codec.decode(&mut buffer) {
                let Incoming::Frame(frame) = incoming else { continue };
                let text = String::from_utf8_lossy(&frame.payload).into_owned();
                let Some(taken) = self.take(&text) else { continue };
                let mut framed = BytesMut::new();
                let is_framed = codec.encode(taken.answer.as_bytes(), &mut framed).is_ok();
                if !is_framed || stream.write_all(&framed).await.is_err() || taken.hangs_up {
                    return;
                }
                if let Some((trigger, row)) = taken.reflection {
                    self.send(trigger, &row).await;
                }
            }
            match stream.read_buf(&mut buffer).await {
                Ok(count) if count > 0 => {}
                Ok(_) | Err(_) => return,
            }
        }
    }

    fn take(&self, text: &str) -> Option<Taken> {
        let msg = Message::read(text).ok()?;
        let header = msg.header();
        let now = self.clock.now();
        let code = {
            let mut book = self.lock();
            if book.answers.is_empty() {
                AckCode::ApplicationAccept
            } else {
                book.answers.remove(0)
            }
        };
        let millis = u64::try_from(now.timestamp_millis()).unwrap_or(0);
        let control_id = control_id(millis, u64::MAX);
        let answer = acknowledge(
            Some(&msg),
            &Answer { code, error: None, control_id: &control_id, request_id: None, now },
        );
        let trigger = format!("{}^{}", header.message_code, header.trigger);
        self.note("appointd", &trigger, text, code.as_str());
        let is_request = header.message_code == "SRM";
        if is_request && code == AckCode::CommitAccept {
            // The decision would come on another connection, once someone has decided.
            return Some(Taken { answer, reflection: None, hangs_up: true });
        }
        let row = about(&msg).filter(|_| code.is_positive()).and_then(|id| {
            let mut book = self.lock();
            let row = book.appointments.get_mut(&id)?;
            let status = if is_cancellation(&msg) { "Cancelled" } else { "Confirmed" };
            // What is not reflected is not done either.
            if self.reflects {
                status.clone_into(&mut row.status);
            }
            Some(row.clone())
        });
        let answer = if is_request { decision(&answer, row.as_ref(), now)? } else { answer };
        let trigger = if is_cancellation(&msg) { "S15" } else { "S14" };
        let reflection = row.filter(|_| self.reflects).map(|row| (trigger, row));
        Some(Taken { answer, reflection, hangs_up: false })
    }

    fn note(&self, from: &'static str, trigger: &str, text: &str, answer: &str) {
        let line = Line {
            from,
            at: self.clock.now(),
            trigger: trigger.to_owned(),
            text: text.to_owned(),
            answer: answer.to_owned(),
        };
        self.lock().transcript.push(line);
        self.changed.send_modify(|count| *count += 1);
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which appointment a write-back of any form is about.
fn about(msg: &Message) -> Option<String> {
    value(msg, "SCH-2.1").or_else(|| value(msg, "ARQ-2.1")).or_else(|| observed(msg, "APPTID"))
}

/// Whether a write-back of any form calls off.
fn is_cancellation(msg: &Message) -> bool {
    let words = [value(msg, "SCH-25.1"), observed(msg, "APPTREPLY")];
    matches!(msg.header().trigger.as_str(), "S15" | "S04")
        || words.into_iter().flatten().any(|word| word.to_ascii_uppercase().contains("CANCEL"))
}

/// The value of the observation with this code.
fn observed(msg: &Message, code: &str) -> Option<String> {
    let obx = SegmentName::parse("OBX").ok()?;
    let component = |segment: Segment<'_>, field| {
        let part = segment.field(field)?.component(1)?;
        Some(part.text().into_owned())
    };
    let found = msg
        .segments_named(obx)
        .find(|segment| component(*segment, 3).is_some_and(|found| found == code))?;
    component(found, 5)
}

/// The decision on a request: the acknowledgment as SRR, with the schedule as it is now.
fn decision(answer: &str, row: Option<&SimAppointment>, now: Timestamp) -> Option<String> {
    let mut draft = Draft::from(&Message::read(answer).ok()?);
    draft.set(&Path::parse("MSH-9.1").ok()?, "SRR").ok()?;
    draft.set(&Path::parse("MSH-9.3").ok()?, "SRR_S01").ok()?;
    if let Some(row) = row {
        let schedule = Message::read(&siu("S12", "", row, now)).ok()?;
        draft.append(schedule.segment("SCH")?.raw()).ok()?;
    }
    Some(draft.finish().ok()?.text().to_owned())
}

fn value(msg: &Message, path: &str) -> Option<String> {
    let path = path.parse().ok()?;
    let text = msg.get(&path).into_text().into_owned();
    (!text.is_empty()).then_some(text)
}

/// Writes a scheduling message of HL7 v2.5.1.
#[must_use]
pub fn siu(trigger: &str, control_id: &str, row: &SimAppointment, now: Timestamp) -> String {
    let separators = crate::hl7::Separators::default();
    let plain = |text: &str| escape::encode(text, &separators).into_owned();
    let end = row.start + chrono::TimeDelta::minutes(30);
    let stamp = now.format("%Y%m%d%H%M%S+0000");
    let (start, end) = (row.start.format("%Y%m%d%H%M%S"), end.format("%Y%m%d%H%M%S"));
    let SimPatient { mrn, given, family, phone } = &row.patient;
    let id = plain(&row.id);
    [
        format!(
            "MSH|^~\\&|SIMEHR|CLINIC|APPOINTD|CLINIC|{stamp}||SIU^{trigger}^SIU_S12|{control_id}|P|2.5.1"
        ),
        format!(
            "SCH|P-{id}|{id}|||||CHECKUP^Check-up|NORMAL|30|MIN|^^^{start}^{end}||||||||||||||{}",
            plain(&row.status)
        ),
        format!(
            "PID|1||{}^^^CLINIC^MR||{}^{}^^^^^L||19800101|F|||||{}^PRN^CP||eng^English^ISO639",
            plain(mrn),
            plain(family),
            plain(given),
            plain(phone)
        ),
        "PV1|1|O".to_owned(),
        "RGS|1|A".to_owned(),
        "AIS|1|A|CHECKUP^Check-up".to_owned(),
        format!("AIL|1|A|{}^^^CLINIC", plain(&row.location)),
        "AIP|1|A|1234^Diaz^Frances^^^Dr.".to_owned(),
    ]
    .join("\r")
        + "\r"
}
