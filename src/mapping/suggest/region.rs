//! The country by whose plan the samples' phone numbers are read.

use super::super::path::Path;
use super::inventory::text_of;
use super::study::Sample;
use crate::core::phone::{PhoneNumber, Region};

/// The region that phones are read with, and why it is not the site's.
#[derive(Debug, Clone)]
pub(super) struct Chosen {
    pub(super) region: Region,
    /// For the analyst, if anything is to be set.
    pub(super) note: Option<String>,
}

/// Where a patient's phones stand in the standard.
const PHONES: [&str; 3] = ["PID-13[*]", "PID-14[*]", "PID-40[*]"];
/// Where a country is named: of the message, and of the patient's address.
const COUNTRIES: [&str; 3] = ["MSH-17.1", "MSH-12.2", "PID-11[*].6"];

/// Regions with the code of three letters (ISO 3166-1) that MSH-17 and addresses use.
const CODES: [(&str, &str); 50] = [
    ("US", "USA"),
    ("CA", "CAN"),
    ("PR", "PRI"),
    ("DO", "DOM"),
    ("JM", "JAM"),
    ("BS", "BHS"),
    ("TT", "TTO"),
    ("AE", "ARE"),
    ("AR", "ARG"),
    ("AT", "AUT"),
    ("AU", "AUS"),
    ("BE", "BEL"),
    ("BG", "BGR"),
    ("BR", "BRA"),
    ("CH", "CHE"),
    ("CL", "CHL"),
    ("CN", "CHN"),
    ("CO", "COL"),
    ("CZ", "CZE"),
    ("DE", "DEU"),
    ("DK", "DNK"),
    ("EE", "EST"),
    ("ES", "ESP"),
    ("FI", "FIN"),
    ("FR", "FRA"),
    ("GB", "GBR"),
    ("GR", "GRC"),
    ("HK", "HKG"),
    ("HR", "HRV"),
    ("HU", "HUN"),
    ("IE", "IRL"),
    ("IL", "ISR"),
    ("IN", "IND"),
    ("IS", "ISL"),
    ("IT", "ITA"),
    ("JP", "JPN"),
    ("LT", "LTU"),
    ("LU", "LUX"),
    ("LV", "LVA"),
    ("MX", "MEX"),
    ("NL", "NLD"),
    ("NO", "NOR"),
    ("NZ", "NZL"),
    ("PL", "POL"),
    ("PT", "PRT"),
    ("RO", "ROU"),
    ("SE", "SWE"),
    ("SI", "SVN"),
    ("SK", "SVK"),
    ("ZA", "ZAF"),
];

/// Chooses the region: the site's, unless most numbers do not fit it and the samples name another
/// country that they fit.
pub(super) fn choose(samples: &[Sample<'_>], site: Region) -> Chosen {
    let numbers = numbers(samples);
    let fits = |region: Region| {
        numbers.iter().filter(|number| PhoneNumber::parse(number, region).is_ok()).count()
    };
    let (all, usual) = (numbers.len(), fits(site));
    if usual * 2 >= all {
        return Chosen { region: site, note: None };
    }
    let named = country(samples).filter(|region| fits(*region) > usual);
    if let Some(region) = named {
        let note = format!(
            "Phone numbers were read as those of {region}, the country that the messages name: \
             {} of {all} fit it, {usual} fit {site}. Set region = \"{region}\" at the listener.",
            fits(region),
        );
        return Chosen { region, note: Some(note) };
    }
    let note = format!(
        "Only {usual} of {all} phone numbers fit the plan of {site}: set region at the listener to \
         the code of the country, and read the samples with --config again."
    );
    Chosen { region: site, note: Some(note) }
}

/// All texts with the digits of a phone number in the patient's phone fields.
fn numbers(samples: &[Sample<'_>]) -> Vec<String> {
    let mut numbers = Vec::new();
    for path in PHONES.iter().filter_map(|path| Path::parse(path).ok()) {
        for sample in samples {
            sample.visit(&path, &mut |found| {
                let components = found.raw.split(sample.msg.separators().component);
                let texts = components.filter_map(|raw| text_of(sample.msg, raw));
                numbers.extend(texts.filter(|text| is_number(text)));
                false
            });
        }
    }
    numbers
}

fn is_number(text: &str) -> bool {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    // Eight digits and fewer may be one without its area code, which stands beside it.
    let is_whole = digits > 8;
    is_whole && !text.contains('@') && text.chars().filter(|c| c.is_alphabetic()).count() < 4
}

/// The country that most messages name.
fn country(samples: &[Sample<'_>]) -> Option<Region> {
    for path in COUNTRIES.iter().filter_map(|path| Path::parse(path).ok()) {
        let named = samples.iter().filter_map(|sample| sample.first(&path));
        let mut counts: Vec<(usize, Region)> = Vec::new();
        for region in named.filter_map(|text| region_of(&text)) {
            match counts.iter_mut().find(|(_, known)| *known == region) {
                Some((count, _)) => *count += 1,
                None => counts.push((1, region)),
            }
        }
        counts.sort_by_key(|(count, region)| (std::cmp::Reverse(*count), region.code()));
        if let Some((_, region)) = counts.first() {
            return Some(*region);
        }
    }
    None
}

fn region_of(text: &str) -> Option<Region> {
    let is = |(short, long): &&(&str, &str)| {
        short.eq_ignore_ascii_case(text) || long.eq_ignore_ascii_case(text)
    };
    CODES.iter().find(is).and_then(|(short, _)| Region::parse(short))
}
