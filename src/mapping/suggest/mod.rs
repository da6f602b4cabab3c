//! A first mapping for an EHR that nobody has seen, drawn from sample messages.
//!
//! [`suggest`] reads the samples with a mapping that is at hand, looks where it finds nothing or
//! something odd, and what stands in all the other positions; then it proposes a mapping that
//! extends the one at hand, with the evidence for each line as a comment. What it proposes it
//! compiles and runs over the same samples: the share of fields before and after is in the file.
//!
//! A proposal is mailed around and kept, so it holds no value of a message but codes of small sets:
//! [`shown`] decides. It is a start, not a result: whoever knows the EHR decides.
//!
//! Pure. It knows mappings by their compiled form through [`base`] only, and never writes a line
//! that the compiler would refuse.

mod base;
mod draft;
mod ids;
mod inventory;
mod kind;
mod lengths;
mod people;
mod phones;
mod region;
mod report;
mod shown;
mod status;
mod study;
mod times;
mod trial;
mod triggers;

#[cfg(test)]
mod tests;

use draft::Draft;
use study::Study;
use trial::Trial;

use super::{Fault, Mapping, Site};
use crate::clock::Timestamp;
use crate::hl7::Message;

/// The most samples that are looked at; more tell nothing new and cost time.
pub const SAMPLES_MAX: usize = 10_000;

/// What a proposal starts from.
#[derive(Debug, Clone, Copy)]
pub struct Basis<'a> {
    /// The mapping that is extended.
    pub base: &'a Mapping,
    /// The site's own mapping files, as [`super::Library::load`] takes them.
    pub files: &'a [(&'a str, &'a str)],
    /// What is known of the feed.
    pub site: Site<'a>,
    /// The time of reading.
    pub now: Timestamp,
}

/// A proposed mapping and its proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    text: String,
    /// How many samples were looked at.
    pub samples: usize,
    /// How many of them the base reads as events.
    pub events_before: usize,
    /// How many the proposal reads as events.
    pub events_after: usize,
    /// What is left to whoever knows the EHR, a sentence each.
    pub left_to_do: Vec<String>,
}

impl Suggestion {
    /// The mapping file: it compiles.
    #[must_use]
    pub fn to_toml(&self) -> &str {
        &self.text
    }
}

/// One kind of evidence: from what the draft so far reads to a better draft.
type Stage = fn(&Study<'_>, &Trial, &mut Draft);

/// In this order: without a trigger and an identifier nothing else of a message is read.
const STAGES: [Stage; 9] = [
    triggers::propose,
    ids::propose,
    times::propose,
    ids::propose_without_shared,
    lengths::propose,
    status::propose,
    triggers::propose_unconfirmed,
    phones::propose,
    people::propose,
];

/// Proposes a mapping for the EHR that sent these messages.
///
/// ```
/// use appointd::hl7::Message;
/// use appointd::mapping::suggest::{Basis, suggest};
/// use appointd::mapping::{Site, lookup};
/// # use appointd::core::{ids::SourceName, local_time::Zone, phone::Region};
/// let sample = "MSH|^~\\&|EHR|MAIN|||20261120110311||SIU^S12|1|P|2.4\r\
///     SCH||10001\rPID|1||M1||Doe^Jane\rZDT|1|20261201093000\r";
/// let samples = [Message::read(sample)?];
/// let base = lookup("hl7-default").unwrap();
/// # let (source, locations) = (SourceName::new("main"), Default::default());
/// # let site = Site { source: &source, zone: None, practice_zone: Zone::UTC,
/// #     region: Region::US, locations: &locations };
/// let now = "2026-11-20T12:00:00Z".parse().unwrap();
/// let basis = Basis { base: &base, files: &[], site, now };
/// let suggestion = suggest(&samples, &basis).unwrap();
/// assert!(suggestion.to_toml().contains("start = [\"inherited\", \"ZDT-2\"]"));
/// assert_eq!((suggestion.events_before, suggestion.events_after), (0, 1));
/// # Ok::<(), appointd::hl7::normalise::Error>(())
/// ```
///
/// # Errors
/// The faults of the site's own files, if they do not load, or if the base reads no HL7 messages.
pub fn suggest(samples: &[Message], basis: &Basis<'_>) -> Result<Suggestion, Vec<Fault>> {
    let samples = samples.get(..SAMPLES_MAX).unwrap_or(samples);
    let study = Study::new(samples, basis);
    let mut draft = Draft::new(basis.base.name(), report::title(&study));
    let before = study.read_with(&draft)?;
    let mut now = before.clone();
    for stage in STAGES {
        let mut next = draft.clone();
        stage(&study, &now, &mut next);
        if next.reads_like(&draft) {
            draft = next;
            continue;
        }
        let then = study.read_with(&next)?;
        if then.events() >= now.events() {
            (draft, now) = (next, then);
        } else {
            // What would make more messages fail is told, not done.
            draft.take_words_of(next);
        }
    }
    report::left_to_do(&study, &now, &mut draft);
    let text = report::file(&study, &before, &now, &draft);
    Ok(Suggestion {
        text,
        samples: samples.len(),
        events_before: before.events(),
        events_after: now.events(),
        left_to_do: draft.left_to_do().to_vec(),
    })
}
