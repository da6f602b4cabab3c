//! The peer's answer to a message of ours.
//!
//! Any message with one MSA counts, whatever its code says. What is not clear is an error: an
//! answer taken for the wrong message loses a patient's wish. A request (SRM) is decided by the
//! EHR's response (SRR) and not by a receipt for it; the response says what became of the
//! appointment in its SCH (HL7 v2.5.1, 10.3).

use super::Category;
use super::ack::AckCode;
use super::message::{Message, Segment};
use super::path::SegmentName;
use crate::phi::Phi;

/// Most error codes kept of one answer.
const ERRORS_MAX: usize = 16;

/// An answer that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AckReceived {
    /// MSA-1.
    pub code: AckCode,
    /// MSA-2: the control id of the message that is answered.
    pub control_id: String,
    /// MSA-3, else ERR-8: the peer's words, which may speak of the patient.
    pub text: Option<Phi<String>>,
    /// Codes of ERR-3, ERR-1.4 and MSA-6, as the peer writes them.
    pub errors: Vec<String>,
    /// The schedule response that it is, if it is one.
    pub response: Option<Response>,
}

/// What a schedule response (SRR) says besides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Response {
    /// SCH-25, code and text, in small letters without blanks, `_` and `-`; empty if not said.
    pub statuses: Vec<String>,
}

/// Statuses, as [`Response::statuses`] has them, under which nobody is expected. HL7 table 0278.
const OFF: [&str; 9] = [
    "cancelled",
    "canceled",
    "cancel",
    "dc",
    "discontinued",
    "deleted",
    "noshow",
    "blocked",
    "rejected",
];

impl Response {
    fn read(msg: &Message) -> Self {
        let words = [1, 2].map(|number| {
            msg.segment("SCH").map(|sch| component(sch, 25, number)).unwrap_or_default()
        });
        let folded = words.map(|word| {
            word.chars().filter(|c| !" _-".contains(*c)).collect::<String>().to_ascii_lowercase()
        });
        Self { statuses: folded.into_iter().filter(|word| is_code(word)).collect() }
    }

    /// Whether the appointment is off, as far as the response says.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.statuses.iter().any(|status| OFF.contains(&status.as_str()))
    }
}

/// Why a message is no usable answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No MSA segment.
    #[error("the answer has no MSA segment")]
    NoMsa,
    /// More than one MSA segment.
    #[error("the answer has {count} MSA segments")]
    SeveralMsa {
        /// How many.
        count: usize,
    },
    /// MSA-1 is no code of table 0008.
    #[error("MSA-1 of the answer is no acknowledgment code")]
    Code,
    /// MSA-2 is empty.
    #[error("MSA-2 of the answer is empty")]
    NoControlId,
}

impl Error {
    /// The kind of failure.
    #[must_use]
    pub const fn category(self) -> Category {
        Category::Malformed
    }
}

impl AckReceived {
    /// Reads an answer.
    ///
    /// # Errors
    ///
    /// Fails unless there is exactly one MSA with a known code and a control id.
    pub fn read(msg: &Message) -> Result<Self, Error> {
        let mut found = msg.segments_named(SegmentName::MSA);
        let msa = found.next().ok_or(Error::NoMsa)?;
        let others = found.count();
        if others > 0 {
            return Err(Error::SeveralMsa { count: others + 1 });
        }
        let code = AckCode::for_code(&component(msa, 1, 1)).ok_or(Error::Code)?;
        let control_id = component(msa, 2, 1);
        if control_id.is_empty() {
            return Err(Error::NoControlId);
        }
        let errors = msg.segments().filter(|segment| segment.name().as_str() == "ERR");
        let words = std::iter::once(component(msa, 3, 1))
            .chain(errors.clone().map(|err| component(err, 8, 1)))
            .find(|words| !words.is_empty());
        let mut codes: Vec<_> = errors.flat_map(codes).collect();
        codes.push(component(msa, 6, 1));
        codes.retain(|code| is_code(code));
        codes.truncate(ERRORS_MAX);
        let is_response = msg.header().message_code.eq_ignore_ascii_case("SRR");
        let response = is_response.then(|| Response::read(msg));
        Ok(Self { code, control_id, text: words.map(Phi::new), errors: codes, response })
    }
}

