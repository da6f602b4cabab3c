//! The net under Twilio's webhooks: lists what came in, in case a call was lost.
//!
//! Twilio tries a webhook for some seconds only; a reply that came while the daemon was being
//! restarted is found here. A text that is known already is known by its id.

use std::time::Duration;

use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::sms::receive;
use crate::clock::{Clock, Timestamp};
use crate::core::phone::PhoneNumber;
use crate::engine::Handle;
use crate::outbound::twilio::{Filter, Twilio};
use crate::sms::answer::Direction;
use crate::sms::webhook::InboundSms;

/// How far back the first look goes, and how far each look overlaps the one before.
const OVERLAP: TimeDelta = TimeDelta::hours(1);
/// How many messages one look takes.
const LOOKED_AT: usize = 1_000;

/// Reads the list of inbound texts from time to time.
#[derive(Debug)]
pub struct Poller {
    twilio: Twilio,
    number: PhoneNumber,
    every: Duration,
    handle: Handle,
    clock: Clock,
}

impl Poller {
    /// Prepares a poller of the texts to one number.
    #[must_use]
    pub fn new(
        twilio: Twilio,
        (number, every): (PhoneNumber, Duration),
        handle: Handle,
        clock: Clock,
    ) -> Self {
        Self { twilio, number, every, handle, clock }
    }

    /// Looks until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let mut since = self.clock.now() - OVERLAP;
        loop {
            let now = self.clock.now();
            if self.look(since).await {
                since = now - OVERLAP;
            }
            tokio::select! {
                () = tokio::time::sleep(self.every) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Hands in what came since; returns whether the list could be read.
    pub async fn look(&self, since: Timestamp) -> bool {
        let filter = Filter { to: Some(self.number.clone()), from: None };
        let rows = match self.twilio.list_recent(&filter, LOOKED_AT).await {
            Ok(rows) => rows,
            Err(refusal) => {
                warn!(error = %refusal, "Twilio's list of texts received cannot be read");
                return false;
            }
        };
        let mut found = 0;
        // The list is newest first; a conversation is read in its own order.
        for row in rows.iter().rev() {
            let is_new = row.direction == Some(Direction::Inbound)
                && row.created_at.is_some_and(|created| created >= since);
            if !is_new {
                continue;
            }
            let Ok(sms) = InboundSms::from_row(row) else { continue };
            if receive(&self.handle, sms).await.is_err() {
                return false;
            }
            found += 1;
        }
        if found > 0 {
            debug!(found, "Texts received were compared with Twilio's list");
        } else {
            debug!("Twilio's list shows no text");
        }
        true
    }
}
