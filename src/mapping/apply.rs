//! From one message to what it claims.
//!
//! First the trigger and the filters say whether there is an event at all; then, for each patient and
//! time that the message tells of, every field is read, trigger and status are weighed, and what an
//! event cannot do without is demanded.

use chrono::TimeDelta;

use super::compile::Mapping;
use super::explain::{Explanation, Listener};
use super::lines::{EVENTS_MAX, Share};
use super::normalise::duration::MINUTES_MAX;
use super::output::Output;
use super::read::{Broken, Reader};
use super::record::{Note, Recorder, Silent};
use super::source::Look;
use super::spec::{Action, Heed, TriggerRule};
use super::table::Code;
use super::trace::{Trace, Tracer};
use super::view::{Input, View};
use super::{Error, NoEvent, Outcome, Site};
use crate::clock::Timestamp;
use crate::core::appointment::{Location, Provider, Status};
use crate::core::claim::{self as claims, AppointmentClaim, Claim, EhrEvent, Origin, PatientClaim};
use crate::core::field::Field;
use crate::core::local_time::{LocalTime, Settled};
use crate::phi::Phi;

/// How far ahead of the receiver's clock a sender's may be; beyond that MSH-7 is not believed.
const AHEAD_MAX: TimeDelta = TimeDelta::days(1);

