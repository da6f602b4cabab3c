//! Phones: of all numbers that a message gives, the one that a text should go to.
//!
//! HL7 v2.5.1, 2.A.89 (XTN), and what senders make of it: the number in component 1, 12, or 6 and
//! 7, the codes of use and equipment in either's place, and mobiles in any repetition.

use std::borrow::Cow;
use std::cmp::Reverse;

use crate::core::phone::{PhoneNumber, Region};

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
    /// None of its components is a phone number.
    NoNumber,
}

/// How good a number is; the greater the better.
pub(in super::super) type Rank = (PhoneUse, bool, Reverse<usize>);

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
        let flag = xtn.preferred.as_ref().and_then(|at| self.part(found, at));
        let preferred = flag.is_some_and(|flag| matches!(&*flag, "Y" | "true" | "1"));
        Ok(Candidate { rank: (usage, preferred, Reverse(order)), number })
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
