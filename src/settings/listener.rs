//! `[[hl7.listener]]`: where messages come in, who may send them, and how they are read and answered.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::core::ids::SourceName;
use crate::core::local_time::Zone;
use crate::core::phone::Region;
use crate::hl7::AckMode;

use super::net::{Network, TlsFiles, server_tls};
use super::reader::Section;

/// The mapping of a listener that names none.
const MAPPING_DEFAULT: &str = "hl7-default";
/// The largest frame by default: a scheduling message has a few KiB, one with an embedded document
/// some MiB.
const FRAME_BYTES_MAX: u64 = 16 << 20;
/// No interface engine opens more connections to one listener.
const CONNECTIONS_MAX: u64 = 64;
/// How many of them one peer may hold.
const CONNECTIONS_PER_PEER_MAX: u64 = 16;

/// A port at which an EHR delivers messages.
#[derive(Debug, Clone, PartialEq)]
pub struct Listener {
    /// The name of the feed.
    pub name: SourceName,
    /// Where it listens.
    pub listen: SocketAddr,
    /// The mapping that reads its messages.
    pub mapping: String,
    /// Which answers are given.
    pub ack_mode: AckMode,
    /// What is answered with an error code.
    pub nack_policy: NackPolicy,
    /// How a batch is answered.
    pub batch_ack: BatchAck,
    /// The character set, whatever messages say.
    pub charset: Option<String>,
    /// The zone of times without one.
    pub zone: Option<Zone>,
    /// How phone numbers are written at home.
    pub region: Region,
    /// MSH-11 of messages that are taken; with none, all are.
    pub processing_ids: Vec<String>,
    /// Whether messages without start block are taken.
    pub accept_bare_msh: bool,
    /// Certificates, for TLS.
    pub tls: Option<TlsFiles>,
    /// The peers that are let in; with none, all are.
    pub allow: Vec<Network>,
    /// Whether patient data may cross a network unencrypted.
    pub allow_plaintext: bool,
    /// What a peer may use up.
    pub limits: Limits,
    /// How long a silence of the feed is worth an alert.
    pub silent_feed_after: Option<Duration>,
}

/// What a peer may use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest message.
    pub frame_bytes_max: usize,
    /// Connections of the listener.
    pub connections_max: usize,
    /// Connections from one address.
    pub connections_per_peer_max: usize,
    /// How long a connection may be silent between messages.
    pub idle_timeout: Option<Duration>,
    /// How long a message may take from its first byte to its last.
    pub frame_timeout: Duration,
    /// After which silence TCP asks whether the peer is still there.
    pub keepalive: Option<Duration>,
}

/// The words for the ways to answer.
const ACK_MODES: [(&str, AckMode); 6] = [
    ("auto", AckMode::Auto),
    ("original", AckMode::Original),
    ("enhanced", AckMode::Enhanced),
    ("always_aa", AckMode::AlwaysAa),
    ("always_ca", AckMode::AlwaysCa),
    ("none", AckMode::None),
];

/// What is answered with an error code; everything is kept in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NackPolicy {
    /// Nothing that could be stored: many EHRs stop their queue at the first error.
    Never,
    /// What is no HL7.
    ParseErrors,
    /// That, and what the mapping cannot read.
    MappingErrors,
}

/// How a batch of messages is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchAck {
    /// Once, with the worst verdict, under the batch's control id.
    One,
    /// Once a message.
    Each,
}

/// The names and ports taken so far, and by whom.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) names: BTreeMap<String, String>,
    pub(super) ports: Vec<(SocketAddr, String)>,
}

