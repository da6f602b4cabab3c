//! What a decision wants done outside, as data.
//!
//! Effects become rows of the outbox in the same commit as the state that they follow from, and
//! are performed afterwards. [`super::delivery`] says what becomes of such a row.

use serde::{Deserialize, Serialize};

use super::appointment::{Notice, WishKind};
use super::campaign::SessionId;
use super::flow::Call;
use super::ids::{AppointmentKey, DestinationName, Seq, SourceName};
use super::phone::PhoneNumber;
use crate::clock::Timestamp;
use crate::phi::Phi;

/// Something to be done outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Text a patient.
    SendSms(Sms),
    /// Bring a patient's wish to the EHR by HL7 v2.
    SendHl7(WriteBack),
    /// Bring a patient's wish to the EHR by changing a FHIR resource.
    UpdateFhir(WriteBack),
    /// Bring a patient's wish to an interface engine by a JSON callback.
    PostJson(WriteBack),
    /// Ask a web server on behalf of a flow.
    CallHttp(FlowCall),
    /// Look at a FHIR server at what a notification hinted at.
    ReadFhir(ReadAt),
}

/// A request on behalf of a recipient's flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowCall {
    /// The recipient.
    pub session: SessionId,
    /// Which act of the run it is.
    pub act: u32,
    /// The request.
    pub call: Call,
}

/// Something to be looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ReadAt {
    /// The server.
    pub server: SourceName,
    /// What.
    pub what: Hinted,
}

/// What a notification hints at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hinted {
    /// An appointment, by its id at the server.
    Appointment(String),
    /// An appointment, by an identifier.
    Identifier {
        /// Who assigned it, if that is said.
        system: Option<String>,
        /// The identifier.
        value: String,
    },
    /// A patient, whose appointments may be told of differently now.
    Patient(String),
}

/// A text to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sms {
    /// To whom.
    pub to: PhoneNumber,
    /// Which text.
    pub kind: TextKind,
    /// What it is about, the first being the main one.
    pub about: Vec<About>,
    /// The language to write in, as a BCP 47 tag.
    pub language: Option<String>,
    /// What was sent; written when the text is claimed, so that it tells the latest state.
    pub body: Option<Phi<String>>,
    /// The recipient of a campaign for whom it is, if it is a flow's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outreach: Option<OutreachText>,
}

/// A text of a flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutreachText {
    /// The recipient.
    pub session: SessionId,
    /// Which act of the run it is.
    pub act: u32,
    /// Whether it is the first that the recipient gets of the campaign.
    pub is_first: bool,
}

/// An appointment that a text is about, and the generation it was decided in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Which.
    pub appointment: AppointmentKey,
    /// A later generation makes the text void.
    pub generation: u32,
}

/// The texts there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextKind {
    /// An event at the EHR that the patient is told of.
    Notice(Notice),
    /// A reminder, of one appointment or of several on one day.
    Reminder,
    /// The answer to "I am coming".
    ConfirmNoted,
    /// The answer to "I am not coming".
    CancelNoted,
    /// The answer to a wish for another time.
    RescheduleNoted,
    /// Which of these appointments is meant?
    WhichOne,
    /// The reply was not understood.
    NotUnderstood,
    /// The reply was not understood again; staff will look at it.
    HandedToStaff,
    /// There is no appointment to reply to.
    NothingOpen,
    /// Who we are.
    Help,
    /// Texts are on again.
    OptedIn,
    /// No more texts will come: the one answer to a revocation that the provider has not answered.
    OptedOut,
    /// What the patient answered to has changed, or is called off, in the meantime.
    ChangedMeanwhile,
    /// Is the reply about the visit, or about a campaign's question?
    WhichTalk,
    /// A campaign's text, in the flow's words.
    Outreach,
    /// A campaign's text that follows a reply at once, in the flow's words.
    OutreachAnswer,
}

