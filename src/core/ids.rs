//! Names of things: sources, appointments, journal entries, rows of the outbox.
//!
//! Each is a type of its own, so that a patient's number cannot be passed where an appointment's is
//! wanted. None of them is made from patient data except [`AppointmentKey`], which holds the
//! appointment's number at the EHR, and where several patients share that number the patient's, as
//! a [`Member`].

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps the text.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// The configured name of a feed (`[[hl7.listener]] name`).
    SourceName
}
name! {
    /// The configured name of an outlet for write-back (`[[hl7.destination]] name`).
    DestinationName
}
name! {
    /// An appointment: `SOURCE/ID`, where ID is the first identifier that it was ever heard under.
    ///
    /// What else tells it apart stands before the slash: `ehr:placer/17` is a placer's number,
    /// `ehr#2/17` the second time of a series, `ehr~MRN2000/17` one patient of a group.
    AppointmentKey
}
name! {
    /// One patient among those who share an appointment's number, as it is spelled in keys.
    Member
}
name! {
    /// A row of the outbox; travels in the status callback's address.
    OutboxId
}

impl AppointmentKey {
    /// Makes the key of an appointment first heard of under `id` from `source`.
    ///
    /// The system is part of the key: a filler's 17 and a placer's 17 are two appointments. What
    /// stands behind the slash is the number as it came; before it no mark of a key can stand
    /// unspelled, and a source's name has none. So no number can be another's key.
    #[must_use]
    pub fn of(source: &SourceName, id: &Identifier) -> Self {
        if id.system == Identifier::FILLER {
            Self(format!("{source}/{}", id.value))
        } else {
            Self(format!("{source}:{}/{}", spelled(&id.system), id.value))
        }
    }

    /// Makes the key of one of the appointments that share the number of this one.
    #[must_use]
    pub fn of_part(&self, part: &Part) -> Self {
        let (head, number) = self.0.split_once('/').unwrap_or((&self.0, ""));
        let mut key = head.to_owned();
        if part.occurrence > 1 {
            key.push_str(&format!("#{}", part.occurrence));
        }
        if let Some(member) = &part.member {
            key.push_str(&format!("~{member}"));
        }
        Self(format!("{key}/{number}"))
    }
}

/// Which of the appointments under one number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Part {
    /// Which of a series, from 1.
    pub occurrence: u16,
    /// Whose, if it is not the patient's who was heard of first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<Member>,
}

impl Part {
    /// Whether it is the appointment that has the number itself for its key.
    #[must_use]
    pub const fn is_first(&self) -> bool {
        self.occurrence <= 1 && self.member.is_none()
    }
}

impl Default for Part {
    fn default() -> Self {
        Self { occurrence: 1, member: None }
    }
}

impl Member {
    /// Names a patient by record number.
    #[must_use]
    pub fn of_id(id: &str) -> Self {
        Self(spelled(id))
    }

    /// Names a patient whose messages give no number; the comma stands in no spelled number.
    #[must_use]
    pub fn of_name(family: &str, given: &str) -> Self {
        Self(format!("{},{}", spelled(family), spelled(given)))
    }
}

/// Writes a text so that it holds none of the marks of a key.
fn spelled(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || !c.is_ascii() || ".-_".contains(c);
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_plain(c) {
            out.push(c);
        } else {
            out.push_str(&format!("%{:02X}", u32::from(c)));
        }
    }
    out
}

impl OutboxId {
    /// Makes the id of the `index`th effect of the turn `seq`, decided at `now`.
    ///
    /// The time keeps ids apart when an older backup is restored and `seq` counts again.
    #[must_use]
    pub fn of(now: Timestamp, seq: Seq, index: usize) -> Self {
        Self(format!("{:x}-{:x}-{index:x}", now.timestamp_millis(), seq.0))
    }

