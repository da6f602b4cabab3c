//! Phones: numbers that the base does not find, or whose use it cannot tell.

use std::collections::{BTreeMap, BTreeSet};

use super::super::output::Output;
use super::super::path::Path;
use super::super::table::PhoneUse;
use super::base::{self, PhoneRules};
use super::draft::{Draft, INHERITED, quoted};
use super::inventory::{Place, Stats, text_of};
use super::kind::Kind;
use super::shown;
use super::study::{Sample, Study, messages};
use super::trial::Trial;
use crate::core::phone::PhoneNumber;
use crate::hl7::SegmentName;

/// The components of a number and its codes in the standard (XTN).
const CODES: [u16; 2] = [2, 3];
/// Components in which the standard has numbers, which the default ways read.
const READ: [u16; 4] = [1, 5, 6, 12];
/// The digits of a number within its area.
const LOCAL_DIGITS: usize = 7;

pub(super) fn propose(study: &Study<'_>, now: &Trial, draft: &mut Draft) {
    let heard = now.those(|reading| reading.is_event());
    if heard.is_empty() {
        return;
    }
    let fields: Vec<Field<'_>> =
        fields(study).into_iter().map(|at| Field::of(study, now, at)).collect();
    let mut sources: Vec<String> = Vec::new();
    let mut because = Vec::new();
    let mut replaced = BTreeSet::new();
    for field in &fields {
        let is_read = field.is_read(now);
        if let Some((source, why)) = field.reshaped(study, now, &heard, is_read) {
            if is_read {
                replaced.insert(field.path.clone());
            }
            sources.push(source);
            because.push(why);
        }
    }
    if !sources.is_empty() {
        let kept = base::plain_phones(&now.mapping);
        let kept = kept.unwrap_or_else(|| vec!["inherited".to_owned()]);
        let kept = kept.iter().filter(|path| !replaced.contains(*path)).map(|path| quoted(path));
        let mut kept: Vec<_> = kept.collect();
        kept.dedup();
        let list = if replaced.is_empty() {
            std::iter::once(INHERITED.to_owned()).chain(sources).collect()
        } else {
            sources.into_iter().chain(kept).collect()
        };
        draft.field(Output::Phone, list, because);
    }
    unknown_uses(study, now, &fields, draft);
    relatives(study, now, &heard, draft);
}

/// A field that may hold the patient's phones.
struct Field<'s> {
    segment: SegmentName,
    field: u16,
    path: String,
    /// Components that hold whole numbers.
    whole: Vec<u16>,
    /// Components with an area code before the component with the rest.
    parted: Vec<u16>,
    /// Components whose values are codes of use, beyond those that the base knows.
    codes: Vec<u16>,
    /// How the base reads the field.
    rules: PhoneRules,
    /// The component with the flag of the preferred number.
    preferred: Option<u16>,
    parts: BTreeMap<u16, &'s Stats>,
}

/// The patient's own phone fields, and local fields that look like phones.
fn fields(study: &Study<'_>) -> Vec<(SegmentName, u16)> {
    let mut fields: Vec<(SegmentName, u16)> = Vec::new();
    for (place, stats) in study.inventory.iter().filter(|(place, _)| place.observed.is_none()) {
        let is_patients = place.is_in("PID") && matches!(place.field, 13 | 14 | 40);
        let is_local = place.is_local() && stats.is_mostly(&[Kind::Phone]);
        let at = (place.segment, place.field);
        if (is_patients || is_local) && !fields.contains(&at) {
            fields.push(at);
        }
    }
    fields
}

impl<'s> Field<'s> {
    fn of(study: &'s Study<'_>, now: &Trial, (segment, field): (SegmentName, u16)) -> Self {
        let parts: BTreeMap<u16, &Stats> = study
            .inventory
            .iter()
            .filter(|(place, _)| {
                place.segment == segment && place.field == field && place.observed.is_none()
            })
            .map(|(place, stats)| (place.component, stats))
            .collect();
        let region = study.region.region;
        let is_number = |stats: &&Stats| {
            let numbers = stats.distinct().into_iter().flatten();
            let numbers = numbers
                .filter(|text| !text.contains('@') && PhoneNumber::parse(text, region).is_ok());
            numbers.count() > 0
        };
        let digits = |number: u16, count: usize| {
            parts.get(&number).and_then(|stats| stats.distinct()).is_some_and(|values| {
                values.iter().any(|value| {
                    value.len() == count && value.bytes().all(|byte| byte.is_ascii_digit())
                })
            })
        };
        let whole = parts.iter().filter(|(_, stats)| is_number(stats)).map(|(n, _)| *n).collect();
        let parted = parts.keys().copied().filter(|n| digits(*n, 3) && digits(n + 1, LOCAL_DIGITS));
        let is_codes = |stats: &&Stats| {
            let values: Vec<_> = stats.distinct().into_iter().flatten().collect();
            let known = |value: &&&String| base::phone_use(&now.mapping, value).is_some();
            !values.is_empty() && values.iter().filter(known).count() * 5 >= values.len() * 4
        };
        let place = Place { segment, observed: None, field, component: 1 };
        let rules = base::phone_rules(&now.mapping, &place);
        let is_known = |n: &u16| CODES.contains(n) || rules.codes.contains(n);
        let codes = parts.iter().filter(|(n, stats)| !is_known(n) && is_codes(stats));
        let preferred = parts.iter().find(|(n, stats)| **n > 1 && stats.is_mostly(&[Kind::Flag]));
        Self {
            segment,
            field,
            path: format!("{segment}-{field}[*]"),
            whole,
            parted: parted.collect(),
            codes: codes.map(|(n, _)| *n).collect(),
            rules,
            preferred: preferred.map(|(n, _)| *n),
            parts,
        }
    }

