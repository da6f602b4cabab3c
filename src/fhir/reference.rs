//! References: what they name, and which of an appointment's have still to be read.
//!
//! The order is FHIR's: contained, then what came along, then a read from the server itself, then a
//! read from an address that is allowed; a reference that only displays or identifies needs no read.
//! Where to read is decided by what a server sent, so a foreign address is never asked: it could
//! make the daemon, which holds credentials, ask anything within the network. Nothing is read here.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::address::Address;
use super::{json, resource};

/// Most reads one after the other for one appointment. A slot's place takes 3; a patient who was
/// merged twice takes 3. What lies further is left out and counted.
pub const HOPS_MAX: usize = 4;

/// Most reads asked for at once; a group visit of 60 stays below. What is above is counted, and
/// asked for when these are at hand.
pub const WANTS_MAX: usize = 64;

/// Most references looked at in one call; bounds the time for resources made to be slow.
const REFERENCES_MAX: usize = 2000;

/// Why a configured address cannot be a base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an absolute http or https address without user, query and fragment")]
pub struct BadBase;

/// Where resources may be read: a server's base address, and others that were allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origins {
    base: Address,
    allowed: Vec<Address>,
}

impl Origins {
    /// Reads the base address of a server and other bases that its references may lead to.
    ///
    /// # Errors
    /// [`BadBase`] if one of them is no plain address.
    pub fn new(base: &str, allowed: &[&str]) -> Result<Self, BadBase> {
        let read = |text: &str| Address::parse(text.trim()).ok_or(BadBase);
        let allowed = allowed.iter().map(|text| read(text)).collect::<Result<_, _>>()?;
        Ok(Self { base: read(base)?, allowed })
    }

    /// The server's base address, as it is compared.
    #[must_use]
    pub fn base(&self) -> String {
        self.base.written()
    }

    /// Whether an absolute address may be read: it has the server's origin, or lies below a base
    /// that is allowed.
    #[must_use]
    pub fn permits(&self, url: &str) -> bool {
        Address::parse(url).is_some_and(|address| {
            address.origin == self.base.origin
                || self.allowed.iter().any(|base| address.below(base).is_some())
        })
    }

    /// The absolute address of a want.
    #[must_use]
    pub fn address_of(&self, want: &Want) -> String {
        if want.url.contains("://") {
            want.url.clone()
        } else {
            format!("{}/{}", self.base.written(), want.url)
        }
    }

    /// What was read in answer to a want, as an entry that [`wanted`] and
    /// [`bundle`](resource::bundle) know the origin of.
    #[must_use]
    pub fn entry_of(&self, want: &Want, resource: Value) -> Value {
        json!({"fullUrl": self.address_of(want), "resource": resource})
    }

    /// How a named resource is asked for: `Patient/9` of the server itself, else its address;
    /// nothing if it is foreign.
    fn url(&self, place: Option<&Address>, name: &Name) -> Option<String> {
        let bare = format!("{}/{}", name.kind, name.id);
        match place {
            None => Some(bare),
            Some(place) if *place == self.base => Some(bare),
            Some(place) => {
                let url = format!("{}/{bare}", place.written());
                self.permits(&url).then_some(url)
            }
        }
    }
}

/// What a literal reference says without an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The type, such as `Appointment`.
    pub kind: String,
    /// The logical id.
    pub id: String,
    /// The version, of a versioned reference.
    pub version: Option<String>,
}

impl Name {
    /// Reads a reference, relative or absolute, with a version or without.
    ///
    /// ```
    /// use appointd::fhir::reference::Name;
    /// let name = Name::of("https://ehr.example.org/r4/Appointment/17/_history/2").unwrap();
    /// assert_eq!((name.kind.as_str(), name.id.as_str()), ("Appointment", "17"));
    /// assert_eq!(name.version.as_deref(), Some("2"));
    /// assert_eq!(Name::of("Appointment?identifier=17"), None);
    /// assert_eq!(Name::of("Appointment/../Patient/1"), None);
    /// ```
    #[must_use]
    pub fn of(reference: &str) -> Option<Self> {
        match Literal::parse(reference) {
            Literal::Relative(name) | Literal::Absolute(_, name) => Some(name),
            Literal::Contained(_) | Literal::Urn | Literal::Foreign | Literal::Unreadable => None,
        }
    }

