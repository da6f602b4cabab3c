//! One step of a run: from something that happened to the next thing to be done.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::graph::{Ask, Text, Widget};
use super::http::{BODY_MAX, Call, HttpAnswer};
use super::normalise::read_as;
use super::program::{Program, Tools};
use super::run::{Answer, End, Inbound, Run, TriggerKind, Wait, primary};
use super::walk::{Runaway, STEPS_MAX, Walk, Way};
use crate::clock::Timestamp;
use crate::core::local_time::Zone;
use crate::core::reply::Words;
use crate::phi::Phi;

/// How long a reply is waited for if the flow does not say, in seconds: Studio's own.
pub const TIMEOUT_SECONDS: u64 = 3_600;
/// The shortest time for a reply.
pub const TIMEOUT_SECONDS_MIN: u64 = 1;
/// The longest, thirty days: beyond that nobody knows what was asked.
pub const TIMEOUT_SECONDS_MAX: u64 = 30 * 24 * 3_600;
/// How many answers a run takes; a flow that asks on and on ends there.
pub const ANSWERS_MAX: usize = 200;
/// How large a run may become, in bytes of JSON: it is kept after each step.
pub const RUN_BYTES_MAX: usize = 1024 * 1024;

/// What a step depends on besides program, run and event.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// What flows may reach outside.
    pub tools: &'a Tools,
    /// The word lists, for yes and no.
    pub words: &'a BTreeMap<String, Words>,
    /// The practice's name, `practice.name` in texts.
    pub practice_name: &'a str,
    /// Whom to call, `practice.callback_phone`.
    pub callback_phone: &'a str,
    /// The zone of dates and times in texts and conditions.
    pub zone: Zone,
    /// The time.
    pub now: Timestamp,
}

/// What happened to a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened {
    /// It begins.
    Begun,
    /// The recipient texted.
    Heard(Inbound),
    /// Its text has left.
    Sent {
        /// The provider's id, if it is known.
        sid: Option<String>,
    },
    /// Its text cannot be sent.
    NotSent {
        /// Why, as a code.
        code: String,
    },
    /// A web server answered.
    Called(HttpAnswer),
    /// No web server answered, or not with success.
    NotCalled {
        /// The status, if there was an answer.
        status: Option<u16>,
    },
    /// It waited for a reply long enough.
    TimeUp,
}

/// What a step comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Stepped {
    /// The run as it is from now on.
    pub run: Run,
    /// What is to be done outside; none if it waits for a reply, or has ended.
    pub act: Option<Act>,
    /// What a person has to look at.
    pub notes: Vec<Note>,
}

/// What a run wants done outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Text the recipient.
    Text {
        /// The state that says so.
        state: String,
        /// The words.
        body: Phi<String>,
    },
    /// Ask a web server.
    Call(Call),
}

/// What a flow gives to a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What it says, without the patient's words.
    pub text: Phi<String>,
    /// Whether it should be looked at before others.
    pub is_urgent: bool,
}

/// How well a text fits what a run waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// It is one of the answers that the flow tells apart.
    Answer,
    /// The flow takes any words.
    Words,
    /// It is none of the answers.
    Nothing,
    /// The run waits for no reply.
    NotAsked,
}

/// How well a text fits what a run waits for, without taking it.
#[must_use]
pub fn fits(program: &Program, run: &Run, text: &Inbound, around: Surroundings<'_>) -> Fit {
    let mut walk = Walk::new(program, run, around);
    match (&run.wait, walk.question()) {
        (Wait::Delivery { asks: true } | Wait::Reply { .. }, Ok(Some(ask))) => {
            hear(&mut walk, ask, text, around).map_or(Fit::Nothing, |heard| heard.fit)
        }
        _ => Fit::NotAsked,
    }
}

/// Takes a run on by something that happened; what does not concern it leaves it as it is.
#[must_use]
pub fn step(
    program: &Program,
    run: &Run,
    happened: &Happened,
    around: Surroundings<'_>,
) -> Stepped {
    let mut walk = Walk::new(program, run, around);
    let went = match (&run.wait, happened) {
        (Wait::Start, Happened::Begun) => begin(&mut walk),
        (Wait::Delivery { asks }, Happened::Sent { sid }) => {
            sent(&mut walk, *asks, sid.as_deref(), around)
        }
        (Wait::Delivery { asks: true } | Wait::Reply { .. }, Happened::NotSent { code }) => {
            not_sent(&mut walk, code, "deliveryFailure")
        }
        (Wait::Delivery { asks: false }, Happened::NotSent { code }) => {
            not_sent(&mut walk, code, "failed")
        }
        // The report that the text has left may come behind the answer to it.
        (Wait::Delivery { asks: true } | Wait::Reply { .. }, Happened::Heard(text)) => {
            reply(&mut walk, text, around)
        }
        (Wait::Reply { until, .. }, Happened::TimeUp) if around.now >= *until => {
            walk.go(Way::By("timeout"))
        }
        (Wait::Call, Happened::Called(answer)) => called(&mut walk, answer),
        (Wait::Call, Happened::NotCalled { status }) => not_called(&mut walk, *status),
        _ => return Stepped { run: run.clone(), act: None, notes: Vec::new() },
    };
    match went.and_then(|act| if is_bearable(&walk.run) { Ok(act) } else { Err(Runaway) }) {
        Ok(act) => Stepped { run: walk.run, act, notes: walk.notes },
        Err(Runaway) => runaway(run, walk),
    }
}

