//! Why a decision came out as it did.
//!
//! A reason is stored with every turn, so that "why did this patient get no text?" is answered by a
//! lookup. It names rules and kinds, never a patient.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::appointment::{Notice, Status, WishKind};
use super::campaign::{CampaignState, SessionState};
use super::contact::ConsentCause;
use super::ids::AppointmentKey;
use super::reply::Intent;
use super::task::TaskState;

/// What a turn did about one appointment, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The appointment, if the event concerns one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub appointment: Option<AppointmentKey>,
    /// What is found to have happened, by its name in the domain (`BOOKED`, `REMIND`, ..).
    pub event: String,
    /// Why nothing, or what, was done.
    pub because: Reason,
}

/// The reason of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A notice was queued.
    NoticeQueued(Notice),
    /// A notice was queued in place of one that had not gone out yet.
    NoticeReplaced(Notice),
    /// The patient had not been told yet, and need not be.
    NeverTold,
    /// The cancellation became a new time: another booking came within `cancel_hold`.
    RebookedInHold,
    /// Nothing differs from what was known.
    NothingChanged,
    /// What changed cannot be seen by the patient.
    NothingVisible(Status),
    /// `[notifications]` switches this notice off.
    SwitchedOff(Notice),
    /// The mapping asked for silence.
    Quiet(String),
    /// No phone that could be texted is known.
    NoPhone,
    /// No start is known.
    NoStart,
    /// The patient has died.
    Deceased,
    /// The phone is opted out.
    OptedOut,
    /// Consent changed, by this one's word.
    ConsentBy(ConsentCause),
    /// The appointment's time has passed.
    Past,
    /// The message is older than `notifications.stale_after`.
    Stale,
    /// A newer message about the appointment has been applied before.
    OutOfOrder,
    /// The EHR repeats what the patient had asked for.
    Echo(WishKind),
    /// No text is sent for this status.
    NotExpected(Status),
    /// A reminder was queued.
    ReminderQueued,
    /// Another appointment's reminder of the same day speaks for this one too.
    InDigest,
    /// Too little time is left before the appointment (`reminders.min_lead`).
    TooLate,
    /// The patient has had `reminders.per_patient_per_day` reminders today.
    Capped,
    /// Outside the hours for texts; moved to the next opening.
    Postponed,
    /// What was planned is void: the appointment has changed since.
    Void,
    /// The patient has asked to be let off.
    AskedToCancel,
    /// The appointment is over.
    Expired,
    /// A reply was understood and acted on.
    Understood(Intent),
    /// A reply could mean several appointments; the patient was asked.
    AskedWhich,
    /// A reply was not understood.
    NotUnderstood,
    /// A reply was not understood again; staff have a task.
    HandedToStaff,
    /// There is no open appointment to reply to.
    NothingOpen,
    /// The same text was heard before.
    Repeated,
    /// An effect is on its way.
    Sending,
    /// An effect was accepted by whom it was for.
    Accepted,
    /// The text has reached the phone.
    Delivered,
    /// An effect will be tried again.
    RetryPlanned,
    /// An effect is in doubt and will be looked into.
    InDoubt,
    /// An effect was given up; staff have a task.
    GivenUp(String),
    /// A later time than an effect may be performed at has come.
    Overdue,
    /// Several patients or times share the appointment's number: staff have a task.
    Shared,
    /// The patient declined at the EHR, where the appointment stands; staff have a task.
    Declined,
    /// Another appointment came in its place, by the EHR's word.
    Replaced,
    /// It was off when it was first heard of, so that nobody waits for news of it.
    FirstHeardOff,
    /// The server was heard of.
    Heard,
    /// The server is asked for what was hinted at.
    ReadPlanned,
    /// The server will be asked anyway, and has not been yet.
    ReadPlannedBefore,
    /// The server is searched for what changed.
    SearchPlanned,
    /// Events are missing; the server is searched for what changed.
    EventsMissing,
    /// The patient answered to a start that is no longer true; the new one is told.
    TimeChanged,
    /// More texts than the guard lets through would have gone out; an operator decides.
    HeldBack,
    /// An operator let a held text go.
    Released,
    /// An operator took a held text away, or closed something.
    Discarded,
    /// An operator has this now, or is done with it.
    TaskMoved,
    /// A task cannot become what was asked: it is this.
    TaskIs(TaskState),
    /// The carrier says that the number cannot be texted.
    BadNumber,
    /// The phone has had `sms.per_phone_per_week` texts in the last seven days.
    CappedWeek,
    /// The phone says that it is not the patient's; it is followed no more, and staff have a task.
    WrongNumber,
    /// The phone has said before that it is not the patient's: what it texts is not the patient's word.
    NotThePatients,
    /// A reply says more than one thing; staff have a task.
    MoreThanOneThing,
    /// The reply is about something that has changed, or is off, in the meantime; the patient is told.
    ChangedMeanwhile,
    /// The reply says that a text was read which asked nothing.
    Acknowledged,
    /// So many answers went to this phone in a short time that a machine is likely to reply.
    AnsweredEnough,
    /// The answer was given before; the same again would tell nothing.
    AnsweredBefore,
    /// A campaign is what was asked for now.
    CampaignIs(CampaignState),
    /// Recipients were added to a campaign.
    RecipientsAdded(u64),
    /// Recipients of a campaign were begun.
    RecipientsBegun(u64),
    /// A campaign's flow went on.
    FlowWentOn,
    /// A recipient is through, in this way.
    RecipientIs(SessionState),
    /// The phone is in another campaign's conversation; this one waits.
    InOtherTalk,
    /// A reply may be about the visit or about a campaign's question; the patient was asked.
    AskedWhichTalk,
    /// There is no such appointment or effect.
    Unknown,
}

