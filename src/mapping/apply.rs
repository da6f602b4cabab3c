//! From one message to what it claims.
//!
//! First the trigger and the filters say whether there is an event at all; then every field is
//! read; then trigger and status are weighed, and what an event cannot do without is demanded.

use chrono::TimeDelta;

use super::compile::Mapping;
use super::explain::{Explanation, Listener};
use super::normalise::duration::MINUTES_MAX;
use super::normalise::time::Zones;
use super::output::Output;
use super::path::NULL;
use super::read::Reader;
use super::record::{Note, Recorder, Silent};
use super::source::Look;
use super::spec::{Action, Heed};
use super::table::Code;
use super::{Error, NoEvent, Outcome, Site};
use crate::clock::Timestamp;
use crate::core::appointment::{Location, Provider, Status};
use crate::core::claim::{AppointmentClaim, Claim, EhrEvent, Origin, PatientClaim, Share};
use crate::core::field::Field;
use crate::core::local_time::{LocalTime, Settled};
use crate::hl7::{Message, SegmentName};
use crate::phi::Phi;

/// How far ahead of the receiver's clock a sender's may be; beyond that MSH-7 is not believed.
const AHEAD_MAX: TimeDelta = TimeDelta::days(1);

impl Mapping {
    /// Reads a message.
    #[must_use]
    pub fn apply(&self, msg: &Message, site: &Site<'_>, received_at: Timestamp) -> Outcome {
        self.run(msg, site, received_at, &mut Silent)
    }

    /// Reads a message and tells for each field where its value comes from and what was tried.
    #[must_use]
    pub fn explain(
        &self,
        msg: &Message,
        site: &Site<'_>,
        received_at: Timestamp,
    ) -> (Outcome, Explanation) {
        let mut listener = Listener::default();
        let outcome = self.run(msg, site, received_at, &mut listener);
        (outcome, listener.into_explanation())
    }

    /// Where a message comes from, whether it is an event or not.
    #[must_use]
    pub fn origin(&self, msg: &Message, site: &Site<'_>) -> Origin {
        let (code, event) = (header(msg, 9, 1), header(msg, 9, 2));
        Origin {
            source: site.source.clone(),
            protocol: "hl7v2",
            control_id: header(msg, 10, 1).to_owned(),
            trigger: if event.is_empty() { code.to_owned() } else { format!("{code}^{event}") },
            mapping: self.name.clone(),
            mapping_hash: self.hash.clone(),
        }
    }

    fn run<R: Recorder>(
        &self,
        msg: &Message,
        site: &Site<'_>,
        received_at: Timestamp,
        recorder: &mut R,
    ) -> Outcome {
        let kind = (header(msg, 9, 1), header(msg, 9, 2));
        let action = match self.action(msg, kind) {
            Ok(action) => action,
            Err(why) => return Outcome::NoEvent(why),
        };
        let quiet = self.suppress_if.iter().find(|rule| rule.when.holds(msg, kind));
        if R::LISTENS {
            note_repetitions(msg, recorder);
        }
        let reader = Reader { mapping: self, msg, site, kind, recorder, broken: None };
        match reader.claim(action, received_at) {
            Ok(mut claim) => {
                claim.quiet = claim.quiet.or_else(|| quiet.map(|rule| rule.reason.clone()));
                Outcome::Claims(vec![claim])
            }
            Err(error) => Outcome::Failed(error),
        }
    }

    /// What is done with messages of this kind, or why nothing.
    fn action(&self, msg: &Message, kind: (&str, &str)) -> Result<&Action, NoEvent> {
        let no_event = |code: &str, sentence: String| NoEvent { code: code.to_owned(), sentence };
        let rule = self.triggers.iter().find(|rule| rule.trigger.matches(kind.0, kind.1));
        let action = match rule.map(|rule| &rule.action) {
            Some(Action::Ignore(reason)) => {
                return Err(no_event("trigger_ignored", reason.clone()));
            }
            Some(action @ Action::Read { .. }) => action,
            None => {
                return Err(no_event(
                    "trigger_unknown",
                    format!("mapping {} has no rule for this kind of message", self.name),
                ));
            }
        };
        match self.ignore_if.iter().find(|rule| rule.when.holds(msg, kind)) {
            Some(rule) => Err(no_event(&rule.code, rule.reason.clone())),
            None => Ok(action),
        }
    }

