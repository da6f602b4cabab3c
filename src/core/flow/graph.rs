//! A flow as it runs: states by name, what each does, and where it goes from there.
//!
//! The importer makes these, and they are never changed; nothing here reads JSON or runs anything.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use regex::Regex;

use super::liquid::Template;

/// One file's flow.
#[derive(Debug, Clone)]
pub(super) struct Flow {
    pub(super) sid: Option<String>,
    pub(super) description: String,
    pub(super) initial: String,
    pub(super) states: BTreeMap<String, State>,
    /// How long it may take from begin to end.
    pub(super) expires: Option<TimeDelta>,
    /// The language of its texts, if none fits the recipient's.
    pub(super) language: Option<String>,
}

/// One widget of a flow.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) line: usize,
    pub(super) widget: Widget,
    pub(super) transitions: Vec<Transition>,
    pub(super) handoff: Option<Handoff>,
}

/// A way on.
#[derive(Debug, Clone)]
pub(super) struct Transition {
    pub(super) event: String,
    /// None ends the flow.
    pub(super) next: Option<String>,
    pub(super) conditions: Vec<Condition>,
}

/// What a widget does.
#[derive(Debug, Clone)]
pub(super) enum Widget {
    Trigger,
    Send(Texts),
    Ask(Box<Ask>),
    Split(Split),
    Set(Vec<Variable>),
    Http(Box<Request>),
    Function(FunctionCall),
    Subflow(SubflowCall),
}

/// A text template as it is written, with its compiled form.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub(super) source: String,
    pub(super) template: Template,
}

/// A text in the flow's own language, and in others by their primary tag.
#[derive(Debug, Clone)]
pub(super) struct Texts {
    pub(super) body: Text,
    pub(super) others: BTreeMap<String, Text>,
}

/// A question.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) texts: Texts,
    /// Seconds.
    pub(super) timeout: Option<Text>,
    pub(super) expect: Option<Expect>,
    pub(super) retry: Option<Retry>,
}

/// What a reply is read as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expect {
    /// A whole number.
    Number { min: i64, max: i64 },
    /// `YES` or `NO`.
    YesNo,
    /// One of some words, each with others that mean the same.
    Choice(Vec<(String, Vec<String>)>),
}

/// How a question is asked again.
#[derive(Debug, Clone)]
pub(super) struct Retry {
    pub(super) max: u32,
    pub(super) texts: Texts,
}

/// What is told apart.
#[derive(Debug, Clone)]
pub(super) struct Split {
    pub(super) input: Option<Text>,
}

/// A variable that is set.
#[derive(Debug, Clone)]
pub(super) struct Variable {
    pub(super) key: String,
    pub(super) value: Text,
    pub(super) kind: Kind,
}

/// What a variable's text becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Boolean,
    Json,
}

/// A request of a web server.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) is_post: bool,
    pub(super) url: Text,
    pub(super) content_type: Option<String>,
    pub(super) body: Option<Text>,
    pub(super) parameters: Vec<Parameter>,
}

/// A named value that is handed over.
#[derive(Debug, Clone)]
pub(super) struct Parameter {
    pub(super) key: String,
    pub(super) value: Text,
    pub(super) is_json: bool,
}

/// A function that Studio would run.
#[derive(Debug, Clone)]
pub(super) struct FunctionCall {
    /// The names by which a handler is looked for, the best first.
    pub(super) names: Vec<String>,
    pub(super) parameters: Vec<Parameter>,
}

/// Another flow that is run.
#[derive(Debug, Clone)]
pub(super) struct SubflowCall {
    /// Its sid, or its name.
    pub(super) wanted: String,
    /// Its name, once it is found.
    pub(super) flow: Option<String>,
    pub(super) parameters: Vec<Parameter>,
}

/// What a person is told when a state is reached.
#[derive(Debug, Clone)]
pub(super) struct Handoff {
    pub(super) note: Text,
    pub(super) is_urgent: bool,
}

/// A condition of a transition.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    pub(super) test: Test,
    /// What is tested; the split's input if it says nothing.
    pub(super) input: Option<Text>,
    pub(super) value: Text,
    /// The pattern, if it is one and holds no output.
    pub(super) pattern: Option<Regex>,
}

/// What a condition tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Test {
    EqualTo,
    NotEqualTo,
    MatchesAnyOf,
    DoesNotMatchAnyOf,
    Contains,
    DoesNotContain,
    StartsWith,
    DoesNotStartWith,
    IsBlank,
    IsNotBlank,
    Regex,
    LessThan,
    GreaterThan,
    IsBeforeDate,
    IsAfterDate,
    IsBeforeTime,
    IsAfterTime,
}

