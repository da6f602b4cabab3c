//! What a mapping makes of all samples: the proof of a proposal, and the evidence for the next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::NaiveDateTime;

use super::super::explain::Explanation;
use super::super::output::Output;
use super::super::{Error, Mapping, Outcome};
use super::study::Study;
use crate::clock::Timestamp;
use crate::core::claim::{Claim, EhrEvent};
use crate::core::field::Field;
use crate::core::local_time::LocalTime;

/// A mapping and what it read.
#[derive(Debug, Clone)]
pub(super) struct Trial {
    pub(super) mapping: Arc<Mapping>,
    /// In the order of the samples.
    pub(super) readings: Vec<Reading>,
}

/// What became of one sample; of several appointments in it the first.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    pub(super) came: Came,
    /// For each field with a value the rules that gave it.
    pub(super) taken: BTreeMap<Output, BTreeSet<String>>,
    pub(super) start: Option<Moment>,
    pub(super) end: Option<Moment>,
    pub(super) minutes: Option<u32>,
}

/// A time that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    pub(super) local: NaiveDateTime,
    pub(super) instant: Timestamp,
    pub(super) date_only: bool,
}

/// How reading a sample ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Came {
    Event(EhrEvent),
    /// By its trigger or a filter; the code of the reason.
    Ignored(String),
    Missing(Output),
    Unreadable(Output, String),
    TooMany,
}

impl Trial {
    pub(super) fn run(mapping: Arc<Mapping>, study: &Study<'_>, now: Timestamp) -> Self {
        let site = study.site();
        let read = |sample: &super::study::Sample<'_>| {
            let (outcome, explanations) = mapping.explain(sample.msg, &site, now);
            Reading::of(&outcome, explanations.first())
        };
        let readings = study.samples.iter().map(read).collect();
        Self { mapping, readings }
    }

    /// How many samples became events.
    pub(super) fn events(&self) -> usize {
        self.readings.iter().filter(|reading| reading.is_event()).count()
    }

    /// How many samples gave a field a value.
    pub(super) fn filled(&self, output: Output) -> usize {
        self.readings.iter().filter(|reading| reading.has(output)).count()
    }

    /// The rules that gave a field its value, and in how many samples.
    pub(super) fn sources(&self, output: Output) -> BTreeMap<&str, usize> {
        let mut sources = BTreeMap::new();
        for rule in self.readings.iter().filter_map(|reading| reading.taken.get(&output)).flatten()
        {
            *sources.entry(rule.as_str()).or_default() += 1;
        }
        sources
    }

    /// The places of the samples for which something holds.
    pub(super) fn those(&self, holds: impl Fn(&Reading) -> bool) -> Vec<usize> {
        let numbered = self.readings.iter().enumerate();
        numbered.filter(|(_, reading)| holds(reading)).map(|(at, _)| at).collect()
    }
}

impl Reading {
    fn of(outcome: &Outcome, explanation: Option<&Explanation>) -> Self {
        let mut taken: BTreeMap<Output, BTreeSet<String>> = BTreeMap::new();
        for trace in explanation.into_iter().flat_map(|explanation| &explanation.fields) {
            for attempt in trace.taken() {
                taken.entry(trace.field).or_default().insert(attempt.rule.clone());
            }
        }
        let (came, claim) = match outcome {
            Outcome::Claims(claims) => match claims.first() {
                Some(claim) => (Came::Event(claim.event), Some(claim)),
                None => (Came::Ignored("no_claim".to_owned()), None),
            },
            Outcome::NoEvent(why) => (Came::Ignored(why.code.clone()), None),
            Outcome::Failed(Error::Missing { field, .. }) => (Came::Missing(*field), None),
            Outcome::Failed(Error::Unreadable { field, path }) => {
                (Came::Unreadable(*field, path.clone()), None)
            }
            Outcome::Failed(Error::TooMany { .. } | Error::TooLarge) => (Came::TooMany, None),
        };
        let value = |field: fn(&Claim) -> &Field<LocalTime>| {
            claim.and_then(|claim| field(claim).value()).map(|time| Moment {
                local: time.local,
                instant: time.instant,
                date_only: time.date_only,
            })
        };
        Self {
            came,
            taken,
            start: value(|claim| &claim.appointment.start),
            end: value(|claim| &claim.appointment.end),
            minutes: claim.and_then(|claim| claim.appointment.duration_minutes.value().copied()),
        }
    }

    pub(super) const fn is_event(&self) -> bool {
        match self.came {
            Came::Event(_) => true,
            Came::Ignored(_) | Came::Missing(_) | Came::Unreadable(..) | Came::TooMany => false,
        }
    }

    pub(super) const fn is_ignored(&self) -> bool {
        match self.came {
            Came::Ignored(_) => true,
            Came::Event(_) | Came::Missing(_) | Came::Unreadable(..) | Came::TooMany => false,
        }
    }

    /// Whether the message calls the appointment off, or tells that nobody came.
    pub(super) const fn is_off(&self) -> bool {
        match self.came {
            Came::Event(EhrEvent::Canceled | EhrEvent::NoShowed) => true,
            Came::Event(
                EhrEvent::Booked | EhrEvent::Rescheduled | EhrEvent::Modified | EhrEvent::Confirmed,
            )
            | Came::Ignored(_)
            | Came::Missing(_)
            | Came::Unreadable(..)
            | Came::TooMany => false,
        }
    }

    pub(super) fn has(&self, output: Output) -> bool {
        self.taken.contains_key(&output)
    }
}
