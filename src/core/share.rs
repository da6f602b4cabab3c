//! Several appointments under one number: the patients of a group visit, the times of a series.
//!
//! Each is a row of its own. The row that was heard of first keeps the number itself as its key and
//! is the *register*: it knows how many times there are and which other patients have rows. Here is
//! decided which rows a claim is about; what it changes in each of them is for [`super::ehr`].

use serde::{Deserialize, Serialize};

use super::appointment::{Appointment, Patient, WishKind};
use super::claim::{Claim, EhrEvent, PatientClaim, Share};
use super::field::Field;
use super::ids::{AppointmentKey, Identifier, Member, Part};
use super::local_time::LocalTime;
use crate::clock::Timestamp;

/// How many patients a register remembers; of a group that changes all the time it forgets the
/// first, whose row is still found by number and patient. As many as one message has claims.
const MEMBERS_MAX: usize = super::claim::CLAIMS_MAX;

/// What a row knows of others under its number. What was once shared stays so: the EHR knows no
/// other number to speak of one of them by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sharing {
    /// Which of them it is.
    #[serde(default)]
    pub part: Part,
    /// How many patients a message named at most.
    #[serde(default = "one")]
    pub patients: u16,
    /// How many times a message named at most.
    #[serde(default = "one")]
    pub occurrences: u16,
    /// The other patients who have rows, in a register.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<Member>,
}

const fn one() -> u16 {
    1
}

impl Default for Sharing {
    fn default() -> Self {
        Self { part: Part::default(), patients: 1, occurrences: 1, members: Vec::new() }
    }
}

impl Sharing {
    /// Whether nothing is known of others.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        !self.has_patients() && !self.has_times()
    }

    /// Whether the number is that of several patients.
    #[must_use]
    pub fn has_patients(&self) -> bool {
        self.patients > 1 || self.part.member.is_some() || !self.members.is_empty()
    }

    /// Whether the number is that of several times.
    #[must_use]
    pub const fn has_times(&self) -> bool {
        self.occurrences > 1 || self.part.occurrence > 1
    }

    /// Whether a change of the one resource that all share would say more than one patient's wish.
    #[must_use]
    pub fn forbids(&self, wish: WishKind) -> bool {
        match wish {
            WishKind::Confirm => self.has_times(),
            WishKind::Cancel => !self.is_alone(),
        }
    }

    /// Takes in how many a message tells of.
    pub(super) fn learn(&mut self, share: Share) {
        self.patients = self.patients.max(share.patients);
        self.occurrences = self.occurrences.max(share.occurrences);
    }

    /// Remembers a patient who has a row.
    fn admit(&mut self, member: &Member) {
        if self.members.contains(member) {
            return;
        }
        if self.members.len() >= MEMBERS_MAX {
            self.members.remove(0);
        }
        self.members.push(member.clone());
    }
}

/// The row that a claim is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The key of the row, whether it is there or is to be made.
    pub key: AppointmentKey,
    /// Which of the appointments under its number it is.
    pub part: Part,
    /// The register, if that is another row.
    pub register: Option<AppointmentKey>,
}

/// A claim as it counts for one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Which row.
    pub subject: Subject,
    /// What the message says of it.
    pub claim: Claim,
}

impl Subject {
    /// The row of a claim whose identifiers nobody has heard of.
    #[must_use]
    pub fn unheard(claim: &Claim) -> Self {
        let nothing = Identifier::new("", Identifier::FILLER);
        let id = claim.appointment.ids.first().unwrap_or(&nothing);
        let part = Part { occurrence: claim.share.occurrence, member: None };
        let key = AppointmentKey::of(&claim.origin.space, id).of_part(&part);
        Self { key, part, register: None }
    }

    fn under(register: &Appointment, part: Part) -> Self {
        let key = register.key.of_part(&part);
        let other = (key != register.key).then(|| register.key.clone());
        Self { key, part, register: other }
    }
}

/// Says which rows a claim is about. `register` is the row that its identifiers are known under;
/// `row` reads another by its key.
///
/// Of several claims of one message those of the first time come first, and each is to be applied
/// before the next one is asked about.
///
/// # Errors
/// What `row` fails with.
pub fn targets<E>(
    claim: &Claim,
    register: Option<&Appointment>,
    mut row: impl FnMut(&AppointmentKey) -> Result<Option<Appointment>, E>,
) -> Result<Vec<Target>, E> {
    let Some(register) = register else {
        return Ok(vec![Target { subject: Subject::unheard(claim), claim: claim.clone() }]);
    };
    let mut targets = times(claim, register, whose(claim, register, &mut row)?, &mut row)?;
    if !speaks_for_all(claim) {
        return Ok(targets);
    }
    for member in &register.sharing.members {
        let theirs = Claim { patient: PatientClaim::default(), ..claim.clone() };
        for target in times(&theirs, register, Some(member.clone()), &mut row)? {
            // Of whom there is no row nothing is known that a row could be made of.
            if row(&target.subject.key)?.is_some() {
                targets.push(target);
            }
        }
    }
    Ok(targets)
}

/// Whether a claim that names no patient is about all of them: a group visit that is called off or
/// moved is so for everybody. Who is coming and who did not come is said of one.
fn speaks_for_all(claim: &Claim) -> bool {
    let is_of_visit = match claim.event {
        EhrEvent::Booked | EhrEvent::Rescheduled | EhrEvent::Modified | EhrEvent::Canceled => true,
        EhrEvent::Confirmed | EhrEvent::NoShowed => false,
    };
    is_of_visit && claim.share.patients <= 1 && Member::said(&claim.patient).is_none()
}

