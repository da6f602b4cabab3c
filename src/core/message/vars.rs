//! What templates see of appointments: as much as privacy lets them, cleaned for display.
//!
//! There is no field for a family name, a record number, a diagnosis, a reason or a birth date, so
//! that no template can print one. Names come from feeds and are anybody's words: they are cut, and
//! left out where they could pass for a link.

use serde::Serialize;

use super::dates::Dates;
use super::segments::fold_to_gsm;
use super::{Texts, one_stop};
use crate::clock::Timestamp;
use crate::core::appointment::{Appointment, Status};
use crate::core::local_time::Zone;
use crate::core::phone::zones::zones;
use crate::core::rules::{Place, Privacy, Rules};

/// A longer name is no name, and would drive a text into further parts.
const NAME_CHARS_MAX: usize = 40;

/// A name with more digits holds a number to call, or is a number.
const NAME_DIGITS_MAX: usize = 4;

/// A longer number to call is none.
const NUMBER_CHARS_MAX: usize = 32;

/// How many appointments a text lists at most: more do not fit into what may be sent.
const LISTED_MAX: usize = 20;

/// What systems write where they have no name.
const NO_NAMES: [&str; 8] =
    ["null", "none", "nil", "unknown", "undefined", "n/a", "na", "not available"];

/// What a text is about.
#[derive(Debug)]
pub struct Subject<'a> {
    /// The appointments, the main one first; lists are numbered in this order.
    pub appointments: &'a [&'a Appointment],
    /// Practice and places.
    pub rules: &'a Rules,
    /// The present moment.
    pub now: Timestamp,
}

/// What templates see.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Vars {
    pub(super) practice: PracticeVars,
    pub(super) patient: PatientVars,
    pub(super) appointment: Option<Item>,
    pub(super) appointments: Vec<Item>,
}

/// The practice, as templates see it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct PracticeVars {
    pub(super) name: String,
    pub(super) callback_phone: String,
}

/// The patient, as templates see them.
#[derive(Debug, Clone, Serialize)]
pub(super) struct PatientVars {
    pub(super) given: Option<String>,
}

/// An appointment, as templates see it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Item {
    pub(super) day: String,
    pub(super) date: String,
    pub(super) time: Option<String>,
    pub(super) when: String,
    pub(super) patient: Option<String>,
    pub(super) location: Option<String>,
    pub(super) address: Option<String>,
    pub(super) provider: Option<String>,
    pub(super) preparation: Option<String>,
    pub(super) callback_phone: String,
    pub(super) status: &'static str,
}

/// What is needed to show appointments in a language.
struct Showing<'a> {
    texts: &'a Texts,
    rules: &'a Rules,
    language: &'a str,
    dates: Option<&'a Dates>,
    phone_zones: Vec<Zone>,
    now: Timestamp,
}

pub(super) fn vars(subject: &Subject<'_>, texts: &Texts, language: &str) -> Vars {
    let rules = subject.rules;
    let main = subject.appointments.first();
    let phone = main.and_then(|main| main.patient.phone.as_ref());
    let showing = Showing {
        texts,
        rules,
        language,
        dates: texts.dates(language),
        phone_zones: phone.filter(|_| rules.reminders.by_area_code).map(zones).unwrap_or_default(),
        now: subject.now,
    };
    let mut items: Vec<Item> =
        subject.appointments.iter().take(LISTED_MAX).map(|a| showing.item(a)).collect();
    let given = name_of_all(&items, subject.appointments);
    if given.is_some() && items.len() > 1 {
        for item in &mut items {
            item.patient = None;
        }
    }
    Vars {
        practice: PracticeVars {
            name: rules.practice.name.clone(),
            callback_phone: main
                .map_or_else(|| rules.practice.callback_phone.clone(), |a| callback(a, rules)),
        },
        patient: PatientVars { given },
        appointment: items.first().cloned(),
        appointments: items,
    }
}

/// The given name, if everything listed is for people of this name and may tell it.
fn name_of_all(items: &[Item], appointments: &[&Appointment]) -> Option<String> {
    let first = items.first()?.patient.clone()?;
    let is_told = items.iter().all(|item| item.patient.as_ref() == Some(&first));
    let is_same = appointments.iter().all(|a| given(a).as_ref() == Some(&first));
    (is_told && is_same).then_some(first)
}

