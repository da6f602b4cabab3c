//! What a few words name: a place in a list, a day, a time, a person, all.

use std::collections::BTreeSet;

use chrono::{Datelike, Days, NaiveDate, Timelike};

use super::pieces::Piece;
use super::{Choice, Numbers};
use crate::core::reply::{Naming, Words, fold, number_of};

/// How many words a phrase of naming has at most.
const WORDS_MAX: usize = 5;
/// How many words lead to what is named: `for the`, `para la de`.
const LEADS_MAX: usize = 4;

/// By what something is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    All,
    Place,
    Day,
    Time,
    Person,
}

/// Something named.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) kind: Kind,
    /// Which choices it fits.
    pub(super) fits: BTreeSet<usize>,
    /// How many pieces name it.
    pub(super) pieces: usize,
}

/// What names can stand for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Namer<'a> {
    pub(super) choices: &'a [Choice<'a>],
    pub(super) numbers: Numbers,
    pub(super) words: &'a [&'a Words],
    pub(super) today: NaiveDate,
}

impl Namer<'_> {
    /// What stands at the beginning, if it is a name. One that fits nothing is still one.
    pub(super) fn named(&self, pieces: &[Piece]) -> Option<Named> {
        let direct = self.all(pieces).or_else(|| self.time(pieces));
        let mut found = direct.or_else(|| {
            (0..=LEADS_MAX).find_map(|leads| {
                let before = pieces.get(..leads)?;
                let is_lead = |piece: &Piece| self.is(&piece.word, |naming| &naming.before);
                let is_option = |piece: &Piece| self.is(&piece.word, |naming| &naming.option);
                if !before.iter().all(|piece| is_lead(piece) || is_option(piece)) {
                    return None;
                }
                let rest = pieces.get(leads..)?;
                let found = self.all(rest).or_else(|| self.core(rest, before))?;
                let fits_lead = found.kind == Kind::Place || !before.iter().any(is_option);
                fits_lead.then_some(Named { pieces: found.pieces + leads, ..found })
            })
        })?;
        let is_after = |piece: &Piece| self.is(&piece.word, |naming| &naming.after);
        while pieces.get(found.pieces).is_some_and(is_after) {
            found.pieces += 1;
        }
        Some(found)
    }

    /// Whether a phrase says that nothing is named.
    pub(super) fn is_neither(&self, pieces: &[Piece]) -> bool {
        self.phrase(pieces, |naming| &naming.neither).is_some()
    }

    pub(super) fn is_and(&self, piece: &Piece) -> bool {
        piece.is_break || self.is(&piece.word, |naming| &naming.and)
    }

    fn core(&self, pieces: &[Piece], before: &[Piece]) -> Option<Named> {
        self.day(pieces)
            .or_else(|| self.time(pieces))
            .or_else(|| self.place(pieces, before))
            .or_else(|| self.person(pieces, before))
    }

    fn all(&self, pieces: &[Piece]) -> Option<Named> {
        let every = || (0..self.choices.len()).collect::<BTreeSet<usize>>();
        if let Some(pieces) = self.phrase(pieces, |naming| &naming.both) {
            // Of three, "both" could be any two.
            let fits = if self.choices.len() == 2 { every() } else { BTreeSet::new() };
            return Some(Named { kind: Kind::All, fits, pieces });
        }
        let pieces = self.phrase(pieces, |naming| &naming.all)?;
        Some(Named { kind: Kind::All, fits: every(), pieces })
    }

    fn day(&self, pieces: &[Piece]) -> Option<Named> {
        let day = |date: NaiveDate, pieces| Named {
            kind: Kind::Day,
            fits: self.dated(|start| start == date),
            pieces,
        };
        if let Some(pieces) = self.phrase(pieces, |naming| &naming.today) {
            return Some(day(self.today, pieces));
        }
        if let Some(pieces) = self.phrase(pieces, |naming| &naming.tomorrow) {
            return Some(day(self.today.checked_add_days(Days::new(1))?, pieces));
        }
        let first = pieces.first()?.word.as_str();
        if let Some(weekday) = self.row(first, |naming| &naming.weekdays) {
            let fits = self.dated(|start| start.weekday().num_days_from_monday() + 1 == weekday);
            return Some(Named { kind: Kind::Day, fits, pieces: 1 });
        }
        if let Some(fits) = self.slashed(first) {
            return Some(Named { kind: Kind::Day, fits, pieces: 1 });
        }
        let (month, day, pieces) = self.month_and_day(pieces)?;
        let fits = self.dated(|start| start.month() == month && start.day() == day);
        Some(Named { kind: Kind::Day, fits, pieces })
    }

    /// Reads `Dec 8`, `8 Dec` and `8 de diciembre`.
    fn month_and_day(&self, pieces: &[Piece]) -> Option<(u32, u32, usize)> {
        let word = |at: usize| pieces.get(at).map(|piece| piece.word.as_str());
        let month = |at: usize| word(at).and_then(|word| self.row(word, |naming| &naming.months));
        let day = |at: usize| word(at).and_then(day_of);
        if let Some(first) = month(0) {
            return Some((first, day(1)?, 2));
        }
        let first = day(0)?;
        let is_led = word(1).is_some_and(|word| self.is(word, |naming| &naming.before));
        let at = if is_led { 2 } else { 1 };
        Some((month(at)?, first, at + 1))
    }

    /// Reads `12/8`, with a year or without.
    fn slashed(&self, word: &str) -> Option<BTreeSet<usize>> {
        let mut parts = word.split(['/', '-']).map(|part| part.parse::<u32>().ok());
        let (first, second) = (parts.next()??, parts.next()??);
        let year = parts.next();
        let is_date = word.contains('/') && parts.next().is_none() && year != Some(None);
        if !is_date {
            return None;
        }
        let year = year.flatten();
        let on = |month: u32, day: u32| {
            self.dated(|start| {
                let is_year = year.is_none_or(|year| {
                    u32::try_from(start.year()).is_ok_and(|own| own == year || own % 100 == year)
                });
                is_year && start.month() == month && start.day() == day
            })
        };
        let fits = on(first, second);
        let is_day_first = self.words.iter().any(|words| words.naming.day_first);
        Some(if fits.is_empty() && is_day_first { on(second, first) } else { fits })
    }

    /// Reads `2pm`, `at 2`, `10:30 am`.
    fn time(&self, pieces: &[Piece]) -> Option<Named> {
        let lead = self.phrase(pieces, |naming| &naming.at).unwrap_or(0);
        let rest = pieces.get(lead..)?;
        let word = rest.first()?.word.as_str();
        let (clock, glued) = match word.find(|c: char| c.is_ascii_alphabetic()) {
            Some(at) => word.split_at_checked(at)?,
            None => (word, ""),
        };
        let (hour, minute) = match clock.split_once([':', '.']) {
            Some((hour, minute)) => (hour, minute.parse::<u32>().ok().filter(|m| *m < 60)?),
            None => (clock, 0),
        };
        let hour = hour.parse::<u32>().ok().filter(|hour| *hour < 24)?;
        let after = rest.get(1..)?;
        let half = |find: fn(&Naming) -> &BTreeSet<String>| match glued {
            "" => self.phrase(after, find),
            "a" | "p" => self.is(&format!("{glued}m"), find).then_some(0),
            glued => self.is(glued, find).then_some(0),
        };
        let (am, pm) = (half(|naming| &naming.am), half(|naming| &naming.pm));
        let is_plain = glued.is_empty() && am.or(pm).is_none();
        // A bare number is none; "8th" is no time.
        if (is_plain && lead == 0 && !clock.contains([':', '.']))
            || (am.or(pm).is_none() && !is_plain)
        {
            return None;
        }
        let fits = |start: u32| match (am, pm) {
            (Some(_), None) => start == hour % 12,
            (None, Some(_)) => start == hour % 12 + 12,
            _ if hour > 12 => start == hour,
            _ => start % 12 == hour % 12,
        };
        let fits = self.choices.iter().enumerate().filter(|(_, choice)| {
            let start = choice.start.filter(|start| !start.date_only);
            start.is_some_and(|start| fits(start.local.hour()) && start.local.minute() == minute)
        });
        let fits = fits.map(|(index, _)| index).collect();
        Some(Named { kind: Kind::Time, fits, pieces: lead + 1 + am.or(pm).unwrap_or(0) })
    }

    /// Reads `1`, `#1`, `two`, `the first`, `el 8`, `the 8th`.
    fn place(&self, pieces: &[Piece], before: &[Piece]) -> Option<Named> {
        let first = pieces.first()?;
        let word = first.word.as_str();
        let place = |index: usize| {
            let index = index.checked_sub(1).filter(|index| *index < self.choices.len());
            index.into_iter().collect::<BTreeSet<usize>>()
        };
        let named = |fits| Some(Named { kind: Kind::Place, fits, pieces: 1 });
        if self.is(word, |naming| &naming.last) && !before.is_empty() {
            return named(place(self.choices.len()));
        }
        if let Some(ordinal) = self.row(word, |naming| &naming.ordinals) {
            let mut fits = place(usize::try_from(ordinal).unwrap_or(0));
            // "The 2nd" may be the second or a day of the month; both are in doubt.
            if word.starts_with(|c: char| c.is_ascii_digit()) {
                fits.extend(self.dated(|start| start.day() == ordinal));
            }
            return named(fits);
        }
        if let Some(day) = day_of(word).filter(|_| word.bytes().any(|b| b.is_ascii_alphabetic())) {
            return Some(Named {
                kind: Kind::Day,
                fits: self.dated(|start| start.day() == day),
                pieces: 1,
            });
        }
        let is_digits = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
        if self.numbers == Numbers::Nothing {
            return None;
        }
        if is_digits {
            return named(place(word.parse().unwrap_or(0)));
        }
        let number = number_of(word, self.words)?;
        named(place(usize::from(number)))
    }

    /// Reads a given name.
    fn person(&self, pieces: &[Piece], before: &[Piece]) -> Option<Named> {
        let found = |given: &str| -> Option<usize> {
            let names = fold(given);
            let first = names.split(' ').next().unwrap_or_default();
            [names.as_str(), first].into_iter().find_map(|name| self.is_name(name, pieces, before))
        };
        let length = self.choices.iter().filter_map(|c| found(c.given?)).max()?;
        let fits = self.choices.iter().enumerate();
        let fits = fits.filter(|(_, choice)| choice.given.and_then(found).is_some());
        let fits = fits.map(|(index, _)| index).collect();
        Some(Named { kind: Kind::Person, fits, pieces: length })
    }

    fn is_name(&self, name: &str, pieces: &[Piece], before: &[Piece]) -> Option<usize> {
        let length = name.split(' ').count();
        let window = pieces.get(..length).filter(|_| !name.is_empty())?;
        if window.iter().any(|piece| piece.is_break) {
            return None;
        }
        let typed = window.iter().map(|piece| piece.word.as_str()).collect::<Vec<_>>().join(" ");
        // "I will come" is not about Will.
        let is_word = self.words.iter().any(|words| words.vocabulary.contains(name));
        let is_alone = pieces.len() == length;
        let is_same = typed == name && (!is_word || !before.is_empty() || is_alone);
        (is_same || typed == format!("{name}s")).then_some(length)
    }

    fn dated(&self, fits: impl Fn(NaiveDate) -> bool) -> BTreeSet<usize> {
        let choices = self.choices.iter().enumerate();
        let fitting =
            choices.filter(|(_, c)| c.start.is_some_and(|start| fits(start.local.date())));
        fitting.map(|(index, _)| index).collect()
    }

    fn is(&self, word: &str, find: impl Fn(&Naming) -> &BTreeSet<String>) -> bool {
        self.words.iter().any(|words| find(&words.naming).contains(word))
    }

    /// How many pieces at the beginning are a phrase of a list; the longest counts.
    fn phrase(
        &self,
        pieces: &[Piece],
        find: impl Fn(&Naming) -> &BTreeSet<String>,
    ) -> Option<usize> {
        let lengths = (1..=WORDS_MAX.min(pieces.len())).rev();
        lengths.into_iter().find(|length| {
            let window = pieces.get(..*length).unwrap_or_default();
            let words: Vec<&str> = window.iter().map(|piece| piece.word.as_str()).collect();
            !window.iter().any(|piece| piece.is_break) && self.is(&words.join(" "), &find)
        })
    }

    /// The place of a word in a row, from 1.
    fn row(&self, word: &str, find: impl Fn(&Naming) -> &Vec<BTreeSet<String>>) -> Option<u32> {
        let place = self
            .words
            .iter()
            .find_map(|words| find(&words.naming).iter().position(|names| names.contains(word)))?;
        u32::try_from(place + 1).ok()
    }
}

/// A day of a month: `8`, `8th`.
fn day_of(word: &str) -> Option<u32> {
    let digits = ["st", "nd", "rd", "th"].iter().find_map(|ending| word.strip_suffix(ending));
    digits.unwrap_or(word).parse().ok().filter(|day| (1..=31).contains(day))
}
