//! `[sms]` and `[twilio]`: how texts leave, and from whom.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::core::phone::{PhoneNumber, Region};

use super::net::{URL_WANTED, parse_url};
use super::reader::Section;
use super::suggest::clipped;
use super::values::text_of;
use crate::sms::Secret;
use crate::sms::error_codes::{Class, Table};

/// How texts leave.
#[derive(Debug, Clone, PartialEq)]
pub struct Sms {
    /// By which way.
    pub backend: Backend,
    /// Only these numbers are texted; with none, all are.
    pub allow_only: Vec<PhoneNumber>,
    /// How many segments are sent in a second.
    pub segments_per_second: f64,
    /// How many requests run at a time.
    pub parallel: usize,
}

/// A way for texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backend {
    /// Twilio.
    Twilio,
    /// A file that they are appended to; no patient gets them.
    File(PathBuf),
    /// Memory, for tests.
    Memory,
}

/// The account that sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Twilio {
    /// The account.
    pub account_sid: String,
    /// Its token; signatures of webhooks are made with it.
    pub auth_token: Secret,
    /// Another token whose signatures count too, while tokens are exchanged.
    pub auth_token_other: Option<Secret>,
    /// A key for requests, in place of the token.
    pub api_key: Option<ApiKey>,
    /// From whom texts come.
    pub sender: Sender,
    /// Where requests go.
    pub base_url: String,
    /// How long Twilio may hold a text in its queue.
    pub validity: Duration,
    /// How long to wait for the connection.
    pub connect_timeout: Duration,
    /// How long to wait for the answer.
    pub request_timeout: Duration,
    /// How often replies are looked for that no webhook has brought.
    pub poll_every: Option<Duration>,
    /// What error codes mean.
    pub error_codes: Table,
}

/// A key for requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub sid: String,
    /// Its secret.
    pub secret: Secret,
}

/// From whom texts come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sender {
    /// A number in E.164 form, or a short code.
    From(String),
    /// A messaging service, which chooses from its pool.
    MessagingService(String),
}

impl Sender {
    /// The number or the id of the service.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::From(text) | Self::MessagingService(text) => text,
        }
    }
}

/// Reads `[sms]`; a file of texts lies beside the store by default.
pub(super) fn sms(section: &mut Section<'_>, store: &Path, region: Region) -> Sms {
    let file = section.path("file").unwrap_or_else(|| store.join("sms.jsonl"));
    let words = [("twilio", Some(true)), ("file", Some(false)), ("memory", None)];
    let backend = match section.choice("backend", &words, Some(false)) {
        Some(true) => Backend::Twilio,
        Some(false) => Backend::File(file),
        None => Backend::Memory,
    };
    let allow_only = section.list("allow_only", |text| {
        let wanted = "write a number such as \"+12025550123\"";
        PhoneNumber::parse(text, region).map_err(|error| format!("{error}; {wanted}"))
    });
    Sms {
        backend,
        allow_only: allow_only.unwrap_or_default(),
        // A long code sends one segment a second, a short code a hundred.
        segments_per_second: section.rate("segments_per_second", 0.01..=2_000.0, 1.0),
        parallel: section.size("parallel", 1..=64, 4),
    }
}

/// Reads `[twilio]`.
pub(super) fn twilio(section: &mut Section<'_>) -> Option<Twilio> {
    let account_sid = sid(section, "account_sid", "AC");
    section.need(account_sid.is_some(), "account_sid", "write the account's id, AC and 32 digits");
    let auth_token = section.secret("auth_token", "auth_token_file", "twilio_auth_token");
    let wanted = "write auth_token_file with the path of a file that holds it, \
                  or give the credential twilio_auth_token";
    section.need(auth_token.is_some(), "auth_token", wanted);
    let auth_token_other =
        section.secret("auth_token_other", "auth_token_other_file", "twilio_auth_token_other");
    let api_key = api_key(section);
    let sender = sender(section);
    let base_url = base_url(section);
    let second = Duration::from_secs(1);
    let five_minutes = Some(300 * second);
    Some(Twilio {
        auth_token_other,
        api_key,
        base_url,
        validity: section.duration("validity", second..=36_000 * second, 14_400 * second),
        connect_timeout: section.duration("connect_timeout", second..=60 * second, 5 * second),
        // Twilio's own gateway gives up after 26 s; a shorter wait only makes doubtful cases.
        request_timeout: section.duration("request_timeout", second..=300 * second, 30 * second),
        poll_every: section.duration_or_off(
            "poll_every",
            10 * second..=86_400 * second,
            five_minutes,
        ),
        error_codes: section.table("error_codes", error_codes),
        account_sid: account_sid?,
        auth_token: auth_token?,
        sender: sender?,
    })
}

