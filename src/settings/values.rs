//! Typed getters: each takes one key of a section, notes what is wrong with it, and gives the
//! default, or nothing where there is none.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "ValueKind is the config crate's; whatever a getter does not take is a fault"
)]

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::TimeDelta;
use config::{Value, ValueKind};

use super::fault::{Fault, Place, shown};
use super::layers;
use super::reader::{Item, Section};
use super::time::{duration_text, parse_duration};
use crate::sms::Secret;

/// No token in use is longer, not even a signed one with many claims; a larger file is not the one
/// that was meant.
const SECRET_BYTES_MAX: usize = 4_096;

impl Section<'_> {
    /// A text that `parse` turns into something; `wanted` says what it should be.
    pub(super) fn parsed<T, E>(
        &mut self,
        key: &'static str,
        wanted: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let item = self.take(key)?;
        match text_of(&item.value).map(parse) {
            Ok(Ok(value)) => return Some(value),
            Ok(Err(_)) => {
                let text = item.value.clone().into_string().unwrap_or_default();
                self.reject(&item, format!("{} is not right; {wanted}", shown(&text)));
            }
            Err(found) => self.reject(&item, format!("is {found}; {wanted}")),
        }
        None
    }

    /// As [`Section::parsed`], for what must not be shown, such as a phone number.
    pub(super) fn parsed_unseen<T, E: Display>(
        &mut self,
        key: &'static str,
        wanted: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let item = self.take(key)?;
        match text_of(&item.value).map(parse) {
            Ok(Ok(value)) => return Some(value),
            Ok(Err(error)) => self.reject(&item, format!("{error}; {wanted}")),
            Err(found) => self.reject(&item, format!("is {found}; {wanted}")),
        }
        None
    }

    /// A text that is not empty.
    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        self.parsed(key, "write a text in quotes, one line that is not empty", |text| {
            let text = text.trim();
            let is_line = !text.is_empty() && !text.contains(char::is_control);
            if is_line { Ok(text.to_owned()) } else { Err(()) }
        })
    }

    /// A path; a relative one starts at the folder of the main file.
    pub(super) fn path_of(&self, text: &str) -> PathBuf {
        self.desk.base.join(text)
    }

    /// A key that holds a path.
    pub(super) fn path(&mut self, key: &'static str) -> Option<PathBuf> {
        self.text(key).map(|text| self.path_of(&text))
    }

    /// One word of several.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&str, T)],
        default: T,
    ) -> T {
        self.chosen(key, words, default).unwrap_or(default)
    }

    /// As [`Section::choice`], with nothing where a wrong word stands, so that what hangs on it is
    /// not wrong too.
    pub(super) fn chosen<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&str, T)],
        default: T,
    ) -> Option<T> {
        let is_written = self.has(key);
        let list: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
        let wanted = format!("write one of {}", list.join(", "));
        let find = |text: &str| {
            let found = words.iter().find(|(word, _)| *word == text);
            found.map(|(_, value)| *value).ok_or(())
        };
        self.parsed(key, &wanted, find).or_else(|| (!is_written).then_some(default))
    }

    /// Yes or no.
    pub(super) fn flag(&mut self, key: &'static str, default: bool) -> bool {
        let Some(item) = self.take(key) else { return default };
        let flag = match &item.value.kind {
            ValueKind::Boolean(flag) => Some(*flag),
            ValueKind::String(text) if item.is_from_environment() => text.parse().ok(),
            _ => None,
        };
        if flag.is_none() {
            self.reject(&item, format!("is {}; write true or false", kind_name(&item.value)));
        }
        flag.unwrap_or(default)
    }

    /// A whole number.
    pub(super) fn count(
        &mut self,
        key: &'static str,
        range: RangeInclusive<u64>,
        default: u64,
    ) -> u64 {
        let Some(item) = self.take(key) else { return default };
        self.counted(&item, range, "").unwrap_or(default)
    }

    /// A whole number, or `off`.
    pub(super) fn count_or_off(
        &mut self,
        key: &'static str,
        range: RangeInclusive<u64>,
        default: Option<u64>,
    ) -> Option<u64> {
        let Some(item) = self.take(key) else { return default };
        if text_of(&item.value) == Ok("off") {
            return None;
        }
        self.counted(&item, range, ", or \"off\"").or(default)
    }

    fn counted(
        &mut self,
        item: &Item<Value>,
        range: RangeInclusive<u64>,
        or_else: &str,
    ) -> Option<u64> {
        let number = match &item.value.kind {
            ValueKind::I64(number) => u64::try_from(*number).ok(),
            ValueKind::String(text) if item.is_from_environment() => text.trim().parse().ok(),
            _ => None,
        };
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let (from, to) = (range.start(), range.end());
            let found = number_name(&item.value);
            self.reject(item, format!("is {found}; write a number from {from} to {to}{or_else}"));
        }
        number
    }

    /// A number that counts things in memory.
    pub(super) fn size(
        &mut self,
        key: &'static str,
        range: RangeInclusive<u64>,
        default: u64,
    ) -> usize {
        usize::try_from(self.count(key, range, default)).unwrap_or(usize::MAX)
    }

    /// A number that may have a fraction.
    pub(super) fn rate(
        &mut self,
        key: &'static str,
        range: RangeInclusive<f64>,
        default: f64,
    ) -> f64 {
        let Some(item) = self.take(key) else { return default };
        let number = match &item.value.kind {
            ValueKind::I64(number) => i32::try_from(*number).ok().map(f64::from),
            ValueKind::Float(number) => Some(*number),
            ValueKind::String(text) if item.is_from_environment() => text.trim().parse().ok(),
            _ => None,
        };
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let (from, to) = (range.start(), range.end());
            let found = number_name(&item.value);
            self.reject(&item, format!("is {found}; write a number from {from} to {to}"));
        }
        number.unwrap_or(default)
    }

    /// A length of time.
    pub(super) fn duration(
        &mut self,
        key: &'static str,
        range: RangeInclusive<Duration>,
        default: Duration,
    ) -> Duration {
        let wanted = duration_wanted(&range);
        let parse =
            |text: &str| parse_duration(text).filter(|duration| range.contains(duration)).ok_or(());
        self.parsed(key, &wanted, parse).unwrap_or(default)
    }

    /// A length of time, as decisions reckon with it.
    pub(super) fn delta(
        &mut self,
        key: &'static str,
        range: RangeInclusive<Duration>,
        default: Duration,
    ) -> TimeDelta {
        TimeDelta::from_std(self.duration(key, range, default)).unwrap_or(TimeDelta::MAX)
    }

    /// A length of time, or `off`.
    pub(super) fn duration_or_off(
        &mut self,
        key: &'static str,
        range: RangeInclusive<Duration>,
        default: Option<Duration>,
    ) -> Option<Duration> {
        let wanted = format!("{}, or \"off\"", duration_wanted(&range));
        let parse = |text: &str| match text {
            "off" => Ok(None),
            text => parse_duration(text).filter(|d| range.contains(d)).map(Some).ok_or(()),
        };
        self.parsed(key, &wanted, parse).unwrap_or(default)
    }

    /// A list; each text of it is turned into something by `parse`. A wrong item is noted and left
    /// out. From the environment, items are parted by commas.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let item = self.take(key)?;
        let texts: Vec<Item<Value>> = match &item.value.kind {
            ValueKind::Array(list) => {
                let items = list.iter().enumerate();
                let item = |(index, value): (usize, &Value)| Item {
                    place: Place::of_origin(value.origin()),
                    key: format!("{}[{index}]", item.key),
                    value: value.clone(),
                };
                items.map(item).collect()
            }
            ValueKind::String(text) if item.is_from_environment() => {
                let origin = item.value.origin().map(str::to_owned);
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                let part = |part: &str| Item {
                    place: item.place.clone(),
                    key: item.key.clone(),
                    value: Value::new(origin.as_ref(), part),
                };
                parts.map(part).collect()
            }
            _ => {
                let found = kind_name(&item.value);
                self.reject(&item, format!("is {found}; write a list in brackets"));
                return None;
            }
        };
        let mut values = Vec::new();
        for item in texts {
            match text_of(&item.value).map(&parse) {
                Ok(Ok(value)) => values.push(value),
                Ok(Err(problem)) => self.reject(&item, problem),
                Err(found) => self.reject(&item, format!("is {found}; write texts in quotes")),
            }
        }
        Some(values)
    }

    /// A secret, from the credential, or the file named by `file_key`, or `key` itself.
    pub(super) fn secret(
        &mut self,
        key: &'static str,
        file_key: &'static str,
        credential: &str,
    ) -> Option<Secret> {
        let literal = self.take(key);
        let file = self.take(file_key);
        let in_folder = self.desk.credentials.as_ref().map(|folder| folder.join(credential));
        if let Some(path) = in_folder.filter(|path| path.exists()) {
            return self.secret_file(&path, file_key);
        }
        if let Some(item) = file {
            let path = text_of(&item.value).ok().filter(|text| !text.contains(char::is_control));
            let Some(text) = path else {
                self.reject(&item, "is no path; write the path of a file".to_owned());
                return None;
            };
            let path = self.path_of(text);
            return self.secret_file(&path, file_key);
        }
        let item = literal?;
        let Ok(text) = text_of(&item.value) else {
            self.reject(&item, format!("is no text; write {file_key} with the path of a file"));
            return None;
        };
        let advice =
            format!("stands in the settings; write it to a file and name it in {file_key}");
        self.desk.notes.warn(Fault::new(item.place.clone(), item.key.clone(), advice));
        self.checked_secret(text, item.place.clone(), key)
    }

    fn secret_file(&mut self, path: &Path, key: &str) -> Option<Secret> {
        let Some(text) = layers::read_text(path, &mut self.desk.notes) else {
            let full = self.full(key);
            if let Some(fault) = self.desk.notes.faults.last_mut() {
                fault.key = full;
            }
            return None;
        };
        self.checked_secret(&text, Place::file(path.display().to_string()), key)
    }

    fn checked_secret(&mut self, text: &str, place: Place, key: &str) -> Option<Secret> {
        let secret = Secret::new(text);
        let is_plain = secret.expose().bytes().all(|byte| byte.is_ascii_graphic());
        if secret.expose().is_empty() || !is_plain || secret.expose().len() > SECRET_BYTES_MAX {
            let problem = format!(
                "is no secret: one line of 1 to {SECRET_BYTES_MAX} characters without blanks"
            );
            self.fault(place, key, problem);
            return None;
        }
        Some(secret)
    }
}

/// The text of a value, or what it is instead.
pub(super) fn text_of(value: &Value) -> Result<&str, &'static str> {
    match &value.kind {
        ValueKind::String(text) => Ok(text),
        _ => Err(kind_name(value)),
    }
}

/// What a value is.
pub(super) const fn kind_name(value: &Value) -> &'static str {
    match &value.kind {
        ValueKind::Nil => "nothing",
        ValueKind::Boolean(_) => "true or false",
        ValueKind::I64(_)
        | ValueKind::I128(_)
        | ValueKind::U64(_)
        | ValueKind::U128(_)
        | ValueKind::Float(_) => "a number",
        ValueKind::String(_) => "a text",
        ValueKind::Table(_) => "a section",
        ValueKind::Array(_) => "a list",
    }
}

fn duration_wanted(range: &RangeInclusive<Duration>) -> String {
    let (from, to) = (duration_text(*range.start()), duration_text(*range.end()));
    format!("write a number and ms, s, m, h or d, from {from} to {to}")
}

fn number_name(value: &Value) -> String {
    match &value.kind {
        ValueKind::I64(number) => number.to_string(),
        ValueKind::Float(number) => number.to_string(),
        _ => kind_name(value).to_owned(),
    }
}