/// The run as it was, with what was answered, at its end.
fn runaway(before: &Run, walk: Walk<'_>) -> Stepped {
    let at = walk.run.frames.last();
    let state = at.map_or("its beginning", |frame| frame.state.as_str());
    let text = format!(
        "A flow was stopped near {state}: it took more than {STEPS_MAX} states at once, or more \
         work than it may. Mend the flow, and look after this patient."
    );
    let mut notes = walk.notes;
    notes.push(Note { text: Phi::new(text), is_urgent: false });
    let mut run = Run { wait: Wait::End(End::Runaway), ..before.clone() };
    run.answers = walk.run.answers;
    Stepped { run, act: None, notes }
}

fn begin(walk: &mut Walk<'_>) -> Went {
    walk.begin()?;
    let event = match walk.run.trigger.kind {
        TriggerKind::Request => "incomingRequest",
        TriggerKind::Message => "incomingMessage",
        TriggerKind::Parent => "incomingParent",
    };
    walk.go(Way::By(event))
}

fn sent(walk: &mut Walk<'_>, asks: bool, sid: Option<&str>, around: Surroundings<'_>) -> Went {
    report(walk, "MessageSid", sid)?;
    if !asks {
        return walk.go(Way::By("sent"));
    }
    let timeout = walk.question()?.and_then(|ask| ask.timeout.as_ref());
    let seconds = seconds(walk, timeout)?;
    let wait = TimeDelta::try_seconds(seconds).unwrap_or(TimeDelta::hours(1));
    let until = around.now.checked_add_signed(wait).ok_or(Runaway)?;
    walk.run.wait = Wait::Reply { since: around.now, until };
    Ok(None)
}

/// How long a reply is waited for; what is no number is Studio's own time.
fn seconds(walk: &mut Walk<'_>, timeout: Option<&Text>) -> Result<i64, Runaway> {
    let Some(timeout) = timeout else { return Ok(TIMEOUT_SECONDS.cast_signed()) };
    let text = walk.render(timeout)?;
    let digits = text.trim().split('.').next().unwrap_or_default();
    let seconds = digits.parse::<u64>().unwrap_or(TIMEOUT_SECONDS);
    Ok(seconds.clamp(TIMEOUT_SECONDS_MIN, TIMEOUT_SECONDS_MAX).cast_signed())
}

fn not_sent(walk: &mut Walk<'_>, code: &str, event: &'static str) -> Went {
    report(walk, "ErrorCode", Some(code))?;
    walk.go(Way::By(event))
}

/// Keeps what is known of a text that was sent.
fn report(walk: &mut Walk<'_>, key: &str, value: Option<&str>) -> Result<(), Runaway> {
    let Some(value) = value else { return Ok(()) };
    let mut left = walk.left()?;
    if let Some(Value::Object(outbound)) = left.get_mut("outbound") {
        let _before = outbound.insert(key.to_owned(), json!(value));
    }
    walk.leave(Value::Object(left))
}

fn reply(walk: &mut Walk<'_>, text: &Inbound, around: Surroundings<'_>) -> Went {
    let ask = walk.question()?.ok_or(Runaway)?;
    let heard = hear(walk, ask, text, around)?;
    let question = walk.run.frames.last().map(|frame| frame.state.clone()).ok_or(Runaway)?;
    if walk.run.answers.len() >= ANSWERS_MAX {
        return Err(Runaway);
    }
    walk.run.answers.push(Answer {
        question: question.clone(),
        body: text.body.clone(),
        read_as: heard.read_as,
        at: text.at,
    });
    let retry = ask.retry.as_ref().filter(|_| heard.fit == Fit::Nothing);
    let frame = walk.run.frames.last_mut().ok_or(Runaway)?;
    if let Some(retry) = retry {
        let asked = frame.retries.entry(question).or_default();
        if *asked < retry.max {
            *asked += 1;
            return walk.say_again(&retry.texts);
        }
    }
    walk.go(Way::By("incomingMessage"))
}

/// A reply as it was read.
struct Heard {
    fit: Fit,
    read_as: Option<String>,
}