/// Whose row a claim is about; `None` is the register's own patient.
fn whose<E>(
    claim: &Claim,
    register: &Appointment,
    row: &mut impl FnMut(&AppointmentKey) -> Result<Option<Appointment>, E>,
) -> Result<Option<Member>, E> {
    let Some(said) = Member::said(&claim.patient) else { return Ok(None) };
    let is_shared = claim.share.patients > 1 || register.sharing.has_patients();
    // Where the number is one patient's, another name for the patient is a correction.
    if !is_shared || is_nobody(&register.patient) || is_same(&claim.patient, &register.patient) {
        return Ok(None);
    }
    let members = &register.sharing.members;
    if members.contains(&said) {
        return Ok(Some(said));
    }
    // The patient may be known by another of the numbers.
    for member in members {
        let part = Part { occurrence: 1, member: Some(member.clone()) };
        let known = row(&register.key.of_part(&part))?;
        if known.is_some_and(|known| is_same(&claim.patient, &known.patient)) {
            return Ok(Some(member.clone()));
        }
    }
    Ok(Some(said))
}

/// Which of a patient's times a claim is about.
///
/// A message that names as many times as are known counts them off. One that names fewer is about
/// the one that it gives the start of; a cancellation that gives no known start calls off all.
fn times<E>(
    claim: &Claim,
    register: &Appointment,
    member: Option<Member>,
    row: &mut impl FnMut(&AppointmentKey) -> Result<Option<Appointment>, E>,
) -> Result<Vec<Target>, E> {
    let target = |occurrence: u16, claim: Claim| {
        let part = Part { occurrence, member: member.clone() };
        Target { subject: Subject::under(register, part), claim }
    };
    let Share { occurrence, occurrences: said, .. } = claim.share;
    if said >= register.sharing.occurrences {
        return Ok(vec![target(occurrence, claim.clone())]);
    }
    let start = claim.appointment.start.value().map(moment);
    let (mut known, mut meant) = (Vec::new(), Vec::new());
    for occurrence in 1..=register.sharing.occurrences {
        let part = Part { occurrence, member: member.clone() };
        let Some(row) = row(&register.key.of_part(&part))? else { continue };
        known.push(occurrence);
        if start.is_some() && row.start.as_ref().map(moment) == start {
            meant.push(occurrence);
        }
    }
    if let [only] = meant[..] {
        return Ok(vec![target(only, claim.clone())]);
    }
    let calls_off_all = claim.event == EhrEvent::Canceled && said <= 1 && !known.is_empty();
    if !calls_off_all {
        return Ok(vec![target(occurrence, claim.clone())]);
    }
    let keeps_time = |occurrence: &u16| meant.contains(occurrence);
    let claim_for = |occurrence: &u16| {
        if keeps_time(occurrence) { claim.clone() } else { without_time(claim) }
    };
    Ok(known.iter().map(|occurrence| target(*occurrence, claim_for(occurrence))).collect())
}

fn moment(start: &LocalTime) -> (Timestamp, bool) {
    (start.instant, start.date_only)
}

/// The claim without the time, which is that of another one of the series.
fn without_time(claim: &Claim) -> Claim {
    let mut claim = claim.clone();
    claim.appointment.start = Field::Absent;
    claim.appointment.end = Field::Absent;
    claim.appointment.duration_minutes = Field::Absent;
    claim
}

impl Member {
    /// The patient whom a message names, if it names one.
    fn said(patient: &PatientClaim) -> Option<Self> {
        if let Some(id) = patient.id.value().or_else(|| patient.ids.first().map(|id| &id.value)) {
            return Some(Self::of_id(id));
        }
        let [family, given] = [&patient.family, &patient.given]
            .map(|name| name.value().map_or("", |name| name.expose().as_str()));
        let is_named = !family.is_empty() || !given.is_empty();
        is_named.then(|| Self::of_name(family, given))
    }
}

fn is_nobody(held: &Patient) -> bool {
    held.id.is_none() && held.ids.is_empty() && held.family.is_none() && held.given.is_none()
}

/// Whether a message speaks of the patient of a row: by the main number of either among the numbers
/// of the other, or by name where one of them has no number. Any number in common would be too
/// little: a family may share an account.
pub(super) fn is_same(said: &PatientClaim, held: &Patient) -> bool {
    let has = |ids: &[Identifier], id: &String| ids.iter().any(|known| known.value == *id);
    if let (Some(own), Some(other)) = (said.id.value(), &held.id) {
        return own == other || has(&held.ids, own) || has(&said.ids, other);
    }
    let is_named = held.family.is_some() || held.given.is_some();
    is_named
        && said.family.value() == held.family.as_ref()
        && said.given.value() == held.given.as_ref()
}

/// What the register has to take in from a claim about another row, if anything is news to it: the
/// numbers too, since only a register is found by them.
pub(super) fn registered(
    register: &Appointment,
    subject: &Subject,
    claim: &Claim,
) -> Option<Appointment> {
    let mut after = register.clone();
    after.sharing.learn(claim.share);
    if let Some(member) = &subject.part.member {
        after.sharing.admit(member);
    }
    super::merge::add_ids(&mut after.ids, &claim.appointment.ids);
    (after != *register).then_some(after)
}
