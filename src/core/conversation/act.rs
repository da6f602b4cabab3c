//! What is done about the appointments that a reply is about: wishes, tasks, answers.

use chrono::TimeDelta;

use super::super::appointment::{Appointment, Notice, Wish, WishKind, WishState};
use super::super::contact::told_start;
use super::super::effect::{Effect, Planned, TaskKind, TextKind, WriteBack};
use super::super::ids::AppointmentKey;
use super::super::reason::Reason;
use super::super::reply::Intent;
use super::Talk;
use super::meant::gone;
use crate::clock::Timestamp;
use crate::phi::Phi;

/// How long before the visit a wish that the EHR has not taken is left to staff.
const LEFT_FOR_STAFF: TimeDelta = TimeDelta::hours(1);
/// How long a wish is tried in any case: an EHR that restarts is back by then.
const TRIED_AT_LEAST: TimeDelta = TimeDelta::minutes(15);

/// What a reply says of some appointments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// What is meant: to confirm, to cancel or to reschedule.
    pub(super) intent: Intent,
    /// Of which.
    pub(super) keys: Vec<AppointmentKey>,
}

impl Talk<'_> {
    /// Acts on what was said of each.
    pub(super) fn act_on(&mut self, parts: &[Part]) {
        self.contact.question = None;
        self.contact.not_understood = 0;
        let mut changed = Vec::new();
        for part in parts {
            let (stale, rest): (Vec<_>, Vec<_>) =
                part.keys.iter().partition(|key| self.is_stale(key, part.intent));
            changed.extend(stale.into_iter().cloned());
            self.act_on_each(part.intent, &rest);
        }
        if !changed.is_empty() {
            self.say_what_changed(&changed);
        }
    }

    /// Whether what the patient answers to is no longer so. A wish for another time is not about the
    /// start.
    fn is_stale(&self, key: &AppointmentKey, intent: Intent) -> bool {
        let Some(row) = self.open.iter().find(|open| open.key == *key) else { return true };
        let told = told_start(&self.prompts, key);
        let is_moved = told.is_some() && told != row.start.as_ref().map(|start| start.instant);
        let is_untold = row.unsent_notice == Some(Notice::Rescheduled);
        intent != Intent::Reschedule && (is_moved || is_untold)
    }

    fn act_on_each(&mut self, intent: Intent, keys: &[&AppointmentKey]) {
        let (kind, event, wish) = match intent {
            Intent::Confirm => (TextKind::ConfirmNoted, "CONFIRM", Some(WishKind::Confirm)),
            Intent::Cancel => (TextKind::CancelNoted, "CANCEL", Some(WishKind::Cancel)),
            Intent::Reschedule
            | Intent::Stop
            | Intent::CancelOrStop
            | Intent::Start
            | Intent::Help
            | Intent::WrongNumber
            | Intent::Number(_)
            | Intent::Mixed
            | Intent::Unclear => (TextKind::RescheduleNoted, "RESCHEDULE_REQUESTED", None),
        };
        let mut acted = Vec::new();
        for key in keys {
            let Some(row) = self.open.iter().find(|open| open.key == **key) else { continue };
            let mut after = row.clone();
            after.remember(self.scene.seq);
            match wish {
                Some(wish) => self.wish(&mut after, wish),
                None => self.task(TaskKind::Reschedule, Some(after.key.clone())),
            }
            self.decision.explain(Some(after.key.clone()), event, Reason::Understood(intent));
            self.contact.hear_answer(std::slice::from_ref(&after.key));
            self.decision.appointments.push(after.clone());
            acted.push(after);
        }
        if !acted.is_empty() {
            self.answer(kind, &acted.iter().collect::<Vec<_>>());
        }
    }

    fn wish(&mut self, after: &mut Appointment, kind: WishKind) {
        if after.has_wish(kind) {
            return;
        }
        after.wish = Some(Wish { kind, requested_at: self.now, state: WishState::Requested });
        let destination = self.rules.routes.get(&after.source);
        let is_server = destination.is_some_and(|name| self.rules.is_server(name));
        let names_patient =
            is_server || destination.is_some_and(|name| self.rules.callbacks.contains(name));
        let is_others =
            if names_patient { after.sharing.forbids(kind) } else { !after.sharing.is_alone() };
        if is_others {
            return self.by_hand(after);
        }
        let Some(destination) = destination else {
            // Nobody else tells the practice.
            return self.task(TaskKind::EnterByHand, Some(after.key.clone()));
        };
        // Which start the patient was told: a change that no text told of was not agreed to.
        let told = told_start(&self.prompts, &after.key);
        let write_back = WriteBack {
            destination: destination.clone(),
            appointment: after.key.clone(),
            wish: kind,
            message: after.last_message,
            control_id: String::new(),
            told_start: told.or_else(|| after.start.as_ref().map(|start| start.instant)),
        };
        self.decision.effects.push(Planned {
            effect: if is_server {
                Effect::UpdateFhir(write_back)
            } else if self.rules.callbacks.contains(destination) {
                Effect::PostJson(write_back)
            } else {
                Effect::SendHl7(write_back)
            },
            due: self.now,
            not_after: self.write_back_until(after),
        });
    }

    /// Until when a wish is tried at the EHR: while a person can still see to it before the visit.
    fn write_back_until(&self, row: &Appointment) -> Timestamp {
        let longest = self.now + self.rules.delivery.write_back_for;
        let Some(begun) = row.begun_at() else { return longest };
        longest.min((begun - LEFT_FOR_STAFF).max(self.now + TRIED_AT_LEAST))
    }

    /// Leaves to a person what a message would say for all who share the number.
    fn by_hand(&mut self, after: &Appointment) {
        let note = format!("{}; texted: {}", Reason::Shared, self.reply.body.expose());
        self.task(TaskKind::EnterByHand, Some(after.key.clone()));
        if let Some(task) = self.decision.tasks.last_mut() {
            task.note = Phi::new(note);
        }
        self.decision.explain(Some(after.key.clone()), "WRITE_BACK", Reason::Shared);
    }

    /// Tells the patient that what was answered to has changed, or is called off. The answer says what
    /// a notice that still waits would have said, and takes its place; only while a cancellation is
    /// held back, and goes out within minutes, it is left to the notice: it may yet become a new time.
    pub(super) fn say_what_changed(&mut self, keys: &[AppointmentKey]) {
        self.contact.hear_answer(keys);
        let mut rows = Vec::new();
        for key in keys {
            let Some(row) = self.scene.appointments.get(key) else { continue };
            self.decision.explain(Some(key.clone()), "REPLY", Reason::ChangedMeanwhile);
            if !self.is_about_to_be_told(row) {
                rows.push(row.clone());
            }
        }
        let told: Vec<AppointmentKey> = rows.iter().map(|row| row.key.clone()).collect();
        if told.is_empty() {
            return;
        }
        if let Some(reason) = self.objection(TextKind::ChangedMeanwhile, &told) {
            // The notice that waits will say it.
            return self.decision.explain(told.into_iter().next(), "REPLY", reason);
        }
        for after in &mut rows {
            after.remember(self.scene.seq);
            if after.unsent_notice.take().is_some() {
                // The notice in the outbox belongs to this generation: it is void from now on.
                after.generation += 1;
            }
            self.contact.let_go(&after.key);
        }
        self.answer(TextKind::ChangedMeanwhile, &rows.iter().collect::<Vec<_>>());
        self.decision.appointments.extend(rows);
    }

    /// Whether a cancellation is held back that the hours for texts let go right after.
    fn is_about_to_be_told(&self, row: &Appointment) -> bool {
        let held = self.contact.held.iter().find(|held| held.appointment == row.key);
        let zone = row.start.as_ref().map_or(self.rules.practice.zone, |start| start.zone);
        let hours = self.hours_of(zone);
        held.is_some_and(|held| held.until > self.now && hours.contains(held.until))
    }

    /// The appointments of the last text that are off by now, if that is all it was about.
    pub(super) fn gone_since(&self) -> Vec<AppointmentKey> {
        let latest = self.prompts.last().filter(|latest| !latest.is_answered);
        latest.map(|latest| gone(&latest.appointments, self.scene)).unwrap_or_default()
    }
}
