//! From a body to JSON, or to a reason why not; and reading in JSON that may be anything.
//!
//! Knows no resource: only what all readers of this room do first, and the shapes that ids, codes
//! and instants have in all of them.

use chrono::DateTime;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::category::Category;
use crate::clock::Timestamp;

/// Longest text that is taken over as an address, a topic or a version. FHIR has no limit, addresses
/// on the web have this one; what is longer counts as absent.
pub(super) const TEXT_BYTES_MAX: usize = 2048;

/// Longest logical id, by FHIR's type `id`; longest code too, where FHIR has no limit.
const ID_BYTES_MAX: usize = 64;

/// Why a body is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoJson {
    /// Nothing but blanks.
    #[error("the body is empty")]
    Empty,
    /// Compressed, UTF-16, or simply bytes.
    #[error("the body is not utf-8")]
    Encoding,
    /// HTML, as gateways answer in, or FHIR's XML form.
    #[error("the body is markup, not json")]
    Markup,
    /// Objects and arrays within one another beyond the parser's limit of 128.
    #[error("the body is nested too deep")]
    Depth,
    /// Anything else.
    #[error("the body is not json (line {line}, column {column})")]
    Syntax {
        /// Where reading stopped.
        line: usize,
        /// Where in that line.
        column: usize,
    },
}

impl NoJson {
    /// What kind of failure this is.
    #[must_use]
    pub const fn category(self) -> Category {
        Category::Malformed
    }

    /// The reason without its place.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Empty => "the body is empty",
            Self::Encoding => "the body is not utf-8",
            Self::Markup => "the body is markup, not json",
            Self::Depth => "the body is nested too deep",
            Self::Syntax { .. } => "the body is not json",
        }
    }
}

/// Reads a body.
///
/// Half of a surrogate pair, which servers written in JavaScript send for a character cut in two,
/// becomes U+FFFD: one broken name must not make a page of a hundred appointments unreadable.
pub(super) fn parse(bytes: &[u8]) -> Result<Value, NoJson> {
    let text = std::str::from_utf8(bytes).map_err(|_| NoJson::Encoding)?;
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Err(NoJson::Empty);
    }
    if text.starts_with('<') {
        return Err(NoJson::Markup);
    }
    let read = serde_json::from_str(text);
    let read = read.or_else(|error| match mended(text) {
        Some(text) => serde_json::from_str(&text),
        None => Err(error),
    });
    read.map_err(|error| {
        // The library has no other sign for this cause.
        if error.to_string().starts_with("recursion limit exceeded") {
            NoJson::Depth
        } else {
            NoJson::Syntax { line: error.line(), column: error.column() }
        }
    })
}

/// The text with halves of surrogate pairs replaced, if there are any.
fn mended(text: &str) -> Option<String> {
    let mut mended = String::with_capacity(text.len());
    let mut rest = text;
    let mut is_changed = false;
    while let Some((before, escape)) = rest.split_once('\\') {
        mended.push_str(before);
        let pair = code_unit(escape)
            .map(|(unit, after)| (unit, after, after.strip_prefix('\\').and_then(code_unit)));
        let length = match pair {
            Some((0xD800..=0xDBFF, _, Some((0xDC00..=0xDFFF, _)))) => "uXXXX\\uXXXX".len(),
            Some((0xD800..=0xDFFF, after, _)) => {
                is_changed = true;
                mended.push_str("\\ufffd");
                rest = after;
                continue;
            }
            Some(_) => "uXXXX".len(),
            None => escape.chars().next().map_or(0, char::len_utf8),
        };
        let (kept, after) = escape.split_at_checked(length)?;
        mended.push('\\');
        mended.push_str(kept);
        rest = after;
    }
    mended.push_str(rest);
    is_changed.then_some(mended)
}

/// The number in `uXXXX`, and what follows.
fn code_unit(escape: &str) -> Option<(u16, &str)> {
    let (digits, after) = escape.strip_prefix('u')?.split_at_checked(4)?;
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let unit = u16::from_str_radix(digits, 16).ok().filter(|_| is_hex)?;
    Some((unit, after))
}

/// The text under a name.
pub(super) fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name)?.as_str()
}

/// A text of bearable length under a name, blanks around it dropped, or a number as text.
pub(super) fn word(value: &Value, name: &str) -> Option<String> {
    let value = value.get(name)?;
    if let Value::Number(number) = value {
        return Some(number.to_string());
    }
    let text = value.as_str()?.trim();
    let is_plain = !text.is_empty() && text.len() <= TEXT_BYTES_MAX;
    (is_plain && !text.contains(char::is_control)).then(|| text.to_owned())
}

/// The elements under a name; what should be an array and is a single object is its only element.
pub(super) fn each<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    let Some(found) = value.get(name) else { return &[] };
    if let Value::Array(items) = found {
        return items;
    }
    if found.is_object() { std::slice::from_ref(found) } else { &[] }
}

