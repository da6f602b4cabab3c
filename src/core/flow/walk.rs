//! A run on its way from one wait to the next.
//!
//! Everything is counted: states that are passed, bytes that are rendered, notes. What goes beyond its
//! bound is a [`Runaway`], and the run ends.

use serde_json::{Map, Value, json};

use super::context::{named_zone, scope};
use super::functions::{self, Handler};
use super::graph::{
    Ask, Condition, Flow, Kind, Parameter, State, SubflowCall, Text, Texts, Widget,
};
use super::http::{Call, Method};
use super::import::SUBFLOWS_DEPTH_MAX;
use super::program::Program;
use super::request;
use super::run::{End, Frame, Run, Wait};
use super::step::{Act, Note, Surroundings};
use super::{condition, run};
use crate::phi::Phi;

/// How many states a run passes at once: Studio stops a flow after as many.
pub const STEPS_MAX: usize = 1_000;
/// How much one step renders in all, in bytes.
const RENDERED_BYTES_MAX: usize = 2 * 1024 * 1024;
/// How many notes one step raises.
const NOTES_MAX: usize = 16;
/// The longest text that Twilio takes, in characters.
const TEXT_CHARS_MAX: usize = 1_600;

/// A run that goes beyond a bound, or is none of its program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Runaway;

/// Where it goes from a state.
pub(super) enum Way {
    /// By the transition of an event.
    By(&'static str),
    /// To a state, or to the end.
    To(Option<String>),
}

/// What entering a state comes to.
enum Entered {
    On(Way),
    Act(Act),
}

/// What a split leads to.
pub(super) struct Chosen {
    pub(super) next: Option<String>,
    /// Whether a match was taken, and whether it names what was said.
    pub(super) matched: Option<bool>,
}

/// A run on its way.
#[derive(Clone)]
pub(super) struct Walk<'a> {
    program: &'a Program,
    around: Surroundings<'a>,
    pub(super) run: Run,
    pub(super) notes: Vec<Note>,
    scope: Option<Value>,
    steps: usize,
    bytes: usize,
    /// Whether the state that ended a flow handed it to a person.
    is_handed: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(program: &'a Program, run: &Run, around: Surroundings<'a>) -> Self {
        let (run, notes) = (run.clone(), Vec::new());
        Self { program, around, run, notes, scope: None, steps: 0, bytes: 0, is_handed: false }
    }

    /// Puts the run at the trigger of the program's first flow.
    pub(super) fn begin(&mut self) -> Result<(), Runaway> {
        let name = self.program.name();
        let flow = self.program.flow(name).ok_or(Runaway)?;
        self.run.frames = vec![Frame::at(name, &flow.initial)];
        Ok(())
    }

