//! What each type of widget has to say, and what of it is not done here.

use serde_json::Value;

use super::node::{Node, Object};
use super::ways::EVENTS;
use super::{PARAMETERS_MAX, Report, extension, nearest, shown};
use crate::core::flow::functions;
use crate::core::flow::graph::{
    Ask, FunctionCall, Kind, Parameter, Request, Split, SubflowCall, Text, Texts, Variable, Widget,
};
use crate::core::flow::http::{host_of, is_loopback};
use crate::core::flow::step::{TIMEOUT_SECONDS_MAX, TIMEOUT_SECONDS_MIN};

/// Whom a text may name as its receiver: the recipient, however Studio calls it.
const RECIPIENTS: [&str; 4] = [
    "contact.channel.address",
    "trigger.message.From",
    "trigger.request.to",
    "flow.data.patient_phone",
];

/// Reads what a state does.
pub(super) fn widget(
    report: &mut Report<'_>,
    (name, kind): (&str, &str),
    state: &Object<'_>,
    properties: &Object<'_>,
) -> Option<Widget> {
    if !matches!(kind, "send-message" | "send-and-wait-for-reply") {
        extension::check(report, properties);
    }
    match kind {
        "trigger" => Some(Widget::Trigger),
        "send-message" => message(report, properties).map(Widget::Send),
        "send-and-wait-for-reply" => ask(report, properties).map(Box::new).map(Widget::Ask),
        "split-based-on" => {
            let input = report.text(properties, "input");
            Some(Widget::Split(Split { input }))
        }
        "set-variables" => Some(Widget::Set(variables(report, properties))),
        "make-http-request" => request(report, properties).map(Box::new).map(Widget::Http),
        "run-function" => Some(Widget::Function(function(report, name, properties))),
        "run-subflow" => subflow(report, properties).map(Widget::Subflow),
        unknown => {
            let kinds = || EVENTS.iter().map(|(kind, _)| *kind);
            let advice = match nearest(unknown, kinds()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("this engine has {}", kinds().collect::<Vec<_>>().join(", ")),
            };
            let problem = format!("the type {} is not supported: {advice}", shown(unknown));
            report.fault(state.at("type"), problem);
            None
        }
    }
}

/// The texts of a message, and what else Studio lets one say about it.
fn message(report: &mut Report<'_>, properties: &Object<'_>) -> Option<Texts> {
    for key in ["media_url", "content_template_sid", "content_sid"] {
        if properties.filled(key).is_some() {
            let problem = format!("{key} is not supported: texts are words only; remove it");
            report.fault(properties.at(key), problem);
        }
    }
    if properties.filled("message_type").is_some_and(|kind| kind == "content_template") {
        let problem = "content templates are not supported: write the words into body";
        report.fault(properties.at("message_type"), problem);
    }
    // Whoever is named there would get nothing, and the patient somebody else's text.
    if let Some(to) = properties.filled("to") {
        let bare = to.trim_start_matches("{{").trim_end_matches("}}").trim();
        if !RECIPIENTS.contains(&bare) {
            let problem = "to is not the recipient: texts go to nobody else; write \
                           {{contact.channel.address}}, or tell staff by appointd.handoff";
            report.fault(properties.at("to"), problem);
        }
    }
    extension::texts(report, properties)
}

fn ask(report: &mut Report<'_>, properties: &Object<'_>) -> Option<Ask> {
    let texts = message(report, properties);
    let timeout = report.text(properties, "timeout");
    if let Some(literal) = timeout.as_ref().and_then(|text| text.template.is_literal()) {
        let seconds = literal.trim().parse::<u64>().ok();
        let bounds = TIMEOUT_SECONDS_MIN..=TIMEOUT_SECONDS_MAX;
        if !seconds.is_some_and(|seconds| bounds.contains(&seconds)) {
            let problem = format!(
                "timeout is no number of seconds from {TIMEOUT_SECONDS_MIN} to {TIMEOUT_SECONDS_MAX}"
            );
            report.fault(properties.at("timeout"), problem);
        }
    }
    let expect = extension::expect(report, properties);
    let retry = extension::retry(report, properties);
    Some(Ask { texts: texts?, timeout, expect, retry })
}

fn variables(report: &mut Report<'_>, properties: &Object<'_>) -> Vec<Variable> {
    let mut variables = Vec::new();
    for item in report.list(properties, "variables", PARAMETERS_MAX) {
        let Some((key, value, object)) = pair(report, item) else { continue };
        let kind = match object.filled("type").as_deref() {
            _ if is_json(&object) => Kind::Json,
            None | Some("string" | "text") => Kind::Text,
            Some("number" | "integer" | "float") => Kind::Number,
            Some("boolean") => Kind::Boolean,
            Some("object" | "array" | "json") => Kind::Json,
            Some(other) => {
                let problem = format!(
                    "the type {} is unknown: write string, number, boolean, array or object",
                    shown(other)
                );
                report.fault(object.at("type"), problem);
                Kind::Text
            }
        };
        variables.push(Variable { key, value, kind });
    }
    variables
}

