//! Functions and operators of texts. What they write is spent before it is written.

use super::Item;
use super::entry::{Entry, Scalar};
use super::evaluate::{Evaluation, Found, single};
use super::syntax::{Expression, TextCall};
use super::work::TooMuch;

impl<'v> Evaluation<'_, 'v> {
    pub(super) fn text_call(
        &mut self,
        call: &TextCall,
        input: &[Entry<'v>],
        focus: &[Entry<'v>],
    ) -> Found<'v> {
        let [entry] = input else { return Ok(Vec::new()) };
        let Some(text) = entry.text() else { return Ok(Vec::new()) };
        self.work.spend(text.len())?;
        let result = match call {
            TextCall::StartsWith(part) => {
                self.text(part, focus)?.map(|part| Item::Bool(text.starts_with(&part)))
            }
            TextCall::EndsWith(part) => {
                self.text(part, focus)?.map(|part| Item::Bool(text.ends_with(&part)))
            }
            TextCall::Contains(part) => {
                self.text(part, focus)?.map(|part| Item::Bool(text.contains(&part)))
            }
            TextCall::Matches(pattern) => Some(Item::Bool(pattern.is_match(text))),
            TextCall::Replace { old, new } => {
                let (old, new) = (self.text(old, focus)?, self.text(new, focus)?);
                let Some((old, new)) = old.zip(new) else { return Ok(Vec::new()) };
                self.replaced(text, &old, &new)?
            }
            TextCall::Lower => self.recased(text, str::to_lowercase)?,
            TextCall::Upper => self.recased(text, str::to_uppercase)?,
            TextCall::Trim => Some(Item::Text(text.trim().to_owned())),
            TextCall::Substring { start, length } => {
                let start = self.integer(start, focus)?;
                let length = match length {
                    Some(length) => self.integer(length, focus)?,
                    None => None,
                };
                start.and_then(|start| substring(text, start, length)).map(Item::Text)
            }
            TextCall::Length => return Ok(vec![self.number(text.chars().count())]),
            TextCall::Split(separator) => {
                let Some(separator) = self.text(separator, focus)? else { return Ok(Vec::new()) };
                return self.split(text, &separator);
            }
        };
        Ok(result.map(|item| self.computed(item)).into_iter().collect())
    }

    fn replaced(&mut self, text: &str, old: &str, new: &str) -> Result<Option<Item<'v>>, TooMuch> {
        let count = text.matches(old).count();
        self.work.spend(count.saturating_mul(new.len()))?;
        Ok(Some(Item::Text(text.replace(old, new))))
    }

    fn recased(
        &mut self,
        text: &str,
        recase: impl Fn(&str) -> String,
    ) -> Result<Option<Item<'v>>, TooMuch> {
        // A character becomes three at most.
        self.work.spend(text.len().saturating_mul(3))?;
        Ok(Some(Item::Text(recase(text))))
    }

    fn split(&mut self, text: &str, separator: &str) -> Found<'v> {
        if separator.is_empty() {
            return Ok(vec![self.computed(Item::Text(text.to_owned()))]);
        }
        let mut parts = Vec::new();
        for part in text.split(separator) {
            self.work.visit()?;
            parts.push(self.computed(Item::Text(part.to_owned())));
        }
        Ok(parts)
    }

    /// `join`: all single values, a separator between them.
    pub(super) fn joined(
        &mut self,
        input: &[Entry<'v>],
        separator: Option<&Expression>,
        focus: &[Entry<'v>],
    ) -> Found<'v> {
        let separator = match separator {
            Some(separator) => self.text(separator, focus)?,
            None => Some(String::new()),
        };
        let Some(separator) = separator.filter(|_| !input.is_empty()) else {
            return Ok(Vec::new());
        };
        let mut text = String::new();
        for (index, part) in input.iter().filter_map(|entry| entry.item.scalar()).enumerate() {
            let part = part.written();
            let between = if index > 0 { separator.as_str() } else { "" };
            self.work.spend(between.len() + part.len())?;
            text.push_str(between);
            text.push_str(&part);
        }
        Ok(vec![self.computed(Item::Text(text))])
    }

    /// `&`: what is not there is an empty text.
    pub(super) fn concatenated(&mut self, left: &[Entry<'v>], right: &[Entry<'v>]) -> Found<'v> {
        let written = |side: &[Entry<'v>]| match side {
            [] => Some(String::new()),
            side => single(side).map(|scalar| scalar.written().into_owned()),
        };
        let Some((left, right)) = written(left).zip(written(right)) else { return Ok(Vec::new()) };
        self.work.spend(left.len().saturating_add(right.len()))?;
        Ok(vec![self.computed(Item::Text(left + &right))])
    }

    /// `+`: without one text there is no other.
    pub(super) fn added(&mut self, left: &[Entry<'v>], right: &[Entry<'v>]) -> Found<'v> {
        let (Some(Scalar::Text(_)), Some(Scalar::Text(_))) = (single(left), single(right)) else {
            return Ok(Vec::new());
        };
        self.concatenated(left, right)
    }
}

/// Characters from `start`, counted from 0; nothing if the text ends before.
fn substring(text: &str, start: i64, length: Option<i64>) -> Option<String> {
    let mut rest = text.chars().skip(usize::try_from(start).ok()?).peekable();
    rest.peek()?;
    // Fewer than none is none.
    let length = length.map_or(usize::MAX, |length| usize::try_from(length).unwrap_or(0));
    Some(rest.take(length).collect())
}