impl Mapping {
    /// Reads a message.
    #[must_use]
    pub fn apply<'m>(
        &self,
        input: impl Into<Input<'m>>,
        site: &Site<'_>,
        received_at: Timestamp,
    ) -> Outcome {
        self.run(input.into(), site, received_at, &mut Silent)
    }

    /// Reads a message and keeps, in a few bytes, where each value comes from.
    #[must_use]
    pub fn apply_traced<'m>(
        &self,
        input: impl Into<Input<'m>>,
        site: &Site<'_>,
        received_at: Timestamp,
    ) -> (Outcome, Trace) {
        let mut tracer = Tracer::new(&self.files);
        let outcome = self.run(input.into(), site, received_at, &mut tracer);
        (outcome, tracer.into_trace())
    }

    /// Reads a message and tells for each field where its value comes from and what was tried: an
    /// explanation for each event, at least one.
    #[must_use]
    pub fn explain<'m>(
        &self,
        input: impl Into<Input<'m>>,
        site: &Site<'_>,
        received_at: Timestamp,
    ) -> (Outcome, Vec<Explanation>) {
        let mut listener = Listener::default();
        let outcome = self.run(input.into(), site, received_at, &mut listener);
        (outcome, listener.into_explanations())
    }

    /// Where a message comes from, whether it is an event or not.
    #[must_use]
    pub fn origin<'m>(&self, input: impl Into<Input<'m>>, site: &Site<'_>) -> Origin {
        self.origin_of(&View::new(input.into(), ""), site)
    }

    fn origin_of(&self, view: &View<'_>, site: &Site<'_>) -> Origin {
        let (code, event) = view.kind;
        Origin {
            source: site.source.clone(),
            space: site.source.clone(),
            protocol: view.protocol(),
            control_id: view.control_id().to_owned(),
            trigger: match (code, event) {
                (_, "") => code.to_owned(),
                ("", _) => event.to_owned(),
                (_, _) => format!("{code}^{event}"),
            },
            mapping: self.name.clone(),
            mapping_hash: self.hash.clone(),
        }
    }

    pub(super) fn run<R: Recorder>(
        &self,
        input: Input<'_>,
        site: &Site<'_>,
        received_at: Timestamp,
        recorder: &mut R,
    ) -> Outcome {
        let view = View::new(input, site.source.as_str());
        let mut view = view.with(&self.variables, received_at);
        if !self.is_for(&view) {
            return Outcome::NoEvent(NoEvent {
                code: "not_readable".to_owned(),
                sentence: format!("mapping {} reads something else than this", self.name),
            });
        }
        let rule = match self.trigger_rule(&view, recorder) {
            Ok(rule) => rule,
            Err(why) => return Outcome::NoEvent(why),
        };
        let shares = match view.shares(self.each_patient, self.each_time) {
            Ok(shares) => shares,
            Err(error) => return Outcome::Failed(error),
        };
        if R::LISTENS {
            note_shares(&view, &shares, recorder);
        }
        let mut claims = Vec::with_capacity(shares.len());
        let mut ignored = None;
        for share in shares {
            recorder.event();
            view.narrow(share.scope.clone());
            let why = self.ignored(&view, recorder).err();
            if view.is_exceeded() {
                return Outcome::Failed(Error::TooLarge);
            }
            if why.is_some() {
                ignored = ignored.or(why);
                continue;
            }
            let suppressed = self.suppressed(&view, recorder);
            let reader = Reader {
                mapping: self,
                view: &view,
                site,
                recorder: &mut *recorder,
                now: received_at,
                broken: None,
                is_unstated: false,
            };
            let claim = reader.claim(rule, received_at);
            match claim {
                _ if view.is_exceeded() => return Outcome::Failed(Error::TooLarge),
                Ok(mut claim) => {
                    claim.quiet = claim.quiet.or(suppressed);
                    claim.share = claims::Share {
                        patients: share.patients,
                        occurrence: share.occurrence.max(1),
                        occurrences: share.times,
                    };
                    claims.push(claim);
                }
                Err(error) => {
                    recorder.failed(error.field());
                    return Outcome::Failed(error);
                }
            }
        }
        match ignored {
            Some(why) if claims.is_empty() => Outcome::NoEvent(why),
            Some(_) | None => Outcome::Claims(claims),
        }
    }

    /// The rule for messages of this kind, or why there is no event.
    fn trigger_rule<R: Recorder>(
        &self,
        view: &View<'_>,
        recorder: &mut R,
    ) -> Result<&TriggerRule, NoEvent> {
        let no_event = |code: &str, sentence: String| NoEvent { code: code.to_owned(), sentence };
        let rule = self.triggers.iter().find(|rule| rule.trigger.matches(view.kind.0, view.kind.1));
        let Some(rule) = rule else {
            return Err(no_event(
                "trigger_unknown",
                format!("mapping {} has no rule for this kind of message", self.name),
            ));
        };
        recorder.rule(|| format!("trigger {}", rule.trigger), &rule.place);
        match &rule.action {
            Action::Ignore(reason) => Err(no_event("trigger_ignored", reason.clone())),
            Action::Read { .. } => Ok(rule),
        }
    }

    fn ignored<R: Recorder>(&self, view: &View<'_>, recorder: &mut R) -> Result<(), NoEvent> {
        match self.ignore_if.iter().find(|rule| rule.when.holds(view)) {
            Some(rule) => {
                recorder.rule(|| format!("ignore_if {}: {}", rule.code, rule.when), &rule.place);
                Err(NoEvent { code: rule.code.clone(), sentence: rule.reason.clone() })
            }
            None => Ok(()),
        }
    }

    fn suppressed<R: Recorder>(&self, view: &View<'_>, recorder: &mut R) -> Option<String> {
        let rule = self.suppress_if.iter().find(|rule| rule.when.holds(view))?;
        recorder.rule(|| format!("suppress_if {}: {}", rule.code, rule.when), &rule.place);
        Some(rule.reason.clone())
    }

    fn missing(&self, field: Output) -> Error {
        let label = |at: &super::compile::Compiled| match at.source.look {
            Look::Path(_) => Some(at.source.label.clone()),
            Look::Constant(_) => None,
        };
        Error::Missing { field, tried: self.sources(field).iter().filter_map(label).collect() }
    }
}

