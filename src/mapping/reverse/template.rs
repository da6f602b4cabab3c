//! What a destination wants to see in a write-back.

use std::collections::BTreeMap;

use crate::core::appointment::WishKind;
use crate::hl7::Path;

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
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::SiuS14, Self::SiuS15, Self::SrmS03, Self::SrmS04];

    /// The name in settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SiuS14 => "siu_s14",
            Self::SiuS15 => "siu_s15",
            Self::SrmS03 => "srm_s03",
            Self::SrmS04 => "srm_s04",
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

    /// Whether the EHR answers with a decision (SRR), not only with an acknowledgment.
    #[must_use]
    pub const fn asks(self) -> bool {
        match self {
            Self::SiuS14 | Self::SiuS15 => false,
            Self::SrmS03 | Self::SrmS04 => true,
        }
    }

    pub(super) const fn code(self) -> &'static str {
        if self.asks() { "SRM" } else { "SIU" }
    }

    pub(super) const fn trigger(self) -> &'static str {
        match self {
            Self::SiuS14 => "S14",
            Self::SiuS15 => "S15",
            Self::SrmS03 => "S03",
            Self::SrmS04 => "S04",
        }
    }

    /// MSH-9.3: one structure for all triggers of a code (HL7 v2.5.1, table 0354).
    pub(super) const fn structure(self) -> &'static str {
        if self.asks() { "SRM_S01" } else { "SIU_S12" }
    }
}

/// How a destination wants a wish to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The form.
    pub form: Form,
    /// Who has entered it, in SCH-16/20 or ARQ-15/19.
    pub entered_by: String,
    /// Values set last, by path: text where the path names a component, wire form where it names a
    /// whole field, `""` to delete.
    pub set: Vec<(Path, String)>,
}

/// Why a template is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No such form.
    #[error("\"{0}\" is no form of write-back; there are siu_s14, siu_s15, srm_s03, srm_s04")]
    Form(String),
    /// A path that cannot be read.
    #[error("\"{path}\" is no path to set")]
    Path {
        /// As written.
        path: String,
        /// Why.
        #[source]
        why: crate::hl7::path::Error,
    },
    /// A path to several places, or to one that the program fills itself.
    #[error("\"{0}\" cannot be set")]
    Fixed(String),
}

impl Template {
    /// A form without special wishes.
    #[must_use]
    pub fn new(form: Form) -> Self {
        Self { form, entered_by: "APPTD".to_owned(), set: Vec::new() }
    }

    /// Reads a template as settings have it: the form's name, and values by path.
    ///
    /// ```
    /// use appointd::mapping::reverse::Template;
    /// let set = [("SCH-25.1".to_owned(), "CONF".to_owned())].into();
    /// assert!(Template::parse("siu_s14", &set).is_ok());
    /// assert!(Template::parse("siu_s99", &set).is_err());
    /// ```
    ///
    /// # Errors
    /// Every fault: an unknown form, wrong paths, paths that the program must fill.
    pub fn parse(form: &str, set: &BTreeMap<String, String>) -> Result<Self, Vec<Error>> {
        let mut faults = Vec::new();
        let known = Form::parse(form);
        if known.is_none() {
            faults.push(Error::Form(form.to_owned()));
        }
        let mut template = Self::new(known.unwrap_or(Form::SiuS14));
        for (path, value) in set {
            match Path::parse(path) {
                Ok(parsed) if parsed.is_single() && !is_fixed(&parsed) => {
                    template.set.push((parsed, value.clone()));
                }
                Ok(_) => faults.push(Error::Fixed(path.clone())),
                Err(why) => faults.push(Error::Path { path: path.clone(), why }),
            }
        }
        if faults.is_empty() { Ok(template) } else { Err(faults) }
    }

    /// SCH-25.
    pub(super) const fn status(&self, wish: WishKind) -> (&'static str, &'static str) {
        match wish {
            WishKind::Confirm => ("Confirmed", "Confirmed"),
            WishKind::Cancel => ("Cancelled", "Cancelled"),
        }
    }

    /// SCH-6 or ARQ-6.
    pub(super) const fn reason(&self, wish: WishKind) -> (&'static str, &'static str) {
        match wish {
            WishKind::Confirm => ("PATCONFIRM", "Patient confirmed by text message"),
            WishKind::Cancel => ("PATCANCEL", "Patient cancelled by text message"),
        }
    }
}

/// The separators, and the id by which the answer is matched.
fn is_fixed(path: &Path) -> bool {
    path.segment == crate::hl7::SegmentName::MSH && matches!(path.field.get(), 1 | 2 | 10)
}
