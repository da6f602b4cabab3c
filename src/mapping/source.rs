//! One entry of a field's list: where to look, when, and how to read what is there.
//!
//! `"SCH-11.4"` or `{ path = "SCH-11.4", when = {..}, .. }`; `"inherited"` stands for the list of
//! the mapping that is extended. Which further keys there are depends on the kind of the field.

use super::condition::Condition;
use super::document::{Node, Reads, Table};
use super::expression::Expression;
use super::fault::Place;
use super::normalise::time::ZoneRule;
use super::output::{Kind, Output};
use super::spot::{At, Spot};
use crate::core::local_time::Zone;

/// FHIR's flag of the number that is preferred before others of its use.
const PREFERRED: &str =
    "extension('http://hl7.org/fhir/StructureDefinition/iso21090-preferred').value";

/// An entry of a field's list.
#[derive(Debug, Clone)]
pub(super) enum Entry {
    Inherited,
    Source(Box<Source>),
}

/// Where a value may come from.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) place: Place,
    /// What explanations call it.
    pub(super) label: String,
    pub(super) look: Look,
    pub(super) when: Option<Condition>,
    /// The name of a value table.
    pub(super) table: Option<String>,
    /// Cuts the value out of the text.
    pub(super) capture: Option<Expression>,
    pub(super) options: Options,
}

/// Where a source looks.
#[derive(Debug, Clone)]
pub(super) enum Look {
    Path(Spot),
    Constant(String),
}

/// What the kind of the field wants to know besides.
#[derive(Debug, Clone)]
pub(super) enum Options {
    None,
    Coded {
        /// Whether there is no event where this source gives nothing that is known.
        must: bool,
    },
    Ids(IdAt),
    /// Whether what is no time is passed over without a word.
    Time {
        soft: bool,
        /// Of times without offset; the mapping's own if not given.
        zone: Option<ZoneRule>,
        /// Where the zone's name stands, which beats every other.
        zone_at: Vec<Spot>,
    },
    Duration {
        unit: Unit,
    },
    Parts(Parts),
    Phones(Box<Xtn>),
}

/// Where the parts of a value stand in a repetition.
#[derive(Debug, Clone)]
pub(super) struct Parts {
    /// For each part the places that may hold it.
    pub(super) each: Vec<Vec<At>>,
    /// The place that holds a person's name in one, as "Family, Given".
    pub(super) full: Option<At>,
}

/// Where an identifier and its system stand in a repetition.
#[derive(Debug, Clone)]
pub(super) struct IdAt {
    pub(super) value: At,
    pub(super) system: System,
    /// What is put behind it, because it is not unique by itself.
    pub(super) also: Vec<Spot>,
}

/// Who assigned an identifier.
#[derive(Debug, Clone)]
pub(super) enum System {
    Named(String),
    /// The first valued of these places.
    At(Vec<At>),
}

/// The unit of a duration.
#[derive(Debug, Clone)]
pub(super) enum Unit {
    /// The mapping's default.
    Default,
    Named(String),
    At(Spot),
}

/// Where a phone field has what.
#[derive(Debug, Clone)]
pub(super) struct Xtn {
    /// Ways to put the number together, the best first.
    pub(super) number: Vec<Digits>,
    /// Components with codes of use or equipment.
    pub(super) codes: Vec<At>,
    /// The component with the flag of the preferred number.
    pub(super) preferred: Option<At>,
    /// The component with its place in the order of preference, from 1.
    pub(super) rank: Option<At>,
    /// The components with the times from which and to which it is in use.
    pub(super) since: Option<At>,
    pub(super) until: Option<At>,
    /// Whether it is asked only if all before it gave none.
    pub(super) fallback: bool,
}

/// Components that make a number one after the other.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Digits {
    pub(super) plus: bool,
    pub(super) components: Vec<At>,
}

impl Entry {
    /// Reads the list of a field.
    pub(super) fn read_list(node: Node<'_>, output: Output) -> Vec<Self> {
        node.list().iter().filter_map(|node| Self::read(node, output)).collect()
    }

