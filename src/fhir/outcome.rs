//! What a server says went wrong: one short word out of an `OperationOutcome`.
//!
//! The word comes from FHIR's own list of issue types, or is one of ours for what is on no list. A
//! server's sentences (`diagnostics`, `details.text`) may name the patient, so they are not read at
//! all. Error bodies are often HTML of a gateway, sometimes empty, and once in a while enormous.

use std::fmt;

use serde_json::Value;

/// The longest body that is read; the word is not worth more, and real ones have a few kilobytes.
pub const OUTCOME_BYTES_MAX: usize = 256 * 1024;
/// How many issues are looked at; a validator may list thousands.
const ISSUES_MAX: usize = 100;

/// FHIR's issue types, R4 to R5 (`http://hl7.org/fhir/issue-type`).
const ISSUE_TYPES: [&str; 33] = [
    "invalid",
    "structure",
    "required",
    "value",
    "invariant",
    "security",
    "login",
    "unknown",
    "expired",
    "forbidden",
    "suppressed",
    "processing",
    "not-supported",
    "duplicate",
    "multiple-matches",
    "not-found",
    "deleted",
    "too-long",
    "code-invalid",
    "extension",
    "too-costly",
    "business-rule",
    "conflict",
    "limited-filter",
    "transient",
    "lock-error",
    "no-store",
    "exception",
    "timeout",
    "incomplete",
    "throttled",
    "informational",
    "success",
];

/// A word for what went wrong, safe for logs and labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Code(&'static str);

impl Code {
    /// There is no body.
    pub const EMPTY: Self = Self("empty");
    /// The body is longer than [`OUTCOME_BYTES_MAX`].
    pub const TOO_LARGE: Self = Self("too-large");
    /// The body is not JSON: as a rule a gateway's HTML.
    pub const NOT_JSON: Self = Self("not-json");
    /// The body is JSON, but no `OperationOutcome` with an issue.
    pub const NO_ISSUE: Self = Self("no-issue");
    /// The issue's code is on no list.
    pub const OTHER: Self = Self("other");
    /// FHIR's `conflict`: somebody else has changed it.
    pub const CONFLICT: Self = Self("conflict");
    /// FHIR's `lock-error`: somebody else has it open.
    pub const LOCK_ERROR: Self = Self("lock-error");
    /// FHIR's `throttled`: too many requests.
    pub const THROTTLED: Self = Self("throttled");

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }

    fn of_issue(issue: &Value) -> Self {
        let code = issue.get("code").and_then(Value::as_str).map_or("", str::trim);
        ISSUE_TYPES.iter().find(|known| **known == code).map_or(Self::OTHER, |known| Self(known))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// How bad it is, by the server's word; greater is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is wrong.
    Information,
    /// Done, with something to know.
    Warning,
    /// Not said, or by a word that is on no list.
    Unknown,
    /// Not done.
    Error,
    /// Not done, and nothing else either.
    Fatal,
}

impl Severity {
    fn of_issue(issue: &Value) -> Self {
        match issue.get("severity").and_then(Value::as_str).map_or("", str::trim) {
            "fatal" => Self::Fatal,
            "error" => Self::Error,
            "warning" => Self::Warning,
            "information" | "success" => Self::Information,
            _ => Self::Unknown,
        }
    }
}

/// What an answer's body says went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// What.
    pub code: Code,
    /// How bad.
    pub severity: Severity,
}

/// Reads the worst issue of a body, the first among equals.
///
/// ```
/// use appointd::fhir::outcome;
/// let body = br#"{"resourceType":"OperationOutcome","issue":{"severity":"error","code":"conflict"}}"#;
/// assert_eq!(outcome::read(body).code, outcome::Code::CONFLICT);
/// assert_eq!(outcome::read(b"<html>Jane Doe</html>").code.as_str(), "not-json");
/// ```
#[must_use]
pub fn read(body: &[u8]) -> Outcome {
    let unread = |code| Outcome { code, severity: Severity::Unknown };
    if body.len() > OUTCOME_BYTES_MAX {
        return unread(Code::TOO_LARGE);
    }
    if body.trim_ascii().is_empty() {
        return unread(Code::EMPTY);
    }
    match serde_json::from_slice::<Value>(body) {
        Err(_) => unread(Code::NOT_JSON),
        Ok(value) => of(&value).unwrap_or_else(|| unread(Code::NO_ISSUE)),
    }
}