    /// The name at the end of a path, and the path before it.
    fn at_end(path: &str) -> Option<(&str, Self)> {
        let (before, id) = split_last(path);
        let (path, id, version) = match split_last(before) {
            (before, "_history") => {
                let (before, named) = split_last(before);
                (before, named, Some(id))
            }
            _ => (before, id, None),
        };
        let (before, kind) = split_last(path);
        let is_version = version.is_none_or(json::is_id);
        (json::is_type(kind) && json::is_id(id) && is_version).then(|| {
            let version = version.map(str::to_owned);
            (before, Self { kind: kind.to_owned(), id: id.to_owned(), version })
        })
    }
}

fn split_last(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// A literal reference taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Literal<'a> {
    /// `#id`, within the resource.
    Contained(&'a str),
    /// `Patient/9`.
    Relative(Name),
    /// A base address and what lies directly below it.
    Absolute(Address, Name),
    /// `urn:uuid:..`: an entry of the same Bundle.
    Urn,
    /// An address that is none, or could be understood in two ways.
    Foreign,
    /// A search, or no reference.
    Unreadable,
}

impl<'a> Literal<'a> {
    pub(super) fn parse(text: &'a str) -> Self {
        let text = text.trim();
        if text.len() > json::TEXT_BYTES_MAX {
            return Self::Unreadable;
        }
        if let Some(id) = text.strip_prefix('#') {
            return Self::Contained(id);
        }
        let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
        if scheme.eq_ignore_ascii_case("urn") {
            return Self::Urn;
        }
        if text.contains("//") || text.contains('\\') {
            let Some(mut address) = Address::parse(text) else { return Self::Foreign };
            let Some((before, name)) = Name::at_end(&address.path) else { return Self::Unreadable };
            address.path = before.to_owned();
            return Self::Absolute(address, name);
        }
        match Name::at_end(text.strip_prefix('/').unwrap_or(text)) {
            Some(("", name)) => Self::Relative(name),
            Some(_) | None => Self::Unreadable,
        }
    }
}

/// A kind of resource that says something about an appointment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Who comes.
    Patient,
    /// Who is seen.
    Practitioner,
    /// Who is seen, in a function at a place.
    PractitionerRole,
    /// Where.
    Location,
    /// Who comes along, or speaks for the patient.
    RelatedPerson,
    /// What is offered; for a video visit where.
    HealthcareService,
    /// The time taken.
    Slot,
    /// Whose time.
    Schedule,
}

impl Kind {
    const ACTORS: [Self; 6] = [
        Self::Patient,
        Self::Practitioner,
        Self::PractitionerRole,
        Self::Location,
        Self::RelatedPerson,
        Self::HealthcareService,
    ];

    /// The type's name in FHIR.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Patient => "Patient",
            Self::Practitioner => "Practitioner",
            Self::PractitionerRole => "PractitionerRole",
            Self::Location => "Location",
            Self::RelatedPerson => "RelatedPerson",
            Self::HealthcareService => "HealthcareService",
            Self::Slot => "Slot",
            Self::Schedule => "Schedule",
        }
    }
}

/// A resource to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// `Patient/9` below the server's base, or an absolute address that is allowed.
    pub url: String,
    /// What is expected there.
    pub kind: Kind,
}

/// What has to be read for an appointment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Each once, in the order of the appointment.
    pub wants: Vec<Want>,
    /// References to other servers that are not allowed.
    pub refused: usize,
    /// References that name nothing that could be read: searches, missing contained resources, ids
    /// that are none.
    pub unreadable: usize,
    /// References beyond [`HOPS_MAX`] or [`WANTS_MAX`].
    pub left_out: usize,
}

