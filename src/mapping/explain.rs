//! Why the event is what it is: for each field the place its value comes from and what was tried.

use serde_json::{Map, Value, json};

use super::fault::Place;
use super::normalise::{duration, phone, time};
use super::output::Output;
use super::path::Position;
use super::record::{Note, Recorder, Seen, Verdict};
use super::source::Source;
use crate::phi::Phi;

/// The most attempts kept of one field: a phone list of thousands explains nothing more.
const ATTEMPTS_MAX: usize = 200;
/// The most characters kept of a raw value.
const RAW_CHARS_MAX: usize = 500;

/// How a message was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Explanation {
    /// The rules that decided about the message as a whole.
    pub rules: Vec<RuleTrace>,
    /// One for each field that was looked for, in the order of reading.
    pub fields: Vec<FieldTrace>,
    /// What is worth knowing about the message as a whole, as sentences.
    pub notes: Vec<String>,
}

/// A rule that decided about the message as a whole: its trigger's, or a filter that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleTrace {
    /// What it is.
    pub rule: String,
    /// The mapping's file and line.
    pub written_at: String,
}

/// How one field was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldTrace {
    /// Which.
    pub field: Output,
    /// The sources that were asked, in order.
    pub attempts: Vec<Attempt>,
}

/// One source that was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The source as the mapping writes it.
    pub rule: String,
    /// The mapping's file and line.
    pub written_at: String,
    /// Where a value was found; `None` if none was, or if the mapping gives it.
    pub position: Option<Position>,
    /// Where a value of a JSON resource was found.
    pub element: Option<String>,
    /// The value as it stands in the message.
    pub raw: Option<Phi<String>>,
    /// Whether the value was taken.
    pub taken: bool,
    /// What became of it, as a sentence.
    pub result: String,
    /// What was done to the value, one step after the other.
    pub steps: Vec<String>,
}

impl Explanation {
    /// How a field was read.
    #[must_use]
    pub fn field(&self, field: Output) -> Option<&FieldTrace> {
        self.fields.iter().find(|trace| trace.field == field)
    }

    /// Renders the `explain` object of `appointd map --explain`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut out = Map::new();
        let rule = |rule: &RuleTrace| json!({ "rule": rule.rule, "written_at": rule.written_at });
        out.insert("rules".to_owned(), self.rules.iter().map(rule).collect());
        for trace in &self.fields {
            out.insert(trace.field.name().to_owned(), trace.to_json());
        }
        if !self.notes.is_empty() {
            out.insert("notes".to_owned(), json!(self.notes));
        }
        Value::Object(out)
    }
}

impl FieldTrace {
    /// The attempts whose values were taken: one, or several for identifiers.
    pub fn taken(&self) -> impl Iterator<Item = &Attempt> {
        self.attempts.iter().filter(|attempt| attempt.taken)
    }

    fn to_json(&self) -> Value {
        let taken: Vec<_> = self.taken().map(Attempt::to_json).collect();
        let tried: Vec<_> =
            self.attempts.iter().filter(|a| !a.taken).map(Attempt::to_json).collect();
        json!({ "taken": taken, "tried": tried })
    }
}

impl Attempt {
    fn to_json(&self) -> Value {
        let mut out = Map::new();
        out.insert("rule".to_owned(), json!(self.rule));
        out.insert("written_at".to_owned(), json!(self.written_at));
        if let Some(at) = self.position {
            out.insert("position".to_owned(), json!(at.to_string()));
            out.insert("bytes".to_owned(), json!([at.start, at.end]));
        }
        if let Some(element) = &self.element {
            out.insert("position".to_owned(), json!(element));
        }
        if let Some(raw) = &self.raw {
            out.insert("raw".to_owned(), json!(raw));
        }
        out.insert("result".to_owned(), json!(self.result));
        if !self.steps.is_empty() {
            out.insert("steps".to_owned(), json!(self.steps));
        }
        Value::Object(out)
    }
}

/// Collects explanations.
#[derive(Debug, Default)]
pub(super) struct Listener {
    /// What holds for all events.
    common: Explanation,
    events: Vec<Explanation>,
}

impl Listener {
    pub(super) fn into_explanations(self) -> Vec<Explanation> {
        let Self { common, events } = self;
        if events.is_empty() {
            return vec![common];
        }
        let joined = |event: Explanation| Explanation {
            rules: [common.rules.clone(), event.rules].concat(),
            fields: event.fields,
            notes: [common.notes.clone(), event.notes].concat(),
        };
        events.into_iter().map(joined).collect()
    }

    fn current(&mut self) -> &mut Explanation {
        self.events.last_mut().unwrap_or(&mut self.common)
    }
}

impl Recorder for Listener {
    const LISTENS: bool = true;

    fn event(&mut self) {
        self.events.push(Explanation::default());
    }

    fn begin(&mut self, output: Output) {
        self.current().fields.push(FieldTrace { field: output, attempts: Vec::new() });
    }