impl TextKind {
    /// The name of the template.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Notice(Notice::Booked) => "booked",
            Self::Notice(Notice::Rescheduled) => "rescheduled",
            Self::Notice(Notice::Modified) => "modified",
            Self::Notice(Notice::Confirmed) => "confirmed",
            Self::Notice(Notice::Canceled) => "canceled",
            Self::Notice(Notice::NoShowed) => "noshowed",
            Self::Reminder => "reminder",
            Self::ConfirmNoted => "confirm_noted",
            Self::CancelNoted => "cancel_noted",
            Self::RescheduleNoted => "reschedule_noted",
            Self::WhichOne => "which_one",
            Self::NotUnderstood => "not_understood",
            Self::HandedToStaff => "handed_to_staff",
            Self::NothingOpen => "nothing_open",
            Self::Help => "help",
            Self::OptedIn => "opted_in",
            Self::OptedOut => "opted_out",
            Self::ChangedMeanwhile => "changed_meanwhile",
            Self::WhichTalk => "which_talk",
            Self::Outreach => "outreach",
            Self::OutreachAnswer => "outreach_answer",
        }
    }

    /// All that are templates.
    pub const ALL: [Self; 19] = [
        Self::Notice(Notice::Booked),
        Self::Notice(Notice::Rescheduled),
        Self::Notice(Notice::Modified),
        Self::Notice(Notice::Confirmed),
        Self::Notice(Notice::Canceled),
        Self::Notice(Notice::NoShowed),
        Self::Reminder,
        Self::ConfirmNoted,
        Self::CancelNoted,
        Self::RescheduleNoted,
        Self::WhichOne,
        Self::NotUnderstood,
        Self::HandedToStaff,
        Self::NothingOpen,
        Self::Help,
        Self::OptedIn,
        Self::OptedOut,
        Self::ChangedMeanwhile,
        Self::WhichTalk,
    ];

    /// Whether the text answers one that the patient has just sent, and so goes out at any hour.
    #[must_use]
    pub const fn is_answer(self) -> bool {
        match self {
            Self::Notice(_) | Self::Reminder | Self::Outreach => false,
            Self::ConfirmNoted
            | Self::CancelNoted
            | Self::RescheduleNoted
            | Self::WhichOne
            | Self::NotUnderstood
            | Self::HandedToStaff
            | Self::NothingOpen
            | Self::Help
            | Self::OptedIn
            | Self::OptedOut
            | Self::ChangedMeanwhile
            | Self::WhichTalk
            | Self::OutreachAnswer => true,
        }
    }

    /// Whether it asks the patient to reply about its appointments.
    #[must_use]
    pub const fn asks(self) -> bool {
        match self {
            Self::Notice(Notice::Booked | Notice::Rescheduled | Notice::Modified)
            | Self::Reminder
            | Self::ChangedMeanwhile => true,
            Self::Notice(Notice::Confirmed | Notice::Canceled | Notice::NoShowed)
            | Self::ConfirmNoted
            | Self::CancelNoted
            | Self::RescheduleNoted
            | Self::WhichOne
            | Self::NotUnderstood
            | Self::HandedToStaff
            | Self::NothingOpen
            | Self::Help
            | Self::OptedIn
            | Self::OptedOut
            | Self::WhichTalk
            | Self::Outreach
            | Self::OutreachAnswer => false,
        }
    }

    /// Whether a text in doubt is sent again once the provider shows no trace of it.
    ///
    /// A patient who misses a cancellation travels for nothing; one who misses a reminder has had
    /// the notice. So notices are repeated and reminders are not.
    #[must_use]
    pub const fn repeats_when_in_doubt(self) -> bool {
        match self {
            Self::Notice(_)
            | Self::ConfirmNoted
            | Self::CancelNoted
            | Self::RescheduleNoted
            | Self::ChangedMeanwhile
            // A questionnaire goes on with this text or not at all.
            | Self::Outreach
            | Self::OutreachAnswer => true,
            Self::Reminder
            | Self::WhichOne
            | Self::NotUnderstood
            | Self::HandedToStaff
            | Self::NothingOpen
            | Self::Help
            | Self::OptedIn
            | Self::OptedOut
            | Self::WhichTalk => false,
        }
    }
}

/// A patient's wish to be written to the EHR.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteBack {
    /// Where to.
    pub destination: DestinationName,
    /// What it is about.
    pub appointment: AppointmentKey,
    /// What is wished.
    pub wish: WishKind,
    /// The stored message that the answer is built from.
    pub message: Option<Seq>,
    /// MSH-10 of every try, so that the EHR can drop a repetition; empty until claimed first.
    pub control_id: String,
    /// The start that the patient was told of and answered to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_start: Option<Timestamp>,
}

/// An effect with the times that bound it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// What to do.
    pub effect: Effect,
    /// Not before.
    pub due: Timestamp,
    /// Not after.
    pub not_after: Timestamp,
}

/// Something that a person has to look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// What kind of thing.
    pub kind: TaskKind,
    /// The appointment, if it concerns one.
    pub appointment: Option<AppointmentKey>,
    /// The phone, if it concerns one.
    pub phone: Option<PhoneNumber>,
    /// What the patient wrote, or what went wrong.
    pub note: Phi<String>,
    /// Since when.
    pub at: Timestamp,
}

/// The kinds of tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// The patient wants another time.
    Reschedule,
    /// A reply was not understood.
    Unclear,
    /// The patient sent CANCEL, which opts out, and may have meant the appointment.
    CancelOrOptOut,
    /// A wish has to be entered at the EHR by hand: there is no route for it, or a message would
    /// speak for others who share the appointment's number.
    EnterByHand,
    /// A wish could not be brought to the EHR.
    WriteBackFailed,
    /// A text could not be sent.
    TextFailed,
    /// The patient declined at the EHR, where the appointment still stands.
    Declined,
    /// What a notification hinted at could not be looked at.
    ReadFailed,
    /// The phone says that it is not the patient's.
    WrongNumber,
    /// The carrier says that the number cannot be texted.
    BadNumber,
    /// A source would have sent more texts than the guard lets through; they are held.
    Flood,
    /// A campaign's flow gives its recipient to a person.
    Outreach,
    /// Likewise, and soon: an answer tells of pain, say.
    OutreachUrgent,
}

impl TaskKind {
    /// Whether it should be looked at before the others: a visit may be lost by waiting.
    #[must_use]
    pub const fn is_urgent(self) -> bool {
        match self {
            Self::CancelOrOptOut | Self::Flood | Self::WriteBackFailed | Self::OutreachUrgent => {
                true
            }
            Self::Reschedule
            | Self::Unclear
            | Self::EnterByHand
            | Self::TextFailed
            | Self::Declined
            | Self::ReadFailed
            | Self::WrongNumber
            | Self::BadNumber
            | Self::Outreach => false,
        }
    }
}