/// Which resources have to be read to understand an appointment, beyond those at hand.
///
/// Second hops are found by calling again with what was read: a role's practitioner; the patient
/// who replaces a merged one; and only if no participant is a place, a role's places and a slot's
/// schedule with its place. What is at hand is a resource or an entry of a Bundle, as
/// [`resource::bare`] has it; references within an entry from an allowed server are relative to
/// that server.
#[must_use]
pub fn wanted(appointment: &Value, at_hand: &[&Value], origins: &Origins) -> Wanted {
    let appointment = resource::bare(appointment);
    let home = Home { resource: appointment, place: None };
    let actors = || json::each(appointment, "participant").iter().filter_map(|p| p.get("actor"));
    let mut search = Search {
        origins,
        hand: Hand::new(at_hand, origins),
        needs_place: !actors().any(|actor| is_place(actor, appointment)),
        seen: BTreeSet::new(),
        looked_at: 0,
        found: Wanted::default(),
    };
    for actor in actors() {
        search.follow(actor, &home, &Kind::ACTORS, 1);
    }
    if search.needs_place {
        // Where a server keeps the place that is none of the participants.
        for item in json::each(appointment, "supportingInformation") {
            search.follow(item, &home, &[Kind::Location], 1);
        }
        for slot in json::each(appointment, "slot") {
            search.follow(slot, &home, &[Kind::Slot], 1);
        }
    }
    search.found
}

/// Whether a participant is a place, if only by name.
fn is_place(actor: &Value, appointment: &Value) -> bool {
    let place = Kind::Location.name();
    match Literal::parse(json::text(actor, "reference").unwrap_or_default()) {
        Literal::Relative(name) | Literal::Absolute(_, name) => name.kind == place,
        Literal::Contained(id) => {
            contained(appointment, id).is_some_and(|found| json::kind(found) == place)
        }
        Literal::Urn | Literal::Foreign | Literal::Unreadable => {
            json::text(actor, "type") == Some(place)
        }
    }
}

fn contained<'v>(home: &'v Value, id: &str) -> Option<&'v Value> {
    json::each(home, "contained").iter().find(|found| json::text(found, "id") == Some(id))
}

/// The resource in which a reference stands, and the server it came from if it is another one.
struct Home<'v> {
    resource: &'v Value,
    place: Option<Address>,
}

/// What came along, to be found by address and by name.
struct Hand<'v> {
    by_full_url: BTreeMap<&'v str, &'v Value>,
    by_url: BTreeMap<String, &'v Value>,
}

