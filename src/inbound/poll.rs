//! The net under Twilio's webhooks: lists what came in, in case a call was lost.
//!
//! Twilio tries a webhook for some seconds only; a reply that came while the daemon was being
//! restarted is found here. A text that is known already is known by its id.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::sms::receive;
use crate::clock::{Clock, Timestamp};
use crate::core::phone::PhoneNumber;
use crate::engine::Handle;
use crate::outbound::twilio::{SINCE_ROWS_MAX, Twilio};
use crate::sms::answer::{Direction, MessageRow};
use crate::sms::request::Sender;
use crate::sms::webhook::InboundSms;

/// How far back the first look goes. Where the last one of an earlier run ended is not kept: what is
/// known is known by its id, and a daemon that was down for longer has a day's replies to read.
const FIRST_LOOK: TimeDelta = TimeDelta::hours(24);
/// How far each look overlaps the one before.
const OVERLAP: TimeDelta = TimeDelta::hours(1);
/// How old a text is at least that a runner takes from the list: the webhook of a younger one may be
/// under way, and tells more of it. The overlap has it in the next look.
const SETTLED: TimeDelta = TimeDelta::minutes(2);

/// Reads the list of inbound texts from time to time.
#[derive(Debug)]
pub struct Poller {
    twilio: Twilio,
    every: Duration,
    handle: Handle,
    clock: Clock,
    /// The numbers by which a messaging service was seen to send.
    pool: Mutex<BTreeSet<PhoneNumber>>,
}

impl Poller {
    /// Prepares a poller of the texts to the account's sender.
    #[must_use]
    pub const fn new(twilio: Twilio, every: Duration, handle: Handle, clock: Clock) -> Self {
        Self { twilio, every, handle, clock, pool: Mutex::new(BTreeSet::new()) }
    }

    /// Looks until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let mut since = self.clock.now() - FIRST_LOOK;
        loop {
            let now = self.clock.now();
            if self.look(since, SETTLED).await {
                since = now - OVERLAP;
            }
            tokio::select! {
                () = tokio::time::sleep(self.every) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Hands in what came since, but for what is not so old yet as `settled`; returns whether all of
    /// the list could be read, and told which texts are ours.
    pub async fn look(&self, since: Timestamp, settled: TimeDelta) -> bool {
        let until = self.clock.now() - settled;
        let rows = match self.twilio.list_since(self.twilio.sender().address(), since).await {
            Ok(rows) => rows,
            Err(refusal) => {
                warn!(error = %refusal, "Twilio's list of texts received cannot be read");
                return false;
            }
        };
        let is_cut = rows.len() >= SINCE_ROWS_MAX;
        if is_cut {
            warn!(
                rows = rows.len(),
                "Twilio's list is too long; its oldest texts were not looked at"
            );
        }
        let pool = self.learn(&rows);
        let mut found = 0;
        // The list is newest first; a conversation is read in its own order.
        let ours = rows.iter().rev().filter(|row| is_to(row, self.twilio.sender(), &pool));
        for row in ours.filter(|row| row.created_at.is_none_or(|at| at <= until)) {
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
        // Without a number of ours a service's replies cannot be told from others': they are looked
        // at again when one is known.
        let is_blind = self.twilio.sender().address().is_none() && pool.is_empty();
        !is_cut && !is_blind
    }

    /// Adds the numbers that were seen to be ours to those of earlier looks.
    fn learn(&self, rows: &[MessageRow]) -> BTreeSet<PhoneNumber> {
        let mut known = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(pool(rows, self.twilio.sender()));
        known.clone()
    }
}

/// The numbers by which a messaging service has sent of late.
fn pool(rows: &[MessageRow], sender: &Sender) -> BTreeSet<PhoneNumber> {
    let Sender::MessagingService(service) = sender else { return BTreeSet::new() };
    let is_by_it = |row: &&MessageRow| {
        row.direction == Some(Direction::Outbound)
            && row.messaging_service_sid.as_ref() == Some(service)
    };
    rows.iter().filter(is_by_it).filter_map(|row| row.from.clone()).collect()
}

/// Whether a patient's text was sent to us. An account may have other numbers, for other purposes.
fn is_to(row: &MessageRow, sender: &Sender, pool: &BTreeSet<PhoneNumber>) -> bool {
    let is_ours = match (sender, &row.messaging_service_sid) {
        (Sender::From(_) | Sender::ShortCode(_), _) => true,
        (Sender::MessagingService(ours), Some(service)) => service == ours,
        (Sender::MessagingService(_), None) => row.to.as_ref().is_some_and(|to| pool.contains(to)),
    };
    is_ours && row.direction == Some(Direction::Inbound)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::sms::answer;

    const OURS: &str = "MG0123456789abcdef0123456789abcdef";
    const OTHER: &str = "MG1123456789abcdef0123456789abcdef";

    fn row(direction: &str, from: &str, to: &str, service: Value) -> MessageRow {
        let row = json!({
            "sid": "SM0123456789abcdef0123456789abcdef", "direction": direction, "from": from,
            "to": to, "messaging_service_sid": service,
        });
        answer::message(row.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn of_an_accounts_texts_those_to_our_service_or_its_numbers_are_ours() {
        let sender = Sender::parse(OURS).unwrap();
        let sent = row("outbound-api", "+15105550100", "+14155550123", OURS.into());
        let pool = pool(std::slice::from_ref(&sent), &sender);
        let cases = [
            (row("inbound", "+14155550123", "+15105550100", Value::Null), true),
            (row("inbound", "+14155550123", "+15105550101", OURS.into()), true),
            (row("inbound", "+14155550123", "+15105550101", Value::Null), false),
            (row("inbound", "+14155550123", "+15105550100", OTHER.into()), false),
            (sent, false),
        ];
        for (row, expected) in cases {
            assert_eq!(is_to(&row, &sender, &pool), expected, "{row:?}");
        }
    }

    #[test]
    fn a_text_to_a_short_code_is_read() {
        let sender = Sender::parse("72345").unwrap();
        assert_eq!(sender.address(), Some("72345"));
        let text = row("inbound", "+14155550123", "72345", Value::Null);
        assert!(is_to(&text, &sender, &BTreeSet::new()));
        assert!(InboundSms::from_row(&text).is_ok());
    }
}