/// Reads one listener.
pub(super) fn read(
    section: &mut Section<'_>,
    region: Region,
    taken: &mut Taken,
) -> Option<Listener> {
    let name = name(section, &mut taken.names);
    let place = section.place_of("listen");
    let listen = socket(section, taken);
    section.need(listen.is_some(), "listen", "write ADDRESS:PORT, such as \"127.0.0.1:2575\"");
    let tls = server_tls(section);
    let allow = section.list("allow", |text| {
        let wanted = "is no network; write one such as \"10.1.0.0/16\" or \"10.1.2.3\"";
        Network::parse(text).ok_or_else(|| wanted.to_owned())
    });
    let allow_plaintext = section.flag("allow_plaintext", false);
    if let Some(listen) = listen.filter(|listen| !listen.ip().to_canonical().is_loopback()) {
        check_plaintext(section, tls.is_some(), allow_plaintext, &place);
        let is_closed = tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        if !is_closed && allow.as_ref().is_none_or(Vec::is_empty) {
            let advice =
                format!("lets anyone in who reaches {listen}; write allow or tls.client_ca");
            section.warn(place, "listen", advice);
        }
    }
    let mapping = section.parsed("mapping", NAME_WANTED, checked_name);
    Some(Listener {
        mapping: mapping.unwrap_or_else(|| MAPPING_DEFAULT.to_owned()),
        ack_mode: section.choice("ack_mode", &ACK_MODES, AckMode::Auto),
        nack_policy: nack_policy(section),
        batch_ack: section.choice(
            "batch_ack",
            &[("one", BatchAck::One), ("each", BatchAck::Each)],
            BatchAck::One,
        ),
        charset: charset(section),
        zone: zone(section),
        region: self::region(section).unwrap_or(region),
        processing_ids: processing_ids(section),
        accept_bare_msh: section.flag("accept_bare_msh", false),
        tls,
        allow: allow.unwrap_or_default(),
        allow_plaintext,
        limits: limits(section),
        silent_feed_after: section.duration_or_off("silent_feed_after", SILENCE, None),
        name: SourceName::new(name?),
        listen: listen?,
    })
}

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
/// The silences of a feed that can be worth an alert.
pub(super) const SILENCE: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(30 * 86_400);

fn limits(section: &mut Section<'_>) -> Limits {
    let frame_timeout = Duration::from_secs(30);
    let keepalive = Some(Duration::from_secs(60));
    Limits {
        frame_bytes_max: section.size("max_frame_bytes", 1 << 10..=24 << 20, FRAME_BYTES_MAX),
        connections_max: section.size("connections_max", 1..=4_096, CONNECTIONS_MAX),
        connections_per_peer_max: section.size(
            "connections_per_peer_max",
            1..=4_096,
            CONNECTIONS_PER_PEER_MAX,
        ),
        idle_timeout: section.duration_or_off("idle_timeout", SECOND..=7 * DAY, None),
        frame_timeout: section.duration("frame_timeout", SECOND..=HOUR, frame_timeout),
        keepalive: section.duration_or_off("keepalive", SECOND..=2 * HOUR, keepalive),
    }
}

fn nack_policy(section: &mut Section<'_>) -> NackPolicy {
    let words = [
        ("never", NackPolicy::Never),
        ("parse_errors", NackPolicy::ParseErrors),
        ("mapping_errors", NackPolicy::MappingErrors),
    ];
    section.choice("nack_policy", &words, NackPolicy::Never)
}

fn processing_ids(section: &mut Section<'_>) -> Vec<String> {
    let ids = section.list("processing_ids", |text| match text {
        "P" | "T" | "D" => Ok(text.to_owned()),
        // HL7 table 0103.
        _ => Err("is no processing id; write \"P\", \"T\" or \"D\"".to_owned()),
    });
    ids.unwrap_or_default()
}

/// What a name looks like: it stands in keys, metrics and file names.
pub(super) const NAME_WANTED: &str = "write 1 to 64 letters, digits, dots, dashes or underscores";

/// Checks a name.
pub(super) fn checked_name(text: &str) -> Result<String, ()> {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_name = (1..=64).contains(&text.len())
        && text.bytes().all(is_good)
        && text.bytes().any(|byte| byte.is_ascii_alphanumeric());
    if is_name { Ok(text.to_owned()) } else { Err(()) }
}

