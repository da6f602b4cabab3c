//! Reads a transcript: a head that says who there is, then steps, and what came of each.

use appointd::core::local_time::Zone;
use appointd::core::phone::{PhoneNumber, Region};
use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime};

/// A transcript, without what came of its steps.
#[derive(Debug)]
pub(crate) struct Script {
    /// The practice's zone, in which all times are written.
    pub(crate) zone: Zone,
    /// Who there is.
    pub(crate) people: Vec<Person>,
    /// Settings besides the usual ones: key and value.
    pub(crate) settings: Vec<(String, String)>,
    /// Everything before the first date.
    pub(crate) head: Vec<String>,
    /// The lines from the first date on, without what came of them.
    pub(crate) lines: Vec<Line>,
}

/// A line of the body.
#[derive(Debug)]
pub(crate) struct Line {
    /// Its number in the file, from 1.
    pub(crate) number: usize,
    /// As it is written.
    pub(crate) text: String,
}

/// A patient.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) given: String,
    pub(crate) family: String,
    pub(crate) mrn: String,
    pub(crate) phone: PhoneNumber,
    /// As PID-15 says it.
    pub(crate) language: &'static str,
    /// Where the phone is, if times there are worth showing.
    pub(crate) zone: Option<Zone>,
}

impl Script {
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let mut script = Self {
            zone: zone("America/Los_Angeles")?,
            people: Vec::new(),
            settings: Vec::new(),
            head: Vec::new(),
            lines: Vec::new(),
        };
        for (index, line) in text.lines().enumerate() {
            if line.trim_start().starts_with('>') {
                continue;
            }
            if script.lines.is_empty() && date_line(line).is_none() {
                script.head_line(line).map_err(|fault| format!("line {}: {fault}", index + 1))?;
                script.head.push(line.to_owned());
            } else {
                script.lines.push(Line { number: index + 1, text: line.to_owned() });
            }
        }
        Ok(script)
    }

    fn head_line(&mut self, line: &str) -> Result<(), String> {
        if let Some(name) = line.strip_prefix("zone ") {
            self.zone = zone(name)?;
        } else if let Some(person) = line.strip_prefix("person ") {
            self.people.push(Person::read(person)?);
        } else if let Some(setting) = line.strip_prefix("set ") {
            let (key, value) = setting.split_once(" = ").ok_or("a setting is KEY = VALUE")?;
            self.settings.push((key.trim().to_owned(), value.trim().to_owned()));
        }
        Ok(())
    }
}

impl Person {
    fn read(text: &str) -> Result<Self, String> {
        let mut parts = text.split(", ");
        let mut next = || parts.next().ok_or("a person is NAME FAMILY, NUMBER, PHONE");
        let (name, mrn, number) = (next()?, next()?, next()?);
        let (given, family) = name.split_once(' ').ok_or("a person has two names")?;
        let mut person = Self {
            given: given.to_owned(),
            family: family.to_owned(),
            mrn: mrn.to_owned(),
            phone: phone(number)?,
            language: "eng",
            zone: None,
        };
        for part in parts {
            match part.strip_prefix("in ") {
                Some(name) => person.zone = Some(zone(name)?),
                None if part == "Spanish" => person.language = "spa",
                None => return Err(format!("what is \"{part}\" of a person?")),
            }
        }
        Ok(person)
    }
}

fn zone(name: &str) -> Result<Zone, String> {
    Zone::parse(name).map_err(|fault| fault.to_string())
}

/// Reads a number as it is dialled.
pub(crate) fn phone(text: &str) -> Result<PhoneNumber, String> {
    let region = Region::parse("US").ok_or("no such region")?;
    PhoneNumber::parse(text, region).map_err(|fault| format!("{text}: {fault}"))
}

/// Writes a number as it is dialled.
pub(crate) fn shown(phone: &PhoneNumber) -> String {
    let digits: Vec<char> = phone.as_str().chars().collect();
    let part = |from: usize, count: usize| digits.iter().skip(from).take(count).collect::<String>();
    format!("({}) {}-{}", part(2, 3), part(5, 3), part(8, 4))
}

/// Reads a line such as `Mon 30 Nov 2026, 10:00`.
pub(crate) fn date_line(line: &str) -> Option<NaiveDateTime> {
    let (day, clock) = line.split_once(", ")?;
    let date = NaiveDate::parse_from_str(day, "%a %e %b %Y")
        .or_else(|_| NaiveDate::parse_from_str(day, "%a %d %b %Y"))
        .ok()?;
    Some(date.and_time(time(clock)?))
}

pub(crate) fn time(text: &str) -> Option<NaiveTime> {
    ["%H:%M", "%H:%M:%S"].into_iter().find_map(|form| NaiveTime::parse_from_str(text, form).ok())
}

/// Reads a moment such as `Thu 3 Dec at 09:00`, of the year that fits the day of the week best.
pub(crate) fn moment(text: &str, today: NaiveDate) -> Result<NaiveDateTime, String> {
    let (day, clock) = text.split_once(" at ").ok_or_else(|| format!("{text}: no \" at \""))?;
    let years = [today.year(), today.year() + 1, today.year() - 1];
    let date = years.into_iter().find_map(|year| {
        let date = format!("{day} {year}");
        NaiveDate::parse_from_str(&date, "%a %d %b %Y").ok()
    });
    let date = date.ok_or_else(|| format!("{day}: no such day in these years"))?;
    Ok(date.and_time(time(clock).ok_or_else(|| format!("{clock}: no time"))?))
}

/// What a patient sends, from how it is written down.
pub(crate) fn body(text: &str) -> Result<String, String> {
    if text == "(nothing)" {
        return Ok(String::new());
    }
    if let Some(words) = text.strip_prefix("(1,600 characters) ") {
        return Ok(words.chars().chain([' ']).cycle().take(1_600).collect());
    }
    let mut found = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\\u{") {
        let (code, after) = after.split_once('}').ok_or("\\u{ has no end")?;
        let code = u32::from_str_radix(code, 16).ok().and_then(char::from_u32);
        found.push_str(before);
        found.push(code.ok_or("no such character")?);
        rest = after;
    }
    found.push_str(rest);
    Ok(found.replace("\\n", "\n"))
}