    fn read(node: &Node<'_>, output: Output) -> Option<Self> {
        if node.as_text() == Some("inherited") {
            return Some(Self::Inherited);
        }
        let mut source = match node.as_table() {
            Some(table) => Source::read(table, output)?,
            None => Source {
                place: node.place(),
                label: node.text()?,
                look: Look::Path(Spot::read(node)?),
                when: None,
                table: None,
                capture: None,
                options: Options::usual(output.kind(), node.reads()),
            },
        };
        if let Look::Path(spot) = &mut source.look {
            if !is_whole(output.kind()) {
                *spot = spot.clone().into_component();
            }
            if let Spot::Hl7(path) = spot
                && path.component.is_some()
                && is_whole(output.kind())
                && !matches!(output.kind(), Kind::Ids | Kind::References)
            {
                node.fault(format!(
                    "{} is read as a whole: write {}-{}, and which components are meant beside it",
                    output.name(),
                    path.segment,
                    path.field
                ));
                return None;
            }
            if let (Options::Ids(id), Spot::Hl7(path)) = (&mut source.options, spot) {
                // The system stands beside the identifier: the whole repetition is read.
                id.value = At::Component(path.component.take().unwrap_or(1));
            }
        }
        Some(Self::Source(Box::new(source)))
    }
}

/// Whether several components of a repetition are read, and not one.
const fn is_whole(kind: Kind) -> bool {
    match kind {
        Kind::Parts(_) | Kind::Phones | Kind::Callback | Kind::Ids | Kind::References => true,
        Kind::Coded { .. } | Kind::Time | Kind::Duration | Kind::Text | Kind::Language => false,
    }
}

impl Source {
    fn read(table: Table<'_>, output: Output) -> Option<Self> {
        let place = table.place();
        let path = table.get("path");
        let constant = table.text("value");
        let when = table.get("when");
        let condition = when.as_ref().and_then(Condition::read);
        let failed = when.is_some() && condition.is_none();
        let value_table = takes_table(output.kind()).then(|| table.text("table")).flatten();
        let takes_capture = takes_capture(output.kind());
        let capture = takes_capture.then(|| table.get("capture")).flatten();
        let expression = capture.as_ref().and_then(Expression::read);
        let failed = failed || (capture.is_some() && expression.is_none());
        let options = Options::read(&table, output.kind());
        let (label, look) = match (path, constant) {
            (Some(path), None) => {
                let label = path.as_text().unwrap_or_default().to_owned();
                (label, Spot::read(&path).map(Look::Path))
            }
            (None, Some(value)) => (format!("constant \"{value}\""), Some(Look::Constant(value))),
            (Some(_), Some(_)) | (None, None) => {
                table.fault("a source has either path or value");
                (String::new(), None)
            }
        };
        table.finish();
        let look = look.filter(|_| !failed)?;
        Some(Self {
            place,
            label,
            look,
            when: condition,
            table: value_table,
            capture: expression,
            options,
        })
    }
}

const fn takes_table(kind: Kind) -> bool {
    match kind {
        Kind::Coded { .. } | Kind::Text | Kind::Language | Kind::Phones => true,
        Kind::Ids
        | Kind::References
        | Kind::Time
        | Kind::Duration
        | Kind::Parts(_)
        | Kind::Callback => false,
    }
}

/// Whether the value is one text, of which a part can be meant.
const fn takes_capture(kind: Kind) -> bool {
    match kind {
        Kind::Coded { .. }
        | Kind::Text
        | Kind::Language
        | Kind::Ids
        | Kind::References
        | Kind::Time
        | Kind::Duration => true,
        Kind::Phones | Kind::Parts(_) | Kind::Callback => false,
    }
}

