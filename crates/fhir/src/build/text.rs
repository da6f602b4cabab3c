//! FHIR's primitive types as they must be written, R4 section 2.24.0.1.

use std::str::FromStr as _;

use fhir_sdk::Instant;

use super::Error;

/// The longest string that FHIR allows, in bytes.
const STRING_BYTES_MAX: usize = 1024 * 1024;
/// The longest address, path or code: what servers and proxies take.
const WORD_BYTES_MAX: usize = 4096;

/// A `string`: something, and no control characters but line ends and tabs.
pub(super) fn string(field: &'static str, text: &str) -> Result<String, Error> {
    let is_allowed = |c: char| !c.is_control() || matches!(c, '\t' | '\r' | '\n');
    let is_string = text.len() <= STRING_BYTES_MAX && text.chars().all(is_allowed);
    if is_string && !text.trim().is_empty() {
        Ok(text.to_owned())
    } else {
        Err(Error::Text { field })
    }
}

/// A `string` of one line, for what ends up in a line elsewhere.
pub(super) fn line(field: &'static str, text: &str) -> Result<String, Error> {
    let is_line = text.len() <= WORD_BYTES_MAX && !text.chars().any(char::is_control);
    if is_line { string(field, text) } else { Err(Error::Text { field }) }
}

/// A `uri`, `url`, `canonical` or the text of a reference: without white space.
pub(super) fn uri(field: &'static str, text: &str) -> Result<String, Error> {
    let is_uri = !text.chars().any(char::is_whitespace);
    if is_uri { line(field, text) } else { Err(Error::Text { field }) }
}

/// A `code`: words with single blanks between them.
pub(super) fn code(field: &'static str, text: &str) -> Result<String, Error> {
    let is_code =
        text.split(' ').all(|word| !word.is_empty() && !word.contains(char::is_whitespace));
    if is_code { line(field, text) } else { Err(Error::Text { field }) }
}

/// An `instant`. The library takes a blank for the `T`, which FHIR does not.
pub(super) fn instant(field: &'static str, text: &str) -> Result<Instant, Error> {
    let has_t = text.as_bytes().get(10) == Some(&b'T');
    let read = Instant::from_str(text).ok().filter(|_| has_t);
    read.ok_or(Error::Time { field })
}

/// A line of HTTP's head, `Name: value`.
pub(super) fn header(field: &'static str, text: &str) -> Result<String, Error> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let name = text.split_once(':').map(|(name, _)| name);
    let is_header = name.is_some_and(|name| !name.is_empty() && name.chars().all(is_token));
    if is_header { line(field, text) } else { Err(Error::Text { field }) }
}