impl<'v> Hand<'v> {
    fn new(at_hand: &[&'v Value], origins: &Origins) -> Self {
        let mut hand = Self { by_full_url: BTreeMap::new(), by_url: BTreeMap::new() };
        for value in at_hand {
            let full_url = json::text(value, "fullUrl").filter(|_| value.get("resource").is_some());
            let mut place = None;
            if let Some(full_url) = full_url {
                hand.by_full_url.entry(full_url).or_insert(value);
                if let Literal::Absolute(base, name) = Literal::parse(full_url)
                    && let Some(url) = origins.url(Some(&base), &name)
                {
                    // An address that nobody allowed is the server's own, to be known by type and
                    // id: behind a proxy many write the name that they have within their network.
                    place = Some(base);
                    hand.by_url.entry(url).or_insert(value);
                }
            }
            let Some(identity) = resource::identity(value) else { continue };
            let name = Name { kind: identity.kind, id: identity.id, version: None };
            if let Some(url) = origins.url(place.as_ref(), &name) {
                hand.by_url.entry(url).or_insert(value);
            }
        }
        hand
    }
}

struct Search<'s, 'v> {
    origins: &'s Origins,
    hand: Hand<'v>,
    needs_place: bool,
    /// What was followed already, at hand or wanted.
    seen: BTreeSet<String>,
    looked_at: usize,
    found: Wanted,
}

impl<'v> Search<'_, 'v> {
    fn follow(&mut self, reference: &'v Value, home: &Home<'v>, expected: &[Kind], hop: usize) {
        // Display and identifier alone ask for nothing.
        let Some(text) = json::text(reference, "reference").filter(|text| !text.trim().is_empty())
        else {
            return;
        };
        self.looked_at += 1;
        if hop > HOPS_MAX || self.looked_at > REFERENCES_MAX {
            self.found.left_out += 1;
            return;
        }
        let (place, name) = match Literal::parse(text) {
            Literal::Contained(id) => {
                let found = contained(home.resource, id);
                return self.go_on(found, home.place.clone(), expected, hop);
            }
            Literal::Relative(name) => (home.place.clone(), name),
            Literal::Absolute(place, name) => (Some(place), name),
            Literal::Urn => {
                let found = self.hand.by_full_url.get(text.trim()).copied();
                return self.go_on(found, home.place.clone(), expected, hop);
            }
            Literal::Foreign => {
                self.found.refused += 1;
                return;
            }
            Literal::Unreadable => {
                self.found.unreadable += 1;
                return;
            }
        };
        // Devices, groups and the like say nothing that a patient is told.
        let Some(kind) = expected.iter().find(|kind| kind.name() == name.kind) else { return };
        let Some(url) = self.origins.url(place.as_ref(), &name) else {
            match self.hand.by_full_url.get(text.trim()).copied() {
                Some(found) => self.go_on(Some(found), None, expected, hop),
                None => self.found.refused += 1,
            }
            return;
        };
        if !self.seen.insert(url.clone()) {
            return;
        }
        if let Some(found) = self.hand.by_url.get(&url).copied() {
            let place = place.filter(|place| *place != self.origins.base);
            self.go_on(Some(found), place, expected, hop);
        } else if self.found.wants.len() < WANTS_MAX {
            self.found.wants.push(Want { url, kind: *kind });
        } else {
            self.found.left_out += 1;
        }
    }

    /// Follows what a resource at hand refers to in its turn.
    fn go_on(
        &mut self,
        found: Option<&'v Value>,
        place: Option<Address>,
        expected: &[Kind],
        hop: usize,
    ) {
        let Some(found) = found.map(resource::bare) else {
            self.found.unreadable += 1;
            return;
        };
        let home = Home { resource: found, place };
        let kind = expected.iter().find(|kind| kind.name() == json::kind(found));
        match kind {
            Some(Kind::PractitionerRole) => {
                self.follow_all(found.get("practitioner"), &home, Kind::Practitioner, hop);
                if self.needs_place {
                    self.follow_all(json::each(found, "location"), &home, Kind::Location, hop);
                }
            }
            Some(Kind::Patient) => {
                let links = json::each(found, "link").iter();
                let others = links.filter(|link| json::text(link, "type") == Some("replaced-by"));
                let others = others.filter_map(|link| link.get("other"));
                self.follow_all(others, &home, Kind::Patient, hop);
            }
            Some(Kind::Slot) => {
                self.follow_all(found.get("schedule"), &home, Kind::Schedule, hop);
            }
            Some(Kind::Schedule) => {
                self.follow_all(json::each(found, "actor"), &home, Kind::Location, hop);
            }
            Some(
                Kind::Practitioner | Kind::Location | Kind::RelatedPerson | Kind::HealthcareService,
            )
            | None => {}
        }
    }

    fn follow_all(
        &mut self,
        references: impl IntoIterator<Item = &'v Value>,
        home: &Home<'v>,
        expected: Kind,
        hop: usize,
    ) {
        for reference in references {
            self.follow(reference, home, &[expected], hop + 1);
        }
    }
}

#[cfg(test)]
#[path = "reference_tests.rs"]
mod tests;
