//! What a destination wants to see in a write-back: the form, and values of its own by path.
//!
//! Everything that can be known to be wrong before a message is at hand is refused here, with what
//! to write instead; settings add file and line.

use crate::core::appointment::WishKind;
use crate::hl7::{Path, SegmentName};

/// The forms of write-back messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// A notice of a changed status.
    SiuS14,
    /// A notice of a cancellation.
    SiuS15,
    /// A request to modify; the EHR decides.
    SrmS03,
    /// A request to cancel; the EHR decides.
    SrmS04,
    /// A patient update with the wish as an observation.
    AdtA08,
    /// A result with the wish: a note to the chart.
    OruR01,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::SiuS14, Self::SiuS15, Self::SrmS03, Self::SrmS04, Self::AdtA08, Self::OruR01];

    /// The name in settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SiuS14 => "siu_s14",
            Self::SiuS15 => "siu_s15",
            Self::SrmS03 => "srm_s03",
            Self::SrmS04 => "srm_s04",
            Self::AdtA08 => "adt_a08",
            Self::OruR01 => "oru_r01",
        }
    }

    /// Reads a name as settings have it.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.name() == name)
    }

    /// The usual form for a wish.
    #[must_use]
    pub const fn usual(wish: WishKind) -> Self {
        match wish {
            WishKind::Confirm => Self::SiuS14,
            WishKind::Cancel => Self::SiuS15,
        }
    }

    /// Whether the form can say a wish: an S15 confirms nothing, and an S03 has no place for a
    /// status.
    #[must_use]
    pub const fn says(self, wish: WishKind) -> bool {
        match self {
            Self::SiuS14 | Self::AdtA08 | Self::OruR01 => true,
            Self::SrmS03 => matches!(wish, WishKind::Confirm),
            Self::SiuS15 | Self::SrmS04 => matches!(wish, WishKind::Cancel),
        }
    }

    /// Whether the EHR answers with a decision (SRR), not only with an acknowledgment.
    #[must_use]
    pub const fn asks(self) -> bool {
        match self {
            Self::SrmS03 | Self::SrmS04 => true,
            Self::SiuS14 | Self::SiuS15 | Self::AdtA08 | Self::OruR01 => false,
        }
    }

    /// MSH-9.1.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::SiuS14 | Self::SiuS15 => "SIU",
            Self::SrmS03 | Self::SrmS04 => "SRM",
            Self::AdtA08 => "ADT",
            Self::OruR01 => "ORU",
        }
    }

    pub(super) const fn trigger(self) -> &'static str {
        match self {
            Self::SiuS14 => "S14",
            Self::SiuS15 => "S15",
            Self::SrmS03 => "S03",
            Self::SrmS04 => "S04",
            Self::AdtA08 => "A08",
            Self::OruR01 => "R01",
        }
    }

    /// MSH-9.3: one structure for all triggers of a code (HL7 v2.5.1, table 0354).
    pub(super) const fn structure(self) -> &'static str {
        match self {
            Self::SiuS14 | Self::SiuS15 => "SIU_S12",
            Self::SrmS03 | Self::SrmS04 => "SRM_S01",
            Self::AdtA08 => "ADT_A01",
            Self::OruR01 => "ORU_R01",
        }
    }

    /// Where a value belongs that was to be set in a segment of another form.
    const fn instead_of(self, segment: &str) -> Option<&'static str> {
        let is_schedule = matches!(segment.as_bytes(), b"SCH" | b"ARQ" | b"TQ1" | b"TQ2");
        let is_resource = matches!(segment.as_bytes(), b"RGS" | b"AIS" | b"AIG" | b"AIL" | b"AIP");
        match self {
            Self::SiuS14 | Self::SiuS15 => match segment.as_bytes() {
                b"ARQ" | b"APR" => Some("write SCH, such as \"SCH-25\""),
                _ => None,
            },
            Self::SrmS03 | Self::SrmS04 => match segment.as_bytes() {
                b"SCH" | b"TQ1" | b"TQ2" => Some("write ARQ, such as \"ARQ-6\""),
                _ => None,
            },
            Self::AdtA08 | Self::OruR01 if is_schedule || is_resource => {
                Some("write OBX, such as \"OBX-5\"")
            }
            Self::AdtA08 | Self::OruR01 => None,
        }
    }
}

/// How a destination wants a wish to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The form.
    pub form: Form,
    /// Who has entered it, in SCH-16/20 or ARQ-15/19.
    pub entered_by: String,
    /// MSH-18; that of the last message if not given.
    pub charset_label: Option<String>,
    /// Values set last, by path: text where the path names a component, wire form where it names a
    /// whole field, `""` to delete.
    set: Vec<(Path, String)>,
}

