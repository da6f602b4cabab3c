//! The header of a message: who sent what to whom, and how it wants to be answered.

use super::message::Message;
use super::path::SegmentName;

/// The fields of MSH, decoded; of a field with components, the first. Empty = not said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    /// MSH-3.1.
    pub sending_application: String,
    /// MSH-4.1.
    pub sending_facility: String,
    /// MSH-5.1.
    pub receiving_application: String,
    /// MSH-6.1.
    pub receiving_facility: String,
    /// MSH-7.1, as written; read it with [`super::Dtm::parse`].
    pub message_time: String,
    /// MSH-9.1, like `SIU`.
    pub message_code: String,
    /// MSH-9.2, like `S12`.
    pub trigger: String,
    /// MSH-9.3, like `SIU_S12`; often missing or wrong.
    pub structure: String,
    /// MSH-10.
    pub control_id: String,
    /// MSH-11.1: `P`, `T` or `D`.
    pub processing_id: String,
    /// MSH-12.1, like `2.5.1`.
    pub version: String,
    /// MSH-13.
    pub sequence_number: String,
    /// MSH-15: `AL`, `NE`, `ER` or `SU`.
    pub accept_ack: String,
    /// MSH-16, likewise.
    pub application_ack: String,
    /// MSH-18, each repetition.
    pub charsets: Vec<String>,
}

impl Header {
    pub(crate) fn of(msg: &Message) -> Self {
        let Some(segment) = msg.segments().next() else { return Self::default() };
        let component = |field: usize, component: usize| {
            let found = segment.field(field).and_then(|field| field.component(component));
            found.map_or_else(String::new, |part| part.value().into_text().trim().to_owned())
        };
        let charsets = segment.field(18).filter(|field| !field.raw().is_empty());
        Self {
            sending_application: component(3, 1),
            sending_facility: component(4, 1),
            receiving_application: component(5, 1),
            receiving_facility: component(6, 1),
            message_time: component(7, 1),
            message_code: component(9, 1),
            trigger: component(9, 2),
            structure: component(9, 3),
            control_id: component(10, 1),
            processing_id: component(11, 1),
            version: component(12, 1),
            sequence_number: component(13, 1),
            accept_ack: component(15, 1),
            application_ack: component(16, 1),
            charsets: charsets
                .map(|field| field.repetitions().map(|label| label.text().into_owned()).collect())
                .unwrap_or_default(),
        }
    }

    /// The version as numbers, like `(2, 5, 1)`; `None` if MSH-12 holds none.
    ///
    /// ```
    /// use appointd::hl7::Header;
    /// let header = Header { version: "2.5".to_owned(), ..Header::default() };
    /// assert_eq!(header.version_numbers(), Some((2, 5, 0)));
    /// ```
    #[must_use]
    pub fn version_numbers(&self) -> Option<(u8, u8, u8)> {
        let mut numbers = self.version.split('.').map(str::parse);
        let major = numbers.next()?.ok()?;
        let minor = numbers.next()?.ok()?;
        let patch = numbers.next().transpose().ok()?.unwrap_or_default();
        Some((major, minor, patch))
    }

    /// Whether the message is of the code of acknowledgments.
    #[must_use]
    pub fn is_ack_code(&self) -> bool {
        self.message_code.eq_ignore_ascii_case("ACK")
    }
}

/// Whether a message holds an MSA segment.
pub(crate) fn has_msa(msg: &Message) -> bool {
    msg.segments_named(SegmentName::MSA).next().is_some()
}
