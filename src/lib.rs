//! `appointd` sits beside a hospital's EHR: it hears every appointment event, by HL7 v2 over MLLP or
//! from a FHIR server, tells the patient by SMS, reminds in time, understands what is texted back, and writes the answer
//! into the EHR again.
//!
//! This page is the architecture: the centre, the invariants, the map, and three ways through the
//! house. `README.md` is for who runs it; `appointd demo` shows it.
//!
//! # The centre
//!
//! Decisions are pure: **state + event + rules + now -> new rows + effects + reason**.
//! [`core::decide`] takes a [`core::scene::Scene`] (the rows that one event can touch) and answers
//! with a [`core::scene::Decision`]. No socket, store, clock or randomness in it. An effect is data
//! until it is a row of the outbox, and a row before it is an act; a reason is stored with every
//! turn, so that "why did this patient get no text?" is a lookup.
//!
//! # Invariants
//!
//! 1. An acknowledgment, and a 200 to Twilio or a FHIR server, leaves only after the commit that it reports is
//!    durable, a power cut included ([`store`]; `tests/crash.rs`).
//! 2. Every change of state passes [`core::decide`]; there is no side door from command line or API.
//! 3. Every effect is claimed in a commit of its own before it is performed. Performing it twice has
//!    the effect of once, or it is *in doubt* and looked for ([`core::delivery`]).
//! 4. Nothing reads the clock but [`clock`]; nothing in [`core`] can block or fail.
//! 5. A message that cannot be understood is kept, answered, shown, and can be read again.
//! 6. No line of log and no label of a metric holds patient data ([`phi::Phi`] prints `[phi]`).
//! 7. The daemon holds no state that it cannot rebuild from the store.
//! 8. A limit on everything, each a named constant or a setting.
//!
//! # The map
//!
//! In reading order; `tests/tidy.rs` holds who may import whom.
//!
//! | room | what it owns |
//! |---|---|
//! | [`category`], [`clock`], [`phi`], [`shutdown`] | kinds of failure, time, the wrapper of patient data, stopping in order |
//! | [`core`] | pure: claims, appointments, contacts, reminders, replies, texts, deliveries |
//! | [`hl7`] | pure: MLLP frames, character sets, reading, acknowledgments, writing |
//! | [`fhir`] | pure: what FHIR servers say, and what is said to them, raw JSON in and out |
//! | [`mapping`] | pure: from a dialect to claims, and from a wish to a message; data in `mappings/` |
//! | [`sms`] | pure: Twilio's forms, signatures and error codes; what is posted to Studio |
//! | [`outreach`] | pure: lists of campaigns in, what was answered out |
//! | [`settings`] | files, environment and credentials to typed settings, all faults at once |
//! | [`store`] | rows under keys: a log in front, sled behind, or memory |
//! | [`engine`] | the single writer, the disk forms of its rows, the reading side |
//! | [`inbound`] | MLLP listeners, FHIR servers as feeds, Twilio's webhooks, the poll behind them, callers of Studio |
//! | [`outbound`] | a lane each: texts, every HL7 destination, wishes at every FHIR server, callbacks, flows' requests |
//! | [`http`] | webhooks, API, health, metrics |
//! | [`sim`] | stand-ins: an EHR by MLLP and by FHIR, patients' phones, and a world of them around the daemon |
//! | [`telemetry`], [`tls`] | logs and metrics; certificates |
//! | [`app`], [`cli`] | composition, commands |
//! | [`appointd_fhir`], in `crates/fhir` | a package of its own: FHIR's typed resources and client, compiled once |
//!
//! # A message comes in
//!
//! [`inbound::mllp`] cuts the stream with [`hl7::frame`] (limits, resynchronisation).
//! [`inbound::intake`] finds character set, batch and message, chooses the [`mapping`] and lets it
//! read claims of it, one for each patient and time, and a trace of where each value stands. [`engine::Handle::enqueue`] puts it into the queue; the connection goes on reading while it
//! waits. The engine takes what waits as one batch: for each message, was it seen before (source,
//! sender, control id, trigger, digest)? Then the stored verdict is the answer. Else the appointment
//! is found by any of its identifiers, and where patients or times share them the one that is meant
//! ([`core::share`]); [`core::ehr`] compares claim and state, and the rows are collected. One
//! commit: journal entry with the message as it came, appointment, contact, timers, outbox. When it
//! is durable the verdicts leave, [`hl7::ack`] writes the answer, and one write sends it. What cannot
//! be read goes the same road into the quarantine.
//!
//! # A FHIR server notifies
//!
//! [`inbound::fhir::notify`] asks who calls, over the raw bytes, and lets [`fhir::notification`] read
//! the call: a bare resource, an empty call, a bundle of any of the three models. It comes to *hints*,
//! and [`core::feed`] turns each into one look at the server, planned as an effect; numbers of events
//! that skip ask for a search. That is stored, and then the server gets its 200. The lane of looks
//! ([`inbound::fhir::read`]) reads the appointment and all that it refers to, and hands both to the
//! engine as one bundle, where it goes the way of a message: what happened is the difference between
//! what was held and what is so now, so a hint that came twice, late or never changes nothing in the
//! end. [`inbound::fhir::follow`] searches for what no hint told, and [`inbound::fhir::watch`] keeps
//! the subscription alive.
//!
//! # A campaign runs
//!
//! A list is spooled and looked over row by row before anything is made of it ([`outreach`]); then its
//! rows become recipients, each a row of its own, and the campaign a row with a tally. Its moments are
//! entries of the same table as reminders: [`core::campaign`] begins so many recipients at a time as
//! the pace and the hours allow. A recipient's flow ([`core::flow`]) is pure: what happened in, one act
//! out, a text or a web request; [`core::outreach`] sees to consent, hours and the one conversation
//! that a phone is in, and hands the act to the outbox. How it went comes back as a report and takes
//! the flow a step on, so that a crash between two steps loses none and repeats none. The flow's texts
//! are kept with the campaign: whoever edits the file changes the next one. A reply goes to the
//! question that is out, unless its words plainly answer something that was said of a visit later.
//!
//! # An interface engine posts to Studio
//!
//! What was made for Twilio Studio posts an execution. [`inbound::studio`] asks for user and password
//! before it looks at anything; [`sms::studio`] reads the form, and says of every wrong field what is
//! wrong with it, never what stands in it. The flow of a `[[json.source]]` takes appointment events,
//! which go the way of a message under an id made of what they say; the name or sid of a flow here
//! starts it for the phone. A wish that is routed to a `[[json.destination]]` leaves by
//! [`outbound::json`], and what flows ask of web servers by [`outbound::call`].
//!
//! # A timer fires
//!
//! The engine sleeps until the store's earliest due row, at most a minute of real time. `TimerDue`
//! goes to [`core::timer`]: changed, called off, opted out, too late, capped? Then a reason and
//! nothing else; otherwise a reminder, which speaks for the patient's other appointments of that day
//! too. The lane of texts asks the engine for work; in the turn that claims the row,
//! [`core::consent`] looks once more whether it may go, and the words are written. Twilio's answer
//! comes back as a report, decided like everything else. A notice of a source that would text too many
//! at once goes no further than its gate ([`core::gate`]) until an operator says so. After a crash a claimed text is looked for
//! at Twilio before anything is repeated.
//!
//! # A reply comes in
//!
//! Twilio's POST is believed by its signature only ([`inbound::sms`]). [`core::conversation`] looks
//! at consent first, then at what is meant ([`core::reply`]) and of which visit: one that the words
//! name ([`core::select`]), else one that the texts which it may answer were about. Where it could be
//! several, the patient is asked once; what says more than one thing goes to a person. What a person
//! has to look at becomes a task, or a note of one that waits already ([`core::task`],
//! [`engine::desk`]). An opt-out takes back the phone's waiting texts in the same commit
//! ([`core::consent`]). A wish becomes a row for the lane of the EHR
//! ([`outbound::hl7`]), written by [`mapping::reverse`] from the appointment's last message, matched
//! by MSA-2, repeated under one control id. When the EHR's own message says the same, the wish is
//! *reflected*, and the patient is not texted a second time. At a FHIR server the lane
//! ([`outbound::fhir::lane`]) reads the appointment first, and [`mod@fhir::write`] says whether the wish
//! still fits it and what to send; a start that is not the one that the patient was told of is never
//! confirmed.
//!
//! # Where this differs from other engines
//!
//! The write-ahead log is the only thing that is flushed per commit; sled gets rows in bulk at a
//! checkpoint. Applying each message to sled cost more processor time than the disk took, and sled's
//! own flush does not survive a power cut on Linux. The journal, not a log file, is the history.

pub mod category;
pub mod clock;
pub mod phi;
pub mod shutdown;

pub mod core;

pub mod fhir;
pub mod hl7;
pub mod mapping;
pub mod sms;

pub mod outreach;

pub mod settings;

pub mod store;

pub mod engine;

pub mod inbound;
pub mod outbound;

pub mod http;

pub mod sim;

pub mod telemetry;
pub mod tls;

pub mod app;
pub mod cli;
