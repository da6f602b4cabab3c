//! Phones: of all numbers that a message gives, the one that a text should go to.
//!
//! HL7 v2.5.1, 2.A.89 (XTN), and what senders make of it: the number in component 1, 12, or 6 and
//! 7, the codes of use and equipment in either's place, and mobiles in any repetition.

use std::borrow::Cow;
use std::cmp::Reverse;

use chrono::{Months, NaiveTime};

use crate::clock::Timestamp;
use crate::core::local_time::{LocalTime, Zone};
use crate::core::phone::{PhoneNumber, Region};
use crate::hl7::Dtm;
use crate::hl7::dtm::Precision;

use super::super::path::{Found, NULL};
use super::super::source::{Digits, Xtn};
use super::super::spot::At;
use super::super::table::{Code, PhoneUse, Table};
use super::super::view::View;

/// Why a repetition gives no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Problem {
    /// Fax, pager, e-mail, work.
    NotForTexts,
    /// Its time is over, or has not come.
    NotInUse,
    /// None of its components is a phone number.
    NoNumber,
}

/// How good a number is, the greater the better: its use, whether it is preferred, its rank (1 is
/// best, none is last), since when it is in use (the newest is best), its place.
pub(in super::super) type Rank = (PhoneUse, bool, Reverse<u32>, Option<Timestamp>, Reverse<usize>);

/// A number found in one repetition.
#[derive(Debug, Clone)]
pub(in super::super) struct Candidate {
    pub(in super::super) rank: Rank,
    pub(in super::super) number: PhoneNumber,
}

/// Where phones are read.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Reader<'a> {
    pub(in super::super) view: &'a View<'a>,
    pub(in super::super) region: Region,
    pub(in super::super) uses: Option<&'a Table>,
    pub(in super::super) now: Timestamp,
    /// Of times without offset.
    pub(in super::super) zone: Zone,
}

impl<'a> Reader<'a> {
    /// Reads one repetition; `order` is its place among all.
    pub(in super::super) fn candidate(
        &self,
        found: &Found<'a>,
        xtn: &Xtn,
        order: usize,
    ) -> Result<Candidate, Problem> {
        let usage = self.usage(found, xtn);
        if usage == PhoneUse::Never {
            return Err(Problem::NotForTexts);
        }
        let number = self.number(found, xtn).ok_or(Problem::NoNumber)?;
        let said = |at: &Option<At>| at.as_ref().and_then(|at| self.part(found, at));
        let since = said(&xtn.since).and_then(|text| self.begin_of(&text));
        // What cannot be read as an end is one all the same.
        let is_over = said(&xtn.until).is_some_and(|text| self.is_over(&text));
        if is_over || since.is_some_and(|since| since > self.now) {
            return Err(Problem::NotInUse);
        }
        let preferred = said(&xtn.preferred);
        let preferred = preferred.is_some_and(|flag| matches!(&*flag, "Y" | "true" | "1"));
        let rank = said(&xtn.rank).and_then(|text| text.parse().ok());
        let rank = rank.filter(|rank| *rank > 0).unwrap_or(u32::MAX);
        Ok(Candidate { rank: (usage, preferred, Reverse(rank), since, Reverse(order)), number })
    }

    /// When a time begins, of a day or month its first moment.
    fn begin_of(&self, text: &str) -> Option<Timestamp> {
        let dtm = period(text)?;
        Some(dtm.instant().unwrap_or_else(|| LocalTime::settle(dtm.local, self.zone).instant))
    }

    /// Whether a time is over; a day, month or year is when it has passed (FHIR R4, Period).
    fn is_over(&self, text: &str) -> bool {
        let (Some(dtm), Some(begin)) = (period(text), self.begin_of(text)) else { return true };
        let date = dtm.local.date();
        let next = match dtm.precision {
            Precision::Year => date.checked_add_months(Months::new(12)),
            Precision::Month => date.checked_add_months(Months::new(1)),
            Precision::Day => date.succ_opt(),
            Precision::Hour | Precision::Minute | Precision::Second | Precision::Fraction => {
                return begin < self.now;
            }
        };
        let next = next.map(|date| date.and_time(NaiveTime::MIN));
        next.is_some_and(|next| LocalTime::settle(next, self.zone).instant <= self.now)
    }

    /// Whether a repetition without a number says that there is none any more: `""`, or `""^PRN^CP`,
    /// where the use stays beside it.
    pub(in super::super) fn is_deleted(&self, found: &Found<'a>, xtn: &Xtn) -> bool {
        let mut components = xtn.number.iter().flat_map(|way| &way.components);
        let is_null = |at: &At| self.part(found, at).is_some_and(|part| part == NULL);
        found.is_null() || (self.usage(found, xtn) != PhoneUse::Never && components.any(is_null))
    }

    /// The number itself, whatever it is for.
    pub(in super::super) fn number(&self, found: &Found<'a>, xtn: &Xtn) -> Option<PhoneNumber> {
        xtn.number.iter().find_map(|way| {
            let text = self.put_together(found, way)?;
            // An address of e-mail may have digits enough for a number.
            if text.contains('@') {
                return None;
            }
            let text = self.view.decode(&text);
            PhoneNumber::parse(&text, self.region).ok()
        })
    }

    /// One forbidding code is enough; otherwise the best counts.
    fn usage(&self, found: &Found<'a>, xtn: &Xtn) -> PhoneUse {
        let mut best = PhoneUse::Home;
        for code in &xtn.codes {
            let text = self.part(found, code).unwrap_or_default();
            match self.uses.and_then(|table| table.get(&text)) {
                Some(Code::Phone(PhoneUse::Never)) => return PhoneUse::Never,
                Some(Code::Phone(usage)) => best = best.max(*usage),
                Some(
                    Code::Status(_)
                    | Code::Event(_)
                    | Code::Participation(_)
                    | Code::Flag(_)
                    | Code::Text(_)
                    | Code::Nothing,
                )
                | None => {}
            }
        }
        best
    }

    /// A part as it is written.
    fn part(&self, found: &Found<'a>, at: &At) -> Option<Cow<'a, str>> {
        let found = self.view.part(found, at)?;
        Some(match found.raw {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
            Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
        })
    }

    fn put_together(&self, found: &Found<'a>, way: &Digits) -> Option<Cow<'a, str>> {
        if let ([only], false) = (way.components.as_slice(), way.plus) {
            return self.part(found, only);
        }
        let mut text = String::from(if way.plus { "+" } else { "" });
        for at in &way.components {
            let part = self.part(found, at).filter(|part| !part.starts_with('"'))?;
            text.push_str(part.trim_start_matches('+'));
        }
        Some(text.into())
    }
}

/// Reads an end of a period; a month is written as HL7 would write a year at an offset.
fn period(text: &str) -> Option<Dtm> {
    let is_month = text.len() == 7 && text.as_bytes().get(4) == Some(&b'-');
    if !is_month {
        return Dtm::parse(text).ok();
    }
    let first = Dtm::parse(&format!("{text}-01")).ok()?;
    Some(Dtm { precision: Precision::Month, ..first })
}