/// Leaves a reply for the templates of later states, and tells how well it fits.
fn hear(
    walk: &mut Walk<'_>,
    ask: &Ask,
    text: &Inbound,
    around: Surroundings<'_>,
) -> Result<Heard, Runaway> {
    let raw = text.body.expose();
    let tag = walk.run.trigger.language.as_deref().map(primary);
    let read = ask.expect.as_ref().map(|expect| read_as(expect, raw, tag.as_deref(), around.words));
    // What was not understood must not be matched by chance: \"not 7\" contains a 7.
    let body = read.as_ref().map_or(raw.as_str(), |read| read.as_deref().unwrap_or_default());
    let (from, to) = (&walk.run.trigger.to, &walk.run.trigger.from);
    let inbound = json!({
        "Body": body,
        "raw_body": raw,
        "From": from,
        "To": to,
        "MessageSid": text.sid,
        "NumMedia": text.media,
    });
    let mut left = walk.left()?;
    let _before = left.insert("inbound".to_owned(), inbound);
    walk.leave(Value::Object(left))?;
    match read {
        Some(Some(read)) => Ok(Heard { fit: Fit::Answer, read_as: Some(read) }),
        Some(None) => Ok(Heard { fit: Fit::Nothing, read_as: None }),
        None => Ok(Heard { fit: probe(&mut walk.clone())?, read_as: None }),
    }
}

/// Looks ahead to the first split that tells replies apart; the walk is lost by it.
fn probe(walk: &mut Walk<'_>) -> Result<Fit, Runaway> {
    let state = walk.run.frames.last().map(|frame| frame.state.clone()).ok_or(Runaway)?;
    // What depends on the reply: the question's own values, and variables made of them.
    let mut told = BTreeSet::from([vec!["widgets".to_owned(), state]]);
    let mut next = walk.state()?.next("incomingMessage").map(str::to_owned);
    for _ in 0..STEPS_MAX {
        let Some(name) = next else { return Ok(Fit::Words) };
        walk.run.frames.last_mut().ok_or(Runaway)?.state = name;
        let state = walk.state()?;
        let is_told = |text: &Text| {
            let paths = text.template.paths();
            paths.iter().any(|path| told.iter().any(|begin| path.starts_with(begin)))
        };
        match &state.widget {
            Widget::Split(_) => {
                let is_about = state.templates().into_iter().any(is_told);
                let chosen = walk.choose()?;
                match chosen.matched.filter(|_| is_about) {
                    Some(true) => return Ok(Fit::Answer),
                    Some(false) => return Ok(Fit::Words),
                    None if is_about => return Ok(Fit::Nothing),
                    None => next = chosen.next,
                }
            }
            Widget::Set(variables) => {
                let made = variables.iter().filter(|variable| is_told(&variable.value));
                let made: Vec<Vec<String>> = made
                    .map(|one| ["flow", "variables", &one.key].map(str::to_owned).to_vec())
                    .collect();
                told.extend(made);
                walk.set_variables()?;
                next = state.next("next").map(str::to_owned);
            }
            Widget::Trigger
            | Widget::Send(_)
            | Widget::Ask(_)
            | Widget::Http(_)
            | Widget::Function(_)
            | Widget::Subflow(_) => return Ok(Fit::Words),
        }
    }
    Err(Runaway)
}

fn called(walk: &mut Walk<'_>, answer: &HttpAnswer) -> Went {
    let body = answer.body.expose();
    let body = body.get(..body.floor_char_boundary(BODY_MAX)).unwrap_or_default();
    let mut left = json!({
        "status_code": answer.status,
        "content_type": answer.content_type,
        "body": body,
    });
    let kind = answer.content_type.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json")
        && let (Ok(parsed), Some(left)) =
            (serde_json::from_str::<Value>(body), left.as_object_mut())
    {
        let _none = left.insert("parsed".to_owned(), parsed);
    }
    walk.leave(left)?;
    walk.go(Way::By("success"))
}

fn not_called(walk: &mut Walk<'_>, status: Option<u16>) -> Went {
    walk.leave(json!({ "status_code": status }))?;
    let event = match &walk.state()?.widget {
        Widget::Function(_) => "fail",
        Widget::Trigger
        | Widget::Send(_)
        | Widget::Ask(_)
        | Widget::Split(_)
        | Widget::Set(_)
        | Widget::Http(_)
        | Widget::Subflow(_) => "failed",
    };
    walk.go(Way::By(event))
}

type Went = Result<Option<Act>, Runaway>;

/// Whether a run is small enough to be kept.
fn is_bearable(run: &Run) -> bool {
    let mut count = Count(0);
    serde_json::to_writer(&mut count, run).is_ok()
}

/// Counts what is written, and refuses what is too much.
struct Count(usize);

impl io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        if self.0 > RUN_BYTES_MAX {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