    /// The control id (MSH-10) of the message that this effect is: 20 characters, as many as
    /// HL7 v2.3 to v2.6 allow, unique as the id is, and the same at every try.
    #[must_use]
    pub fn control_id(&self) -> String {
        const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
        let mut parts = self.0.split('-').map(|part| u128::from_str_radix(part, 16).unwrap_or(0));
        let (millis, seq, index) =
            (parts.next().unwrap_or(0), parts.next().unwrap_or(0), parts.next().unwrap_or(0));
        // 48 bits of time, 40 of position, 12 of index: 100 bits are 20 digits of 5.
        let bits =
            (millis & 0xffff_ffff_ffff) << 52 | (seq & 0xff_ffff_ffff) << 12 | (index & 0xfff);
        let digit = |place: u32| {
            let five = usize::try_from((bits >> (5 * place)) & 31).unwrap_or(0);
            DIGITS.get(five).map_or('0', |digit| char::from(*digit))
        };
        (0..20).rev().map(digit).collect()
    }
}

/// The position of an entry in the journal; grows by one with every turn.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// An identifier as a message gives it, with the system that assigned it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identifier {
    /// The identifier, byte for byte.
    pub value: String,
    /// `filler`, `placer`, `visit`, or an assigning authority.
    pub system: String,
}

impl Identifier {
    /// The system of ids that the EHR's scheduling gives (SCH-2).
    pub const FILLER: &'static str = "filler";

    /// Pairs a value with its system.
    pub fn new(value: impl Into<String>, system: impl Into<String>) -> Self {
        Self { value: value.into(), system: system.into() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn control_ids_have_twenty_characters_and_differ() {
        let now = "2026-12-01T12:00:00Z".parse().unwrap();
        let ids: Vec<String> = [(1, 0), (1, 1), (2, 0), (u64::MAX, 4_000)]
            .into_iter()
            .map(|(seq, index)| OutboxId::of(now, Seq(seq), index).control_id())
            .collect();
        assert!(ids.iter().all(|id| id.len() == 20), "{ids:?}");
        let distinct: BTreeSet<&String> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
    }

    #[test]
    fn a_filler_and_a_placer_of_one_number_are_two_appointments() {
        let source = SourceName::new("ehr");
        let filler = AppointmentKey::of(&source, &Identifier::new("17", "filler"));
        let placer = AppointmentKey::of(&source, &Identifier::new("17", "placer"));
        assert_eq!((filler.as_str(), placer.as_str()), ("ehr/17", "ehr:placer/17"));
    }

    #[test]
    fn times_and_patients_under_one_number_have_keys_of_their_own() {
        let key = AppointmentKey::of(&SourceName::new("ehr"), &Identifier::new("1/7", "filler"));
        let part = |occurrence, member: Option<&str>| {
            key.of_part(&Part { occurrence, member: member.map(Member::of_id) }).0
        };
        assert_eq!(part(1, None), "ehr/1/7");
        assert_eq!(part(2, None), "ehr#2/1/7");
        assert_eq!(part(1, Some("MRN2000")), "ehr~MRN2000/1/7");
        assert_eq!(part(12, Some("a~/b")), "ehr#12~a%7E%2Fb/1/7");
        assert_eq!(Member::of_name("Roe", "Ann Lee").as_str(), "Roe,Ann%20Lee");
    }
    type Named = (String, Option<String>, u16, Option<(String, Option<String>)>);

    /// Appointments whose identifiers and patients are made of what means something in a key.
    fn named() -> impl Strategy<Value = Named> {
        let marks = || "[#~/:,%2\0é]{0,3}";
        let member = proptest::option::of((marks(), proptest::option::of(marks())));
        (marks(), proptest::option::of(marks()), 1_u16..4, member)
    }

    fn key_of((value, system, occurrence, member): &Named) -> AppointmentKey {
        let system = system.as_deref().unwrap_or(Identifier::FILLER);
        let member = member.as_ref().map(|(name, given)| match given {
            Some(given) => Member::of_name(name, given),
            None => Member::of_id(name),
        });
        AppointmentKey::of(&SourceName::new("ehr"), &Identifier::new(value, system))
            .of_part(&Part { occurrence: *occurrence, member })
    }

    proptest! {
        #[test]
        fn no_two_appointments_have_one_key(
            all in proptest::collection::btree_set(named(), 200..600),
        ) {
            let keys: BTreeSet<AppointmentKey> = all.iter().map(key_of).collect();
            prop_assert_eq!(keys.len(), all.len());
        }
    }
}