impl Showing<'_> {
    fn item(&self, appointment: &Appointment) -> Item {
        let code = appointment.location.as_ref().map(|location| location.code.as_str());
        let place = code.and_then(|code| self.rules.place(code));
        let visit_type = appointment.visit_type.as_deref();
        let privacy = self.rules.practice.privacy(place, visit_type);
        let is_standard = privacy >= Privacy::Standard;
        let is_detailed = privacy >= Privacy::Detailed;
        // Only places that the practice has described are named: what a feed calls a clinic may
        // tell what the patient suffers from, and so may who works there.
        let shown = place.filter(|place| !place.sensitive);
        let is_plain = shown.is_some() || code.is_none();
        let of_place = |field: fn(&Place) -> &Option<String>| shown.and_then(|p| field(p).clone());
        let start = appointment.start.as_ref().zip(self.dates);
        let day = start.map(|(start, dates)| dates.day(start, self.now)).unwrap_or_default();
        let time = start.and_then(|(start, dates)| dates.time(start, &self.phone_zones));
        let when = start.map(|(start, dates)| dates.when(start, &day, time.as_deref()));
        Item {
            when: when.unwrap_or_default(),
            date: start.map(|(start, dates)| dates.date(start)).unwrap_or_default(),
            day,
            time,
            patient: is_standard.then(|| given(appointment)).flatten(),
            location: is_standard.then(|| of_place(|place| &place.name)).flatten(),
            address: is_detailed.then(|| of_place(|place| &place.address)).flatten(),
            provider: (is_detailed && is_plain).then(|| provider(appointment)).flatten(),
            preparation: visit_type
                .filter(|_| is_standard)
                .and_then(|code_of_type| self.texts.preparation(self.language, code_of_type, code))
                .map(str::to_owned),
            callback_phone: callback(appointment, self.rules),
            status: status(appointment, self.now),
        }
    }
}

fn given(appointment: &Appointment) -> Option<String> {
    appointment.patient.given.as_ref().and_then(|given| shown_name(given.expose()))
}

/// Whether texts name who sees the patient, as far as privacy and place go.
#[must_use]
pub fn names_provider(appointment: &Appointment, rules: &Rules) -> bool {
    let code = appointment.location.as_ref().map(|location| location.code.as_str());
    let place = code.and_then(|code| rules.place(code));
    let privacy = rules.practice.privacy(place, appointment.visit_type.as_deref());
    let is_plain = place.map_or_else(|| code.is_none(), |place| !place.sensitive);
    privacy >= Privacy::Detailed && is_plain
}

fn provider(appointment: &Appointment) -> Option<String> {
    let provider = appointment.provider.as_ref()?;
    let names = [provider.given.as_deref(), provider.family.as_deref()];
    let name: Vec<String> = names.into_iter().flatten().filter_map(shown_name).collect();
    shown_name(&name.join(" "))
}

/// The number to call: the place's, else the message's if it looks like one, else the practice's.
fn callback(appointment: &Appointment, rules: &Rules) -> String {
    let place = appointment.location.as_ref().and_then(|l| rules.place(&l.code));
    let told = appointment.callback_phone.as_deref().map(str::trim).filter(|text| is_number(text));
    place
        .and_then(|place| place.phone.as_deref())
        .or(told)
        .unwrap_or(&rules.practice.callback_phone)
        .to_owned()
}

fn is_number(text: &str) -> bool {
    let is_mark = |c: char| matches!(c, ' ' | '+' | '-' | '.' | '(' | ')' | '/' | '#' | 'x' | ',');
    let is_extension = |c: char| matches!(c, 'e' | 't' | 'E' | 'X' | 'T');
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    (3..=20).contains(&digits)
        && text.len() <= NUMBER_CHARS_MAX
        && text.chars().all(|c| c.is_ascii_digit() || is_mark(c) || is_extension(c))
}

fn status(appointment: &Appointment, now: Timestamp) -> &'static str {
    match appointment.status {
        Status::Canceled | Status::EnteredInError => "canceled",
        Status::Arrived | Status::Fulfilled | Status::NoShow => "over",
        _ if appointment.is_over(now) => "over",
        Status::Confirmed => "confirmed",
        Status::Booked | Status::Pending => "booked",
    }
}

