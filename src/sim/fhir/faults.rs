//! What can go wrong, on demand, and the habits of servers that differ without being wrong.
//!
//! All of it is one [`Knobs`], so that a test sets it in Rust and a shell by `POST /_knobs` with the
//! same names; what is not named in such a request stays. Nothing here knows how the faults are
//! brought about.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Timestamp;

/// A fault of some of the next requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What the client gets to see.
    pub answer: Answer,
    /// How many requests it hits.
    #[serde(default = "once")]
    pub times: u32,
    /// Only requests with this method.
    #[serde(default)]
    pub method: Option<String>,
    /// Only requests whose path begins so, as in `/fhir/Appointment` or `/token`.
    #[serde(default)]
    pub path: Option<String>,
    /// Whether what was asked for is done all the same.
    #[serde(default)]
    pub is_done: bool,
}

const fn once() -> u32 {
    1
}

impl Fault {
    /// The next request of any kind is not done.
    #[must_use]
    pub const fn next(answer: Answer) -> Self {
        Self { answer, times: 1, method: None, path: None, is_done: false }
    }

    /// Narrows a fault to a method and to paths that begin so.
    #[must_use]
    pub fn on(mut self, method: &str, path: &str) -> Self {
        self.method = Some(method.to_owned());
        self.path = Some(path.to_owned());
        self
    }

    /// Hits so many requests instead of one.
    #[must_use]
    pub const fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// What was asked for is done, but the client does not learn it.
    #[must_use]
    pub const fn though_done(mut self) -> Self {
        self.is_done = true;
        self
    }

    fn hits(&self, method: &str, path: &str) -> bool {
        self.method.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && self.path.as_ref().is_none_or(|wanted| path.starts_with(wanted.as_str()))
    }
}

/// What a client gets instead of the right answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// HTTP 429.
    Throttled(RetryAfter),
    /// HTTP 503.
    Unavailable(RetryAfter),
    /// HTTP 401, as after a token has been withdrawn.
    Unauthorized,
    /// HTTP 502 with a gateway's HTML.
    GatewayHtml,
    /// HTTP 200 with JSON that is cut off.
    Garbage,
    /// The connection is closed without an answer.
    Closed,
    /// Nothing, until the stand-in is told to release, and then a closed connection.
    Silence,
    /// This status with an `OperationOutcome`.
    Status(u16),
}

/// What the header `Retry-After` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfter {
    /// It is missing.
    #[default]
    Missing,
    /// So many seconds.
    Seconds(u32),
    /// An HTTP date so many seconds from now.
    Date(u32),
    /// No number and no date.
    Garbage,
}

impl RetryAfter {
    pub(super) fn text(self, now: Timestamp) -> Option<String> {
        match self {
            Self::Missing => None,
            Self::Seconds(seconds) => Some(seconds.to_string()),
            Self::Date(seconds) => {
                let at = now + TimeDelta::seconds(i64::from(seconds));
                Some(http_date(at))
            }
            Self::Garbage => Some("soon".to_owned()),
        }
    }
}

/// RFC 9110, 5.6.7.
pub(super) fn http_date(at: Timestamp) -> String {
    at.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// A change that another user makes just before a write arrives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Meddling {
    /// To which resource, as in `Appointment/1`; to any that is written, if empty.
    #[serde(default)]
    pub on: String,
    /// A merge patch (RFC 7396); an empty object makes a new version without a change.
    pub change: Value,
    /// Before how many writes.
    #[serde(default = "once")]
    pub times: u32,
}

/// How the server of R4 criteria subscriptions tells of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestHook {
    /// POST of the bare resource, with Medplum's headers.
    #[default]
    Medplum,
    /// PUT or DELETE of `Appointment/ID` below the endpoint, as HAPI does.
    Hapi,
}

/// How events are numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Numbering {
    /// One higher each time.
    #[default]
    Counting,
    /// Always 1 (some versions of HAPI).
    AlwaysOne,
    /// From 1 in each Bundle (athenahealth).
    PerBundle,
}

/// How a notification points to what has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Focus {
    /// By the full address.
    #[default]
    Absolute,
    /// By `Appointment/ID`.
    Relative,
    /// By an identifier only (athenahealth).
    Identifier,
}