    fn missing(&self, field: Output) -> Error {
        let label = |at: &super::compile::Compiled| match at.source.look {
            Look::Path(_) => Some(at.source.label.clone()),
            Look::Constant(_) => None,
        };
        Error::Missing { field, tried: self.sources(field).iter().filter_map(label).collect() }
    }
}

/// A component of MSH, as it stands there.
fn header(msg: &Message, field: usize, component: usize) -> &str {
    let Some(field) = msg.segments().next().and_then(|msh| msh.field(field)) else { return "" };
    let separators = msg.separators();
    let first = field.raw().split(separators.repetition).next().unwrap_or_default();
    let part = first.split(separators.component).nth(component - 1).unwrap_or_default().trim();
    if part == NULL { "" } else { part }
}

fn note_repetitions<R: Recorder>(msg: &Message, recorder: &mut R) {
    let count = |name: &str| {
        let name = SegmentName::parse(name).ok();
        name.map_or(0, |name| msg.segments_named(name).count())
    };
    let patients = count("PID");
    if patients > 1 {
        recorder.note(Note::SeveralPatients(patients));
    }
    let timing = msg.segment("SCH").and_then(|sch| sch.field(11));
    let times = timing.map_or(0, |field| field.repetitions().len()).max(count("TQ1"));
    if times > 1 {
        recorder.note(Note::SeveralTimes(times));
    }
}