/// Reads the worst issue of an `OperationOutcome`, if it has one.
#[must_use]
pub fn of(value: &Value) -> Option<Outcome> {
    let issues = match value.get("issue")? {
        Value::Array(issues) => issues.as_slice(),
        // Senders that came from XML leave out the list around a single one.
        issue @ Value::Object(_) => std::slice::from_ref(issue),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
    };
    let found = issues.iter().filter(|issue| issue.is_object()).take(ISSUES_MAX);
    let outcomes = found
        .map(|issue| Outcome { code: Code::of_issue(issue), severity: Severity::of_issue(issue) });
    outcomes.reduce(|worst, next| if next.severity > worst.severity { next } else { worst })
}

/// Whether an answer says that there is no such resource. A proxy in front of a server that is being
/// restarted says 404 too, but not in FHIR's words.
#[must_use]
pub fn says_gone(status: u16, body: &[u8]) -> bool {
    let is_outcome = || {
        let value: Option<Value> = serde_json::from_slice(body).ok();
        let kind = value.as_ref().and_then(|value| value.get("resourceType")?.as_str());
        kind == Some("OperationOutcome")
    };
    status == 410 || (status == 404 && is_outcome())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn code(value: &Value) -> &'static str {
        read(value.to_string().as_bytes()).code.as_str()
    }

    #[test]
    fn the_worst_issue_speaks() {
        let body = json!({"resourceType": "OperationOutcome", "issue": [
            {"severity": "warning", "code": "informational"},
            {"severity": "error", "code": "processing"},
            {"severity": "error", "code": "conflict"},
        ]});
        let worst = read(body.to_string().as_bytes());
        assert_eq!((worst.code.as_str(), worst.severity), ("processing", Severity::Error));
        let fatal =
            json!({"issue": [{"severity": "error"}, {"severity": "fatal", "code": "login"}]});
        assert_eq!(code(&fatal), "login");
    }

    #[test]
    fn what_is_on_no_list_is_other() {
        for issue in
            [json!({}), json!({"code": "Jane Doe"}), json!({"code": 7}), json!({"code": ["x"]})]
        {
            assert_eq!(code(&json!({"issue": [issue]})), "other", "{issue}");
        }
        let odd = of(&json!({"issue": [{"severity": "dreadful", "code": " throttled "}]})).unwrap();
        assert_eq!((odd.code, odd.severity), (Code::THROTTLED, Severity::Unknown));
    }

    #[test]
    fn a_body_without_an_issue_has_a_word_too() {
        for (body, word) in [
            ("", "empty"),
            (" \r\n", "empty"),
            ("<html><body>502 Bad Gateway</body></html>", "not-json"),
            ("{\"issue\":", "not-json"),
            ("{}", "no-issue"),
            ("[]", "no-issue"),
            ("null", "no-issue"),
            ("{\"issue\":[]}", "no-issue"),
            ("{\"issue\":[1,null]}", "no-issue"),
            ("{\"issue\":\"Jane\"}", "no-issue"),
            ("{\"error\":\"invalid_token\"}", "no-issue"),
        ] {
            assert_eq!(read(body.as_bytes()).code.as_str(), word, "{body}");
        }
        assert_eq!(read(b"\xff\xfe").code, Code::NOT_JSON);
    }

    #[test]
    fn a_huge_or_deep_body_costs_little() {
        let huge = vec![b' '; OUTCOME_BYTES_MAX + 1];
        assert_eq!(read(&huge).code, Code::TOO_LARGE);
        let deep = format!("{{\"issue\":{}", "[".repeat(100_000));
        assert_eq!(read(deep.as_bytes()).code, Code::NOT_JSON);
        let mut issues = vec![json!({"severity": "warning", "code": "value"}); ISSUES_MAX];
        issues.push(json!({"severity": "fatal", "code": "exception"}));
        assert_eq!(code(&json!({ "issue": issues })), "value");
    }

    #[test]
    fn nothing_of_a_servers_sentences_is_kept() {
        let body = json!({"issue": [{"severity": "error", "code": "value",
            "diagnostics": "Jane Doe, +1 415 555 0123", "details": {"text": "Jane Doe"}}]});
        assert!(!format!("{:?}", read(body.to_string().as_bytes())).contains("Jane"));
    }
}
