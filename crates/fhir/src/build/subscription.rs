//! The `Subscription` as R4 has it, and as the Backport guide reads it: by topic instead of by search.

use std::fmt;

use fhir_sdk::r4b::codes::{SubscriptionChannelType, SubscriptionStatus};
use fhir_sdk::r4b::resources::{
    Subscription, SubscriptionBuilder, SubscriptionChannel, SubscriptionChannelBuilder,
};
use fhir_sdk::r4b::types::{Extension, ExtensionValue, FieldExtension, Meta};

use super::{Error, check_entries, json, library, text};

/// Where the Backport guide's own profiles and extensions live.
const BACKPORT: &str = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/";
/// How often Medplum tries; the only server that can be told by the subscription.
const MAX_ATTEMPTS: &str = "https://medplum.com/fhir/StructureDefinition/subscription-max-attempts";
/// What the Backport guide's `channel.payload`, which it demands, is if nothing is said.
const PAYLOAD_DEFAULT: &str = "application/fhir+json";

/// How a server is told what is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// R4: `criteria` is a search.
    Criteria,
    /// The Backport guide: `criteria` is a topic's canonical address.
    Backport,
}

/// How much a notification holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// That something happened.
    Empty,
    /// To which resource.
    IdOnly,
    /// The resource too.
    FullResource,
}

impl Content {
    const fn as_code(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::IdOnly => "id-only",
            Self::FullResource => "full-resource",
        }
    }
}

/// What is wanted of a server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NewSubscription<'a> {
    /// How the server is told.
    pub model: Model,
    /// A search as in `Appointment?`, or a topic.
    pub criteria: &'a str,
    /// Searches that narrow the topic, all of which hold. Of [`Model::Backport`] only.
    pub filters: &'a [&'a str],
    /// Where notifications are sent.
    pub endpoint: &'a str,
    /// Lines that are sent with them, as in `Authorization: Bearer secret`.
    pub headers: &'a [&'a str],
    /// The media type of notifications; R4 sends none without it.
    pub payload: Option<&'a str>,
    /// How much they hold. Of [`Model::Backport`] only.
    pub content: Content,
    /// How often a sign of life is sent, in seconds. Of [`Model::Backport`] only.
    pub heartbeat_seconds: Option<u32>,
    /// How long the server waits for an answer, in seconds. Of [`Model::Backport`] only.
    pub timeout_seconds: Option<u32>,
    /// When it ends, with offset.
    pub end: Option<&'a str>,
    /// Why it is there, for people.
    pub reason: &'a str,
    /// The address of an extension, and the secret in it, for servers that sign.
    pub secret: Option<(&'a str, &'a str)>,
    /// How often the server tries to deliver, for servers that can be told.
    pub max_attempts: Option<u32>,
}

impl fmt::Debug for NewSubscription<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Endpoint, headers and secret let whoever has them send notifications.
        f.debug_struct("NewSubscription")
            .field("model", &self.model)
            .field("criteria", &self.criteria)
            .field("content", &self.content)
            .finish_non_exhaustive()
    }
}

/// Writes what is wanted as a `Subscription` resource with status `requested`.
///
/// # Errors
/// If a text, time, number or list is not allowed where it stands.
pub fn subscription(wanted: &NewSubscription<'_>) -> Result<Vec<u8>, Error> {
    let criteria = match wanted.model {
        Model::Criteria => text::line("criteria", wanted.criteria)?,
        Model::Backport => text::uri("criteria", wanted.criteria)?,
    };
    let mut subscription = Subscription::builder()
        .status(SubscriptionStatus::Requested)
        .reason(text::string("reason", wanted.reason)?)
        .criteria(criteria)
        .extension(extensions(wanted)?);
    if let Some(end) = wanted.end {
        subscription = subscription.end(text::instant("end", end)?);
    }
    let (subscription, channel) = match wanted.model {
        Model::Criteria => (subscription, channel(wanted, wanted.payload)?),
        Model::Backport => {
            let payload = wanted.payload.or(Some(PAYLOAD_DEFAULT));
            (by_topic(subscription, wanted)?, channel_by_topic(channel(wanted, payload)?, wanted)?)
        }
    };
    let channel = channel.build().map_err(library)?;
    json(&subscription.channel(channel).build().map_err(library)?)
}

