//! What became of a text, by Twilio's account of it.

use serde::{Deserialize, Serialize};

/// The status of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "these are Twilio's words")]
pub enum MessageStatus {
    Accepted,
    Scheduled,
    Queued,
    Sending,
    Sent,
    Delivered,
    Undelivered,
    Failed,
    Canceled,
    Receiving,
    Received,
    Read,
    PartiallyDelivered,
}

impl MessageStatus {
    const ALL: [Self; 13] = [
        Self::Accepted,
        Self::Scheduled,
        Self::Queued,
        Self::Sending,
        Self::Sent,
        Self::Delivered,
        Self::Undelivered,
        Self::Failed,
        Self::Canceled,
        Self::Receiving,
        Self::Received,
        Self::Read,
        Self::PartiallyDelivered,
    ];

    /// Reads the word of the API and the webhooks.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// The word of the API and the webhooks.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Scheduled => "scheduled",
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Undelivered => "undelivered",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Receiving => "receiving",
            Self::Received => "received",
            Self::Read => "read",
            Self::PartiallyDelivered => "partially_delivered",
        }
    }

    /// The later of two reports of one message.
    ///
    /// Reports come in any order and more than once. Of two final ones the first to arrive stays.
    ///
    /// ```
    /// use appointd::sms::status::MessageStatus;
    /// let held = MessageStatus::Delivered;
    /// assert_eq!(held.merge(MessageStatus::Sent), MessageStatus::Delivered);
    /// ```
    #[must_use]
    pub const fn merge(self, reported: Self) -> Self {
        if reported.rank() > self.rank() { reported } else { self }
    }

    /// Whether nothing follows; `sent` may be the last word of a carrier without receipts, but is
    /// not final.
    #[must_use]
    pub const fn is_final(self) -> bool {
        self.rank() == FINAL
    }

    const fn rank(self) -> u8 {
        match self {
            Self::Accepted | Self::Scheduled | Self::Receiving => 0,
            Self::Queued => 1,
            Self::Sending => 2,
            Self::Sent => 3,
            Self::Delivered
            | Self::Undelivered
            | Self::Failed
            | Self::Canceled
            | Self::Received
            | Self::Read
            | Self::PartiallyDelivered => FINAL,
        }
    }
}

const FINAL: u8 = 9;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_back() {
        for status in MessageStatus::ALL {
            assert_eq!(MessageStatus::parse(status.as_str()), Some(status));
            let json = serde_json::to_value(status).unwrap();
            assert_eq!(json, status.as_str());
        }
        for bad in ["", "Sent", "deliverd", "sent "] {
            assert_eq!(MessageStatus::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn any_order_of_reports_ends_in_the_same_status() {
        let reports = [MessageStatus::Queued, MessageStatus::Sent, MessageStatus::Delivered];
        for (first, second, third) in
            [(0, 1, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1), (0, 2, 1), (1, 0, 2)]
        {
            let merged = MessageStatus::Accepted
                .merge(reports[first])
                .merge(reports[second])
                .merge(reports[third])
                .merge(reports[first]);
            assert_eq!(merged, MessageStatus::Delivered);
        }
    }

    #[test]
    fn the_first_final_report_stays() {
        assert_eq!(
            MessageStatus::Undelivered.merge(MessageStatus::Delivered),
            MessageStatus::Undelivered
        );
        assert!(!MessageStatus::Sent.is_final());
    }
}
