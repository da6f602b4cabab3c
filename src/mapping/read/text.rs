//! The text of a value and of its parts: decoded, without what stands beside it.

use std::borrow::Cow;

use super::super::compile::Compiled;
use super::super::path::Found;
use super::super::record::{Recorder, Verdict};
use super::super::spot::At;
use super::super::view::Body;
use super::{Read, Reader, bounded};
use crate::core::field::Field;
use crate::hl7::escape;

impl<'m, R: Recorder> Reader<'m, R> {
    /// The decoded text of a component: its first subcomponent, unless `&` is clearly meant as "and".
    pub(super) fn text(&self, found: &Found<'m>) -> Cow<'m, str> {
        let raw = match &found.raw {
            Cow::Borrowed(raw) => raw.trim(),
            Cow::Owned(raw) => return Cow::Owned(raw.trim().to_owned()),
        };
        let (Body::Hl7(lines), Some(_)) = (&self.view.body, found.at) else {
            return Cow::Borrowed(raw);
        };
        let separators = lines.msg.separators();
        let subcomponent = separators.subcomponent;
        let first = raw.split(subcomponent).map(str::trim).find(|part| !part.is_empty());
        let is_and = raw
            .split_once(subcomponent)
            .is_some_and(|(before, after)| before.ends_with(' ') && after.starts_with(' '));
        let raw = if is_and { raw } else { first.unwrap_or_default() };
        escape::decode(raw, separators)
    }

    /// The text of a value, or the part of it that is meant.
    pub(super) fn value(&self, compiled: &Compiled, found: &Found<'m>) -> Read<Cow<'m, str>> {
        let text = self.text(found);
        match &compiled.source.capture {
            None => Ok(text),
            Some(expression) => expression.capture(text).ok_or(Verdict::NotCaptured),
        }
    }

    /// Tells what was done to the text of the value that was taken.
    pub(super) fn tell(&mut self, compiled: &Compiled, found: &Found<'m>) {
        if !R::LISTENS {
            return;
        }
        if let Some(expression) = &compiled.source.capture {
            self.recorder.step(|| format!("cut out by /{expression}/"));
            return;
        }
        let Body::Hl7(lines) = &self.view.body else { return };
        let (raw, text) = (found.raw.trim(), self.text(found));
        if found.at.is_none() || raw == text {
            return;
        }
        let separators = lines.msg.separators();
        if raw.contains(separators.subcomponent) {
            self.recorder.step(|| "its first subcomponent".to_owned());
        }
        if raw.contains(separators.escape) {
            self.recorder.step(|| "escape sequences decoded".to_owned());
        }
    }

    pub(super) fn component(&self, found: &Found<'m>, at: &At) -> Option<Cow<'m, str>> {
        let part = self.view.part(found, at).filter(|part| !part.is_null())?;
        Some(self.text(&part))
    }

    /// The first text in one of several places.
    pub(super) fn part(&self, found: &Found<'m>, places: &[At]) -> Field<String> {
        let mut null = false;
        for at in places {
            let Some(part) = self.view.part(found, at) else { continue };
            if part.is_null() {
                null = true;
                continue;
            }
            let text = self.text(&part);
            if !text.trim().is_empty() {
                return Field::Value(bounded(&text));
            }
        }
        if null { Field::Null } else { Field::Absent }
    }
}
