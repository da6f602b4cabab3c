//! What an error code of Twilio's asks us to do.
//!
//! There are two thousand codes and six or seven things one can do. A code stands in a [`Table`],
//! whose rows settings may add to or change, because Twilio warns that the code for a cause may
//! change. An unknown refusal is permanent: sending again what was refused for an unknown reason
//! would repeat the mistake.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The kind of a failure; what follows is [`crate::core::delivery::Failure`]'s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// The patient has unsubscribed, or the number belongs to someone else now.
    OptedOut,
    /// The number does not exist or cannot receive texts.
    BadNumber,
    /// No route to the number, or the carrier blocks it.
    Unroutable,
    /// The handset is off, or the carrier failed for now.
    TransientDelivery,
    /// Too many requests at once; this one was not processed.
    ThrottleNow,
    /// The sender's queue at Twilio is full.
    ThrottleQueue,
    /// The carrier's or the account's limit for the day is reached.
    DailyCap,
    /// The account, its credentials or its sender is not set up right; no text will pass.
    Config,
    /// The text itself is refused or filtered.
    Content,
    /// The provider's quiet hours; it passes at another time of day.
    Policy,
    /// A rule on recipients forbids the text for good.
    Forbidden,
    /// It is not known whether the text was accepted.
    Ambiguous,
    /// Anything else; it will fail again.
    Permanent,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::OptedOut,
        Self::BadNumber,
        Self::Unroutable,
        Self::TransientDelivery,
        Self::ThrottleNow,
        Self::ThrottleQueue,
        Self::DailyCap,
        Self::Config,
        Self::Content,
        Self::Policy,
        Self::Forbidden,
        Self::Ambiguous,
        Self::Permanent,
    ];

    /// The name in settings and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OptedOut => "opted_out",
            Self::BadNumber => "bad_number",
            Self::Unroutable => "unroutable",
            Self::TransientDelivery => "transient_delivery",
            Self::ThrottleNow => "throttle_now",
            Self::ThrottleQueue => "throttle_queue",
            Self::DailyCap => "daily_cap",
            Self::Config => "config",
            Self::Content => "content",
            Self::Policy => "policy",
            Self::Forbidden => "forbidden",
            Self::Ambiguous => "ambiguous",
            Self::Permanent => "permanent",
        }
    }

    /// Finds a class by its name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }
}

/// Codes and their classes: the built-in rows, and those that settings put over them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Table(BTreeMap<u32, Class>);

impl Table {
    /// Puts a row over the built-in ones.
    #[must_use]
    pub fn with(mut self, code: u32, class: Class) -> Self {
        self.0.insert(code, class);
        self
    }

    /// Classifies an answer to a request that was not a success.
    ///
    /// ```
    /// use appointd::sms::error_codes::{Class, Table};
    /// let table = Table::default();
    /// assert_eq!(table.refusal(400, Some(21610)), Class::OptedOut);
    /// assert_eq!(table.refusal(400, None), Class::Permanent);
    /// // Behind a gateway's 504 the text may well have been accepted.
    /// assert_eq!(table.refusal(504, None), Class::Ambiguous);
    /// ```
    #[must_use]
    pub fn refusal(&self, http_status: u16, code: Option<u32>) -> Class {
        let by_code = code.and_then(|code| self.by_code(code));
        match (http_status, by_code) {
            (429, _) | (_, Some(Class::ThrottleNow)) => by_code.unwrap_or(Class::ThrottleNow),
            // 408: the server gave up reading, or says so; nothing is known of the request.
            (408 | 500.., _) => Class::Ambiguous,
            (_, Some(class)) => class,
            // A redirect means a wrong base address: Twilio sends none for messages.
            (300..=399 | 401 | 403 | 404 | 405 | 407, None) => Class::Config,
            (_, None) => Class::Permanent,
        }
    }

    /// Classifies the error of a text that was accepted and then failed.
    #[must_use]
    pub fn delivery(&self, code: Option<u32>) -> Class {
        code.and_then(|code| self.by_code(code)).unwrap_or(Class::Permanent)
    }

