//! Filters that make texts.

use serde_json::Value as Json;

use super::Arguments;
use crate::core::flow::liquid::fault::OutOfFuel;
use crate::core::flow::liquid::fuel::{Fuel, Page};
use crate::core::flow::liquid::number;
use crate::core::flow::liquid::value::{Value, is_space};

/// The length at which `truncate` cuts unless it is told.
const TRUNCATE_CHARS: i64 = 50;

/// The words that `truncatewords` keeps unless it is told.
const TRUNCATE_WORDS: i64 = 15;

/// What stands for what was cut off.
const ELLIPSIS: &str = "...";

/// Characters of HTML and what stands for them.
const ENTITIES: &[(char, &str)] =
    &[('<', "&lt;"), ('>', "&gt;"), ('"', "&#34;"), ('\'', "&#39;"), ('&', "&amp;")];

/// A filter of texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::core::flow::liquid) enum Text {
    Append,
    Capitalize,
    Downcase,
    Escape,
    EscapeOnce,
    Lstrip,
    Prepend,
    Remove,
    RemoveFirst,
    Replace,
    ReplaceFirst,
    Rstrip,
    Split,
    Strip,
    StripNewlines,
    Truncate,
    Truncatewords,
    Upcase,
    UrlDecode,
    UrlEncode,
}

impl Text {
    /// Applies the filter.
    pub(super) fn apply<'a>(
        self,
        value: &Value<'a>,
        given: &Arguments<'a>,
        fuel: &mut Fuel,
    ) -> Result<Value<'a>, OutOfFuel> {
        let text = value.text(fuel)?;
        let text = &*text;
        let first = given.text(0, fuel)?;
        let mut page = Page::default();
        match self {
            Self::Append => [text, &first].iter().try_for_each(|part| page.push(part, fuel))?,
            Self::Prepend => [&first, text].iter().try_for_each(|part| page.push(part, fuel))?,
            Self::Capitalize => page.push(&capitalized(text), fuel)?,
            Self::Downcase => page.push(&text.to_lowercase(), fuel)?,
            Self::Upcase => page.push(&text.to_uppercase(), fuel)?,
            Self::Remove => replace(text, &first, "", &mut page, fuel)?,
            Self::RemoveFirst => replace_first(text, &first, "", &mut page, fuel)?,
            Self::Replace => replace(text, &first, &given.text(1, fuel)?, &mut page, fuel)?,
            Self::ReplaceFirst => {
                replace_first(text, &first, &given.text(1, fuel)?, &mut page, fuel)?;
            }
            Self::Lstrip => page.push(text.trim_start_matches(trims(&first)), fuel)?,
            Self::Rstrip => page.push(text.trim_end_matches(trims(&first)), fuel)?,
            Self::Strip => page.push(text.trim_matches(trims(&first)), fuel)?,
            Self::StripNewlines => {
                page.push(&text.replace("\r\n", "").replace('\n', ""), fuel)?;
            }
            Self::Split => return split(text, &first, fuel),
            Self::Truncate => {
                if !truncate(text, given, &mut page, fuel)? {
                    return Ok(value.clone());
                }
            }
            Self::Truncatewords => truncate_words(text, given, &mut page, fuel)?,
            Self::Escape => escape(text, &mut page, fuel)?,
            Self::EscapeOnce => escape(&unescaped(text), &mut page, fuel)?,
            Self::UrlDecode => page.push(url_decoded(text).as_deref().unwrap_or(text), fuel)?,
            Self::UrlEncode => url_encode(text, &mut page, fuel)?,
        }
        Ok(Value::made(page.into_text()))
    }
}

/// The first letter large, all others small.
fn capitalized(text: &str) -> String {
    let mut rest = text.chars();
    let first: String = rest.next().into_iter().flat_map(char::to_uppercase).collect();
    first + &rest.as_str().to_lowercase()
}

/// Replaces every occurrence; an empty one stands between any two characters.
fn replace(
    text: &str,
    pattern: &str,
    with: &str,
    page: &mut Page,
    fuel: &mut Fuel,
) -> Result<(), OutOfFuel> {
    if pattern.is_empty() {
        for (index, character) in text.chars().enumerate() {
            if index > 0 {
                page.push(with, fuel)?;
            }
            page.push_char(character, fuel)?;
        }
        return Ok(());
    }
    for (index, part) in text.split(pattern).enumerate() {
        if index > 0 {
            page.push(with, fuel)?;
        }
        page.push(part, fuel)?;
    }
    Ok(())
}

/// Replaces the first occurrence; an empty one stands at the beginning.
fn replace_first(
    text: &str,
    pattern: &str,
    with: &str,
    page: &mut Page,
    fuel: &mut Fuel,
) -> Result<(), OutOfFuel> {
    let Some((before, after)) = text.split_once(pattern) else {
        return page.push(text, fuel);
    };
    [before, with, after].iter().try_for_each(|part| page.push(part, fuel))
}