    fn flow(&self) -> Result<&'a Flow, Runaway> {
        self.program.flow(&self.frame()?.flow).ok_or(Runaway)
    }

    fn frame(&self) -> Result<&Frame, Runaway> {
        self.run.frames.last().ok_or(Runaway)
    }

    /// The frame, to be changed; what templates see is made anew then.
    fn change(&mut self) -> Result<&mut Frame, Runaway> {
        self.scope = None;
        self.run.frames.last_mut().ok_or(Runaway)
    }

    /// The state that it is in.
    pub(super) fn state(&self) -> Result<&'a State, Runaway> {
        self.flow()?.states.get(&self.frame()?.state).ok_or(Runaway)
    }

    /// Goes on until something is to be done outside, or to be waited for, or it ends.
    pub(super) fn go(&mut self, way: Way) -> Result<Option<Act>, Runaway> {
        let mut way = way;
        loop {
            self.steps += 1;
            if self.steps > STEPS_MAX {
                return Err(Runaway);
            }
            let next = match way {
                Way::To(next) => next,
                Way::By(event) => self.state()?.next(event).map(str::to_owned),
            };
            way = match next {
                Some(name) => {
                    self.change()?.state = name;
                    match self.enter()? {
                        Entered::On(way) => way,
                        Entered::Act(act) => return Ok(Some(act)),
                    }
                }
                None => match self.come_back()? {
                    Some(way) => way,
                    None => return Ok(None),
                },
            };
        }
    }

    /// Ends the flow under way; the one that called it goes on.
    fn come_back(&mut self) -> Result<Option<Way>, Runaway> {
        self.is_handed |= self.state()?.handoff.is_some();
        if self.run.frames.len() <= 1 {
            let end = if self.is_handed { End::HandedOver } else { End::Completed };
            self.run.wait = Wait::End(end);
            return Ok(None);
        }
        let ended = self.run.frames.pop().ok_or(Runaway)?;
        self.leave(Value::Object(ended.variables.into_inner()))?;
        Ok(Some(Way::By("completed")))
    }

    /// Does what a state is for.
    fn enter(&mut self) -> Result<Entered, Runaway> {
        let state = self.state()?;
        self.is_handed = false;
        if let Some(handoff) = &state.handoff {
            let text = Phi::new(self.render(&handoff.note)?);
            if self.notes.len() < NOTES_MAX {
                self.notes.push(Note { text, is_urgent: handoff.is_urgent });
            }
        }
        match &state.widget {
            Widget::Trigger => Ok(Entered::On(Way::To(None))),
            Widget::Send(texts) => self.say(texts, false),
            Widget::Ask(ask) => {
                let name = self.frame()?.state.clone();
                let _asked = self.change()?.retries.remove(&name);
                self.say(&ask.texts, true)
            }
            Widget::Split(_) => Ok(Entered::On(Way::To(self.choose()?.next))),
            Widget::Set(_) => {
                self.set_variables()?;
                Ok(Entered::On(Way::By("next")))
            }
            Widget::Http(wanted) => {
                let url = self.render(&wanted.url)?;
                let parameters = self.rendered(&wanted.parameters)?;
                let body = match &wanted.body {
                    Some(body) => Some(self.render(body)?),
                    None => None,
                };
                let tools = self.around.tools;
                match request::call(wanted, url, &parameters, body) {
                    Some(call) if tools.allows(call.url.expose()) => self.ask_web(call),
                    _ => Ok(Entered::On(Way::By("failed"))),
                }
            }
            Widget::Function(called) => self.function(&called.names, &called.parameters),
            Widget::Subflow(called) => self.subflow(called),
        }
    }

    /// Texts the recipient; `asks` if a reply is waited for then.
    fn say(&mut self, texts: &Texts, asks: bool) -> Result<Entered, Runaway> {
        let tag = self.run.trigger.language.as_deref().map(run::primary);
        let body = self.render(texts.in_language(tag.as_deref()))?;
        let is_sendable = !body.trim().is_empty() && body.chars().nth(TEXT_CHARS_MAX).is_none();
        if !is_sendable {
            let event = if asks { "deliveryFailure" } else { "failed" };
            return Ok(Entered::On(Way::By(event)));
        }
        let trigger = &self.run.trigger;
        let outbound = json!({ "Body": body, "From": trigger.from, "To": trigger.to });
        self.leave(json!({ "outbound": outbound }))?;
        Ok(Entered::Act(self.text(body, asks)?))
    }

    /// Asks the question of the state again, in other words.
    pub(super) fn say_again(&mut self, texts: &Texts) -> Result<Option<Act>, Runaway> {
        match self.say(texts, true)? {
            Entered::Act(act) => Ok(Some(act)),
            Entered::On(way) => self.go(way),
        }
    }

    fn text(&mut self, body: String, asks: bool) -> Result<Act, Runaway> {
        self.run.acts = self.run.acts.saturating_add(1);
        self.run.wait = Wait::Delivery { asks };
        Ok(Act::Text { state: self.frame()?.state.clone(), body: Phi::new(body) })
    }

    fn ask_web(&mut self, call: Call) -> Result<Entered, Runaway> {
        self.leave(json!({}))?;
        self.run.acts = self.run.acts.saturating_add(1);
        self.run.wait = Wait::Call;
        Ok(Entered::Act(Act::Call(call)))
    }

    fn function(&mut self, names: &[String], given: &[Parameter]) -> Result<Entered, Runaway> {
        let parameters = self.rendered(given)?;
        match functions::find(names, self.around.tools) {
            None => Ok(Entered::On(Way::By("fail"))),
            Some(Handler::Web(function)) => self.ask_web(Call {
                method: Method::Post,
                url: Phi::new(function.url.clone()),
                content_type: Some(request::FORM.to_owned()),
                body: Phi::new(request::form(&parameters)),
            }),
            Some(Handler::BuiltIn) => {
                let given = parameters.into_iter().map(|(key, text)| (key, Value::String(text)));
                let given: Map<String, Value> = given.collect();
                let parts = functions::datetime_parts(&given, self.around.zone, self.around.now);
                let Some(parts) = parts else { return Ok(Entered::On(Way::By("fail"))) };
                let body = parts.to_string();
                self.leave(json!({
                    "status_code": 200,
                    "content_type": "application/json",
                    "body": body,
                    "parsed": parts,
                }))?;
                Ok(Entered::On(Way::By("success")))
            }
        }
    }

    fn subflow(&mut self, called: &SubflowCall) -> Result<Entered, Runaway> {
        let found = called.flow.as_ref().and_then(|name| Some((name, self.program.flow(name)?)));
        let Some((name, flow)) = found.filter(|_| self.run.frames.len() < SUBFLOWS_DEPTH_MAX)
        else {
            return Ok(Entered::On(Way::By("failed")));
        };
        let mut data = Map::new();
        for parameter in &called.parameters {
            let kind = if parameter.is_json { Kind::Json } else { Kind::Text };
            let value = self.typed(&parameter.value, kind)?;
            let _before = data.insert(parameter.key.clone(), value);
        }
        let frame = Frame { data: Some(Phi::new(data)), ..Frame::at(name, &flow.initial) };
        self.scope = None;
        self.run.frames.push(frame);
        Ok(Entered::On(Way::By("incomingParent")))
    }

    /// Sets the variables of the state.
    pub(super) fn set_variables(&mut self) -> Result<(), Runaway> {
        let Widget::Set(variables) = &self.state()?.widget else { return Ok(()) };
        for variable in variables {
            let value = self.typed(&variable.value, variable.kind)?;
            let mut all = std::mem::take(&mut self.change()?.variables).into_inner();
            let _before = all.insert(variable.key.clone(), value);
            self.change()?.variables = Phi::new(all);
        }
        Ok(())
    }

    /// Finds the first match of the state that holds.
    pub(super) fn choose(&mut self) -> Result<Chosen, Runaway> {
        let state = self.state()?;
        let Widget::Split(split) = &state.widget else { return Err(Runaway) };
        let input = match &split.input {
            Some(input) => self.render(input)?,
            None => String::new(),
        };
        for way in state.transitions.iter().filter(|way| way.event == "match") {
            let mut holds = true;
            for condition in &way.conditions {
                holds = holds && self.holds(condition, &input)?;
            }
            if holds {
                let is_definite = way.conditions.iter().any(|one| one.test.is_definite());
                return Ok(Chosen { next: way.next.clone(), matched: Some(is_definite) });
            }
        }
        Ok(Chosen { next: state.next("noMatch").map(str::to_owned), matched: None })
    }

    fn holds(&mut self, condition: &Condition, input: &str) -> Result<bool, Runaway> {
        let value = self.render(&condition.value)?;
        let zone = self.around.zone;
        Ok(match &condition.input {
            Some(own) => condition::holds(condition, &self.render(own)?, &value, zone),
            None => condition::holds(condition, input, &value, zone),
        })
    }

    /// Renders a text.
    pub(super) fn render(&mut self, text: &Text) -> Result<String, Runaway> {
        let rendered = match text.template.is_literal() {
            Some(literal) => literal.to_owned(),
            None => {
                let (now, zone) = (self.around.now, named_zone(self.around.zone));
                let seen = self.seen();
                text.template.render(seen, now, zone).map_err(|_| Runaway)?
            }
        };
        self.spend(rendered.len())?;
        Ok(rendered)
    }

    /// Renders a text to a value of some kind; what is none of it stays a text.
    fn typed(&mut self, text: &Text, kind: Kind) -> Result<Value, Runaway> {
        if kind == Kind::Text {
            return self.render(text).map(Value::String);
        }
        let (now, zone) = (self.around.now, named_zone(self.around.zone));
        let seen = self.seen();
        let value = text.template.value(seen, now, zone).map_err(|_| Runaway)?;
        self.spend(value.to_string().len())?;
        let Value::String(words) = value else { return Ok(value) };
        let bare = words.trim();
        let read = match kind {
            Kind::Text => None,
            Kind::Json => serde_json::from_str(bare).ok(),
            Kind::Number => serde_json::from_str(bare).ok().filter(Value::is_number),
            Kind::Boolean => bare.to_ascii_lowercase().parse::<bool>().ok().map(Value::Bool),
        };
        Ok(read.unwrap_or(Value::String(words)))
    }

    fn rendered(&mut self, parameters: &[Parameter]) -> Result<Vec<(String, String)>, Runaway> {
        let mut rendered = Vec::new();
        for parameter in parameters {
            rendered.push((parameter.key.clone(), self.render(&parameter.value)?));
        }
        Ok(rendered)
    }

    fn seen(&mut self) -> &Value {
        let (program, run, around) = (self.program, &self.run, self.around);
        self.scope.get_or_insert_with(|| scope(program, run, around))
    }

    fn spend(&mut self, bytes: usize) -> Result<(), Runaway> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > RENDERED_BYTES_MAX { Err(Runaway) } else { Ok(()) }
    }

    /// What the state has left behind so far.
    pub(super) fn left(&self) -> Result<Map<String, Value>, Runaway> {
        let frame = self.frame()?;
        let left = frame.widgets.expose().get(&frame.state).and_then(Value::as_object);
        Ok(left.cloned().unwrap_or_default())
    }

    /// Leaves something behind for the templates of later states.
    pub(super) fn leave(&mut self, what: Value) -> Result<(), Runaway> {
        let frame = self.change()?;
        let mut widgets = std::mem::take(&mut frame.widgets).into_inner();
        let _before = widgets.insert(frame.state.clone(), what);
        frame.widgets = Phi::new(widgets);
        Ok(())
    }

    /// The question that the state asks, if it asks one.
    pub(super) fn question(&self) -> Result<Option<&'a Ask>, Runaway> {
        match &self.state()?.widget {
            Widget::Ask(ask) => Ok(Some(ask)),
            Widget::Trigger
            | Widget::Send(_)
            | Widget::Split(_)
            | Widget::Set(_)
            | Widget::Http(_)
            | Widget::Function(_)
            | Widget::Subflow(_) => Ok(None),
        }
    }
}
