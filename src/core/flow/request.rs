//! Requests of flows as they go out: query, form, body.

use super::graph::Request;
use super::http::{Call, Method};
use crate::phi::Phi;

/// The kind of a form's body.
pub(super) const FORM: &str = "application/x-www-form-urlencoded";
/// The longest address; servers refuse longer ones.
const URL_BYTES_MAX: usize = 8 * 1024;

/// Makes the request of a widget; none if its address is too long.
pub(super) fn call(
    wanted: &Request,
    url: String,
    parameters: &[(String, String)],
    body: Option<String>,
) -> Option<Call> {
    let url = url.trim().to_owned();
    if !wanted.is_post {
        let url = with_query(url, parameters);
        let is_short = url.len() <= URL_BYTES_MAX;
        let call = Call {
            method: Method::Get,
            url: Phi::new(url),
            content_type: None,
            body: Phi::new(String::new()),
        };
        return Some(call).filter(|_| is_short);
    }
    let kind = wanted.content_type.clone();
    let is_form = kind.as_ref().is_some_and(|kind| kind.to_ascii_lowercase().starts_with(FORM));
    let (kind, body) = match body {
        Some(body) if !is_form || parameters.is_empty() => (kind, body),
        _ => (kind.or_else(|| Some(FORM.to_owned())), form(parameters)),
    };
    let is_short = url.len() <= URL_BYTES_MAX;
    let call =
        Call { method: Method::Post, url: Phi::new(url), content_type: kind, body: Phi::new(body) };
    Some(call).filter(|_| is_short)
}

fn with_query(url: String, parameters: &[(String, String)]) -> String {
    if parameters.is_empty() {
        return url;
    }
    let (bare, fragment) = match url.split_once('#') {
        Some((bare, fragment)) => (bare, format!("#{fragment}")),
        None => (url.as_str(), String::new()),
    };
    let mark = if bare.contains('?') { '&' } else { '?' };
    format!("{bare}{mark}{}{fragment}", form(parameters))
}

/// Names and values as a form.
pub(super) fn form(parameters: &[(String, String)]) -> String {
    let pairs = parameters.iter().map(|(key, value)| format!("{}={}", coded(key), coded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn coded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => {
                out.push(char::from(byte));
            }
            b' ' => out.push('+'),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_leave_their_place() {
        let pairs = [("a b".to_owned(), "1&x=é#".to_owned())];
        assert_eq!(form(&pairs), "a+b=1%26x%3D%C3%A9%23");
        let url = with_query("https://a.example/?q=1#top".to_owned(), &pairs);
        assert_eq!(url, "https://a.example/?q=1&a+b=1%26x%3D%C3%A9%23#top");
    }
}