impl fmt::Display for Reason {
    #[expect(clippy::too_many_lines, reason = "one line a reason")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::NoticeQueued(notice) => return write!(f, "{} notice queued", name(*notice)),
            Self::NoticeReplaced(notice) => {
                return write!(f, "{} notice takes the place of one not yet sent", name(*notice));
            }
            Self::NeverTold => "the patient had not been told yet and need not be",
            Self::RebookedInHold => "a new booking within the hold time makes it a new time",
            Self::NothingChanged => "nothing differs from what was known",
            Self::NothingVisible(status) => {
                return write!(f, "nothing changed that the patient can see (status {status})");
            }
            Self::SwitchedOff(notice) => {
                return write!(f, "{} notices are switched off in [notifications]", name(*notice));
            }
            Self::Quiet(why) => return write!(f, "the mapping asks for silence: {why}"),
            Self::NoPhone => "no phone number that can be texted is known",
            Self::NoStart => "no start of the appointment is known",
            Self::Deceased => "the patient is marked as deceased",
            Self::OptedOut => "the phone is opted out of texts",
            Self::ConsentBy(cause) => cause.text(),
            Self::Past => "the appointment's time has passed",
            Self::Stale => "the message is older than notifications.stale_after",
            Self::OutOfOrder => "a newer message about this appointment came first",
            Self::Echo(WishKind::Confirm) => "the EHR confirms what the patient had replied",
            Self::Echo(WishKind::Cancel) => "the EHR cancels as the patient had replied",
            Self::NotExpected(status) => {
                return write!(f, "no text is sent for an appointment with status {status}");
            }
            Self::ReminderQueued => "reminder queued",
            Self::InDigest => "listed in the reminder of another appointment of that day",
            Self::TooLate => "less than reminders.min_lead is left before the appointment",
            Self::Capped => "the patient has had the day's reminders already",
            Self::Postponed => "outside the hours for texts; moved to the next opening",
            Self::Void => "void: the appointment has changed since it was planned",
            Self::AskedToCancel => "the patient has asked to cancel",
            Self::Expired => "the appointment is over",
            Self::Understood(intent) => return write!(f, "understood as {intent}"),
            Self::AskedWhich => "several appointments are open; the patient was asked which",
            Self::NotUnderstood => "not understood; the patient was told how to answer",
            Self::HandedToStaff => "not understood again; staff have a task",
            Self::NothingOpen => "the phone has no open appointment",
            Self::Repeated => "the same text was received before",
            Self::Sending => "being sent",
            Self::Accepted => "accepted by the receiver",
            Self::Delivered => "delivered to the phone",
            Self::RetryPlanned => "not accepted yet; will be tried again",
            Self::InDoubt => "it is not known whether it was accepted; will be looked into",
            Self::GivenUp(why) => return write!(f, "given up: {why}"),
            Self::Overdue => "too late to be of use",
            Self::Shared => {
                "several patients or times share the number, so that a message would speak for all"
            }
            Self::Declined => "the patient declined at the EHR; staff have a task",
            Self::Replaced => "another appointment has come in its place",
            Self::FirstHeardOff => "it was off already when it was first heard of",
            Self::Heard => "the server was heard of",
            Self::ReadPlanned => "the server will be asked for it",
            Self::ReadPlannedBefore => "the server is to be asked for it already",
            Self::SearchPlanned => "the server will be searched",
            Self::EventsMissing => "events are missing; the server will be searched",
            Self::TimeChanged => "the start has changed since the patient was told",
            Self::HeldBack => "held back by the flood guard until an operator decides",
            Self::Released => "released by an operator",
            Self::Discarded => "discarded by an operator",
            Self::TaskMoved => "an operator has taken it up, or is done with it",
            Self::TaskIs(state) => return write!(f, "the task is {} already", state.name()),
            Self::BadNumber => "the carrier says that the number cannot be texted",
            Self::CappedWeek => "the phone has had the week's texts already",
            Self::WrongNumber => "the phone says that it is not the patient's; staff have a task",
            Self::NotThePatients => "the phone has said before that it is not the patient's",
            Self::MoreThanOneThing => "says more than one thing; staff have a task",
            Self::ChangedMeanwhile => {
                "about something that has changed since, of which the patient is told"
            }
            Self::Acknowledged => "says that the text before, which asked nothing, was read",
            Self::AnsweredEnough => "the phone was answered often enough for now",
            Self::AnsweredBefore => "the same was answered just before",
            Self::CampaignIs(state) => return write!(f, "the campaign is {}", state.name()),
            Self::RecipientsAdded(count) => return write!(f, "{count} recipients added"),
            Self::RecipientsBegun(count) => return write!(f, "{count} recipients begun"),
            Self::FlowWentOn => "the campaign's flow went on",
            Self::RecipientIs(state) => return write!(f, "the recipient is {}", state.name()),
            Self::InOtherTalk => "the phone is in another campaign's conversation; this one waits",
            Self::AskedWhichTalk => {
                "about the visit or a campaign's question; the patient was asked"
            }
            Self::Unknown => "not known here",
        };
        f.write_str(text)
    }
}

const fn name(notice: Notice) -> &'static str {
    match notice {
        Notice::Booked => "booking",
        Notice::Rescheduled => "new-time",
        Notice::Modified => "change",
        Notice::Confirmed => "confirmation",
        Notice::Canceled => "cancellation",
        Notice::NoShowed => "missed-visit",
    }
}
