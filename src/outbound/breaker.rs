//! A pause for a receiver that is out of order, so that waiting effects do not burn their tries.

use std::time::Duration;

/// How many failures in a row open the breaker.
const FAILURES_MAX: u32 = 3;
/// The first pause.
const PAUSE_FIRST: Duration = Duration::from_secs(5);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// Counts failures in a row and says how long to pause.
#[derive(Debug, Default, Clone)]
pub struct Breaker {
    failures: u32,
}

impl Breaker {
    /// Notes a success; returns whether the breaker had been open.
    pub const fn succeeded(&mut self) -> bool {
        let was_open = self.is_open();
        self.failures = 0;
        was_open
    }

    /// Notes a failure; returns whether this one opened the breaker.
    pub const fn failed(&mut self) -> bool {
        self.failures = self.failures.saturating_add(1);
        self.failures == FAILURES_MAX
    }

    /// Opens the breaker at once, for what concerns the whole lane.
    pub const fn trip(&mut self) -> bool {
        let was_open = self.is_open();
        self.failures = if self.failures < FAILURES_MAX { FAILURES_MAX } else { self.failures + 1 };
        !was_open
    }

    /// Whether the lane should pause.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.failures >= FAILURES_MAX
    }

    /// How long to pause before the next try; nothing while the breaker is closed.
    #[must_use]
    pub fn pause(&self) -> Duration {
        let Some(doublings) = self.failures.checked_sub(FAILURES_MAX) else {
            return Duration::ZERO;
        };
        PAUSE_FIRST.saturating_mul(1 << doublings.min(10)).min(PAUSE_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_breaker_opens_after_three_failures_and_closes_on_success() {
        let mut breaker = Breaker::default();
        assert!(!breaker.failed() && !breaker.failed());
        assert_eq!(breaker.pause(), Duration::ZERO);
        assert!(breaker.failed());
        assert_eq!(breaker.pause(), PAUSE_FIRST);
        for _ in 0..100 {
            breaker.failed();
        }
        assert_eq!(breaker.pause(), PAUSE_MAX);
        assert!(breaker.succeeded());
        assert_eq!(breaker.pause(), Duration::ZERO);
    }
}
