//! `[[hl7.destination]]`: where wishes of patients are written back, and as which messages.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::core::ids::DestinationName;

use super::listener::{charset, check_plaintext, name};
use super::net::{Address, ClientTls, client_tls};
use super::reader::Section;
use super::values::text_of;

/// An EHR that takes messages.
#[derive(Debug, Clone, PartialEq)]
pub struct Destination {
    /// Its name.
    pub name: DestinationName,
    /// Where it listens.
    pub address: Address,
    /// The message that says a patient is coming.
    pub confirm: Confirm,
    /// The message that says a patient is not coming.
    pub cancel: Cancel,
    /// Fields to set in them.
    pub set: Overrides,
    /// Who speaks and who is spoken to, where the last message heard does not tell.
    pub header: Header,
    /// The character set to write in; that of the last message heard if not given.
    pub charset: Option<String>,
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

/// The message for a confirmation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirm {
    /// SIU^S14 with SCH-25 confirmed.
    SiuS14,
    /// SRM^S03.
    SrmS03,
    /// None: staff enters it.
    None,
}

/// The message for a cancellation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancel {
    /// SIU^S15.
    SiuS15,
    /// SRM^S04.
    SrmS04,
    /// None: staff enters it.
    None,
}

/// Fields to set, by their position (`SCH-25.1`), for each kind of message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// In confirmations.
    pub confirm: BTreeMap<String, String>,
    /// In cancellations.
    pub cancel: BTreeMap<String, String>,
}

/// MSH-3 to MSH-6, where they must differ from those of the last message heard, swapped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    /// MSH-3.
    pub sending_application: Option<String>,
    /// MSH-4.
    pub sending_facility: Option<String>,
    /// MSH-5.
    pub receiving_application: Option<String>,
    /// MSH-6.
    pub receiving_facility: Option<String>,
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
    let confirm =
        [("siu_s14", Confirm::SiuS14), ("srm_s03", Confirm::SrmS03), ("none", Confirm::None)];
    let cancel = [("siu_s15", Cancel::SiuS15), ("srm_s04", Cancel::SrmS04), ("none", Cancel::None)];
    let idle_close = Some(Duration::from_secs(60));
    Some(Destination {
        confirm: section.choice("confirm", &confirm, Confirm::SiuS14),
        cancel: section.choice("cancel", &cancel, Cancel::SiuS15),
        set: section.table("set", |set| Overrides {
            confirm: set.table("confirm", overrides),
            cancel: set.table("cancel", overrides),
        }),
        header: Header {
            sending_application: section.text("sending_application"),
            sending_facility: section.text("sending_facility"),
            receiving_application: section.text("receiving_application"),
            receiving_facility: section.text("receiving_facility"),
        },
        charset: charset(section),
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

fn overrides(section: &mut Section<'_>) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    for (position, item) in section.open_entries() {
        if !is_position(&position) {
            let problem = "is no position in a message; write one such as \"SCH-25.1\"";
            section.fault(item.place.clone(), &super::suggest::clipped(&position), problem);
            continue;
        }
        match text_of(&item.value) {
            Ok(text) if !text.contains(char::is_control) => {
                let _none = fields.insert(position, text.to_owned());
            }
            Ok(_) => section.reject(&item, "holds a line end or another control".to_owned()),
            Err(found) => section.reject(&item, format!("is {found}; write a text in quotes")),
        }
    }
    fields
}

/// Whether it looks like `SCH-25`, `SCH-25.1` or `PID-3(2).1`; what exists is known to the writer.
fn is_position(text: &str) -> bool {
    let Some((segment, field)) = text.split_once('-') else { return false };
    let is_segment = segment.len() == 3
        && segment.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    is_segment
        && (1..=24).contains(&field.len())
        && field.starts_with(|c: char| c.is_ascii_digit())
        && field.bytes().all(|byte| byte.is_ascii_digit() || b".()[]".contains(&byte))
}
