//! Secrets in a flow: a file that is passed around, stored with each campaign and shown to staff.
//!
//! A fault says where one stands, never what it is.

use serde_json::Value;

use super::Report;
use super::node::Node;

/// Keys whose value is a secret, whatever it looks like.
const SECRET_KEYS: [&str; 8] = [
    "authorization",
    "authtoken",
    "password",
    "apisecret",
    "apikey",
    "clientsecret",
    "accesstoken",
    "secret",
];
/// How many values of a file are looked at; a file of the greatest length has fewer.
const VALUES_MAX: usize = 400_000;

/// What a text looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Looks {
    Plain,
    /// As a secret.
    Secret,
    /// As something that may be one.
    Doubtful,
}

/// Looks through all texts of a file.
pub(super) fn look(report: &mut Report<'_>, root: Node<'_>) {
    let mut left = vec![(String::new(), root)];
    let mut seen = 0;
    while let Some((key, node)) = left.pop() {
        seen += 1;
        if seen > VALUES_MAX {
            return;
        }
        if let Some(object) = node.object() {
            // `{"key": "Authorization", "value": ".."}` names a value as a field does.
            let named = object.text("key").unwrap_or_default();
            for (field, node) in object.fields() {
                let own = if field == "value" && !named.is_empty() { &named } else { field };
                left.push((own.to_owned(), node));
            }
        } else if let Some(items) = node.array() {
            left.extend(items.into_iter().map(|item| (key.clone(), item)));
        } else if let Value::String(text) = node.value() {
            match looks(&key, &text) {
                Looks::Plain => {}
                Looks::Secret => {
                    let problem = "holds a password or token: remove it, and let a \
                                   function of yours call with it";
                    report.fault(node, problem);
                }
                Looks::Doubtful => {
                    report.warn(node, "holds what may be a token: a flow is no place for one");
                }
            }
        }
    }
}

fn looks(key: &str, text: &str) -> Looks {
    let text = text.trim();
    let key: String =
        key.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let is_filled_in = text.contains("{{") || text.contains("YOUR_");
    if SECRET_KEYS.contains(&key.as_str()) && !text.is_empty() && !is_filled_in {
        return Looks::Secret;
    }
    if has_scheme(text, "Basic ") || has_scheme(text, "Bearer ") || has_user(text) {
        return Looks::Secret;
    }
    let words = || text.split(|c: char| !c.is_ascii_alphanumeric());
    let is_hex = |word: &str| word.len() == 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_sid = |word: &str| {
        (word.starts_with("AC") || word.starts_with("SK")) && word.get(2..).is_some_and(is_hex)
    };
    let has_token = words().any(is_hex);
    match (has_token, words().any(is_sid)) {
        (true, true) => Looks::Secret,
        (true, false) => Looks::Doubtful,
        (false, _) => Looks::Plain,
    }
}

/// `Basic Zm9v...`: a scheme with something long behind.
fn has_scheme(text: &str, scheme: &str) -> bool {
    let Some((_, rest)) = text.split_once(scheme) else { return false };
    let token = rest.split(|c: char| c.is_whitespace() || c == '"').next().unwrap_or_default();
    let is_code = token.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=-_.".contains(&b));
    // A long word of a sentence has no capital, digit or sign within.
    let is_word = token.bytes().skip(1).all(|b| b.is_ascii_lowercase() || b == b'.');
    token.len() >= 12 && is_code && !is_word
}

/// `https://user:password@host/`
fn has_user(text: &str) -> bool {
    // An address in a sentence ends with it.
    let is_end = |c: char| {
        c.is_whitespace()
            || matches!(c, '/' | '?' | '#' | '"' | '\'' | '`' | ',' | ')' | ']' | '>' | '”' | '’')
    };
    text.split("://").skip(1).any(|rest| {
        let authority = rest.split(is_end).next().unwrap_or_default();
        let user = authority.split_once('@').map_or("", |(user, _)| user);
        user.contains(':') && !user.contains("{{")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_seen_and_words_are_not() {
        let hex = "0123456789abcdef0123456789abcdef";
        let rows = [
            ("Authorization", "Zm9vOmJhcg==", Looks::Secret),
            ("authorization", "{{flow.variables.token}}", Looks::Plain),
            ("auth_token", "YOUR_TOKEN", Looks::Plain),
            ("body", "Basic Zm9vOmJhcjE2Nzg=", Looks::Secret),
            ("body", "Bearer eyJhbGciOiJI.eyJ1", Looks::Secret),
            ("body", "Basic understanding of pain", Looks::Plain),
            ("url", "https://jane:secret@example.com/", Looks::Secret),
            ("url", "https://example.com/a@b:c", Looks::Plain),
            ("body", "https://a.org or https://jane:secret@example.com", Looks::Secret),
            ("body", "See https://owlclinic.org or email: help@owlclinic.org", Looks::Plain),
            ("flow_sid", &format!("FW{hex}"), Looks::Plain),
            ("account", &format!("AC{hex}"), Looks::Plain),
            ("body", &format!("AC{hex}:{hex}"), Looks::Secret),
            ("body", hex, Looks::Doubtful),
        ];
        for (key, text, expected) in rows {
            assert_eq!(looks(key, text), expected, "{key} {text}");
        }
    }
}