/// Reads a name that nobody else of its kind has.
pub(super) fn name(
    section: &mut Section<'_>,
    taken: &mut BTreeMap<String, String>,
) -> Option<String> {
    let place = section.place_of("name");
    let name = section.parsed("name", NAME_WANTED, checked_name);
    section.need(name.is_some(), "name", NAME_WANTED);
    let name = name?;
    if let Some(other) = taken.insert(name.clone(), section.name().to_owned()) {
        section.fault(place, "name", format!("{name:?} is the name of {other} too; write another"));
    }
    Some(name)
}

/// Reads the address of a port that nobody else listens on.
pub(super) fn socket(section: &mut Section<'_>, taken: &mut Taken) -> Option<SocketAddr> {
    let place = section.place_of("listen");
    let wanted = "write ADDRESS:PORT, such as \"127.0.0.1:2575\" or \"[::]:2575\"";
    let listen: SocketAddr = section.parsed("listen", wanted, str::parse)?;
    let clashes = |other: &SocketAddr| {
        let is_same_ip = other.ip() == listen.ip()
            || other.ip().is_unspecified()
            || listen.ip().is_unspecified();
        // Port 0 is a new port for each.
        other.port() == listen.port() && listen.port() != 0 && is_same_ip
    };
    let other = taken.ports.iter().find(|(other, _)| clashes(other)).map(|(_, key)| key.clone());
    if let Some(other) = other {
        let problem = format!("port {} is used by {other} too; write another", listen.port());
        section.fault(place, "listen", problem);
    }
    taken.ports.push((listen, section.full("listen")));
    Some(listen)
}

/// Notes plain text over a network that nobody has allowed.
pub(super) fn check_plaintext(
    section: &mut Section<'_>,
    has_tls: bool,
    is_allowed: bool,
    place: &super::fault::Place,
) {
    if !has_tls && !is_allowed {
        let problem = "patient data would cross the network in plain text; write a tls section, \
                       or allow_plaintext = true if the network is protected otherwise";
        section.fault(place.clone(), "allow_plaintext", problem);
    }
}

/// Reads a time zone.
pub(super) fn zone(section: &mut Section<'_>) -> Option<Zone> {
    let wanted = "write an IANA name such as \"America/Chicago\", or an offset such as \"-06:00\"";
    section.parsed("time_zone", wanted, Zone::parse)
}

/// Reads a country.
pub(super) fn region(section: &mut Section<'_>) -> Option<Region> {
    let wanted = "write the two letters of a country whose numbering plan is known, such as \"US\"";
    section.parsed("region", wanted, |text| Region::parse(text).ok_or(()))
}

/// Reads the name of a character set, of HL7 table 0211 or of the registry.
pub(super) fn charset(section: &mut Section<'_>) -> Option<String> {
    let wanted = "write a name of HL7 table 0211 such as \"UNICODE UTF-8\" or \"8859/1\", \
                  or a common one such as \"windows-1252\"";
    section.parsed("charset", wanted, |text| {
        let label = text.trim().to_ascii_uppercase();
        let plain = label.strip_prefix("UNICODE ").unwrap_or(&label);
        let plain = plain
            .strip_prefix("8859/")
            .map_or_else(|| plain.to_owned(), |part| format!("ISO-8859-{part}"));
        // UTF-16 cannot be framed: its bytes hold the frame's own.
        let is_known = matches!(
            plain.as_str(),
            "ASCII"
                | "ISO IR6"
                | "ISO IR14"
                | "ISO IR87"
                | "ISO IR159"
                | "GB 18030-2000"
                | "KS X 1001"
                | "BIG-5"
        ) || encoding_rs::Encoding::for_label_no_replacement(plain.as_bytes())
            .is_some_and(encoding_rs::Encoding::is_ascii_compatible);
        if is_known { Ok(text.trim().to_owned()) } else { Err(()) }
    })
}