/// Reads `[twilio.error_codes]`: classes by code, over the built-in ones.
fn error_codes(section: &mut Section<'_>) -> Table {
    let mut table = Table::default();
    for (code, item) in section.open_entries() {
        let key = clipped(&code);
        let place = item.place.clone();
        // Twilio's codes have five digits.
        let Some(code) = code.parse().ok().filter(|code| (10_000..=99_999).contains(code)) else {
            section.fault(place, &key, "is no code of Twilio's: those have five digits");
            continue;
        };
        match text_of(&item.value).map(Class::parse) {
            Ok(Some(class)) => table = table.with(code, class),
            Ok(None) | Err(_) => {
                let names = Class::ALL.map(|class| format!("\"{}\"", class.name())).join(", ");
                section.fault(place, &key, format!("is no class of errors; write one of {names}"));
            }
        }
    }
    table
}

pub(super) fn sid(section: &mut Section<'_>, key: &'static str, prefix: &str) -> Option<String> {
    section.parsed(key, &format!("write {prefix} and 32 hexadecimal digits"), |text| {
        let digits = text.strip_prefix(prefix).unwrap_or_default();
        let is_sid = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_sid { Ok(text.to_owned()) } else { Err(()) }
    })
}

fn api_key(section: &mut Section<'_>) -> Option<ApiKey> {
    let sid = sid(section, "api_key_sid", "SK");
    let secret = section.secret("api_key_secret", "api_key_secret_file", "twilio_api_key_secret");
    section.need(secret.is_some() || sid.is_none(), "api_key_secret", "a key id needs its secret");
    section.need(sid.is_some() || secret.is_none(), "api_key_sid", "a key secret needs its id");
    Some(ApiKey { sid: sid?, secret: secret? })
}

fn sender(section: &mut Section<'_>) -> Option<Sender> {
    let wanted = "write a number such as \"+12025550100\", or a short code";
    let from = section.parsed("from", wanted, |text| {
        let is_short =
            (5..=6).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        let is_number = is_short || PhoneNumber::parse_e164(text).is_ok();
        if is_number { Ok(text.to_owned()) } else { Err(()) }
    });
    let place = section.place_of("messaging_service_sid");
    let service = sid(section, "messaging_service_sid", "MG");
    if from.is_some() && service.is_some() {
        let advice = "counts, and from does not; remove one of the two";
        section.warn(place, "messaging_service_sid", advice);
    }
    let sender = service.map(Sender::MessagingService).or_else(|| from.map(Sender::From));
    section.need(sender.is_some(), "from", "write from, or messaging_service_sid");
    sender
}

fn base_url(section: &mut Section<'_>) -> String {
    let wanted = "write an https address such as \"https://api.twilio.com\"";
    let url = section.parsed("base_url", wanted, |text| {
        parse_url(text).filter(|url| url.is_secure || url.is_loopback).ok_or(())
    });
    url.map_or_else(|| "https://api.twilio.com".to_owned(), |url| url.text)
}

/// Reads the address that Twilio calls; signatures are made over it as it is written.
pub(super) fn public_url(section: &mut Section<'_>) -> Option<String> {
    let place = section.place_of("public_url");
    let url = section.parsed("public_url", URL_WANTED, |text| parse_url(text).ok_or(()))?;
    if url.has_underscore {
        section.fault(
            place.clone(),
            "public_url",
            "has an underscore in its host, which Twilio refuses",
        );
    }
    if !url.is_secure && !url.is_loopback {
        section.warn(place, "public_url", "is not https: replies would travel in plain text");
    }
    Some(url.text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::from_text;

    fn twilio(rows: &str) -> Result<Table, Vec<String>> {
        let text = format!(
            "[twilio]\naccount_sid = \"AC00000000000000000000000000000000\"\n\
             auth_token = \"example-token\"\nfrom = \"+12025550100\"\n\
             [twilio.error_codes]\n{rows}"
        );
        let loaded = from_text(&text, Path::new(""));
        let told = |faults: Vec<crate::settings::Fault>| {
            faults.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        loaded.map(|loaded| loaded.settings.twilio.unwrap().error_codes).map_err(told)
    }

    #[test]
    fn error_codes_are_put_over_the_built_in_ones() {
        let table = twilio("30008 = \"unroutable\"\n39999 = \"daily_cap\"").unwrap();
        assert_eq!(table.delivery(Some(30008)), Class::Unroutable);
        assert_eq!(table.delivery(Some(39999)), Class::DailyCap);
        assert_eq!(table.delivery(Some(30003)), Class::TransientDelivery);
    }

    #[test]
    fn a_code_or_class_that_is_none_is_a_fault() {
        for (row, part) in [
            ("30008 = \"unroutabel\"", "is no class of errors; write one of \"opted_out\""),
            ("30008 = 5", "is no class of errors"),
            ("3008 = \"content\"", "is no code of Twilio's"),
            ("busy = \"content\"", "is no code of Twilio's"),
        ] {
            let faults = twilio(row).unwrap_err();
            assert!(faults.len() == 1 && faults[0].contains(part), "{row}: {faults:?}");
        }
    }
}