impl Options {
    /// What is meant where a source is only a path: the standard's own places.
    fn usual(kind: Kind, reads: Reads) -> Self {
        match kind {
            Kind::Ids => Self::Ids(IdAt::usual(reads)),
            Kind::References => Self::Ids(IdAt::of_references(reads)),
            Kind::Time => Self::Time { soft: false, zone: None, zone_at: Vec::new() },
            Kind::Duration => Self::Duration { unit: Unit::Default },
            Kind::Parts(["code", ..]) => Self::Parts(Parts::usual(2, reads)),
            // XCN.
            Kind::Parts(["id", ..]) => Self::Parts(Parts::usual(3, reads)),
            // XPN.
            Kind::Parts(_) => Self::Parts(Parts::usual(2, reads)),
            Kind::Phones | Kind::Callback => Self::Phones(Box::new(Xtn::usual(reads))),
            Kind::Coded { .. } => Self::Coded { must: false },
            Kind::Text | Kind::Language => Self::None,
        }
    }

    fn read(table: &Table<'_>, kind: Kind) -> Self {
        match (kind, Self::usual(kind, table.reads())) {
            (Kind::Coded { .. }, _) => {
                let must = table.get("must").and_then(|node| node.flag()).unwrap_or(false);
                Self::Coded { must }
            }
            (Kind::Ids, Self::Ids(usual)) => {
                let also = table.get("also").map(spots).unwrap_or_default();
                let system = system(table).unwrap_or(usual.system);
                Self::Ids(IdAt { value: usual.value, system, also })
            }
            (Kind::Time, _) => Self::Time {
                soft: table.get("soft").and_then(|node| node.flag()).unwrap_or(false),
                zone: table.get("zone").and_then(|node| read_zone(&node)),
                zone_at: table.get("zone_at").map(spots).unwrap_or_default(),
            },
            (Kind::Duration, _) => Self::Duration { unit: unit(table) },
            (Kind::Parts(names), Self::Parts(usual)) => {
                let said: Vec<_> = names.iter().map(|name| parts(table, name)).collect();
                let is_person = names.contains(&"family");
                let full = is_person.then(|| table.get("full")).flatten();
                let full = full.and_then(|node| At::read(&node));
                // Who names one part means these parts only.
                let is_usual = full.is_none() && said.iter().all(Option::is_none);
                let each = said.into_iter().map(Option::unwrap_or_default).collect();
                Self::Parts(if is_usual { usual } else { Parts { each, full } })
            }
            (Kind::Phones | Kind::Callback, _) => Self::Phones(Box::new(Xtn::read(table))),
            (_, usual) => usual,
        }
    }
}

impl IdAt {
    /// CX or EI; an Identifier of FHIR.
    fn usual(reads: Reads) -> Self {
        let (value, system) = match reads {
            Reads::Hl7 => (At::Component(1), vec![At::Component(4), At::Component(5)]),
            Reads::Fhir => (At::member("value"), vec![At::member("system")]),
        };
        Self { value, system: System::At(system), also: Vec::new() }
    }

    /// EI again; in FHIR a reference or an Identifier. Who assigned it is not asked.
    fn of_references(reads: Reads) -> Self {
        let value = match reads {
            Reads::Hl7 => At::Component(1),
            Reads::Fhir => At::member("reference | value | identifier.value"),
        };
        Self { value, system: System::At(Vec::new()), also: Vec::new() }
    }
}

impl Parts {
    /// The first components; of a name of FHIR its parts.
    fn usual(count: u16, reads: Reads) -> Self {
        let each = match (reads, count) {
            (Reads::Hl7, _) => (1..=count).map(|number| vec![At::Component(number)]).collect(),
            (Reads::Fhir, 2) => vec![vec![At::member("family")], vec![At::member("given.first()")]],
            (Reads::Fhir, _) => {
                vec![Vec::new(), vec![At::member("family")], vec![At::member("given.first()")]]
            }
        };
        Self { each, full: None }
    }
}

/// Reads a zone as mappings have it: an IANA name, an offset, or `message`.
pub(super) fn read_zone(node: &Node<'_>) -> Option<ZoneRule> {
    let text = node.text()?;
    if text == "message" {
        return Some(ZoneRule::Message);
    }
    match Zone::parse(&text) {
        Ok(zone) => Some(ZoneRule::Named(zone)),
        Err(error) => {
            node.fault(format!("{error}, or \"message\" for the offset of MSH-7"));
            None
        }
    }
}

