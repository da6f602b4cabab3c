//! `[[hl7.destination]]`: where wishes of patients are written back, and as which messages.
//!
//! What a form of message allows is known to [`crate::mapping::reverse`]; here it gets file, line
//! and key.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::core::appointment::WishKind;
use crate::core::ids::DestinationName;
use crate::hl7::charset::Target;
use crate::mapping::reverse::{Form, Template};

use super::fault::shown;
use super::listener::{charset, check_plaintext, name};
use super::net::{Address, ClientTls, client_tls};
use super::reader::Section;
use super::suggest::clipped;
use super::values::text_of;

/// An EHR that takes messages.
#[derive(Debug, Clone, PartialEq)]
pub struct Destination {
    /// Its name.
    pub name: DestinationName,
    /// Where it listens.
    pub address: Address,
    /// The message that says a patient is coming; without one, staff enters it.
    pub confirm: Option<Template>,
    /// The message that says a patient is not coming; without one, staff enters it.
    pub cancel: Option<Template>,
    /// What counts as the EHR's consent to a request.
    pub request_accepted_by: Consent,
    /// The character set to write in; that of the last message heard if not given.
    pub charset: Option<Target>,
    /// Certificates, for TLS.
    pub tls: Option<ClientTls>,
    /// Whether patient data may cross a network unencrypted.
    pub allow_plaintext: bool,
    /// How long to wait for the connection.
    pub connect_timeout: Duration,
    /// How long to wait for the answer.
    pub ack_timeout: Duration,
    /// After which silence the connection is closed.
    pub idle_close: Option<Duration>,
    /// How to try again.
    pub retry: Retry,
}

/// What counts as the EHR's consent to a request (SRM).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// Its response (SRR) with AA, as the standard has it.
    Response,
    /// An acknowledgment with AA too, for EHRs that send no response.
    Acknowledgment,
}

/// How the connection is tried again; how long a wish is tried at all is a rule of `[delivery]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// The first pause; it doubles each time.
    pub first: Duration,
    /// The longest pause.
    pub max: Duration,
}

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

/// Reads one destination.
pub(super) fn read(
    section: &mut Section<'_>,
    names: &mut BTreeMap<String, String>,
) -> Option<Destination> {
    let name = name(section, names);
    let place = section.place_of("address");
    let wanted = "write HOST:PORT, such as \"ehr.example.org:6661\"";
    let address = section.parsed("address", wanted, |text| Address::parse(text).ok_or(()));
    section.need(address.is_some(), "address", wanted);
    let tls = client_tls(section);
    let allow_plaintext = section.flag("allow_plaintext", false);
    if address.as_ref().is_some_and(|address| !address.is_loopback()) {
        check_plaintext(section, tls.is_some(), allow_plaintext, &place);
    }
    let charset = charset(section).and_then(|label| Target::parse(&label));
    let confirm = form(section, WishKind::Confirm);
    let cancel = form(section, WishKind::Cancel);
    let (confirm, cancel) = templates(section, [confirm, cancel], charset.as_ref());
    let consent = [("srr", Consent::Response), ("ack", Consent::Acknowledgment)];
    let idle_close = Some(Duration::from_secs(60));
    Some(Destination {
        confirm,
        cancel,
        request_accepted_by: section.choice("request_accepted_by", &consent, Consent::Response),
        charset,
        tls,
        allow_plaintext,
        connect_timeout: section.duration("connect_timeout", SECOND..=HOUR, 10 * SECOND),
        ack_timeout: section.duration("ack_timeout", SECOND..=HOUR, 30 * SECOND),
        idle_close: section.duration_or_off("idle_close", SECOND..=24 * HOUR, idle_close),
        retry: section.table("retry", retry),
        name: DestinationName::new(name?),
        address: address?,
    })
}

