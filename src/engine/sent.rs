//! Which of the provider's messages are ours already: what a sender asks before it takes one for a text
//! of which it does not know whether it left.

use std::collections::BTreeSet;

use super::batch::Error;
use super::rows;
use super::view::{SCANNED_MAX, View};
use crate::clock::Timestamp;
use crate::core::delivery::Outgoing;
use crate::core::effect::Effect;
use crate::core::ids::OutboxId;
use crate::core::phone::PhoneNumber;
use crate::store::{Order, Table};

impl View {
    /// The provider's ids of the texts to a phone that were planned since then, but for one row's.
    /// `None` if there are more rows than are looked through.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn owned_messages(
        &self,
        phone: &PhoneNumber,
        since: Timestamp,
        except: &OutboxId,
    ) -> Result<Option<BTreeSet<String>>, Error> {
        let mut owned = BTreeSet::new();
        let (mut looked_at, mut has_ended) = (0_usize, false);
        // Ids begin with the time, so the table is in order of time.
        self.scan(Table::Outbox, Order::Descending, |_, row| {
            let row: Outgoing = rows::decode(Table::Outbox, &row.value)?;
            let is_theirs = matches!(&row.effect, Effect::SendSms(sms) if sms.to == *phone);
            if is_theirs && row.id != *except {
                owned.extend(row.tries.lost);
                owned.extend(row.provider_id);
            }
            looked_at += 1;
            has_ended = row.created_at < since;
            Ok(!has_ended)
        })?;
        let is_whole = has_ended || looked_at < SCANNED_MAX;
        Ok(is_whole.then_some(owned))
    }
}