    fn by_code(&self, code: u32) -> Option<Class> {
        self.0.get(&code).copied().or_else(|| built_in(code))
    }
}

const fn built_in(code: u32) -> Option<Class> {
    Some(match code {
        21610 => Class::OptedOut,
        21211 | 21217 | 21421 | 21614 | 30005 | 30006 => Class::BadNumber,
        // No permission for the number's country, or a trial account that does not know the number: so
        // it is with this number, and other texts pass.
        21408 | 21608 | 21612 | 30004 => Class::Unroutable,
        30003 | 30008 | 30017 | 30022 | 30410 | 30450 => Class::TransientDelivery,
        20429 | 14107 => Class::ThrottleNow,
        21611 | 30001 => Class::ThrottleQueue,
        30023 | 30027 | 63038 => Class::DailyCap,
        20003
        | 20005
        | 20006
        | 20404
        | 21212
        | 21603
        | 21606
        | 21607
        | 21609
        | 21701..=21705
        | 21710..=21712
        | 30002
        | 30032..=30035
        | 35100..=35199 => Class::Config,
        21602 | 21604 | 21617 | 21618 | 30007 => Class::Content,
        30610 => Class::Policy,
        30640 => Class::Forbidden,
        20500 | 20503 | 20504 => Class::Ambiguous,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_classified_by_code_then_by_status() {
        let cases = [
            (400, Some(21610), Class::OptedOut),
            (400, Some(21211), Class::BadNumber),
            (400, Some(21614), Class::BadNumber),
            (400, Some(21612), Class::Unroutable),
            (400, Some(21611), Class::ThrottleQueue),
            (400, Some(63038), Class::DailyCap),
            (429, Some(63038), Class::DailyCap),
            (429, Some(20429), Class::ThrottleNow),
            (429, None, Class::ThrottleNow),
            (503, Some(20429), Class::ThrottleNow),
            (401, Some(20003), Class::Config),
            (401, None, Class::Config),
            (404, None, Class::Config),
            (302, None, Class::Config),
            (400, Some(21606), Class::Config),
            (400, Some(21408), Class::Unroutable),
            (400, Some(21608), Class::Unroutable),
            (400, Some(35118), Class::Config),
            (400, Some(21617), Class::Content),
            (400, Some(30610), Class::Policy),
            (400, Some(20500), Class::Ambiguous),
            (500, Some(21610), Class::Ambiguous),
            (504, None, Class::Ambiguous),
            (408, None, Class::Ambiguous),
            (400, Some(99999), Class::Permanent),
            (400, None, Class::Permanent),
            (418, Some(0), Class::Permanent),
        ];
        let table = Table::default();
        for (status, code, class) in cases {
            assert_eq!(table.refusal(status, code), class, "{status} {code:?}");
        }
    }

    #[test]
    fn an_unknown_delivery_code_is_not_retried() {
        let table = Table::default();
        assert_eq!(table.delivery(Some(30003)), Class::TransientDelivery);
        assert_eq!(table.delivery(Some(30007)), Class::Content);
        assert_eq!(table.delivery(Some(39999)), Class::Permanent);
        assert_eq!(table.delivery(None), Class::Permanent);
    }

    #[test]
    fn settings_overrule_the_built_in_rows() {
        let table = Table::default().with(30008, Class::Unroutable).with(21999, Class::BadNumber);
        assert_eq!(table.delivery(Some(30008)), Class::Unroutable);
        assert_eq!(table.refusal(400, Some(21999)), Class::BadNumber);
        let read: Table = serde_json::from_str(r#"{"30008":"unroutable"}"#).unwrap();
        assert_eq!(read.delivery(Some(30008)), Class::Unroutable);
        assert!(serde_json::from_str::<Table>(r#"{"30008":"whatever"}"#).is_err());
        for class in Class::ALL {
            assert_eq!(Class::parse(class.name()), Some(class));
            assert_eq!(serde_json::to_value(class).unwrap(), class.name());
        }
    }
}