/// Whether a character is stripped: white space, or one of those that are named.
fn trims(named: &str) -> impl Fn(char) -> bool + Copy {
    move |character| {
        if named.is_empty() { is_space(character) } else { named.contains(character) }
    }
}

/// Splits; an empty separator parts all characters. Empty parts at the end are dropped.
fn split<'a>(text: &str, separator: &str, fuel: &mut Fuel) -> Result<Value<'a>, OutOfFuel> {
    let mut parts: Vec<Json> = Vec::new();
    let mut add = |part: &str| {
        fuel.elements(1)?;
        parts.push(part.into());
        Ok(())
    };
    if separator.is_empty() {
        text.chars().try_for_each(|character| add(character.encode_utf8(&mut [0; 4])))?;
    } else {
        text.split(separator).try_for_each(add)?;
    }
    while parts.last().is_some_and(|part| part == "") {
        parts.pop();
    }
    Ok(Value::made(parts))
}

/// Cuts a text to a length with its ellipsis; false if it is short enough.
fn truncate(
    text: &str,
    given: &Arguments<'_>,
    page: &mut Page,
    fuel: &mut Fuel,
) -> Result<bool, OutOfFuel> {
    let most = given.given(0).map_or(TRUNCATE_CHARS, |value| number::index(value.number()));
    let most = usize::try_from(most).unwrap_or(0);
    if text.chars().nth(most).is_none() {
        return Ok(false);
    }
    let ellipsis = ellipsis(given, fuel)?;
    let kept = most.saturating_sub(ellipsis.chars().count());
    let end = text.char_indices().nth(kept).map_or(text.len(), |(at, _)| at);
    page.push(text.get(..end).unwrap_or(text), fuel)?;
    page.push(&ellipsis, fuel)?;
    Ok(true)
}

/// Cuts a text to so many words, with single blanks between them; the ellipsis stands there even if
/// no word was cut off, as with `liquidjs`.
fn truncate_words(
    text: &str,
    given: &Arguments<'_>,
    page: &mut Page,
    fuel: &mut Fuel,
) -> Result<(), OutOfFuel> {
    let most = given.given(0).map_or(TRUNCATE_WORDS, |value| number::index(value.number()));
    let most = usize::try_from(most).unwrap_or(0).max(1);
    let mut count = 0;
    let mut rest = Some(text.trim_start_matches(is_space));
    while let Some(text) = rest.filter(|_| count < most) {
        let (word, after) = match text.split_once(is_space) {
            Some((word, after)) => (word, Some(after.trim_start_matches(is_space))),
            None => (text, None),
        };
        if count > 0 {
            page.push(" ", fuel)?;
        }
        page.push(word, fuel)?;
        count += 1;
        rest = after;
    }
    if count < most { Ok(()) } else { page.push(&ellipsis(given, fuel)?, fuel) }
}

fn ellipsis(given: &Arguments<'_>, fuel: &mut Fuel) -> Result<String, OutOfFuel> {
    match given.given(1) {
        Some(ellipsis) => Ok(ellipsis.text(fuel)?.into_owned()),
        None => Ok(ELLIPSIS.into()),
    }
}

fn escape(text: &str, page: &mut Page, fuel: &mut Fuel) -> Result<(), OutOfFuel> {
    for character in text.chars() {
        match ENTITIES.iter().find(|(plain, _)| *plain == character) {
            Some((_, entity)) => page.push(entity, fuel)?,
            None => page.push_char(character, fuel)?,
        }
    }
    Ok(())
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, _)) = rest.split_once('&') {
        plain.push_str(before);
        rest = rest.strip_prefix(before).unwrap_or("");
        let found = ENTITIES.iter().find_map(|(character, entity)| {
            rest.strip_prefix(entity).map(|after| (*character, after))
        });
        let (character, after) =
            found.unwrap_or_else(|| ('&', rest.strip_prefix('&').unwrap_or("")));
        plain.push(character);
        rest = after;
    }
    plain + rest
}

/// Encodes as JavaScript's `encodeURIComponent` does, with `+` for a blank.
fn url_encode(text: &str, page: &mut Page, fuel: &mut Fuel) -> Result<(), OutOfFuel> {
    for byte in text.bytes() {
        match byte {
            b' ' => page.push("+", fuel)?,
            b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')' => {
                page.push_char(byte.into(), fuel)?;
            }
            _ if byte.is_ascii_alphanumeric() => page.push_char(byte.into(), fuel)?,
            _ => page.push(&format!("%{byte:02X}"), fuel)?,
        }
    }
    Ok(())
}

/// Decodes `+` and `%41`; none if that is not the encoding of a text.
fn url_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex(rest.next()?)? * 16 + hex(rest.next()?)?,
            _ => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