impl Test {
    /// All of them, by Studio's name.
    pub(super) const ALL: [(&'static str, Self); 17] = [
        ("equal_to", Self::EqualTo),
        ("not_equal_to", Self::NotEqualTo),
        ("matches_any_of", Self::MatchesAnyOf),
        ("does_not_match_any_of", Self::DoesNotMatchAnyOf),
        ("contains", Self::Contains),
        ("does_not_contain", Self::DoesNotContain),
        ("starts_with", Self::StartsWith),
        ("does_not_start_with", Self::DoesNotStartWith),
        ("is_blank", Self::IsBlank),
        ("is_not_blank", Self::IsNotBlank),
        ("regex", Self::Regex),
        ("less_than", Self::LessThan),
        ("greater_than", Self::GreaterThan),
        ("is_before_date", Self::IsBeforeDate),
        ("is_after_date", Self::IsAfterDate),
        ("is_before_time", Self::IsBeforeTime),
        ("is_after_time", Self::IsAfterTime),
    ];

    /// Whether it names what is said, instead of what is not.
    pub(super) const fn is_definite(self) -> bool {
        match self {
            Self::EqualTo
            | Self::MatchesAnyOf
            | Self::Contains
            | Self::StartsWith
            | Self::Regex
            | Self::LessThan
            | Self::GreaterThan
            | Self::IsBeforeDate
            | Self::IsAfterDate
            | Self::IsBeforeTime
            | Self::IsAfterTime => true,
            Self::NotEqualTo
            | Self::DoesNotMatchAnyOf
            | Self::DoesNotContain
            | Self::DoesNotStartWith
            | Self::IsBlank
            | Self::IsNotBlank => false,
        }
    }
}

impl State {
    /// Where an event leads: none if the flow ends there.
    pub(super) fn next(&self, event: &str) -> Option<&str> {
        let way = self.transitions.iter().find(|way| way.event == event)?;
        way.next.as_deref()
    }

    /// All texts that it renders.
    pub(super) fn templates(&self) -> Vec<&Text> {
        let mut all: Vec<&Text> = self.texts();
        match &self.widget {
            Widget::Trigger | Widget::Send(_) => {}
            Widget::Ask(ask) => all.extend(&ask.timeout),
            Widget::Split(split) => all.extend(&split.input),
            Widget::Set(variables) => all.extend(variables.iter().map(|one| &one.value)),
            Widget::Http(request) => {
                all.push(&request.url);
                all.extend(&request.body);
                all.extend(request.parameters.iter().map(|one| &one.value));
            }
            Widget::Function(call) => all.extend(call.parameters.iter().map(|one| &one.value)),
            Widget::Subflow(call) => all.extend(call.parameters.iter().map(|one| &one.value)),
        }
        for condition in self.transitions.iter().flat_map(|way| &way.conditions) {
            all.extend(&condition.input);
            all.push(&condition.value);
        }
        all.extend(self.handoff.as_ref().map(|handoff| &handoff.note));
        all
    }

    /// The texts that a recipient may get from it.
    pub(super) fn texts(&self) -> Vec<&Text> {
        match &self.widget {
            Widget::Send(texts) => texts.all(),
            Widget::Ask(ask) => {
                let again = ask.retry.iter().flat_map(|retry| retry.texts.all());
                ask.texts.all().into_iter().chain(again).collect()
            }
            Widget::Trigger
            | Widget::Split(_)
            | Widget::Set(_)
            | Widget::Http(_)
            | Widget::Function(_)
            | Widget::Subflow(_) => Vec::new(),
        }
    }
}

impl Texts {
    /// In all languages, the own one first.
    pub(super) fn all(&self) -> Vec<&Text> {
        std::iter::once(&self.body).chain(self.others.values()).collect()
    }

    /// The words in a language, given by its primary tag.
    pub(super) fn in_language(&self, language: Option<&str>) -> &Text {
        language.and_then(|tag| self.others.get(tag)).unwrap_or(&self.body)
    }
}

impl Widget {
    /// The type, as Studio names it.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Trigger => "trigger",
            Self::Send(_) => "send-message",
            Self::Ask(_) => "send-and-wait-for-reply",
            Self::Split(_) => "split-based-on",
            Self::Set(_) => "set-variables",
            Self::Http(_) => "make-http-request",
            Self::Function(_) => "run-function",
            Self::Subflow(_) => "run-subflow",
        }
    }
}
