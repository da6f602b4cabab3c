//! The sender's rate: a bucket of tokens, one a segment, as carriers count.
//!
//! Knows no clock: the time that has passed is handed in.

use std::time::Duration;

/// Tokens that come back at a steady rate.
#[derive(Debug, Clone)]
pub struct Bucket {
    /// The time in which one token comes back.
    beat: Duration,
    /// How far tokens may be spent ahead: the time in which all but one of a full bucket come back.
    ahead: Duration,
    /// When all that was spent will have come back, counted from the start.
    settled_at: Duration,
}

impl Bucket {
    /// A full bucket: the segments of one second, at least one.
    #[must_use]
    pub fn new(segments_per_second: f64) -> Self {
        let rate = if segments_per_second > 0.0 { segments_per_second } else { 1.0 };
        let rate = rate.clamp(0.01, 10_000.0);
        let beat = Duration::from_secs_f64(1.0 / rate);
        let ahead = beat.mul_f64((rate.max(1.0) - 1.0).max(0.0));
        Self { beat, ahead, settled_at: Duration::ZERO }
    }

    /// Spends the tokens of a text, and tells how long it has to wait for them. A text that is longer
    /// than the bucket is large goes as soon as the bucket is full, and those behind it wait longer.
    pub fn take(&mut self, segments: u32, passed: Duration) -> Duration {
        let start = self.settled_at.max(passed);
        let wait = start.saturating_sub(self.ahead).saturating_sub(passed);
        self.settled_at = start + self.beat.saturating_mul(segments);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn at_one_a_second_a_long_text_makes_the_next_one_wait() {
        let mut bucket = Bucket::new(1.0);
        assert_eq!(bucket.take(3, millis(0)), millis(0));
        assert_eq!(bucket.take(1, millis(0)), millis(3_000));
        assert_eq!(bucket.take(1, millis(3_500)), millis(500));
        // However long nothing was sent, there is never more than one ahead.
        assert_eq!(bucket.take(1, millis(60_000)), millis(0));
        assert_eq!(bucket.take(1, millis(60_000)), millis(1_000));
    }

    #[test]
    fn a_burst_is_the_segments_of_one_second() {
        let mut bucket = Bucket::new(10.0);
        let waits: Vec<_> = (0..12).map(|_| bucket.take(1, millis(0))).collect();
        assert!(waits[..10].iter().all(Duration::is_zero), "{waits:?}");
        assert_eq!(waits[10..], [millis(100), millis(200)]);
    }

    #[test]
    fn in_the_long_run_the_rate_holds() {
        for (rate, segments) in [(0.5, 1), (1.0, 2), (3.75, 3), (100.0, 7)] {
            let mut bucket = Bucket::new(rate);
            let mut now = Duration::ZERO;
            for _ in 0..1_000 {
                now += bucket.take(segments, now);
            }
            // The burst at the start, and the text that is still being paid for, come on top.
            let spent = f64::from(segments) * 999.0 - rate.max(1.0);
            assert!(spent / now.as_secs_f64() <= rate * 1.001, "{rate}");
        }
    }

    #[test]
    fn a_rate_that_makes_no_sense_is_one_that_does() {
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300] {
            let mut bucket = Bucket::new(rate);
            assert_eq!(bucket.take(1, Duration::ZERO), Duration::ZERO, "{rate}");
        }
    }
}
