//! What a query is narrowed by: which parts a subject knows, and which appointments a filter names.
//!
//! A part that is silently passed over would show everybody's rows as one patient's.

use std::collections::BTreeSet;

use super::batch::Error;
use super::rows;
use super::view::{Filter, Subject, View, is_wanted};
use crate::core::appointment::Appointment;
use crate::core::ids::AppointmentKey;
use crate::store::{Order, Table};

/// A part of a filter that a subject knows nothing of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is nothing that this subject is narrowed by; write {known}")]
pub struct UnknownPart {
    /// Which part.
    pub field: &'static str,
    /// Those that the subject knows.
    pub known: &'static str,
}

impl Subject {
    /// Checks that a filter asks for nothing that this subject's rows do not tell.
    ///
    /// # Errors
    /// The first part that it does not know.
    pub fn check(self, filter: &Filter) -> Result<(), UnknownPart> {
        let (known, parts): (_, &[&str]) = match self {
            Self::Quarantine => ("since, until or limit", &["since", "until"]),
            Self::Consent => {
                ("phone, since, until, status or limit", &["phone", "since", "until", "status"])
            }
            Self::Servers => ("status or limit", &["status"]),
            Self::Appointments
            | Self::History
            | Self::Messages
            | Self::Timers
            | Self::Outbox
            | Self::Tasks
            | Self::Audit => return Ok(()),
        };
        let asked = [
            ("patient", filter.patient.is_some()),
            ("phone", filter.phone.is_some()),
            ("appointment", filter.appointment.is_some()),
            ("since", filter.since.is_some()),
            ("until", filter.until.is_some()),
            ("status", filter.status.is_some()),
        ];
        match asked.into_iter().find(|(part, is_asked)| *is_asked && !parts.contains(part)) {
            Some((field, _)) => Err(UnknownPart { field, known }),
            None => Ok(()),
        }
    }
}

/// The appointments that a filter names, by patient or by themselves.
#[derive(Debug)]
pub(super) struct Named {
    keys: BTreeSet<AppointmentKey>,
    /// The name itself, for rows that outlive their appointment; not if a patient is named besides.
    name: Option<String>,
}

impl Named {
    /// Whether an appointment is one of them.
    pub(super) fn has(&self, key: &AppointmentKey) -> bool {
        let is_so_called = |name: &String| {
            let rest = key.as_str().strip_suffix(name.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
        };
        self.keys.contains(key) || self.name.as_ref().is_some_and(is_so_called)
    }
}

impl View {
    /// The appointments that a filter names; `None` if it names none.
    pub(super) fn named(&self, filter: &Filter) -> Result<Option<Named>, Error> {
        if filter.patient.is_none() && filter.appointment.is_none() {
            return Ok(None);
        }
        let wanted = Filter {
            patient: filter.patient.clone(),
            appointment: filter.appointment.clone(),
            ..Filter::default()
        };
        let mut keys = BTreeSet::new();
        self.scan(Table::Appointment, Order::Ascending, |_, row| {
            let row: Appointment = rows::decode(Table::Appointment, &row.value)?;
            if is_wanted(&row, &wanted) {
                keys.insert(row.key);
            }
            Ok(true)
        })?;
        let name = filter.appointment.clone().filter(|_| filter.patient.is_none());
        Ok(Some(Named { keys, name }))
    }
}
