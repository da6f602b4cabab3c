//! What a campaign would send first, how many parts that is, and how long it takes.
//!
//! The flow itself is asked, as it will be: what the dry run shows is what goes out. What comes after
//! the first text depends on what people answer, and is not guessed.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::survey::Problem;
use crate::clock::Timestamp;
use crate::core::campaign::Recipient;
use crate::core::flow::{Act, Happened, Program, Run, Trigger, TriggerKind, Wait, step};
use crate::core::hours::Hours;
use crate::core::local_time::LocalTime;
use crate::core::message::segments::{Encoding, Segments, fold_to_gsm};
use crate::core::outreach::surroundings;
use crate::core::rules::Rules;
use crate::phi::Phi;

/// How far ahead it is looked for the end, in openings: longer than any campaign goes on.
const OPENINGS_MAX: usize = 100;

/// What a campaign depends on besides its list.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// The flow.
    pub program: &'a Program,
    /// The practice's rules.
    pub rules: &'a Rules,
    /// How many recipients it begins with in a minute.
    pub per_minute: u32,
    /// How many parts the sender sends in a second.
    pub segments_per_second: f64,
    /// The time.
    pub now: Timestamp,
    /// When the campaign ends, whoever has not been texted by then.
    pub not_after: Timestamp,
}

/// A text as it would go out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The line of the recipient.
    pub line: u64,
    /// The words.
    pub body: Phi<String>,
    /// Their size.
    pub segments: Segments,
    language: Option<String>,
}

/// What a campaign comes to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Quote {
    /// How many recipients it begins with.
    pub recipients: u64,
    /// How many of them may not be texted.
    pub left_out: u64,
    /// How many get a text at once; for others the flow asks elsewhere first, or says nothing.
    pub texts: u64,
    /// The parts of these texts.
    pub segments: u64,
    /// The parts of the longest.
    pub segments_max: u64,
    /// How many of these texts need the wide alphabet, which halves what fits in a part.
    pub wide: u64,
    /// Minutes of sending.
    pub minutes: u64,
    /// When the last of them has gone, within the hours for texts; `None` if that is too far off.
    pub ends_at: Option<Timestamp>,
    /// When the campaign ends.
    pub not_after: Timestamp,
    /// The first of the texts, the longest, and one in another language.
    pub samples: Vec<Sample>,
}

/// Adds up what a campaign comes to.
#[derive(Debug)]
pub struct Quoter<'a> {
    terms: Terms<'a>,
    quote: Quote,
    first: Option<Sample>,
    longest: Option<Sample>,
    foreign: Option<Sample>,
}

impl<'a> Quoter<'a> {
    /// Begins with nothing.
    #[must_use]
    pub fn new(terms: Terms<'a>) -> Self {
        let quote = Quote { not_after: terms.not_after, ..Quote::default() };
        Self { terms, quote, first: None, longest: None, foreign: None }
    }

    /// Adds a recipient who may be texted; says if nothing would be.
    pub fn add(&mut self, recipient: &Recipient) -> Option<Problem> {
        let Terms { program, rules, now, .. } = self.terms;
        let around = surroundings(rules, now);
        let stepped = step(program, &begun(rules, recipient), &Happened::Begun, around);
        let quote = &mut self.quote;
        quote.recipients += 1;
        let body = match (stepped.act, stepped.run.wait) {
            (Some(Act::Text { body, .. }), _) => body,
            (None, Wait::End(_)) => return Some(Problem::NoText),
            // What comes then depends on what others answer.
            (Some(Act::Call(_)) | None, _) => return None,
        };
        let body = Phi::new(fold_to_gsm(body.expose()).into_owned());
        let segments = Segments::of(body.expose());
        let count = u64::try_from(segments.count).unwrap_or(u64::MAX);
        quote.texts += 1;
        quote.segments = quote.segments.saturating_add(count);
        quote.segments_max = quote.segments_max.max(count);
        quote.wide += u64::from(segments.encoding == Encoding::Ucs2);
        let language = recipient.language.clone();
        self.show(Sample { line: recipient.row, body, segments, language });
        None
    }

    /// Counts a recipient who may not be texted.
    pub const fn leave_out(&mut self) {
        self.quote.recipients += 1;
        self.quote.left_out += 1;
    }

    /// Says how long it takes.
    #[must_use]
    pub fn finish(mut self) -> Quote {
        let terms = self.terms;
        let by_pace = self.quote.recipients.div_ceil(terms.per_minute.max(1).into());
        let per_minute = (terms.segments_per_second * 60.0).max(0.01);
        let by_sender = self.quote.segments.div_ceil(whole(per_minute).max(1));
        self.quote.minutes = by_pace.max(by_sender);
        self.quote.ends_at = ends_at(&terms, self.quote.minutes);
        self.quote.samples =
            [self.first, self.longest, self.foreign].into_iter().flatten().collect();
        self.quote
    }

    /// Keeps the first text, the longest, and the first in another language.
    fn show(&mut self, sample: Sample) {
        let Some(first) = &self.first else {
            self.first = Some(sample);
            return;
        };
        if self.foreign.is_none() && sample.language != first.language {
            self.foreign = Some(sample);
            return;
        }
        let longest = self.longest.as_ref().unwrap_or(first);
        if sample.segments.units > longest.segments.units {
            self.longest = Some(sample);
        }
    }
}

/// A recipient's way through the flow before its first step.
fn begun(rules: &Rules, recipient: &Recipient) -> Run {
    let trigger = Trigger {
        kind: TriggerKind::Request,
        to: recipient.phone.as_str().to_owned(),
        from: rules.outreach.sender.clone(),
        data: recipient.data.clone(),
        sid: String::new(),
        language: recipient.language.clone(),
    };
    Run::new(trigger)
}

/// When so many minutes of the hours for texts have passed.
fn ends_at(terms: &Terms<'_>, minutes: u64) -> Option<Timestamp> {
    let Rules { practice, reminders, .. } = terms.rules;
    let hours = Hours::at(practice.zone, reminders.window);
    let mut left = TimeDelta::try_minutes(i64::try_from(minutes).ok()?)?;
    let mut at = terms.now;
    for _ in 0..OPENINGS_MAX {
        at = hours.next_opening(at);
        let Some(finish) = reminders.window.finish else { return at.checked_add_signed(left) };
        let today = practice.zone.date(at).and_time(finish);
        let closes = LocalTime::settle(today, practice.zone).instant;
        if closes <= at {
            return None;
        }
        if left <= closes - at {
            return Some(at + left);
        }
        left -= closes - at;
        at = closes;
    }
    None
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate is a small figure above nothing"
)]
const fn whole(rate: f64) -> u64 {
    rate as u64
}

impl Quote {
    /// Whether the campaign would end before the last recipient's turn.
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.ends_at.is_none_or(|at| at > self.not_after)
    }

    /// Renders it for scripts.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "recipients": self.recipients,
            "not_texted": self.left_out,
            "texts": self.texts,
            "segments": self.segments,
            "segments_max": self.segments_max,
            "unicode_texts": self.wide,
            "minutes": self.minutes,
            "ends_at": self.ends_at,
            "not_after": self.not_after,
            "is_late": self.is_late(),
            "samples": self.samples.iter().map(Sample::to_json).collect::<Vec<_>>(),
        })
    }
}

impl Sample {
    fn to_json(&self) -> Value {
        let alphabet = self.segments.encoding.name();
        json!({
            "line": self.line,
            "language": self.language,
            "body": self.body,
            "segments": self.segments.count,
            "alphabet": alphabet,
        })
    }
}