impl<R: Recorder> Reader<'_, R> {
    fn claim(mut self, action: &Action, received_at: Timestamp) -> Result<Claim, Error> {
        let Action::Read { event: usual, status: implied, heed, suppress } = action else {
            return Err(self.mapping.missing(Output::Event));
        };
        let occurred_at = self.occurred_at(received_at);
        let ids = self.ids(Output::Ids);
        if ids.is_empty() {
            return Err(self.mapping.missing(Output::Ids));
        }
        let said = self.coded(Output::Status, Code::status).value().copied();
        let heeded = said.filter(|status| match heed {
            Heed::Any => true,
            Heed::These(these) => these.contains(status),
        });
        if said != heeded {
            self.recorder.note(Note::StatusNotHeeded);
        }
        let worded = self.coded(Output::Event, Code::event).value().copied();
        let event = self.weigh(heeded, worded, *usual);
        let status = heeded.or(*implied);
        let mut appointment = self.appointment(event)?;
        appointment.ids = ids;
        appointment.status = Field::from(status);
        let needs_start = matches!(event, EhrEvent::Booked | EhrEvent::Rescheduled)
            || (event == EhrEvent::Confirmed && *usual == EhrEvent::Booked);
        // What is only asked for has no time yet.
        if needs_start && status != Some(Status::Pending) && appointment.start.value().is_none() {
            return Err(self.mapping.missing(Output::Start));
        }
        let patient = self.patient();
        let origin = self.mapping.origin(self.msg, self.site);
        Ok(Claim {
            event,
            occurred_at,
            origin,
            appointment,
            patient,
            quiet: suppress.clone(),
            share: Share::default(),
        })
    }

    /// The event that status, wording and trigger come to: status first, the trigger last.
    fn weigh(
        &mut self,
        status: Option<Status>,
        worded: Option<EhrEvent>,
        usual: EhrEvent,
    ) -> EhrEvent {
        let by_status = match status {
            Some(Status::Confirmed) => Some(EhrEvent::Confirmed),
            Some(Status::Canceled | Status::EnteredInError) => Some(EhrEvent::Canceled),
            Some(Status::NoShow) => Some(EhrEvent::NoShowed),
            Some(Status::Booked | Status::Pending | Status::Arrived | Status::Fulfilled) | None => {
                None
            }
        };
        let (event, note) = match (by_status, worded) {
            (Some(event), _) => (event, Note::EventByStatus),
            (None, Some(event)) => (event, Note::EventByWord),
            (None, None) => (usual, Note::EventByTrigger),
        };
        self.recorder.note(note);
        event
    }

    fn occurred_at(&mut self, received_at: Timestamp) -> Timestamp {
        let zones = Zones { place: None, site: self.site.usual_zone() };
        match self.time(Output::OccurredAt, zones) {
            Field::Value(time) if time.date_only => {
                self.recorder.note(Note::NoMessageTime);
                received_at
            }
            Field::Value(time) if time.instant > received_at + AHEAD_MAX => {
                self.recorder.note(Note::TimeInFuture);
                received_at
            }
            Field::Value(time) => time.instant,
            Field::Absent | Field::Null => {
                self.recorder.note(Note::NoMessageTime);
                received_at
            }
        }
    }

    /// Everything about the appointment but ids and status.
    fn appointment(&mut self, event: EhrEvent) -> Result<AppointmentClaim, Error> {
        let location = self.location();
        let code = location.value().map(|location| location.code.as_str());
        let place = code.and_then(|code| self.site.locations.get(code));
        let zones =
            Zones { place: place.and_then(|place| place.zone), site: self.site.usual_zone() };
        self.broken = None;
        let start = self.time(Output::Start, zones);
        if let Some((field, path)) = self.broken
            && !matches!(event, EhrEvent::Canceled | EhrEvent::NoShowed)
        {
            return Err(Error::Unreadable { field, path: path.to_owned() });
        }
        if let Field::Value(start) = &start {
            match start.settled {
                Settled::Exact => {}
                Settled::Gap => self.recorder.note(Note::SettledGap),
                Settled::Fold => self.recorder.note(Note::SettledFold),
            }
        }
        let end = self.time(Output::End, zones);
        let minutes = self.duration();
        let (end, duration_minutes) = self.length(&start, end, minutes);
        Ok(AppointmentClaim {
            ids: Vec::new(),
            status: Field::Absent,
            start,
            end,
            duration_minutes,
            visit_type: self.plain(Output::VisitType),
            location,
            provider: self.provider(),
            callback_phone: self.callback(),
        })
    }

    /// End and duration, made to agree: the end counts if it can be meant, else the duration.
    fn length(
        &mut self,
        start: &Field<LocalTime>,
        end: Field<LocalTime>,
        minutes: Field<u32>,
    ) -> (Field<LocalTime>, Field<u32>) {
        let Field::Value(start) = start else { return (end, minutes) };
        if start.date_only {
            return (Field::Absent, minutes);
        }
        if let Field::Value(end) = end {
            let seconds = (end.instant - start.instant).num_seconds();
            let lasts = u32::try_from(seconds).ok().map(|s| s.div_ceil(60)).filter(|m| *m > 0);
            match lasts {
                Some(lasts) if lasts <= MINUTES_MAX && !end.date_only => {
                    if minutes.value() != Some(&lasts) {
                        self.recorder.note(Note::DurationFromEnd);
                    }
                    return (Field::Value(end), Field::Value(lasts));
                }
                Some(_) => self.recorder.note(Note::EndTooLate),
                None => self.recorder.note(Note::EndBeforeStart),
            }
        }
        match minutes {
            Field::Value(minutes) => {
                self.recorder.note(Note::EndFromDuration);
                (Field::Value(start.plus_minutes(minutes)), Field::Value(minutes))
            }
            Field::Absent | Field::Null => (Field::Absent, minutes),
        }
    }

    fn location(&mut self) -> Field<Location> {
        let parts = self.parts::<2>(Output::Location);
        let name = self.plain(Output::LocationName);
        parts.map(|[code, own_name]| {
            let name = given(own_name).or_else(|| given(name));
            let code = given(code).or_else(|| name.clone()).unwrap_or_default();
            Location { code, name }
        })
    }

    fn provider(&mut self) -> Field<Provider> {
        let parts = self.parts::<3>(Output::Provider);
        parts.map(|[id, family, given_name]| Provider {
            id: given(id),
            family: given(family),
            given: given(given_name),
        })
    }

    fn patient(&mut self) -> PatientClaim {
        let ids = self.ids(Output::PatientIds);
        let (family, given) = match self.parts::<2>(Output::Name) {
            Field::Value([family, given]) => (family.map(Phi::new), given.map(Phi::new)),
            Field::Null => (Field::Null, Field::Null),
            Field::Absent => (Field::Absent, Field::Absent),
        };
        PatientClaim {
            id: Field::from(ids.first().map(|id| id.value.clone())),
            ids,
            given,
            family,
            phone: self.phone(),
            language: self.language(),
            deceased: self.coded(Output::Deceased, Code::flag),
            opted_out: self.coded(Output::OptedOut, Code::flag),
        }
    }
}

fn given(field: Field<String>) -> Option<String> {
    match field {
        Field::Value(text) => Some(text),
        Field::Absent | Field::Null => None,
    }
}
