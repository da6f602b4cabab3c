//! National numbering plans: how a number is written at home, and what it is abroad.
//!
//! A plan is a row of a table. The lengths are those of the *national significant number* (without
//! trunk prefix), from the national plans published with ITU-T E.164; they are kept wide where a
//! country mixes lengths, because a text to a wrong number fails at the carrier, while a number
//! refused here is a patient who is never reminded.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A country whose way of writing phone numbers is known, from its ISO 3166-1 alpha-2 code.
///
/// ```
/// use appointd::core::phone::Region;
/// assert_eq!(Region::parse("us").unwrap().code(), "US");
/// assert!(Region::parse("ZZ").is_none());
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Region(&'static Plan);

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    code: &'static str,
    pub(super) country: &'static str,
    /// What is dialled before a national number at home, and never from abroad.
    pub(super) trunk: &'static str,
    /// What is dialled before a number abroad; `00` everywhere unless listed.
    pub(super) abroad: &'static [&'static str],
    pub(super) digits_min: usize,
    pub(super) digits_max: usize,
}

impl Region {
    /// The United States, the default of a practice that says nothing.
    pub const US: Self = Self(&PLANS[0]);

    /// Finds a region by its two-letter code, in any case.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        PLANS.iter().find(|plan| plan.code.eq_ignore_ascii_case(code.trim())).map(Self)
    }

    /// The region's two-letter code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.0.code
    }

    pub(super) const fn plan(self) -> &'static Plan {
        self.0
    }
}

/// The plan whose country code begins `digits`, if it is in the table.
pub(super) fn plan_of(digits: &str) -> Option<&'static Plan> {
    // No country code is the beginning of another one, so the first match is the only one.
    PLANS.iter().find(|plan| digits.starts_with(plan.country))
}

impl Plan {
    /// Whether `national` can be a number of this plan.
    pub(super) fn admits(&self, national: &str) -> bool {
        let length = national.len();
        if length < self.digits_min || length > self.digits_max {
            return false;
        }
        // Practice software fills a mandatory field with 9999999999 and the like.
        let mut bytes = national.bytes();
        let first = bytes.next();
        if bytes.all(|byte| Some(byte) == first) {
            return false;
        }
        self.country != "1" || admits_north_american(national.as_bytes())
    }
}

/// NPA-NXX-XXXX: area code and exchange begin with 2 to 9, and the area code is no service code (911).
fn admits_north_american(national: &[u8]) -> bool {
    let begins_well =
        |at: usize| national.get(at).is_some_and(|digit| (b'2'..=b'9').contains(digit));
    begins_well(0) && begins_well(3) && national.get(1..3) != Some(b"11".as_slice())
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Region({})", self.code())
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Region {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Region {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = String::deserialize(deserializer)?;
        Self::parse(&code).ok_or_else(|| {
            serde::de::Error::custom(format_args!(
                "unknown region {code:?}: expected a code like US"
            ))
        })
    }
}

const fn plan(
    code: &'static str,
    country: &'static str,
    trunk: &'static str,
    digits_min: usize,
    digits_max: usize,
) -> Plan {
    Plan { code, country, trunk, abroad: &["00"], digits_min, digits_max }
}

const fn north_american(code: &'static str) -> Plan {
    Plan { code, country: "1", trunk: "1", abroad: &["011"], digits_min: 10, digits_max: 10 }
}

static PLANS: [Plan; 50] = [
    north_american("US"),
    north_american("CA"),
    north_american("PR"),
    north_american("DO"),
    north_american("JM"),
    north_american("BS"),
    north_american("TT"),
    plan("AE", "971", "0", 8, 9),
    plan("AR", "54", "0", 10, 11),
    plan("AT", "43", "0", 7, 13),
    Plan { abroad: &["0011"], ..plan("AU", "61", "0", 9, 10) },
    plan("BE", "32", "0", 8, 9),
    plan("BG", "359", "0", 7, 9),
    plan("BR", "55", "0", 10, 11),
    plan("CH", "41", "0", 9, 9),
    plan("CL", "56", "", 9, 9),
    plan("CN", "86", "0", 9, 11),
    plan("CO", "57", "", 10, 10),
    plan("CZ", "420", "", 9, 9),
    plan("DE", "49", "0", 7, 11),
    plan("DK", "45", "", 8, 8),
    plan("EE", "372", "", 7, 8),
    plan("ES", "34", "", 9, 9),
    Plan { abroad: &["00", "990"], ..plan("FI", "358", "0", 7, 11) },
    plan("FR", "33", "0", 9, 9),
    plan("GB", "44", "0", 9, 10),
    plan("GR", "30", "", 10, 10),
    Plan { abroad: &["001"], ..plan("HK", "852", "", 8, 8) },
    plan("HR", "385", "0", 8, 9),
    plan("HU", "36", "06", 8, 9),
    plan("IE", "353", "0", 7, 9),
    plan("IL", "972", "0", 8, 9),
    plan("IN", "91", "0", 10, 10),
    plan("IS", "354", "", 7, 9),
    // The leading 0 of an Italian line is part of the number, at home and abroad.
    plan("IT", "39", "", 7, 11),
    Plan { abroad: &["010"], ..plan("JP", "81", "0", 9, 10) },
    plan("LT", "370", "0", 8, 8),
    plan("LU", "352", "", 7, 11),
    plan("LV", "371", "", 8, 8),
    plan("MX", "52", "01", 10, 10),
    plan("NL", "31", "0", 9, 9),
    plan("NO", "47", "", 8, 8),
    plan("NZ", "64", "0", 8, 10),
    plan("PL", "48", "", 9, 9),
    plan("PT", "351", "", 9, 9),
    plan("RO", "40", "0", 9, 9),
    plan("SE", "46", "0", 7, 9),
    plan("SI", "386", "0", 8, 8),
    plan("SK", "421", "0", 9, 9),
    plan("ZA", "27", "0", 9, 9),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_country_code_begins_another() {
        for plan in &PLANS {
            for other in PLANS.iter().filter(|other| other.country != plan.country) {
                assert!(!other.country.starts_with(plan.country), "{} {}", plan.code, other.code);
            }
        }
    }

    #[test]
    fn every_plan_fits_e164() {
        for plan in &PLANS {
            assert!(plan.digits_min <= plan.digits_max && plan.digits_min >= 7, "{}", plan.code);
            assert!(plan.country.len() + plan.digits_max <= 15, "{}", plan.code);
            assert_eq!(Region::parse(plan.code).unwrap().code(), plan.code);
        }
    }

    #[test]
    fn a_region_is_read_from_settings_by_its_code() {
        let region: Region = serde_json::from_str("\"gb\"").unwrap();
        assert_eq!(serde_json::to_string(&region).unwrap(), "\"GB\"");
        assert!(serde_json::from_str::<Region>("\"Narnia\"").is_err());
        assert!(serde_json::from_str::<Region>("7").is_err());
    }
}