/// Whether a text is a code; prose, which some engines put there, may speak of the patient.
fn is_code(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (1..=16).contains(&text.len()) && text.chars().all(is_plain)
}

/// The codes of one ERR segment, in the form of either version.
fn codes(err: Segment<'_>) -> Vec<String> {
    let old = err.field(1).into_iter().flat_map(|field| field.repetitions().take(ERRORS_MAX));
    let old = old.filter_map(|repetition| {
        let code = repetition.component(4)?.subcomponent(1)?;
        Some(code.value().into_text().trim().to_owned())
    });
    old.chain([component(err, 3, 1)]).collect()
}

fn component(segment: Segment<'_>, field: usize, component: usize) -> String {
    let part = segment.field(field).and_then(|field| field.component(component));
    part.map_or_else(String::new, |part| part.value().into_text().trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(segments: &str) -> Result<AckReceived, Error> {
        let msg = Message::read(&format!("MSH|^~\\&|EHR\r{segments}"));
        AckReceived::read(&msg.ok().ok_or(Error::NoMsa)?)
    }

    #[test]
    fn an_answer_names_the_message_that_it_answers() {
        let ack = read("SFT|x\rMSA|AA|M\\T\\1|thanks\r").unwrap();
        assert_eq!((ack.code, ack.control_id.as_str()), (AckCode::ApplicationAccept, "M&1"));
        assert!(ack.errors.is_empty());
    }

    #[test]
    fn the_peers_words_are_patient_data() {
        let ack = read("MSA|AE|1|no visit for DOE\r").unwrap();
        assert!(!format!("{ack:?}").contains("DOE"));
        assert_eq!(ack.text.unwrap().expose(), "no visit for DOE");
    }

    #[test]
    fn error_codes_are_found_in_the_form_of_either_version() {
        let new = read("MSA|AE|1\rERR||SCH^1^11|101^missing|E||||say so\r").unwrap();
        assert_eq!(new.errors, ["101"]);
        assert_eq!(new.text.unwrap().expose(), "say so");
        let old = read("MSA|AR|1||||207\rERR|SCH^1^11^101&missing~PID^1^3^204&unknown\r").unwrap();
        assert_eq!(old.errors, ["101", "204", "207"]);
    }

    #[test]
    fn an_unclear_answer_is_no_answer() {
        assert_eq!(read("PID|1\r"), Err(Error::NoMsa));
        assert_eq!(read("MSA|AA|1\rMSA|AA|2\r"), Err(Error::SeveralMsa { count: 2 }));
        assert_eq!(read("MSA|AA|\r"), Err(Error::NoControlId));
        assert_eq!(read("MSA|AA|\"\"\r"), Err(Error::NoControlId));
        assert_eq!(read("MSA||1\r"), Err(Error::Code));
        assert_eq!(read("MSA|OK|1\r"), Err(Error::Code));
        assert_eq!(read("MSA\r"), Err(Error::Code));
    }

    #[test]
    fn a_schedule_response_says_what_became_of_the_appointment() {
        let read = |kind: &str, sch: &str| {
            let text = format!("MSH|^~\\&|EHR|||||| {kind}^S04|1|P|2.5\rMSA|AA|1\r{sch}\r");
            AckReceived::read(&Message::read(&text).unwrap()).unwrap().response
        };
        let status = |code: &str| format!("SCH|||||||||||||||||||||||||{code}");
        let response = read("SRR", &status("4^No Show")).unwrap();
        assert_eq!(response.statuses, ["4", "noshow"]);
        assert!(response.is_off() && read("SRR", &status("CANCELLED")).unwrap().is_off());
        assert!(!read("SRR", &status("Booked^Booked")).unwrap().is_off());
        assert_eq!(read("srr", "SCH|1"), Some(Response::default()));
        assert_eq!(read("SRR", &status("the patient Jane Doe called")), Some(Response::default()));
        assert_eq!(read("ACK", &status("Booked")), None);
    }

    #[test]
    fn a_hostile_answer_has_bounded_errors() {
        let many = format!("MSA|AE|1\rERR|{}\r", "^^^1~".repeat(4000));
        assert_eq!(read(&many).unwrap().errors.len(), ERRORS_MAX);
    }
}
