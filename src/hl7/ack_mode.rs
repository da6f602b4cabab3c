//! Whether and with which code a message is answered.
//!
//! MSH-15 and MSH-16 both empty: original mode, one answer of the AA family. Any of them valued:
//! enhanced mode, MSH-15 asks for the *accept* answer (CA family: it is on disk), MSH-16 for the
//! *application* answer, sent later as a message of its own. Many senders set the fields and still
//! understand AA only, so a listener may be told what to do. HL7 v2.5.1, 2.9.

use super::ack::AckCode;
use super::header::{self, Header};
use super::message::Message;

/// How a listener answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum AckMode {
    /// As MSH-15 and MSH-16 ask.
    #[default]
    Auto,
    /// AA, AE or AR at once, whatever the header asks.
    Original,
    /// CA, CE or CR as MSH-15 asks (empty: always), the application answer as MSH-16 asks.
    Enhanced,
    /// AA for all that is stored, AR for what is not; for senders that block on AE.
    AlwaysAa,
    /// CA for all that is stored, CR for what is not.
    AlwaysCa,
    /// No answer.
    None,
}

/// What became of a message, as far as its sender is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// On disk; no reason to send it again.
    Accepted,
    /// Its content is wrong; sending it again unchanged is useless.
    ContentError,
    /// Not taken for another reason; sending it again later may help.
    Rejected,
}

/// The answers that a message gets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Plan {
    /// The code to answer with now, if an answer is wanted.
    pub now: Option<AckCode>,
    /// The code of the application answer to send later as a message of its own, if one is wanted.
    pub later: Option<AckCode>,
}

/// Decides how a message is answered.
///
/// ```
/// use appointd::hl7::{AckCode, AckMode, Header, Verdict, plan};
/// let header = Header { accept_ack: "AL".to_owned(), ..Header::default() };
/// let plan = plan(&header, AckMode::Auto, Verdict::Accepted);
/// assert_eq!((plan.now, plan.later), (Some(AckCode::CommitAccept), None));
/// ```
#[must_use]
pub fn plan(header: &Header, mode: AckMode, verdict: Verdict) -> Plan {
    // An answer to an answer would go round for ever.
    if header.is_ack_code() {
        return Plan::default();
    }
    let stored = if verdict == Verdict::Rejected { verdict } else { Verdict::Accepted };
    let original = header.accept_ack.is_empty() && header.application_ack.is_empty();
    let now = |code| Plan { now: Some(code), later: None };
    match mode {
        AckMode::None => Plan::default(),
        AckMode::Original => now(application(verdict)),
        AckMode::AlwaysAa => now(application(stored)),
        AckMode::AlwaysCa => now(accept(stored)),
        AckMode::Auto if original => now(application(verdict)),
        AckMode::Auto => enhanced(header, verdict, false),
        AckMode::Enhanced => enhanced(header, verdict, true),
    }
}

fn enhanced(header: &Header, verdict: Verdict, accept_if_unsaid: bool) -> Plan {
    let unsaid = header.accept_ack.is_empty();
    let accepts = if unsaid { accept_if_unsaid } else { is_wanted(&header.accept_ack, verdict) };
    // What was not stored has no application answer to wait for.
    let applies = verdict != Verdict::Rejected && is_wanted(&header.application_ack, verdict);
    Plan { now: accepts.then(|| accept(verdict)), later: applies.then(|| application(verdict)) }
}

/// HL7 table 0155. A word that it does not know counts as `AL`: such a sender waits for something.
fn is_wanted(condition: &str, verdict: Verdict) -> bool {
    match condition.trim().to_ascii_uppercase().as_str() {
        "" | "NE" => false,
        "ER" => verdict != Verdict::Accepted,
        "SU" => verdict == Verdict::Accepted,
        _ => true,
    }
}

