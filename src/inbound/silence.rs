//! A feed that has gone quiet: an EHR's queue that stands still looks like a calm day.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tracing::{error, info};

use super::intake::Intake;
use crate::clock::Clock;

/// Says once that a feed is silent, and once that it is heard again; goes on for ever.
pub async fn watch(intake: Arc<Intake>, after: Duration, clock: Clock) {
    let after = TimeDelta::from_std(after).unwrap_or(TimeDelta::MAX);
    let mut is_silent = false;
    loop {
        let now = clock.now();
        let silence = intake.silence(now);
        let source = intake.source.as_str();
        if silence >= after && !is_silent {
            is_silent = true;
            error!(source, minutes = silence.num_minutes(), "A feed is silent");
        } else if silence < after && is_silent {
            is_silent = false;
            info!(source, "A feed is heard again");
        }
        let left = if is_silent { TimeDelta::minutes(1) } else { after - silence };
        clock.sleep_until(now + left).await;
    }
}