/// What is sent in front of every notification by somebody who is not the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forgery {
    /// Nothing.
    #[default]
    None,
    /// The same with wrong secrets; a resource in it is canceled.
    WrongSecret,
    /// With the right secret, about a resource that does not exist.
    MadeUpId,
}

/// Which forms of PATCH are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PatchForms {
    /// JSON Patch and `FHIRPath` Patch.
    #[default]
    Both,
    /// JSON Patch only.
    Json,
    /// `FHIRPath` Patch only.
    FhirPath,
}

/// The form of the link to the next page.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NextLink {
    /// The full address.
    #[default]
    Absolute,
    /// Relative to the address that was asked.
    Relative,
    /// At another host, given as in `http://192.0.2.1:80`.
    Elsewhere(String),
}

/// All that can be set; each default is a server that does everything right.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Knobs {
    // ------------------------------------------------------------------ requests
    /// Faults of the next requests; the first that fits is taken.
    pub fail_next: Vec<Fault>,
    /// Every connection is closed without an answer.
    pub down: bool,
    /// A `fhirVersion` in `Accept` or `Content-Type` that is not the server's is refused.
    pub strict_version: bool,
    /// Answers with a body are made larger by so many bytes.
    pub pad_answers: usize,

    // ------------------------------------------------------------------ reads
    /// `meta.lastUpdated` is the moment of reading.
    pub last_updated_now: bool,
    /// There is no `ETag`.
    pub no_etag: bool,
    /// There is no `meta.versionId`, and no `ETag` either.
    pub no_version_id: bool,
    /// Versions are named by UUIDs instead of numbers.
    pub uuid_versions: bool,

    // ------------------------------------------------------------------ writes
    /// If-Match on PATCH is not looked at.
    pub ignore_if_match_on_patch: bool,
    /// A PUT or PATCH without If-Match is refused with this status.
    pub if_match_required: Option<u16>,
    /// The status for a version that is not the current one: 412, or 409 at some.
    pub conflict_status: u16,
    /// The status for a failed `test` of a JSON Patch.
    pub test_status: u16,
    /// Which forms of PATCH are understood.
    pub patch_forms: PatchForms,
    /// Only these operations of a PATCH are taken, as in `replace /status`; all, if empty.
    pub patch_paths: Vec<String>,
    /// Writes are answered without a body, and without an `ETag`.
    pub no_body: bool,
    /// Any code is taken for a status.
    pub any_status: bool,
    /// Changes by other users just before writes.
    pub meddle: Vec<Meddling>,

    // ------------------------------------------------------------------ searches
    /// The largest page.
    pub page_max: usize,
    /// Pages are held back until this is switched off.
    pub slow_pages: bool,
    /// Each page has one entry that is broken.
    pub bad_entry: bool,
    /// Each page has an entry with a warning.
    pub outcome_entry: bool,
    /// The last page links to the first.
    pub page_loop: bool,
    /// The form of the link to the next page.
    pub next: NextLink,
    /// Links to further pages are answered with 410.
    pub expire_pages: bool,
    /// Entries do not say whether they match or are included.
    pub no_search_mode: bool,
    /// `_include` is not looked at.
    pub ignore_include: bool,
    /// Appointments are searched by exactly one actor and both bounds of `date`, and not by
    /// `_lastUpdated` (Millennium).
    pub needs_actor: bool,

    // ------------------------------------------------------------------ subscriptions
    /// There is no resource Subscription.
    pub no_subscriptions: bool,
    /// Subscriptions stay `requested`, and nothing is sent.
    pub stuck_requested: bool,
    /// Subscriptions to topics become active without a handshake.
    pub no_handshake: bool,
    /// The handshake is through before the request that it follows from is answered.
    pub handshake_first: bool,
    /// There is no `$status`.
    pub no_status_operation: bool,
    /// There is no `$events`.
    pub no_events_operation: bool,
    /// `$events` knows of no events.
    pub empty_events: bool,

    // ------------------------------------------------------------------ notifications
    /// How changes are told to R4 criteria subscriptions.
    pub rest_hook: RestHook,
    /// Deletions are not told.
    pub no_deletes: bool,
    /// So many of the next notifications get lost.
    pub lose_next: u32,
    /// Each notification is sent so many more times.
    pub duplicate: u32,
    /// What waits is sent last first.
    pub reorder: bool,
    /// Notifications are held back until this is switched off.
    pub hold: bool,
    /// What is sent in front of every notification by somebody else.
    pub forge: Forgery,
    /// How events are numbered.
    pub numbering: Numbering,
    /// So many events that wait go into one Bundle.
    pub bundle_max: usize,
    /// Event numbers are numbers and not text.
    pub bare_numbers: bool,
    /// `Bundle.type`, if it is not the one of the version.
    pub bundle_type: Option<String>,
    /// Each event has an `id`.
    pub event_ids: bool,
    /// How a notification points to what has changed.
    pub focus: Focus,
    /// A notification with empty content has a focus all the same.
    pub empty_has_focus: bool,
    /// A notification of an older version is sent with the current one.
    pub latest_only: bool,
    /// Headers of a subscription are cut at their second colon (Medplum).
    pub headers_cut: bool,
    /// Notifications are made larger by so many bytes.
    pub pad_notifications: usize,
    /// An answer of the receiver without a FHIR body is a failure.
    pub body_required: bool,
    /// Further attempts after a failure, one after the other.
    pub retries: u32,
    /// After so many notifications without success the subscription's status is `error`; never,
    /// if 0.
    pub error_after: u32,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            fail_next: Vec::new(),
            down: false,
            strict_version: false,
            pad_answers: 0,
            last_updated_now: false,
            no_etag: false,
            no_version_id: false,
            uuid_versions: false,
            ignore_if_match_on_patch: false,
            if_match_required: None,
            conflict_status: 412,
            test_status: 422,
            patch_forms: PatchForms::default(),
            patch_paths: Vec::new(),
            no_body: false,
            any_status: false,
            meddle: Vec::new(),
            page_max: 100,
            slow_pages: false,
            bad_entry: false,
            outcome_entry: false,
            page_loop: false,
            next: NextLink::default(),
            expire_pages: false,
            no_search_mode: false,
            ignore_include: false,
            needs_actor: false,
            no_subscriptions: false,
            stuck_requested: false,
            no_handshake: false,
            handshake_first: false,
            no_status_operation: false,
            no_events_operation: false,
            empty_events: false,
            rest_hook: RestHook::default(),
            no_deletes: false,
            lose_next: 0,
            duplicate: 0,
            reorder: false,
            hold: false,
            forge: Forgery::default(),
            numbering: Numbering::default(),
            bundle_max: 1,
            bare_numbers: false,
            bundle_type: None,
            event_ids: false,
            focus: Focus::default(),
            empty_has_focus: false,
            latest_only: false,
            headers_cut: false,
            pad_notifications: 0,
            body_required: false,
            retries: 0,
            error_after: 0,
        }
    }
}