    fn attempt(&mut self, source: &Source, seen: Option<Seen<'_, '_>>, verdict: Verdict) {
        let Some(trace) = self.current().fields.last_mut() else { return };
        let taken = verdict == Verdict::Taken;
        if trace.attempts.len() >= ATTEMPTS_MAX && !taken {
            return;
        }
        if taken && trace.field == Output::Phone {
            // A better number takes the place of the one before.
            for before in trace.attempts.iter_mut().filter(|attempt| attempt.taken) {
                before.taken = false;
                before.result = sentence(Verdict::SecondBest);
            }
        }
        let mut result = sentence(verdict);
        if let (Verdict::ConditionNotMet, Some(when)) = (verdict, &source.when) {
            result = format!("{result}: {when}");
        }
        trace.attempts.push(Attempt {
            rule: source.label.clone(),
            written_at: written_at(&source.place),
            position: seen.and_then(|seen| seen.found.at),
            element: seen.and_then(|seen| seen.view.element(seen.found)),
            raw: seen.map(|seen| Phi::new(shown(seen))),
            taken,
            result,
            steps: Vec::new(),
        });
    }

    fn step(&mut self, say: impl FnOnce() -> String) {
        let trace = self.current().fields.last_mut();
        let taken = trace.and_then(|trace| trace.attempts.iter_mut().rfind(|one| one.taken));
        if let Some(attempt) = taken {
            attempt.steps.push(say());
        }
    }

    fn note(&mut self, note: Note) {
        self.current().notes.push(note_sentence(note));
    }

    fn failed(&mut self, _field: Output) {}

    fn rule(&mut self, say: impl FnOnce() -> String, place: &Place) {
        self.current().rules.push(RuleTrace { rule: say(), written_at: written_at(place) });
    }
}

/// The value as it is written; of an object its JSON.
fn shown(seen: Seen<'_, '_>) -> String {
    let text = match seen.found.node {
        Some(node) if node.is_object() => node.to_string(),
        Some(_) | None => seen.found.raw.to_string(),
    };
    text.chars().take(RAW_CHARS_MAX).collect()
}

fn written_at(place: &Place) -> String {
    format!("{}:{}", place.file, place.line)
}

fn sentence(verdict: Verdict) -> String {
    match verdict {
        Verdict::Taken => "taken".to_owned(),
        Verdict::Null => "says that the value is deleted".to_owned(),
        Verdict::Absent => "nothing there".to_owned(),
        Verdict::ConditionNotMet => "its condition does not hold".to_owned(),
        Verdict::NotCaptured => "the regular expression does not fit".to_owned(),
        Verdict::NotInTable => "the code is not in the table".to_owned(),
        Verdict::SaysNothing => "the table says that the code means nothing here".to_owned(),
        Verdict::NotATime(time::Problem::Unreadable(error)) => format!("no time: {error}"),
        Verdict::NotATime(time::Problem::TooCoarse) => "no time: the day is missing".to_owned(),
        Verdict::NotADuration(problem) => format!("no duration: {}", duration_problem(problem)),
        Verdict::NotAPhone(phone::Problem::NotForTexts) => "its code forbids texts".to_owned(),
        Verdict::NotAPhone(phone::Problem::NotInUse) => "not in use at this time".to_owned(),
        Verdict::NotAPhone(phone::Problem::NoNumber) => "no phone number".to_owned(),
        Verdict::NotALanguage => "no known language".to_owned(),
        Verdict::SecondBest => "good, but another number is better".to_owned(),
        Verdict::NoIdentifier => "no identifier there".to_owned(),
        Verdict::Duplicate => "the same identifier again".to_owned(),
    }
}

const fn duration_problem(problem: duration::Problem) -> &'static str {
    match problem {
        duration::Problem::NoNumber => "no number",
        duration::Problem::Zero => "zero",
        duration::Problem::UnknownUnit => "unknown unit",
        duration::Problem::TooLong => "longer than a day",
    }
}

fn note_sentence(note: Note) -> String {
    match note {
        Note::SeveralPatients(count) => {
            format!("the message has {count} patients; each gets an event")
        }
        Note::SeveralTimes(count) => format!("the message has {count} times; each gets an event"),
        Note::OnePatientOf(count) => {
            format!("the message has {count} patients; only the first is read")
        }
        Note::OneTimeOf(count) => format!("the message has {count} times; only the first is read"),
        Note::EndBeforeStart => "the end is not after the start and was left out".to_owned(),
        Note::EndTooLate => {
            "the end is more than a day after the start and was left out".to_owned()
        }
        Note::EndFromDuration => "the end follows from start and duration".to_owned(),
        Note::DurationFromEnd => "the duration follows from start and end".to_owned(),
        Note::StatusNotHeeded => "the trigger does not heed the status in the message".to_owned(),
        Note::EventByStatus => "the status says what the event is".to_owned(),
        Note::EventByWord => "a word in the message says what the event is".to_owned(),
        Note::EventByTrigger => "the trigger says what the event is".to_owned(),
        Note::TimeInFuture => {
            "the message's time lies far ahead; the time of receipt was taken".to_owned()
        }
        Note::NoMessageTime => {
            "the message has no usable time; the time of receipt was taken".to_owned()
        }
        Note::TimeWithoutOffset => {
            "a time has no offset; it was read as the time of the place".to_owned()
        }
        Note::SettledGap => {
            "the clocks skip the start; the time as much later was taken".to_owned()
        }
        Note::SettledFold => "the clocks show the start twice; the earlier was taken".to_owned(),
    }
}
