//! Functions that Studio would run: the built-in one, and those that have an address.

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveDateTime, NaiveTime, Timelike as _};
use serde_json::{Map, Value, json};

use super::http::ANY;
use super::program::{Function, Tools};
use crate::clock::Timestamp;
use crate::core::local_time::{LocalTime, Zone};

/// The function that needs no address.
pub const DATETIME_PARTS: &str = "get-datetime-parts";
/// Parameters that may hold the moment, and the zone in which it is shown.
const MOMENTS: [&str; 8] = [
    "datetime",
    "date_time",
    "appointment_datetime",
    "appointment_date_time",
    "appointment_start_datetime",
    "start",
    "timestamp",
    "iso",
];
const ZONES: [&str; 4] = ["timezone", "appointment_timezone", "time_zone", "tz"];

/// What stands for a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handler<'a> {
    BuiltIn,
    Web(&'a Function),
}

/// Looks for what stands for a function, by the names that it goes by.
pub(super) fn find<'a>(names: &[String], tools: &'a Tools) -> Option<Handler<'a>> {
    let named = names.iter().find_map(|name| tools.functions.get(name));
    if let Some(function) = named {
        return Some(Handler::Web(function));
    }
    if names.iter().any(|name| name == DATETIME_PARTS) {
        return Some(Handler::BuiltIn);
    }
    tools.functions.get(ANY).map(Handler::Web)
}

/// The parts of a moment, by which a text can tell it: those of now if no parameter names one, and
/// nothing if one does and cannot be read.
pub(super) fn datetime_parts(
    given: &Map<String, Value>,
    zone: Zone,
    now: Timestamp,
) -> Option<Value> {
    let filled = |names: &[&str]| {
        let found = names.iter().find_map(|name| given.get(*name).and_then(Value::as_str));
        found.map(str::trim).filter(|text| !text.is_empty())
    };
    let zone = match filled(&ZONES) {
        Some(name) => Zone::parse(name).ok()?,
        None => zone,
    };
    let local = match filled(&MOMENTS) {
        Some(text) => moment(text, zone)?,
        None => zone.local(now),
    };
    Some(parts(local, zone))
}

/// A moment on the wall clock of a zone.
pub(super) fn moment(text: &str, zone: Zone) -> Option<NaiveDateTime> {
    let text = text.trim();
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        return Some(zone.local(instant.into()));
    }
    let forms =
        ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
    let read = forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    read.or_else(|| Some(date(text)?.and_time(NaiveTime::MIN)))
}

/// A day as `2026-12-08`, `20261208` or `12/8/2026`.
pub(super) fn date(text: &str) -> Option<NaiveDate> {
    let text = text.trim();
    let forms = ["%Y-%m-%d", "%Y%m%d", "%m/%d/%Y"];
    let read = forms.iter().find_map(|form| NaiveDate::parse_from_str(text, form).ok());
    read.filter(|date| (1900..=2200).contains(&date.year()))
}

/// A time of day as `14:30`, `14:30:05` or `2:30 PM`.
pub(super) fn time(text: &str) -> Option<NaiveTime> {
    let text = text.trim().to_ascii_uppercase();
    let forms = ["%H:%M", "%H:%M:%S", "%I:%M %p", "%I:%M%p"];
    forms.iter().find_map(|form| NaiveTime::parse_from_str(&text, form).ok())
}

fn parts(local: NaiveDateTime, zone: Zone) -> Value {
    let hour = local.hour12();
    let clock = format!("{}:{:02} {}", hour.1, local.minute(), if hour.0 { "PM" } else { "AM" });
    let day = format!("{} {}", local.format("%A, %B"), local.day());
    json!({
        "readable_datetime": format!("{day} at {clock}"),
        "date": local.format("%Y-%m-%d").to_string(),
        "time": clock,
        "time24": local.format("%H:%M").to_string(),
        "weekday": local.format("%A").to_string(),
        "day": local.day(),
        "month": local.month(),
        "month_name": local.format("%B").to_string(),
        "year": local.year(),
        "hour": local.hour(),
        "minute": local.minute(),
        "timezone": zone.to_string(),
        "iso": LocalTime::settle(local, zone).to_rfc3339(),
    })
}
