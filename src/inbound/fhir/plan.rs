//! When a server is searched, and how far: a function of what is known of it and of the time.
//!
//! No socket and no clock. The regular search reads what changed since the last one; everything is
//! read at first, when asked for, and once a day, when what is gone is looked for as well.

use std::time::Duration;

use chrono::{NaiveTime, TimeDelta};

use crate::clock::Timestamp;
use crate::core::feed::Feed;
use crate::core::local_time::{LocalTime, Zone};

/// The least pause between two searches for what changed.
const REST: TimeDelta = TimeDelta::seconds(5);
/// The least pause between two searches of everything.
const REST_OF_ALL: TimeDelta = TimeDelta::minutes(2);

/// How often a server is searched.
#[derive(Debug, Clone)]
pub(super) struct Habit {
    /// The pause between two searches; without it they are made only when asked for.
    pub(super) interval: Option<Duration>,
    /// When, by the clock of the zone, everything is compared.
    pub(super) compare_at: Option<(NaiveTime, Zone)>,
    /// Whether every search is of everything, because the server knows no time of change.
    pub(super) always_all: bool,
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing before this moment.
    Wait(Timestamp),
    /// Read what changed.
    Since(Timestamp),
    /// Read everything, and look for what is gone.
    All,
}

/// Says what is to be done now.
pub(super) fn next(feed: &Feed, habit: &Habit, now: Timestamp) -> Step {
    let regular = habit.interval.and_then(|every| TimeDelta::from_std(every).ok());
    let Some(searched_at) = feed.searched_at.filter(|_| feed.is_imported) else {
        return Step::All;
    };
    let step = match feed.cursor {
        Some(cursor) if !habit.always_all => Step::Since(cursor),
        Some(_) | None => Step::All,
    };
    // A server that only says that something changed, a hundred times an hour, is not searched as often.
    let rest = if habit.always_all { REST_OF_ALL } else { REST };
    let rested = searched_at.min(now) + rest;
    if let Some(wanted) = feed.wanted.filter(|wanted| wanted.due.max(rested) <= now) {
        return if wanted.everything { Step::All } else { step };
    }
    let compares_at = habit.compare_at.map(|(time, zone)| {
        let since = feed.compared_at.unwrap_or(searched_at);
        next_at(time, zone, since)
    });
    if compares_at.is_some_and(|at| at <= now) {
        return Step::All;
    }
    let due = regular.map(|every| {
        // A clock that was set back must not stop the searches.
        searched_at.min(now) + every
    });
    if due.is_some_and(|due| due <= now) {
        return step;
    }
    let wanted = feed.wanted.map(|wanted| wanted.due.max(rested));
    let first = [due, compares_at, wanted].into_iter().flatten().min();
    Step::Wait(first.unwrap_or(now + TimeDelta::days(1)))
}

/// The first time after a moment at which the zone's clock shows this time.
fn next_at(time: NaiveTime, zone: Zone, since: Timestamp) -> Timestamp {
    let local = zone.local(since);
    let today = local.date().and_time(time);
    let day = if local < today { today } else { today + TimeDelta::days(1) };
    LocalTime::settle(day, zone).instant
}
