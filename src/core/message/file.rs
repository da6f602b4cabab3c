//! A language's file, as it is written: texts with their variants, preparations, dates.
//!
//! What is read here is not checked yet; [`super::Texts::compile`] does that.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::dates::DatesFile;

/// The most variants of a text, and some more than a practice has kinds of visits and places.
pub const VARIANTS_MAX: usize = 200;

/// The most preparations of a language.
pub const PREPARATIONS_MAX: usize = 1_000;

/// The longest preparation, in characters: three parts of a text in the small alphabet. Longer advice
/// belongs on paper.
pub const PREPARATION_CHARS_MAX: usize = 459;

/// One language's file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct File {
    /// How to prepare, by kind of visit.
    #[serde(default, rename = "preparation")]
    pub preparations: Vec<Preparation>,
    /// How days and times are written.
    #[serde(default)]
    pub dates: DatesFile,
    /// The texts, by name.
    #[serde(flatten)]
    pub texts: BTreeMap<String, Template>,
}

/// A text in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// The words where no variant fits.
    #[serde(default)]
    pub text: Option<String>,
    /// Other words for some appointments; the first that fits is taken.
    #[serde(default, rename = "variant")]
    pub variants: Vec<Variant>,
}

/// Other words of a text, for the appointments that meet all of its conditions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// The code of the place.
    #[serde(default)]
    pub location: Option<String>,
    /// The code of the kind of visit.
    #[serde(default)]
    pub visit_type: Option<String>,
    /// The listener or FHIR server that told of it.
    #[serde(default)]
    pub source: Option<String>,
    /// The words.
    pub text: String,
}

/// How to prepare for a kind of visit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preparation {
    /// The code of the kind of visit.
    pub visit_type: String,
    /// The code of the place, if it is meant for one only.
    #[serde(default)]
    pub location: Option<String>,
    /// The words; no template.
    pub text: String,
}

impl File {
    /// Lays a practice's own file over a built-in one: each text, each list of variants and each line
    /// of the dates that it has takes the place of the other's.
    pub fn overlay(&mut self, own: Self) {
        for (name, template) in own.texts {
            let below = self.texts.entry(name).or_default();
            below.text = template.text.or_else(|| below.text.take());
            if !template.variants.is_empty() {
                below.variants = template.variants;
            }
        }
        if !own.preparations.is_empty() {
            self.preparations = own.preparations;
        }
        self.dates.overlay(own.dates);
    }
}

impl From<&str> for Template {
    fn from(text: &str) -> Self {
        Self { text: Some(text.to_owned()), variants: Vec::new() }
    }
}