    fn is_read(&self, now: &Trial) -> bool {
        let place =
            Place { segment: self.segment, observed: None, field: self.field, component: 1 };
        base::reads(&now.mapping, Output::Phone, &place)
    }

    /// A source by which the field is read better, and why.
    fn reshaped(
        &self,
        study: &Study<'_>,
        now: &Trial,
        heard: &[usize],
        is_read: bool,
    ) -> Option<(String, String)> {
        let lacking: Vec<usize> = heard
            .iter()
            .copied()
            .filter(|at| now.readings.get(*at).is_some_and(|r| !r.has(Output::Phone)))
            .collect();
        let ways = self.new_ways();
        let helps = self.holders(study, &lacking);
        let mobiles = self.mobiles(study, now, heard);
        let by_shape = is_read && !ways.is_empty() && helps > 0;
        let by_codes = is_read && !self.codes.is_empty();
        let by_place = !is_read && (mobiles > 0 || (helps > 0 && !self.is_work(now)));
        if !by_shape && !by_codes && !by_place {
            return None;
        }
        let mut options = String::new();
        if !ways.is_empty() {
            let ways: Vec<_> = self.ways(&ways).iter().map(|way| quoted(way)).collect();
            options.push_str(&format!(", number = [{}]", ways.join(", ")));
        }
        if !self.codes.is_empty() {
            let codes: BTreeSet<u16> = CODES.iter().chain(&self.codes).copied().collect();
            let codes: Vec<_> = codes.iter().map(ToString::to_string).collect();
            options.push_str(&format!(", codes = [{}]", codes.join(", ")));
            if let Some(preferred) = self.preferred {
                options.push_str(&format!(", preferred = {preferred}"));
            }
        }
        let source = if options.is_empty() {
            quoted(&self.path)
        } else {
            format!("{{ path = {}{options} }}", quoted(&self.path))
        };
        Some((source, self.why(study, heard, (helps, lacking.len()), mobiles)))
    }

    fn why(
        &self,
        study: &Study<'_>,
        heard: &[usize],
        (helps, lacking): (usize, usize),
        mobiles: usize,
    ) -> String {
        let numbers = self.whole.iter().chain(&self.parted);
        let masks: Vec<_> =
            numbers.filter_map(|n| Some(format!(".{n} {}", self.parts.get(n)?.masks()))).collect();
        let path = self.path.trim_end_matches("[*]");
        let mut why = format!(
            "{path} holds phone numbers in {} of {} ({})",
            self.holders(study, heard),
            messages(heard.len()),
            masks.join("; "),
        );
        if lacking > 0 {
            why.push_str(&format!(", in {helps} of {lacking} that had none"));
        }
        if mobiles > 0 {
            why.push_str(&format!(", said to be mobile in {mobiles}"));
        }
        if let Some(code) = self.codes.first() {
            why.push_str(&format!("; component {code} says what a number is for"));
        }
        if let Some(preferred) = self.preferred.filter(|_| !self.codes.is_empty()) {
            why.push_str(&format!(", component {preferred} which one is preferred"));
        }
        why.push('.');
        why
    }

    /// Ways to put a number together that neither the default ones nor the base's have.
    fn new_ways(&self) -> Vec<String> {
        let is_new = |way: &Vec<u16>| !self.rules.ways.contains(way);
        let whole = self.whole.iter().filter(|n| !READ.contains(n) && **n != 7).map(|n| vec![*n]);
        let parted = self.parted.iter().filter(|n| **n != 6).map(|n| vec![*n, n + 1]);
        let words = |way: Vec<u16>| {
            let numbers: Vec<_> = way.iter().map(ToString::to_string).collect();
            numbers.join(" ")
        };
        parted.chain(whole).filter(is_new).map(words).collect()
    }

    fn ways(&self, new: &[String]) -> Vec<String> {
        let usual = ["12", "1", "+5 6 7", "6 7"].map(str::to_owned);
        usual.into_iter().chain(new.iter().cloned()).collect()
    }