/// The resource's type; empty if it is no resource.
pub(super) fn kind(resource: &Value) -> &str {
    text(resource, "resourceType").unwrap_or_default()
}

/// A count, whether sent as number or, as FHIR's `integer64` is, in quotes.
pub(super) fn count(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// An instant; nothing without an offset, because it could be meant anywhere.
pub(super) fn instant(text: &str) -> Option<Timestamp> {
    DateTime::parse_from_rfc3339(text.trim()).ok().map(|at| at.to_utc())
}

/// The instant under a name.
pub(super) fn instant_in(value: &Value, name: &str) -> Option<Timestamp> {
    instant(text(value, name)?)
}

/// Whether this can be a logical id and part of a path: `[A-Za-z0-9\-.]{1,64}`, but no step of one.
pub(super) fn is_id(text: &str) -> bool {
    let is_sized = (1..=ID_BYTES_MAX).contains(&text.len());
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
    is_sized && is_plain && text != "." && text != ".."
}

/// Whether this can be the name of a resource's type.
pub(super) fn is_type(text: &str) -> bool {
    let is_sized = (2..=ID_BYTES_MAX).contains(&text.len());
    is_sized
        && text.starts_with(|first: char| first.is_ascii_uppercase())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// A code that is safe in a log; free text in its place is `unknown`.
pub(super) fn code(text: &str) -> String {
    let text = text.trim();
    let is_sized = (1..=ID_BYTES_MAX).contains(&text.len());
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    if is_sized && is_plain { text.to_owned() } else { "unknown".to_owned() }
}

/// A digest of parts, each told from its neighbour: 32 hexadecimal digits.
pub(super) fn digest<'p>(parts: impl IntoIterator<Item = &'p [u8]>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(part);
    }
    // 128 bits tell apart what one server sends with room to spare.
    hasher.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_is_no_json_says_why() {
        for (body, reason) in [
            (b"".as_slice(), NoJson::Empty),
            (b" \r\n", NoJson::Empty),
            (b"\xEF\xBB\xBF", NoJson::Empty),
            (b"\x1f\x8b\x08\x00", NoJson::Encoding),
            (b"\xff\xfe{\0}\0", NoJson::Encoding),
            (b"\n<!DOCTYPE html><html>502</html>", NoJson::Markup),
            (b"{\"a\": 1", NoJson::Syntax { line: 1, column: 7 }),
            (b"{} {}", NoJson::Syntax { line: 1, column: 4 }),
        ] {
            assert_eq!(parse(body).unwrap_err(), reason);
            assert!(reason.to_string().starts_with(reason.reason()));
        }
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(parse(deep.as_bytes()), Err(NoJson::Depth));
    }

    #[test]
    fn half_a_surrogate_pair_spoils_one_character_only() {
        for (sent, read) in [
            (r#"["Jane \ud83d"]"#, "Jane \u{fffd}"),
            (r#"["\ud83d\ud83d\ude00"]"#, "\u{fffd}\u{1f600}"),
            (r#"["\ude00\n\\ud83d\u00e9"]"#, "\u{fffd}\n\\ud83d\u{e9}"),
            (r#"["\ud83dx\\"]"#, "\u{fffd}x\\"),
            ("\u{feff}[\"Jane\"]", "Jane"),
        ] {
            assert_eq!(parse(sent.as_bytes()).unwrap(), serde_json::json!([read]), "{sent}");
        }
        assert!(parse(br#"["\ud83d"#).is_err());
        assert!(parse(br#"["\ud83d\"#).is_err());
        assert!(parse("[\"\\ud83d\\é\"]".as_bytes()).is_err());
        assert!(parse(br#"["\u+123\ud83d"]"#).is_err());
    }

    #[test]
    fn an_id_is_no_step_of_a_path() {
        let long = "a".repeat(65);
        for bad in ["", ".", "..", "a/b", "a b", "a%2e", "a_b", "é", "a\\b", "a?b", "a#b", &long] {
            assert!(!is_id(bad), "{bad}");
        }
        for good in ["1", "a-195900.E-1", "A.b", "..."] {
            assert!(is_id(good), "{good}");
        }
        assert!(is_type("Appointment") && !is_type("appointment") && !is_type("A/b"));
    }

    #[test]
    fn an_instant_has_an_offset() {
        assert_eq!(instant("2026-12-01T09:00:00-05:00"), instant("2026-12-01T14:00:00.0000000Z"));
        for bad in ["2026-12-01T09:00:00", "2026-12-01", "24:00", "2026-12-01T24:00:00Z", "soon"] {
            assert_eq!(instant(bad), None, "{bad}");
        }
    }

    #[test]
    fn free_text_is_no_code() {
        assert_eq!(code(" no-response "), "no-response");
        assert_eq!(code("Jane Doe called"), "unknown");
        assert_eq!(code(""), "unknown");
    }
}
