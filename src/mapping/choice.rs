//! Which mapping reads a message: the one that settings name, or with `auto` the one that recognises
//! the message.

use std::sync::Arc;

use super::compile::Mapping;
use super::fault::suggestion;
use super::load::Library;
use super::view::Input;
use crate::core::ids::SourceName;

/// The name that asks for detection.
pub const AUTO: &str = "auto";
/// The mapping of messages that no dialect recognises.
const FALLBACK: &str = "hl7-default";
/// That of resources, which says why it is none that is read.
const FALLBACK_FHIR: &str = "fhir-r4";

/// How a feed chooses its mapping.
#[derive(Debug, Clone)]
pub enum Choice {
    /// Always the same.
    Named(Arc<Mapping>),
    /// By what a message tells of its sender.
    Auto {
        /// Those to choose from.
        library: Arc<Library>,
        /// For messages that none of them recognises.
        fallback: Arc<Mapping>,
        /// For resources that none of them recognises.
        fallback_fhir: Arc<Mapping>,
    },
}

/// The mapping for a message.
#[derive(Debug, Clone, Copy)]
pub struct Chosen<'a> {
    /// The mapping.
    pub mapping: &'a Arc<Mapping>,
    /// Why; nothing if settings name it.
    pub because: Option<&'a str>,
    /// Whether it recognised the message itself.
    pub is_recognised: bool,
}

impl Choice {
    /// Finds what settings name.
    ///
    /// # Errors
    /// A sentence, if there is no such mapping.
    pub fn parse(name: &str, library: &Arc<Library>) -> Result<Self, String> {
        let lookup = |name: &str| {
            library.lookup(name).map(Arc::clone).ok_or_else(|| {
                let known = library.iter().map(|mapping| mapping.name()).chain([AUTO]);
                format!("there is no mapping \"{name}\"{}", suggestion(name, known))
            })
        };
        if name != AUTO {
            return lookup(name).map(Self::Named);
        }
        Ok(Self::Auto {
            library: Arc::clone(library),
            fallback: lookup(FALLBACK)?,
            fallback_fhir: lookup(FALLBACK_FHIR)?,
        })
    }

    /// The mapping that reads a message.
    #[must_use]
    pub fn of<'m>(&self, input: impl Into<Input<'m>>, source: &SourceName) -> Chosen<'_> {
        match self {
            Self::Named(mapping) => Chosen { mapping, because: None, is_recognised: false },
            Self::Auto { library, fallback, fallback_fhir } => {
                let input = input.into();
                let fallback = match input {
                    Input::Hl7(_) => fallback,
                    Input::Json(_) => fallback_fhir,
                };
                match library.detect(input, source) {
                    Some(found) => Chosen {
                        mapping: found.mapping,
                        because: Some(found.because),
                        is_recognised: true,
                    },
                    None => {
                        let because = Some("no dialect recognises the message");
                        Chosen { mapping: fallback, because, is_recognised: false }
                    }
                }
            }
        }
    }

    /// A mapping that this choice can come to, by its name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Arc<Mapping>> {
        match self {
            Self::Named(mapping) => Some(mapping).filter(|mapping| mapping.name() == name),
            Self::Auto { library, .. } => library.lookup(name),
        }
    }
}