    /// In how many of these samples the field holds a number.
    fn holders(&self, study: &Study<'_>, at: &[usize]) -> usize {
        let samples = at.iter().filter_map(|at| study.samples.get(*at));
        samples.filter(|sample| self.any(sample, |parts| self.is_number(study, parts))).count()
    }

    /// In how many of these samples the field has a number for texts that is said to be mobile.
    fn mobiles(&self, study: &Study<'_>, now: &Trial, at: &[usize]) -> usize {
        let is_mobile = |parts: &[String]| {
            let mut codes = CODES.iter().chain(&self.codes);
            self.is_number(study, parts)
                && codes.any(|n| {
                    let code = part(parts, *n);
                    base::phone_use(&now.mapping, code) == Some(PhoneUse::Mobile)
                })
        };
        let samples = at.iter().filter_map(|at| study.samples.get(*at));
        samples.filter(|sample| self.any(sample, is_mobile)).count()
    }

    /// Whether codes of the field forbid texts.
    fn is_work(&self, now: &Trial) -> bool {
        let never = |stats: &&&Stats| {
            stats
                .distinct()
                .into_iter()
                .flatten()
                .any(|value| base::phone_use(&now.mapping, value) == Some(PhoneUse::Never))
        };
        let codes: Vec<_> = CODES.iter().filter_map(|n| self.parts.get(n)).collect();
        !codes.is_empty() && codes.iter().copied().filter(never).count() > 0
    }

    fn is_number(&self, study: &Study<'_>, parts: &[String]) -> bool {
        let fits = |text: &str| {
            !text.contains('@') && PhoneNumber::parse(text, study.region.region).is_ok()
        };
        let is_parted = |n: &u16| {
            let (area, rest) = (part(parts, *n), part(parts, n + 1));
            !area.is_empty() && !rest.is_empty() && fits(&format!("{area}{rest}"))
        };
        self.whole.iter().any(|n| fits(part(parts, *n))) || self.parted.iter().any(is_parted)
    }

    fn any(&self, sample: &Sample<'_>, is: impl Fn(&[String]) -> bool) -> bool {
        let Ok(path) = Path::parse(&self.path) else { return false };
        let mut any = false;
        sample.visit(&path, &mut |found| {
            let components = found.raw.split(sample.msg.separators().component);
            let parts: Vec<_> =
                components.map(|raw| text_of(sample.msg, raw).unwrap_or_default()).collect();
            any |= is(&parts);
            any
        });
        any
    }
}

fn part(parts: &[String], number: u16) -> &str {
    parts.get(usize::from(number) - 1).map_or("", String::as_str)
}

/// Codes of use that no table knows.
fn unknown_uses(study: &Study<'_>, now: &Trial, fields: &[Field<'_>], draft: &mut Draft) {
    let mut codes: BTreeMap<&str, usize> = BTreeMap::new();
    for field in fields.iter().filter(|field| field.is_read(now)) {
        for stats in CODES.iter().filter_map(|n| field.parts.get(n)) {
            let values = stats.distinct().into_iter().flatten();
            for value in values.filter(|value| base::phone_use(&now.mapping, value).is_none()) {
                *codes.entry(value).or_default() += 1;
            }
        }
    }
    codes.retain(|code, _| matches!(Kind::of(code), Kind::Code | Kind::Flag));
    if codes.is_empty() || codes.len() > shown::CODES_MAX {
        return;
    }
    let shown = shown::codes_or_masks(codes.keys().copied(), &study.people);
    let shown: Vec<_> = shown.iter().map(|code| format!("\"{code}\"")).collect();
    let lines = [
        "Codes of phones that no table knows; write each behind mobile, other, home or never."
            .to_owned(),
        format!("  {}", shown.join(", ")),
    ];
    draft.table("phone_use", lines);
}

/// Phones of others, which may be meant for children.
fn relatives(study: &Study<'_>, now: &Trial, heard: &[usize], draft: &mut Draft) {
    let lacking = heard
        .iter()
        .filter(|at| now.readings.get(**at).is_some_and(|r| !r.has(Output::Phone)))
        .count();
    if lacking == 0 {
        return;
    }
    let is_number = |stats: &Stats| stats.is_mostly(&[Kind::Phone, Kind::Identifier]);
    let others: Vec<_> = study
        .inventory
        .iter()
        .filter(|(place, stats)| {
            let is_phone = place.is_at("NK1", 5) || place.is_at("NK1", 6) || place.is_at("GT1", 6);
            is_phone && place.component == 1 && is_number(stats)
        })
        .map(|(place, stats)| format!("{} ({})", place.path(), messages(stats.messages)))
        .collect();
    if !others.is_empty() {
        draft.hint(
            Output::Phone,
            format!("Relatives or payers have numbers at {}: whether they may be texted is the practice's decision.", others.join(", ")),
        );
    }
}
