//! Phone numbers: whatever a front desk typed becomes E.164, or is refused with a reason.
//!
//! A [`PhoneNumber`] that exists is valid and prints masked, so that it can stand in a log line.
//! What it does not know: whether the number is in service, or can receive texts; only the carrier
//! knows that.

mod plan;
pub mod zones;

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

pub use plan::Region;
use plan::{Plan, plan_of};

/// The longest text that is looked at; a number with country code, blanks and an extension fits
/// five times. Anything longer is refused unread.
pub const TEXT_BYTES_MAX: usize = 128;

/// E.164 allows 15 digits with the country code.
const DIGITS_MAX: usize = 15;

/// Fewer digits are a local number without area code, an extension or a slip.
const DIGITS_MIN: usize = 7;

/// Why a text is no phone number; no variant carries the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no digit at all.
    #[error("phone number is empty")]
    Empty,
    /// Fewer digits than any subscriber number has.
    #[error("phone number has fewer than 7 digits")]
    TooShort,
    /// More digits or text than a phone number can have.
    #[error("phone number is too long")]
    TooLong,
    /// A digit of another script, or a plus sign amid digits.
    #[error("phone number has characters that cannot be read safely")]
    Unreadable,
    /// The digits do not fit the plan of the country.
    #[error("phone number does not fit the numbering plan of its country")]
    NotInPlan,
}

/// A phone number in E.164 form; prints masked, as in `+1415***0123`.
///
/// ```
/// use appointd::core::phone::{PhoneNumber, Region};
/// let number = PhoneNumber::parse("1 (415) 555-0123 ext. 7", Region::US).unwrap();
/// assert_eq!(number.as_str(), "+14155550123");
/// assert_eq!(number.to_string(), "+1415***0123");
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct PhoneNumber(String);

impl PhoneNumber {
    /// Reads a number as people write it at home in `region`, or in international form.
    ///
    /// Extensions and stray text are dropped. Where a field holds several numbers, the first counts.
    ///
    /// # Errors
    /// See [`Error`]; the number itself is in none of them.
    pub fn parse(text: &str, region: Region) -> Result<Self, Error> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(Error::TooLong);
        }
        let whole = Self::parse_one(text, region);
        // Tried second, because a slash within a number is usual in Germany: 030/1234567.
        match (whole, text.split_once(['/', ';', ',', '|', '\n'])) {
            (Err(error), Some((first, _))) => Self::parse_one(first, region).map_err(|_| error),
            (whole, _) => whole,
        }
    }

    /// Reads a number that is already in E.164 form, as the provider sends it.
    ///
    /// # Errors
    /// [`Error::Unreadable`] unless the text is a plus sign and 8 to 15 digits, the first not 0.
    pub fn parse_e164(text: &str) -> Result<Self, Error> {
        let digits = text.strip_prefix('+').ok_or(Error::Unreadable)?;
        let is_valid = (DIGITS_MIN + 1..=DIGITS_MAX).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0');
        if is_valid { Ok(Self(text.to_owned())) } else { Err(Error::Unreadable) }
    }

    /// The whole number, for the wire and the store.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The whole number; the same as [`PhoneNumber::as_str`], named so that a review can look for it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn parse_one(text: &str, region: Region) -> Result<Self, Error> {
        let dialled = Dialled::read(text)?;
        let digits = dialled.digits.as_str();
        if digits.is_empty() {
            return Err(Error::Empty);
        }
        if digits.len() < DIGITS_MIN {
            return Err(Error::TooShort);
        }
        if dialled.is_international {
            return international(digits);
        }
        if let Some(number) = national(digits, region.plan()) {
            return Ok(number);
        }
        for prefix in region.plan().abroad {
            if let Some(rest) = digits.strip_prefix(prefix) {
                return international(rest);
            }
        }
        // A country code without its plus sign: 44 7700 900123 in the United Kingdom.
        let plan = region.plan();
        let with_country = digits.strip_prefix(plan.country).filter(|rest| plan.admits(rest));
        with_country.map_or_else(
            || Err(if digits.len() > DIGITS_MAX { Error::TooLong } else { Error::NotInPlan }),
            |rest| Ok(e164(plan, rest)),
        )
    }
}

/// What would be dialled of a text: its digits, up to an extension.
struct Dialled {
    digits: String,
    is_international: bool,
}

impl Dialled {
    fn read(text: &str) -> Result<Self, Error> {
        let mut dialled = Self { digits: String::new(), is_international: false };
        let mut rest = text.chars();
        loop {
            let here = rest.as_str();
            let Some(character) = rest.next() else { return Ok(dialled) };
            match character {
                '0'..='9' => dialled.digits.push(character),
                '+' | '\u{ff0b}' if dialled.digits.is_empty() => dialled.is_international = true,
                '+' | '\u{ff0b}' => return Err(Error::Unreadable),
                _ if character.is_numeric() => return Err(Error::Unreadable),
                _ if !dialled.digits.is_empty() && begins_extension(here) => return Ok(dialled),
                _ => {}
            }
        }
    }
}

fn begins_extension(text: &str) -> bool {
    text.starts_with(['x', 'X', '#'])
        || text.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("ext"))
}

/// A number in national form, with or without the trunk prefix.
fn national(digits: &str, plan: &Plan) -> Option<PhoneNumber> {
    let trunkless = digits.strip_prefix(plan.trunk).filter(|_| !plan.trunk.is_empty());
    let significant = trunkless.filter(|rest| plan.admits(rest));
    // 0 or 1 never begins a significant number where it is the trunk prefix.
    let as_written = || Some(digits).filter(|_| trunkless.is_none() && plan.admits(digits));
    significant.or_else(as_written).map(|significant| e164(plan, significant))
}

/// A number with its country code; of a country not in the table only the length is known.
fn international(digits: &str) -> Result<PhoneNumber, Error> {
    let Some(plan) = plan_of(digits) else {
        return match digits.len() {
            _ if digits.starts_with('0') => Err(Error::NotInPlan),
            ..=DIGITS_MIN => Err(Error::TooShort),
            8..=DIGITS_MAX => Ok(PhoneNumber(format!("+{digits}"))),
            _ => Err(Error::TooLong),
        };
    };
    let rest = digits.strip_prefix(plan.country).unwrap_or_default();
    // +44 (0)20 ...: the trunk prefix does not belong here, but is often written.
    let candidates = [Some(rest), rest.strip_prefix(plan.trunk), mexican_mobile(plan, rest)];
    candidates
        .into_iter()
        .flatten()
        .find(|rest| plan.admits(rest) && (plan.trunk != "0" || !rest.starts_with('0')))
        .map(|rest| e164(plan, rest))
        .ok_or(Error::NotInPlan)
}

/// Until 2019 a Mexican mobile was dialled from abroad with a 1 after the country code.
fn mexican_mobile<'a>(plan: &Plan, rest: &'a str) -> Option<&'a str> {
    rest.strip_prefix('1').filter(|_| plan.country == "52")
}

fn e164(plan: &Plan, significant: &str) -> PhoneNumber {
    PhoneNumber(format!("+{}{significant}", plan.country))
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // At least three digits stay hidden, whatever the length.
        let shown = self.0.len().saturating_sub(7).min(5);
        let start = self.0.get(..shown).unwrap_or_default();
        let end = self.0.get(self.0.len().saturating_sub(4)..).unwrap_or_default();
        write!(f, "{start}***{end}")
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'de> Deserialize<'de> for PhoneNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse_e164(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
