//! The reading side of FHIR servers: how far each has been read, and what of ours it holds.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::batch::Error;
use super::rows;
use super::view::{Filter, View};
use crate::clock::Timestamp;
use crate::core::appointment::Appointment;
use crate::core::feed::Feed;
use crate::core::ids::{AppointmentKey, SourceName};
use crate::store::{Order, Table};

impl View {
    /// What is known of a FHIR server, if anything is.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn feed(&self, server: &SourceName) -> Result<Option<Feed>, Error> {
        let row = self.store.get(&rows::feed(server)?)?;
        Ok(row.map(|row| rows::decode(Table::Feed, &row.value)).transpose()?)
    }

    /// The appointment that is this resource of a server.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn resource(&self, server: &SourceName, id: &str) -> Result<Option<Appointment>, Error> {
        let Some(row) = self.store.get(&rows::resource(server, id)?)? else { return Ok(None) };
        let key: AppointmentKey = rows::decode(Table::Alias, &row.value)?;
        self.by_key(key.as_str())
    }

    /// The appointments that a server holds and whose end is not before a moment, by their ids there.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn held_at(
        &self,
        server: &SourceName,
        from: Timestamp,
    ) -> Result<BTreeMap<String, Appointment>, Error> {
        let mut found = BTreeMap::new();
        self.scan(Table::Appointment, Order::Ascending, |_, row| {
            let row: Appointment = rows::decode(Table::Appointment, &row.value)?;
            let is_ahead = row.ends_at().is_none_or(|end| end >= from);
            if let Some(held) = row.resources.get(server).filter(|_| is_ahead) {
                found.insert(held.id.clone(), row);
            }
            Ok(true)
        })?;
        Ok(found)
    }

    pub(super) fn servers(&self, filter: &Filter) -> Result<Vec<Value>, Error> {
        let mut found = Vec::new();
        self.scan(Table::Feed, Order::Ascending, |key, row| {
            if !key.bytes().starts_with(rows::FEED_ROWS) {
                return Ok(true);
            }
            let feed: Feed = rows::decode(Table::Feed, &row.value)?;
            let status = feed.subscription.as_ref().map(|subscription| subscription.status.name());
            if filter.status.is_none() || filter.status.as_deref() == status {
                found.push(json!(feed));
            }
            Ok(found.len() < filter.limit)
        })?;
        Ok(found)
    }
}