fn spots(node: Node<'_>) -> Vec<Spot> {
    node.list().iter().filter_map(Spot::read).map(Spot::into_component).collect()
}

fn parts(table: &Table<'_>, key: &'static str) -> Option<Vec<At>> {
    let nodes = table.get(key)?.list();
    Some(nodes.iter().filter_map(At::read).collect())
}

fn system(table: &Table<'_>) -> Option<System> {
    let named = table.text("system").map(System::Named);
    let at = parts(table, "system_at").map(System::At);
    if named.is_some() && at.is_some() {
        table.fault("an identifier has either system or system_at");
    }
    named.or(at)
}

fn unit(table: &Table<'_>) -> Unit {
    let at = table.get("unit_at").and_then(|node| Spot::read(&node));
    let at = at.map(|spot| Unit::At(spot.into_component()));
    let named = table.get("unit").and_then(|node| {
        let unit = node.text()?;
        if super::normalise::duration::seconds_in(&unit).is_none() {
            node.fault("a unit of time is expected, such as \"min\" or \"s\"");
        }
        Some(Unit::Named(unit))
    });
    if at.is_some() && named.is_some() {
        table.fault("a duration has either unit or unit_at");
    }
    at.or(named).unwrap_or(Unit::Default)
}

impl Xtn {
    /// XTN in all its versions; a `ContactPoint` of FHIR.
    pub(super) fn usual(reads: Reads) -> Self {
        let way = |plus, components: &[u16]| Digits {
            plus,
            components: components.iter().copied().map(At::Component).collect(),
        };
        match reads {
            Reads::Hl7 => Self {
                number: vec![
                    way(false, &[12]),
                    way(false, &[1]),
                    way(true, &[5, 6, 7]),
                    way(false, &[6, 7]),
                    way(false, &[7]),
                ],
                codes: vec![At::Component(2), At::Component(3)],
                preferred: None,
                rank: None,
                since: None,
                until: None,
                fallback: false,
            },
            Reads::Fhir => Self {
                number: vec![Digits { plus: false, components: vec![At::member("value")] }],
                codes: vec![At::member("system"), At::member("use")],
                preferred: Some(At::member(PREFERRED)),
                rank: Some(At::member("rank")),
                since: Some(At::member("period.start")),
                until: Some(At::member("period.end")),
                fallback: false,
            },
        }
    }

    fn read(table: &Table<'_>) -> Self {
        let usual = Self::usual(table.reads());
        let number = table.get("number").map(|node| {
            let ways = node.list();
            ways.iter().filter_map(Digits::read).collect()
        });
        let at = |key| table.get(key).and_then(|node| At::read(&node));
        Self {
            number: number.unwrap_or(usual.number),
            codes: parts(table, "codes").unwrap_or(usual.codes),
            preferred: at("preferred").or(usual.preferred),
            rank: at("rank").or(usual.rank),
            since: at("since").or(usual.since),
            until: at("until").or(usual.until),
            fallback: table.get("fallback").and_then(|node| node.flag()).unwrap_or(false),
        }
    }
}

impl Digits {
    fn read(node: &Node<'_>) -> Option<Self> {
        if node.reads() == Reads::Fhir {
            return At::read(node).map(|at| Self { plus: false, components: vec![at] });
        }
        let text = node.text()?;
        let (plus, rest) = text.strip_prefix('+').map_or((false, text.as_str()), |r| (true, r));
        let components: Result<Vec<u16>, _> = rest.split_whitespace().map(str::parse).collect();
        match components {
            Ok(components) if !components.is_empty() && !components.contains(&0) => {
                let components = components.into_iter().map(At::Component).collect();
                Some(Self { plus, components })
            }
            Ok(_) | Err(_) => {
                node.fault(
                    "numbers of components are expected, such as \"1\", \"6 7\" or \"+5 6 7\"",
                );
                None
            }
        }
    }
}