/// The greatest number of a segment, field or part in a path: no standard segment has half as many.
const NUMBER_MAX: u16 = 199;

/// Why a value cannot be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A path that cannot be read.
    #[error("is no position in a message: {0}; write one such as \"SCH-25\" or \"PID-3[2].1\"")]
    Path(crate::hl7::path::Error),
    /// A path to several places.
    #[error("names several places; write the number of one instead of *")]
    Several,
    /// Numbers beyond any message.
    #[error("names a place beyond any message; numbers go up to {NUMBER_MAX}")]
    TooFar,
    /// A place that the program fills itself.
    #[error("cannot be set: {0}")]
    Fixed(&'static str),
    /// A segment that the form has not.
    #[error("cannot be set: there is no {segment} in {form}; {instead}")]
    NotInForm {
        /// The segment.
        segment: SegmentName,
        /// The form's name in settings.
        form: &'static str,
        /// What to write.
        instead: &'static str,
    },
    /// A line end or another control character, as text or as an escape of settings.
    #[error("holds a line end or another control character; leave it out")]
    Control,
    /// A whole field that would be more than one.
    #[error("holds | and would be two fields; write \\F\\ for the character, or set each field")]
    Divides,
}

impl Template {
    /// A form without special wishes.
    #[must_use]
    pub fn new(form: Form) -> Self {
        Self { form, entered_by: "APPTD".to_owned(), charset_label: None, set: Vec::new() }
    }

    /// Sets a value of the site's own; a later one of the same path replaces an earlier one.
    ///
    /// ```
    /// use appointd::mapping::reverse::{Form, Template};
    /// let mut template = Template::new(Form::SiuS14);
    /// template.set("SCH-25", "CONF^Confirmed")?;
    /// assert!(template.set("ARQ-6", "CONF").unwrap_err().to_string().contains("write SCH"));
    /// # Ok::<(), appointd::mapping::reverse::template::Error>(())
    /// ```
    ///
    /// # Errors
    /// What is wrong with the path or the value.
    pub fn set(&mut self, path: &str, value: &str) -> Result<(), Error> {
        let path = Path::parse(path).map_err(Error::Path)?;
        if !path.is_single() {
            return Err(Error::Several);
        }
        let parts = [path.component, path.subcomponent];
        let numbers = [path.occurrence.number(), path.repetition.number(), Some(path.field.get())];
        let numbers = numbers.into_iter().flatten();
        if numbers.chain(parts.into_iter().flatten().map(u16::from)).any(|n| n > NUMBER_MAX) {
            return Err(Error::TooFar);
        }
        if let Some(why) = fixed(&path) {
            return Err(Error::Fixed(why));
        }
        if let Some(instead) = self.form.instead_of(path.segment.as_str()) {
            let (segment, form) = (path.segment, self.form.name());
            return Err(Error::NotInForm { segment, form, instead });
        }
        if value.contains(char::is_control) {
            return Err(Error::Control);
        }
        if path.component.is_none() && value.contains('|') {
            return Err(Error::Divides);
        }
        self.set.retain(|(known, _)| *known != path);
        self.set.push((path, value.to_owned()));
        Ok(())
    }

    /// The site's own values, in the order in which they are set.
    #[must_use]
    pub fn values(&self) -> &[(Path, String)] {
        &self.set
    }

    /// SCH-25.
    pub(super) const fn status(wish: WishKind) -> (&'static str, &'static str) {
        match wish {
            WishKind::Confirm => ("Confirmed", "Confirmed"),
            WishKind::Cancel => ("Cancelled", "Cancelled"),
        }
    }

    /// SCH-6, ARQ-6, or the note's OBX-5.
    pub(super) const fn reason(wish: WishKind) -> (&'static str, &'static str) {
        match wish {
            WishKind::Confirm => ("PATCONFIRM", "Patient confirmed by text message"),
            WishKind::Cancel => ("PATCANCEL", "Patient cancelled by text message"),
        }
    }
}

/// Why a place cannot be set: it divides the message, is new for each, or is another setting's.
fn fixed(path: &Path) -> Option<&'static str> {
    if path.segment != SegmentName::MSH {
        return None;
    }
    match path.field.get() {
        1 | 2 => Some("the separators are those of the EHR's own message"),
        7 => Some("it is the time of the message"),
        10 => Some("it is the number by which the answer is matched"),
        18 => Some("write charset, which MSH-18 then says"),
        _ => None,
    }
}