impl Knobs {
    /// The fault that hits a request, used up by it.
    pub(super) fn take_fault(&mut self, method: &str, path: &str) -> Option<Fault> {
        let place = self.fail_next.iter().position(|fault| fault.hits(method, path))?;
        let fault = self.fail_next.get_mut(place)?;
        fault.times = fault.times.saturating_sub(1);
        let taken = fault.clone();
        if fault.times == 0 {
            self.fail_next.remove(place);
        }
        Some(taken)
    }

    /// The change that comes before a write to `reference`, used up by it.
    pub(super) fn take_meddling(&mut self, reference: &str) -> Option<Value> {
        let fits = |one: &Meddling| one.on.is_empty() || one.on == reference;
        let place = self.meddle.iter().position(fits)?;
        let meddling = self.meddle.get_mut(place)?;
        meddling.times = meddling.times.saturating_sub(1);
        let change = meddling.change.clone();
        if meddling.times == 0 {
            self.meddle.remove(place);
        }
        Some(change)
    }

    /// Whether the next notification gets lost.
    pub(super) const fn take_loss(&mut self) -> bool {
        let is_lost = self.lose_next > 0;
        self.lose_next = self.lose_next.saturating_sub(1);
        is_lost
    }

    /// These knobs with those of a JSON object set; `None` if it has an unknown name or value.
    pub(super) fn merged(&self, changes: &Value) -> Option<Self> {
        let mut all = serde_json::to_value(self).ok()?;
        for (name, value) in changes.as_object()? {
            *all.get_mut(name)? = value.clone();
        }
        serde_json::from_value(all).ok()
    }
}