fn retry(section: &mut Section<'_>) -> Retry {
    let first = section.duration("first", SECOND..=HOUR, SECOND);
    let place = section.place_of("max");
    let max = section.duration("max", SECOND..=HOUR, 60 * SECOND);
    if first > max {
        section.fault(place, "max", "is shorter than first; write a longer pause");
    }
    Retry { first, max }
}

/// The form of message for a wish; none if staff is to enter it.
fn form(section: &mut Section<'_>, wish: WishKind) -> Option<Form> {
    let key = match wish {
        WishKind::Confirm => "confirm",
        WishKind::Cancel => "cancel",
    };
    let forms = Form::ALL.into_iter().filter(|form| form.says(wish));
    let mut words: Vec<_> = forms.map(|form| (form.name(), Some(form))).collect();
    words.push(("none", None));
    section.choice(key, &words, Some(Form::usual(wish)))
}

/// What is common to both messages, and what each sets besides.
fn templates(
    section: &mut Section<'_>,
    [confirm, cancel]: [Option<Form>; 2],
    charset: Option<&Target>,
) -> (Option<Template>, Option<Template>) {
    let mut both = [confirm, cancel].map(|form| form.map(Template::new));
    let ends = [
        ("sending_application", "MSH-3"),
        ("sending_facility", "MSH-4"),
        ("receiving_application", "MSH-5"),
        ("receiving_facility", "MSH-6"),
    ];
    for (key, path) in ends {
        let place = section.place_of(key);
        let Some(value) = section.text(key) else { continue };
        let mut problem = lacking(&value, charset);
        for template in both.iter_mut().flatten() {
            let refusal = template.set(path, &value).err();
            problem = problem.or_else(|| refusal.map(|refusal| refusal.to_string()));
        }
        if let Some(problem) = problem {
            section.fault(place, key, problem);
        }
    }
    for template in both.iter_mut().flatten() {
        template.charset_label = charset.map(|charset| charset.label().to_owned());
    }
    let [mut confirm, mut cancel] = both;
    section.table("set", |set| {
        set.table("confirm", |set| overrides(set, confirm.as_mut(), charset));
        set.table("cancel", |set| overrides(set, cancel.as_mut(), charset));
    });
    (confirm, cancel)
}

/// Reads the fields to set in one kind of message, by their positions.
fn overrides(
    section: &mut Section<'_>,
    mut template: Option<&mut Template>,
    charset: Option<&Target>,
) {
    for (position, item) in section.open_entries() {
        let key = clipped(&position);
        let Some(template) = &mut template else {
            let problem = "has no effect: no such message is sent; choose one, or remove it";
            section.warn(item.place.clone(), &key, problem);
            continue;
        };
        let value = match text_of(&item.value) {
            Ok(value) => value,
            Err(found) => {
                section.fault(item.place.clone(), &key, format!("is {found}; write a text"));
                continue;
            }
        };
        let refusal = template.set(&position, value).err().map(|fault| fault.to_string());
        if let Some(problem) = refusal.or_else(|| lacking(value, charset)) {
            section.fault(item.place.clone(), &key, problem);
        } else if let Some(doubt) = doubt(&position, value, charset) {
            section.warn(item.place.clone(), &key, doubt);
        }
    }
}

/// What may not be meant.
fn doubt(position: &str, value: &str, charset: Option<&Target>) -> Option<String> {
    if charset.is_none() && !value.is_ascii() {
        let doubt =
            "holds letters beyond ASCII; write charset, so that MSH-18 says how they are sent";
        return Some(doubt.to_owned());
    }
    let field = position.split_once('.').filter(|_| value.contains('^'))?.0;
    Some(format!("^ is sent as text here; write {} for a code and its text", shown(field)))
}

/// What is wrong with a text that cannot be sent in the destination's character set.
fn lacking(value: &str, charset: Option<&Target>) -> Option<String> {
    let charset = charset.filter(|charset| charset.encode(value).is_err())?;
    let label = charset.label();
    Some(format!("holds a character that {label} lacks; leave it out, or write another charset"))
}

#[cfg(test)]
#[path = "destination_tests.rs"]
mod tests;
