//! The fields of the normalized event, and what kind of value each takes.

/// A field that a mapping can fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the field of the event that its name in TOML says")]
pub enum Output {
    OccurredAt,
    Ids,
    Status,
    Event,
    Start,
    End,
    Duration,
    VisitType,
    Location,
    LocationName,
    Provider,
    CallbackPhone,
    PatientIds,
    Name,
    Phone,
    Language,
    Deceased,
    OptedOut,
    Participation,
    Replaces,
}

/// How the values of a field are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Every identifier of every source.
    Ids,
    /// The ids of others, or references to them.
    References,
    /// A code, by a value table.
    Coded {
        table: &'static str,
    },
    Time,
    Duration,
    Text,
    /// Several components of one repetition.
    Parts(&'static [&'static str]),
    /// The best of all numbers of all sources.
    Phones,
    /// One number to call.
    Callback,
    Language,
}

impl Output {
    /// All fields, nearly in the order in which they are read; stored traces name them by their
    /// place, so that a new one comes last.
    pub const ALL: [Self; 20] = [
        Self::OccurredAt,
        Self::Ids,
        Self::Status,
        Self::Event,
        Self::Location,
        Self::LocationName,
        Self::Start,
        Self::End,
        Self::Duration,
        Self::VisitType,
        Self::Provider,
        Self::CallbackPhone,
        Self::PatientIds,
        Self::Name,
        Self::Phone,
        Self::Language,
        Self::Deceased,
        Self::OptedOut,
        Self::Participation,
        Self::Replaces,
    ];

    /// The name in mapping files, explanations and errors.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OccurredAt => "message.occurred_at",
            Self::Ids => "appointment.ids",
            Self::Status => "appointment.status",
            Self::Event => "appointment.event",
            Self::Start => "appointment.start",
            Self::End => "appointment.end",
            Self::Duration => "appointment.duration",
            Self::VisitType => "appointment.type",
            Self::Location => "appointment.location",
            Self::LocationName => "appointment.location_name",
            Self::Provider => "appointment.provider",
            Self::CallbackPhone => "appointment.callback_phone",
            Self::PatientIds => "patient.ids",
            Self::Name => "patient.name",
            Self::Phone => "patient.phone",
            Self::Language => "patient.language",
            Self::Deceased => "patient.deceased",
            Self::OptedOut => "patient.opted_out",
            Self::Participation => "appointment.participation",
            Self::Replaces => "appointment.replaces",
        }
    }

    pub(super) const fn kind(self) -> Kind {
        match self {
            Self::OccurredAt | Self::Start | Self::End => Kind::Time,
            Self::Ids | Self::PatientIds => Kind::Ids,
            Self::Status => Kind::Coded { table: "status" },
            Self::Event => Kind::Coded { table: "event" },
            Self::Deceased | Self::OptedOut => Kind::Coded { table: "yes_no" },
            Self::Participation => Kind::Coded { table: "participation" },
            Self::Replaces => Kind::References,
            Self::Duration => Kind::Duration,
            Self::VisitType | Self::LocationName => Kind::Text,
            Self::Location => Kind::Parts(&["code", "name"]),
            Self::Provider => Kind::Parts(&["id", "family", "given"]),
            Self::Name => Kind::Parts(&["family", "given"]),
            Self::CallbackPhone => Kind::Callback,
            Self::Phone => Kind::Phones,
            Self::Language => Kind::Language,
        }
    }
}