fn extensions(wanted: &NewSubscription<'_>) -> Result<Vec<Extension>, Error> {
    let mut extensions = Vec::new();
    if let Some((url, secret)) = wanted.secret {
        let secret = ExtensionValue::String(text::line("secret", secret)?);
        extensions.push(extension(text::uri("secret extension", url)?, secret)?);
    }
    if let Some(attempts) = wanted.max_attempts {
        let field = "max_attempts";
        let attempts = i32::try_from(attempts).map_err(|_| Error::Number { field })?;
        extensions.push(extension(MAX_ATTEMPTS.to_owned(), ExtensionValue::Integer(attempts))?);
    }
    Ok(extensions)
}

fn channel(
    wanted: &NewSubscription<'_>,
    payload: Option<&str>,
) -> Result<SubscriptionChannelBuilder, Error> {
    check_entries("header", wanted.headers)?;
    let headers = wanted.headers.iter().map(|header| text::header("header", header).map(Some));
    let channel = SubscriptionChannel::builder()
        .r#type(SubscriptionChannelType::RestHook)
        .endpoint(text::uri("endpoint", wanted.endpoint)?)
        .header(headers.collect::<Result<Vec<_>, _>>()?);
    Ok(match payload {
        Some(payload) => channel.payload(text::code("payload", payload)?),
        None => channel,
    })
}

fn by_topic(
    subscription: SubscriptionBuilder,
    wanted: &NewSubscription<'_>,
) -> Result<SubscriptionBuilder, Error> {
    check_entries("filter", wanted.filters)?;
    let profile = vec![Some(format!("{BACKPORT}backport-subscription"))];
    let subscription =
        subscription.meta(Meta::builder().profile(profile).build().map_err(library)?);
    let filters = wanted.filters.iter().map(|filter| {
        let filter = ExtensionValue::String(text::line("filter", filter)?);
        extension(format!("{BACKPORT}backport-filter-criteria"), filter)
    });
    let filters = filters.collect::<Result<Vec<_>, _>>()?;
    Ok(if filters.is_empty() {
        subscription
    } else {
        subscription.criteria_ext(field_extension(filters)?)
    })
}

fn channel_by_topic(
    channel: SubscriptionChannelBuilder,
    wanted: &NewSubscription<'_>,
) -> Result<SubscriptionChannelBuilder, Error> {
    let content = ExtensionValue::Code(wanted.content.as_code().to_owned());
    let content = extension(format!("{BACKPORT}backport-payload-content"), content)?;
    let periods = [
        ("backport-heartbeat-period", wanted.heartbeat_seconds),
        ("backport-timeout", wanted.timeout_seconds),
    ];
    let mut extensions = Vec::new();
    for (name, seconds) in periods {
        let Some(seconds) = seconds else { continue };
        // An unsignedInt ends where an integer does, R4 section 2.24.0.1.
        if i32::try_from(seconds).is_err() {
            return Err(Error::Number { field: name });
        }
        let seconds = ExtensionValue::UnsignedInt(seconds);
        extensions.push(extension(format!("{BACKPORT}{name}"), seconds)?);
    }
    Ok(channel.extension(extensions).payload_ext(field_extension(vec![content])?))
}

fn extension(url: String, value: ExtensionValue) -> Result<Extension, Error> {
    Extension::builder().url(url).value(value).build().map_err(library)
}

fn field_extension(extensions: Vec<Extension>) -> Result<FieldExtension, Error> {
    FieldExtension::builder().extension(extensions).build().map_err(library)
}
