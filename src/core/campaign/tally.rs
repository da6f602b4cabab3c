//! How many recipients of a campaign are how far, kept with the campaign so that nobody counts rows.

use serde::{Deserialize, Serialize};

use super::SessionState;

/// Counts of a campaign.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// Recipients not begun yet.
    pub waiting: u64,
    /// Recipients under way.
    pub active: u64,
    /// Recipients whose flow came to its end.
    pub completed: u64,
    /// Recipients whom the flow gave to a person.
    pub handed_over: u64,
    /// Recipients who took too long.
    pub expired: u64,
    /// Recipients who may not be texted.
    pub opted_out: u64,
    /// Recipients to whom a text could not be sent.
    pub failed: u64,
    /// Recipients who were left when the campaign was stopped.
    pub stopped: u64,
    /// Texts that have left.
    pub texts: u64,
    /// Answers that came.
    pub answers: u64,
}

impl Tally {
    /// How many recipients there are.
    #[must_use]
    pub const fn recipients(&self) -> u64 {
        self.waiting + self.active + self.over()
    }

    /// How many recipients nothing more happens to.
    #[must_use]
    pub const fn over(&self) -> u64 {
        self.completed
            + self.handed_over
            + self.expired
            + self.opted_out
            + self.failed
            + self.stopped
    }

    /// Counts a recipient who is new.
    pub const fn add(&mut self, state: SessionState) {
        let count = self.of(state);
        *count += 1;
    }

    /// Counts a recipient in another state than before.
    pub const fn shift(&mut self, from: SessionState, to: SessionState) {
        let count = self.of(from);
        *count = count.saturating_sub(1);
        self.add(to);
    }

    const fn of(&mut self, state: SessionState) -> &mut u64 {
        match state {
            SessionState::Waiting => &mut self.waiting,
            SessionState::Active => &mut self.active,
            SessionState::Completed => &mut self.completed,
            SessionState::HandedOver => &mut self.handed_over,
            SessionState::Expired => &mut self.expired,
            SessionState::OptedOut => &mut self.opted_out,
            SessionState::Failed => &mut self.failed,
            SessionState::Stopped => &mut self.stopped,
        }
    }
}