/// A name as it may be shown: one line, short, no link and no number to call; nothing if nothing is
/// left of it.
///
/// It is judged as it will be sent: folding makes plain dots, slashes and `@` of their look-alikes.
fn shown_name(text: &str) -> Option<String> {
    let plain: String = text.chars().take(4 * NAME_CHARS_MAX).filter_map(visible).collect();
    let plain = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    // Every character by itself: one that cannot be folded would keep all others as they are.
    let folded: String =
        plain.chars().map(|c| fold_to_gsm(c.encode_utf8(&mut [0; 4])).into_owned()).collect();
    let folded = one_stop(&folded);
    let spaced = folded.split_whitespace().collect::<Vec<_>>().join(" ");
    let digits = spaced.chars().filter(|c| c.is_numeric()).count();
    let is_name = spaced.contains(char::is_alphabetic)
        && digits <= NAME_DIGITS_MAX
        && !looks_like_link(&spaced)
        && !NO_NAMES.contains(&spaced.to_lowercase().as_str());
    let short: String = spaced.chars().take(NAME_CHARS_MAX).collect();
    is_name.then(|| short.trim_end().to_owned())
}

/// Control characters and line breaks become blanks; what is not seen at all is left out, or it would
/// hide a link from us that the phone finds.
fn visible(c: char) -> Option<char> {
    match c {
        '\u{2028}' | '\u{2029}' => Some(' '),
        // Soft hyphen, joiners, marks that turn the direction of a line, variation selectors, tags,
        // fillers (Unicode's `Default_Ignorable_Code_Point`).
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{17b4}'
        | '\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}' => None,
        c if c.is_control() => Some(' '),
        c => Some(c),
    }
}

/// Whether phones would make a link of it: an address, or a word with a dot before at least two
/// letters. Stops of other scripts count as dots: names of hosts are read so (UTS 46).
fn looks_like_link(text: &str) -> bool {
    let is_stop = |c| matches!(c, '\u{3002}' | '\u{ff0e}' | '\u{ff61}' | '\u{2024}' | '\u{fe52}');
    let lower = text.to_lowercase().replace(is_stop, ".");
    if lower.contains("://") || lower.contains("www.") || lower.contains('@') {
        return true;
    }
    let parts: Vec<&str> = lower.split('.').collect();
    parts.iter().zip(parts.iter().skip(1)).any(|(before, after)| {
        let begins = after.chars().take(2).filter(|c| c.is_alphabetic()).count() == 2;
        before.ends_with(char::is_alphanumeric) && begins
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cleaned_or_left_out() {
        let table = [
            ("Jane", Some("Jane")),
            ("  Mary \n Ann\t", Some("Mary Ann")),
            ("J.R.", Some("J.R.")),
            ("St. Clair", Some("St. Clair")),
            ("José", Some("José")),
            ("{{ practice }}", Some("{{ practice }}")),
            ("Jane\u{202e}enaJ", Some("JaneenaJ")),
            ("Ja\u{ad}ne", Some("Jane")),
            ("D\u{2019}Angelo", Some("D'Angelo")),
            ("Łukasz", Some("Łukasz")),
            ("John Doe 3", Some("John Doe 3")),
            ("evil.com", None),
            ("see www.evil", None),
            ("http://x", None),
            ("a@b", None),
            ("evil..com", None),
            ("evil\u{ff0e}com", None),
            ("evil\u{ff0e}.com", None),
            ("Jane...", Some("Jane...")),
            ("http\u{ff1a}\u{ff0f}\u{ff0f}x\u{ff0e}co", None),
            ("evil.\u{ad}com", None),
            ("evil.\u{200b}com", None),
            ("evil.\u{2060}\u{fe0f}com", None),
            ("evil\u{3002}com", None),
            ("evil\u{ff61}com", None),
            ("evil\u{2024}com", None),
            ("evil\u{ff0e}com Ł", None),
            ("a\u{ff20}b", None),
            ("bit.ly/x", None),
            ("Call 900-555-1234", None),
            ("Call \u{ff19}\u{ff10}\u{ff10}\u{ff15}\u{ff15}", None),
            ("null", None),
            ("NONE", None),
            ("Unknown", None),
            ("12345", None),
            ("\u{0}\u{7}", None),
            ("", None),
            ("...", None),
        ];
        for (text, shown) in table {
            assert_eq!(shown_name(text).as_deref(), shown, "{text:?}");
        }
        assert_eq!(shown_name(&"a".repeat(500)).unwrap().chars().count(), NAME_CHARS_MAX);
        assert_eq!(shown_name(&"é".repeat(500)).unwrap().chars().count(), NAME_CHARS_MAX);
    }

    #[test]
    fn only_numbers_are_told_to_be_called() {
        for number in ["415-555-0101", "(415) 555-0101 ext. 7", "+1 415 555 0101", "911"] {
            assert!(is_number(number), "{number}");
        }
        for other in ["", "www.evil.com", "call 415-555-0101", "12", "1\n2345", &"1".repeat(40)] {
            assert!(!is_number(other), "{other}");
        }
    }
}
