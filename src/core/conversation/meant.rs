//! Which appointments a reply is about, when its words do not name them.
//!
//! The text that the patient answers to decides, as far as there is only one that could be meant.

use chrono::TimeDelta;

use super::super::appointment::Appointment;
use super::super::contact::{Contact, Prompt};
use super::super::ids::AppointmentKey;
use super::super::reply::Intent;
use super::super::rules::Rules;
use super::super::scene::Scene;
use crate::clock::Timestamp;

/// Texts that went out within this time are answered together: the patient may have read both before
/// answering one.
const TOGETHER: TimeDelta = TimeDelta::minutes(30);

/// What a reply is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meant {
    /// These, without doubt.
    These(Vec<AppointmentKey>),
    /// One of these; the patient has to say which.
    Among(Vec<AppointmentKey>),
    /// These, which have been called off in the meantime.
    Gone(Vec<AppointmentKey>),
    /// Nothing that there is.
    Nothing,
}

/// The appointments that a reply can be about, earliest first.
pub(super) fn open_appointments(
    contact: &Contact,
    scene: &Scene,
    rules: &Rules,
    now: Timestamp,
) -> Vec<Appointment> {
    let mut open: Vec<Appointment> = contact
        .appointments
        .iter()
        .filter_map(|key| scene.appointments.get(key))
        .filter(|a| a.status.is_open() && !a.patient.deceased && a.replaced_by.is_none())
        .filter(|a| a.ends_at().is_some_and(|end| end + rules.replies.answer_until_after_end > now))
        .cloned()
        .collect();
    open.sort_by_key(|a| a.start.as_ref().map(|start| start.instant));
    open
}

/// The texts that a reply sent at `at` may answer, oldest first.
pub(super) fn prompts_at(contact: &Contact, rules: &Rules, at: Timestamp) -> Vec<Prompt> {
    let counts =
        |prompt: &&Prompt| prompt.at <= at && at - prompt.at <= rules.replies.prompt_counts_for;
    contact.prompts.iter().filter(counts).cloned().collect()
}

/// Decides what a reply that names no appointment is about. `prompts` are those that it may answer,
/// oldest first.
pub(super) fn meant(
    intent: Intent,
    prompts: &[Prompt],
    open: &[Appointment],
    scene: &Scene,
) -> Meant {
    let Some(latest) = prompts.last() else { return by_what_is_open(open) };
    let candidates = asked_together(prompts);
    let is_one_text = candidates.iter().all(|key| latest.appointments.contains(key));
    let mut listed: Vec<&Appointment> =
        open.iter().filter(|open| candidates.contains(&&open.key)).collect();
    if listed.iter().any(|row| !row.is_asked_off()) && intent == Intent::Confirm {
        // Of several, who has said not to come to one speaks of the others now.
        listed.retain(|row| !row.is_asked_off());
    }
    let there: Vec<AppointmentKey> = listed.into_iter().map(|row| row.key.clone()).collect();
    match there.as_slice() {
        [] => {
            let gone = gone(&latest.appointments, scene);
            if gone.is_empty() || latest.is_answered {
                by_what_is_open(open)
            } else {
                Meant::Gone(gone)
            }
        }
        [_] => Meant::These(there),
        // The text that listed them said that this answers for all.
        [..] if is_one_text && intent == Intent::Confirm => Meant::These(there),
        [..] => Meant::Among(there),
    }
}

/// The appointments of the last text, and of those that went out together with it and have no answer.
pub(super) fn asked_together(prompts: &[Prompt]) -> Vec<&AppointmentKey> {
    let Some((latest, earlier)) = prompts.split_last() else { return Vec::new() };
    let earlier = earlier.iter().filter(|p| !p.is_answered && latest.at - p.at <= TOGETHER);
    std::iter::once(latest).chain(earlier).flat_map(|prompt| &prompt.appointments).collect()
}

/// Those that have been called off.
pub(super) fn gone(keys: &[AppointmentKey], scene: &Scene) -> Vec<AppointmentKey> {
    let is_gone = |key: &&AppointmentKey| {
        let known = scene.appointments.get(key);
        known.is_some_and(|known| known.status.is_off() || known.replaced_by.is_some())
    };
    keys.iter().filter(is_gone).cloned().collect()
}

fn by_what_is_open(open: &[Appointment]) -> Meant {
    match open {
        [] => Meant::Nothing,
        [only] => Meant::These(vec![only.key.clone()]),
        [..] => Meant::Among(open.iter().map(|open| open.key.clone()).collect()),
    }
}
