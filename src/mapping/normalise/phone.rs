//! Phones: of all numbers that a message gives, the one that a text should go to.
//!
//! HL7 v2.5.1, 2.A.89 (XTN), and what senders make of it: the number in component 1, 12, or 6 and
//! 7, the codes of use and equipment in either's place, and mobiles in any repetition.

use std::cmp::Reverse;

use crate::core::phone::{PhoneNumber, Region};
use crate::hl7::{Message, escape};

use super::super::path::{NULL, component_of};
use super::super::source::{Digits, Xtn};
use super::super::table::{Code, PhoneUse, Table};

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
    pub(in super::super) msg: &'a Message,
    pub(in super::super) region: Region,
    pub(in super::super) uses: Option<&'a Table>,
}

impl Reader<'_> {
    /// Reads one repetition; `order` is its place among all.
    pub(in super::super) fn candidate(
        &self,
        raw: &str,
        xtn: &Xtn,
        order: usize,
    ) -> Result<Candidate, Problem> {
        let usage = self.usage(raw, xtn);
        if usage == PhoneUse::Never {
            return Err(Problem::NotForTexts);
        }
        let number = self.number(raw, xtn).ok_or(Problem::NoNumber)?;
        let preferred = xtn.preferred > 0 && self.component(raw, xtn.preferred) == "Y";
        Ok(Candidate { rank: (usage, preferred, Reverse(order)), number })
    }

    /// Whether a repetition without a number says that there is none any more: `""`, or `""^PRN^CP`,
    /// where the use stays beside it.
    pub(in super::super) fn is_deleted(&self, raw: &str, xtn: &Xtn) -> bool {
        let mut components = xtn.number.iter().flat_map(|way| &way.components);
        raw == NULL
            || (self.usage(raw, xtn) != PhoneUse::Never
                && components.any(|number| self.component(raw, *number) == NULL))
    }

    /// The number itself, whatever it is for.
    pub(in super::super) fn number(&self, raw: &str, xtn: &Xtn) -> Option<PhoneNumber> {
        xtn.number.iter().find_map(|way| {
            let text = self.put_together(raw, way)?;
            // An address of e-mail may have digits enough for a number.
            if text.contains('@') {
                return None;
            }
            let text = escape::decode(&text, self.msg.separators());
            PhoneNumber::parse(&text, self.region).ok()
        })
    }

    /// One forbidding code is enough; otherwise the best counts.
    fn usage(&self, raw: &str, xtn: &Xtn) -> PhoneUse {
        let mut best = PhoneUse::Home;
        for code in &xtn.codes {
            let text = self.component(raw, *code);
            match self.uses.and_then(|table| table.get(text)) {
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

    fn component<'r>(&self, raw: &'r str, number: u16) -> &'r str {
        component_of(self.msg, raw, number).trim()
    }

    fn put_together<'r>(&self, raw: &'r str, way: &Digits) -> Option<std::borrow::Cow<'r, str>> {
        if let ([only], false) = (way.components.as_slice(), way.plus) {
            let text = self.component(raw, *only);
            return (!text.is_empty()).then_some(text.into());
        }
        let mut text = String::from(if way.plus { "+" } else { "" });
        for number in &way.components {
            let part = self.component(raw, *number);
            if part.is_empty() || part.starts_with('"') {
                return None;
            }
            text.push_str(part.trim_start_matches('+'));
        }
        Some(text.into())
    }
}