const fn application(verdict: Verdict) -> AckCode {
    match verdict {
        Verdict::Accepted => AckCode::ApplicationAccept,
        Verdict::ContentError => AckCode::ApplicationError,
        Verdict::Rejected => AckCode::ApplicationReject,
    }
}

const fn accept(verdict: Verdict) -> AckCode {
    match verdict {
        Verdict::Accepted => AckCode::CommitAccept,
        Verdict::ContentError => AckCode::CommitError,
        Verdict::Rejected => AckCode::CommitReject,
    }
}

/// Whether a message is itself an answer: of code ACK, or with an MSA segment.
#[must_use]
pub fn is_acknowledgment(msg: &Message) -> bool {
    msg.header().is_ack_code() || header::has_msa(msg)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(accept: &str, application: &str, mode: AckMode, verdict: Verdict) -> String {
        let header = Header {
            accept_ack: accept.to_owned(),
            application_ack: application.to_owned(),
            ..Header::default()
        };
        let plan = plan(&header, mode, verdict);
        let code = |code: Option<AckCode>| code.map_or("-", AckCode::as_str);
        format!("{} {}", code(plan.now), code(plan.later))
    }

    #[test]
    fn both_fields_empty_is_original_mode() {
        assert_eq!(answers("", "", AckMode::Auto, Verdict::Accepted), "AA -");
        assert_eq!(answers("", "", AckMode::Auto, Verdict::ContentError), "AE -");
        assert_eq!(answers("", "", AckMode::Auto, Verdict::Rejected), "AR -");
    }

    #[test]
    fn in_enhanced_mode_each_field_governs_its_answer() {
        for (accept, application, verdict, expected) in [
            ("AL", "NE", Verdict::Accepted, "CA -"),
            ("AL", "AL", Verdict::Accepted, "CA AA"),
            ("AL", "AL", Verdict::ContentError, "CE AE"),
            ("AL", "AL", Verdict::Rejected, "CR -"),
            ("NE", "NE", Verdict::Rejected, "- -"),
            ("ER", "NE", Verdict::Accepted, "- -"),
            ("ER", "NE", Verdict::Rejected, "CR -"),
            ("SU", "ER", Verdict::Accepted, "CA -"),
            ("SU", "ER", Verdict::ContentError, "- AE"),
            ("", "AL", Verdict::Accepted, "- AA"),
            (" al ", "", Verdict::Accepted, "CA -"),
            ("Y", "", Verdict::Accepted, "CA -"),
        ] {
            assert_eq!(answers(accept, application, AckMode::Auto, verdict), expected);
        }
    }

    #[test]
    fn a_forced_mode_wins_over_the_header() {
        assert_eq!(answers("NE", "NE", AckMode::Original, Verdict::Accepted), "AA -");
        assert_eq!(answers("AL", "AL", AckMode::AlwaysAa, Verdict::ContentError), "AA -");
        assert_eq!(answers("AL", "AL", AckMode::AlwaysAa, Verdict::Rejected), "AR -");
        assert_eq!(answers("", "", AckMode::AlwaysCa, Verdict::ContentError), "CA -");
        assert_eq!(answers("", "", AckMode::Enhanced, Verdict::Accepted), "CA -");
        assert_eq!(answers("NE", "", AckMode::Enhanced, Verdict::Accepted), "- -");
        assert_eq!(answers("AL", "AL", AckMode::None, Verdict::Rejected), "- -");
    }

    #[test]
    fn an_answer_is_never_answered() {
        let header = Header { message_code: "ACK".to_owned(), ..Header::default() };
        assert_eq!(plan(&header, AckMode::AlwaysAa, Verdict::Rejected), Plan::default());
        let read = |text| is_acknowledgment(&Message::read(text).unwrap());
        assert!(read("MSH|^~\\&|||||||ACK^S12\r"));
        assert!(read("MSH|^~\\&|||||||ADR^A19\rMSA|AA|1\r"));
        assert!(!read("MSH|^~\\&|||||||SIU^S12\r"));
    }
}