fn parameters(report: &mut Report<'_>, properties: &Object<'_>) -> Vec<Parameter> {
    let mut parameters = Vec::new();
    for item in report.list(properties, "parameters", PARAMETERS_MAX) {
        if let Some((key, value, object)) = pair(report, item) {
            parameters.push(Parameter { key, value, is_json: is_json(&object) });
        }
    }
    parameters
}

fn is_json(object: &Object<'_>) -> bool {
    match object.get("parse_as_json").or_else(|| object.get("parse_as_json_object")) {
        Some(node) => {
            matches!(node.value(), Value::Bool(true)) || node.text().as_deref() == Some("true")
        }
        None => false,
    }
}

/// A key with its value, which may be empty.
fn pair<'t>(report: &mut Report<'_>, item: Node<'t>) -> Option<(String, Text, Object<'t>)> {
    let object = item.object();
    let Some(object) = object else {
        report.fault(item, "a parameter is no object: write {\"key\": \"..\", \"value\": \"..\"}");
        return None;
    };
    let Some(key) = object.filled("key") else {
        report.fault(item, "a parameter has no key");
        return None;
    };
    let node = object.at("value");
    let source = match object.get("value") {
        None => String::new(),
        // A list or an object is meant as its JSON.
        Some(node) => node.text().unwrap_or_else(|| node.value().to_string()),
    };
    let value = report.template(node, "value", source)?;
    Some((key, value, object))
}

fn request(report: &mut Report<'_>, properties: &Object<'_>) -> Option<Request> {
    let method = properties.filled("method").unwrap_or_else(|| "GET".to_owned());
    let is_post = method.eq_ignore_ascii_case("POST");
    if !is_post && !method.eq_ignore_ascii_case("GET") {
        let problem = format!("method {} is none of GET and POST", shown(&method));
        report.fault(properties.at("method"), problem);
    }
    let url = report.needed(properties, "url");
    if let Some(url) = &url {
        host(report, properties.at("url"), &url.source);
    }
    let body = report.text(properties, "body");
    let parameters = parameters(report, properties);
    let content_type = properties.filled("content_type");
    Some(Request { is_post, url: url?, content_type, body, parameters })
}

/// Checks the host of an address, as far as it is written out.
fn host(report: &mut Report<'_>, at: Node<'_>, url: &str) {
    let Some(tools) = report.tools else { return };
    let literal = url.split("{{").next().unwrap_or_default().trim();
    let is_whole = literal.len() == url.trim().len();
    let after_scheme = literal.split_once("://").map_or("", |(_, rest)| rest);
    if !is_whole && !after_scheme.contains(['/', '?']) {
        report.warn(at, "the host is filled in later: it is checked when the request is made");
        return;
    }
    let Some(host) = host_of(literal) else {
        report.fault(at, "url is no address that begins with https:// and a host");
        return;
    };
    if literal.starts_with("http://") && !is_loopback(&host) {
        report.fault(at, "url has to begin with https:// unless it is on this machine");
        return;
    }
    if !tools.allows(literal) {
        let problem =
            format!("the host {} is not allowed: add it to outreach.allow_hosts", shown(&host));
        report.fault(at, problem);
    }
}

fn function(report: &mut Report<'_>, state: &str, properties: &Object<'_>) -> FunctionCall {
    let url = properties.filled("url").unwrap_or_default();
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let segment = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let mut names = vec![segment.to_owned()];
    names.extend(properties.filled("function_sid"));
    names.extend(properties.filled("function_name"));
    names.push(state.to_owned());
    names.retain(|name| !name.is_empty());
    let is_known = report.tools.is_none_or(|tools| functions::find(&names, tools).is_some());
    if !is_known {
        let name = names.first().map(|name| shown(name)).unwrap_or_default();
        let problem = format!(
            "nothing stands for the function {name}: write its address in [[outreach.function]]"
        );
        report.fault(properties.at("url"), problem);
    }
    FunctionCall { names, parameters: parameters(report, properties) }
}

fn subflow(report: &mut Report<'_>, properties: &Object<'_>) -> Option<SubflowCall> {
    let Some(wanted) = properties.filled("flow_sid").or_else(|| properties.filled("flow")) else {
        report.fault(properties.node, "flow_sid is missing: write the sid or the name of a flow");
        return None;
    };
    Some(SubflowCall { wanted, flow: None, parameters: parameters(report, properties) })
}