/// Says how many patients and times there are, and whether all are read.
fn note_shares<R: Recorder>(view: &View<'_>, shares: &[Share], recorder: &mut R) {
    let Some(share) = shares.first() else { return };
    let count =
        |patients, times| view.shares(patients, times).map_or(EVENTS_MAX, |shares| shares.len());
    match (share.patients, count(true, false)) {
        (1, 0 | 1) => {}
        (1, patients) => recorder.note(Note::OnePatientOf(patients)),
        (patients, _) => recorder.note(Note::SeveralPatients(patients)),
    }
    match (share.times, count(false, true)) {
        (1, 0 | 1) => {}
        (1, times) => recorder.note(Note::OneTimeOf(times)),
        (times, _) => recorder.note(Note::SeveralTimes(times)),
    }
}

impl<R: Recorder> Reader<'_, R> {
    fn claim(mut self, rule: &TriggerRule, received_at: Timestamp) -> Result<Claim, Error> {
        let Action::Read { event: usual, status: implied, heed, suppress } = &rule.action else {
            return Err(self.mapping.missing(Output::Event));
        };
        let occurred_at = self.occurred_at(received_at);
        // When it was sent is not what it is about.
        self.broken = None;
        let ids = self.ids(Output::Ids);
        if ids.is_empty() {
            return Err(self.mapping.missing(Output::Ids));
        }
        let said = self.coded(Output::Status, Code::status).value().copied();
        self.unbroken()?;
        let heeded = said.filter(|status| match heed {
            Heed::Any => true,
            Heed::These(these) => these.contains(status),
        });
        if said != heeded {
            self.recorder.note(Note::StatusNotHeeded);
        }
        let worded = self.coded(Output::Event, Code::event).value().copied();
        self.unbroken()?;
        let event = self.weigh(heeded, worded, *usual);
        let status = heeded.or(*implied);
        let mut appointment = self.appointment(event)?;
        appointment.ids = ids;
        appointment.status = Field::from(status);
        appointment.participation = self.coded(Output::Participation, Code::participation);
        appointment.resource = self.view.held();
        appointment.replaces = self.references(Output::Replaces);
        let needs_start = matches!(event, EhrEvent::Booked | EhrEvent::Rescheduled)
            || (event == EhrEvent::Confirmed && *usual == EhrEvent::Booked);
        // What is only asked for has no time yet.
        if needs_start && status != Some(Status::Pending) && appointment.start.value().is_none() {
            return Err(self.mapping.missing(Output::Start));
        }
        let patient = self.patient();
        let origin = self.mapping.origin_of(self.view, self.site);
        Ok(Claim {
            event,
            occurred_at,
            origin,
            appointment,
            patient,
            quiet: suppress.clone(),
            share: claims::Share::default(),
        })
    }

    /// Refuses a value that cannot be meant, or that is missing where there must be one.
    fn unbroken(&mut self) -> Result<(), Error> {
        match self.broken.take() {
            None => Ok(()),
            Some(Broken { field, is_absent: true, .. }) => Err(self.mapping.missing(field)),
            Some(Broken { field, path, is_absent: false }) => {
                Err(Error::Unreadable { field, path: path.to_owned() })
            }
        }
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
        let zones = self.zones(None);
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
        let zones = self.zones(place.and_then(|place| place.zone));
        self.broken = None;
        let start = self.time(Output::Start, zones);
        if !matches!(event, EhrEvent::Canceled | EhrEvent::NoShowed) {
            self.unbroken()?;
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
            participation: Field::Absent,
            resource: None,
            replaces: Vec::new(),
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
            family: given(self.cased(family)),
            given: given(self.cased(given_name)),
        })
    }

    /// A name as the mapping wants it written.
    fn cased(&mut self, name: Field<String>) -> Field<String> {
        name.map(|name| {
            let (name, is_changed) = self.mapping.name_case.write(name);
            if is_changed {
                self.recorder.step(|| "written with a capital at each word's begin".to_owned());
            }
            name
        })
    }

    fn patient(&mut self) -> PatientClaim {
        let ids = self.ids(Output::PatientIds);
        let (family, given) = match self.parts::<2>(Output::Name) {
            Field::Value([family, given]) => {
                (self.cased(family).map(Phi::new), self.cased(given).map(Phi::new))
            }
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
