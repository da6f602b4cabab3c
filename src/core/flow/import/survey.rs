//! What is seen only when all states, and all flows, are there: who calls whom, and what is never
//! reached.

use std::collections::{BTreeMap, BTreeSet};

use super::shown;
use crate::core::flow::graph::{Flow, State, Widget};
use crate::core::flow::program::Fault;

/// How deep flows call each other.
pub const SUBFLOWS_DEPTH_MAX: usize = 8;

/// How a flow finds those that it calls: by name, and by the sid of their files.
#[derive(Debug, Default)]
pub(in crate::core::flow) struct Links {
    pub(in crate::core::flow) by_sid: BTreeMap<String, String>,
    pub(in crate::core::flow) names: BTreeSet<String>,
}

impl Links {
    /// The name of a flow that is called by its sid or by its name.
    pub(in crate::core::flow) fn resolve(&self, wanted: &str) -> Option<&str> {
        let named = self.names.get(wanted).map(String::as_str);
        named.or_else(|| self.by_sid.get(wanted).map(String::as_str))
    }
}

/// What is wrong between the flows that `main` reaches, and what is doubtful in them.
pub(in crate::core::flow) fn survey(
    main: &str,
    flows: &BTreeMap<String, Flow>,
) -> (Vec<Fault>, Vec<Fault>) {
    let mut faults = Vec::new();
    let mut warnings = Vec::new();
    depth(main, flows, &mut Calls::default(), &mut faults);
    if let Some(flow) = flows.get(main).filter(|flow| !leads_on(flow, &[REQUEST, PARENT]))
        && let Some(trigger) = flow.states.get(&flow.initial)
    {
        let problem = "texts nobody when started for a list: lead incomingRequest to a state";
        warnings.push(made(main, (&flow.initial, trigger), problem.to_owned()));
    }
    for (name, flow) in flows {
        let reached = reached(flow);
        for (state_name, state) in &flow.states {
            if !reached.contains(state_name.as_str()) {
                let problem = "is never reached: lead a transition here, or remove it";
                warnings.push(made(name, (state_name, state), problem.to_owned()));
            }
            for widget in foreign_widgets(state, flow) {
                let problem = format!("widgets.{} is no state: it renders empty", shown(&widget));
                warnings.push(made(name, (state_name, state), problem));
            }
        }
    }
    (faults, warnings)
}

/// The event of a flow that a list or a request starts.
const REQUEST: &str = "incomingRequest";
/// The event of a flow that another calls, which no list has to start.
const PARENT: &str = "incomingParent";

/// Whether the trigger of a flow leads on when a list or a request starts it.
pub(in crate::core::flow) fn starts_by_request(flow: &Flow) -> bool {
    leads_on(flow, &[REQUEST])
}

fn leads_on(flow: &Flow, events: &[&str]) -> bool {
    flow.states.get(&flow.initial).is_some_and(|trigger| {
        let is_way = |event: &str| events.contains(&event);
        trigger.transitions.iter().any(|way| is_way(&way.event) && way.next.is_some())
    })
}

fn made(flow: &str, (name, state): (&str, &State), problem: String) -> Fault {
    let kind = state.widget.kind().to_owned();
    Fault { flow: flow.to_owned(), line: state.line, state: Some((shown(name), kind)), problem }
}

/// The calls that are followed.
#[derive(Debug, Default)]
struct Calls<'f> {
    path: Vec<&'f str>,
    /// How deep a flow was met, so that it is followed again only if it lies deeper.
    met: BTreeMap<&'f str, usize>,
}

/// Follows calls; one that comes round again, or goes too deep, is a fault.
fn depth<'f>(
    name: &'f str,
    flows: &'f BTreeMap<String, Flow>,
    calls: &mut Calls<'f>,
    faults: &mut Vec<Fault>,
) {
    let level = calls.path.len() + 1;
    let is_new = calls.met.get(name).is_none_or(|before| *before < level);
    let Some(flow) = flows.get(name).filter(|_| is_new) else { return };
    let _before = calls.met.insert(name, level);
    calls.path.push(name);
    for (state_name, state) in &flow.states {
        let Widget::Subflow(call) = &state.widget else { continue };
        let Some(called) = call.flow.as_deref() else { continue };
        if calls.path.contains(&called) {
            let problem = format!("calls {} without end: a flow cannot call itself", shown(called));
            faults.push(made(name, (state_name, state), problem));
        } else if level >= SUBFLOWS_DEPTH_MAX {
            let problem = format!("is more than {SUBFLOWS_DEPTH_MAX} calls deep");
            faults.push(made(name, (state_name, state), problem));
        } else if faults.is_empty() {
            depth(called, flows, calls, faults);
        }
    }
    let _left = calls.path.pop();
}

/// The states that can be reached, by name.
pub(in crate::core::flow) fn reached(flow: &Flow) -> BTreeSet<&str> {
    in_order(flow).into_iter().map(|(name, _)| name).collect()
}

/// The states that can be reached, each once, as a conversation comes to them.
pub(in crate::core::flow) fn in_order(flow: &Flow) -> Vec<(&str, &State)> {
    let mut order = Vec::new();
    let mut seen = BTreeSet::new();
    let mut left = vec![flow.initial.as_str()];
    while let Some(name) = left.pop() {
        let Some((name, state)) = flow.states.get_key_value(name) else { continue };
        if seen.insert(name.as_str()) {
            order.push((name.as_str(), state));
            // The first way comes off the pile first.
            left.extend(state.transitions.iter().rev().filter_map(|way| way.next.as_deref()));
        }
    }
    order
}

/// States that a state's texts read and that do not exist.
fn foreign_widgets(state: &State, flow: &Flow) -> BTreeSet<String> {
    let paths = state.templates().into_iter().flat_map(|text| text.template.paths());
    let named = paths.filter_map(|path| match path.as_slice() {
        [root, widget, ..] if root == "widgets" => Some(widget.clone()),
        _ => None,
    });
    named.filter(|widget| !flow.states.contains_key(widget)).collect()
}
