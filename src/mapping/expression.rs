//! Regular expressions of mappings: as tests, and to cut a value out of a longer text.
//!
//! The engine is `regex`, whose time is linear in the text; the size of a compiled expression is
//! bounded here. Expressions see the decoded text as it is, capitals and blanks included.

use std::borrow::Cow;
use std::fmt;

use regex::{Regex, RegexBuilder};

use super::document::Node;

/// Largest compiled expression: some thousand states, far above what a code or number needs.
const SIZE_BYTES_MAX: usize = 256 * 1024;

/// A compiled regular expression.
#[derive(Debug, Clone)]
pub(super) struct Expression(Regex);

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl Expression {
    /// Reads an expression; what is wrong is reported there.
    pub(super) fn read(node: &Node<'_>) -> Option<Self> {
        let text = node.text()?;
        let built = RegexBuilder::new(&text)
            .size_limit(SIZE_BYTES_MAX)
            .dfa_size_limit(SIZE_BYTES_MAX)
            .build();
        match built {
            Ok(regex) => Some(Self(regex)),
            Err(regex::Error::CompiledTooBig(_)) => {
                node.fault("the regular expression is too large");
                None
            }
            Err(error) => {
                // The last line says what is wrong; those before draw an arrow below the text.
                let error = error.to_string();
                let says = error.lines().last().unwrap_or_default();
                let says = says.trim_start_matches("error: ");
                node.fault(format!("the regular expression cannot be read: {says}"));
                None
            }
        }
    }

    /// Whether the expression fits somewhere in a text.
    pub(super) fn is_in(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// The first group, or the whole where there is no group; nothing if it does not fit.
    pub(super) fn capture<'t>(&self, text: Cow<'t, str>) -> Option<Cow<'t, str>> {
        let captures = self.0.captures(&text)?;
        let found = if captures.len() > 1 { captures.get(1) } else { captures.get(0) };
        let range = found.filter(|found| !found.is_empty())?.range();
        match text {
            Cow::Borrowed(text) => text.get(range).map(Cow::Borrowed),
            Cow::Owned(text) => text.get(range).map(|part| Cow::Owned(part.to_owned())),
        }
    }
}
