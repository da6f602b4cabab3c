//! What a decision sees, and what it answers.
//!
//! A [`Scene`] is the part of the state that one event can touch, loaded beforehand; a [`Decision`]
//! is a scene's rows as they are to be from now on, with what is to be done outside and why. Both
//! are plain values, so that every rule is testable as a function.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::appointment::Appointment;
use super::campaign::{Campaign, CampaignId, CampaignState, Session, SessionId};
use super::contact::Contact;
use super::delivery::Outgoing;
use super::effect::{Planned, ReadAt, Task};
use super::feed::Feed;
use super::flow::{Program, ProgramId, Sources};
use super::gate::Gate;
use super::ids::{AppointmentKey, OutboxId, Seq, SourceName};
use super::phone::PhoneNumber;
use super::reason::{Outcome, Reason};
use super::task::{TaskId, Ticket};

/// The rows that an event may touch.
#[derive(Debug, Clone, Default)]
pub struct Scene {
    /// The journal entry that this turn will be.
    pub seq: Seq,
    /// How many effects and tasks the same entry has already: a message may hold several events.
    pub effects_before: usize,
    /// Appointments by key.
    pub appointments: BTreeMap<AppointmentKey, Appointment>,
    /// Phones by number.
    pub contacts: BTreeMap<PhoneNumber, Contact>,
    /// Rows of the outbox by id.
    pub outbox: BTreeMap<OutboxId, Outgoing>,
    /// FHIR servers by name.
    pub feeds: BTreeMap<SourceName, Feed>,
    /// Looks at servers that are planned and not yet begun: they will see what is new as well.
    pub planned: BTreeSet<ReadAt>,
    /// Gates of the flood guard by source.
    pub gates: BTreeMap<SourceName, Gate>,
    /// Tasks in the queue that may be moved.
    pub tickets: BTreeMap<TaskId, Ticket>,
    /// Campaigns by id.
    pub campaigns: BTreeMap<CampaignId, Campaign>,
    /// Recipients by id.
    pub sessions: BTreeMap<SessionId, Session>,
    /// The flows that these run.
    pub programs: BTreeMap<ProgramId, Arc<Program>>,
}

/// What is to be.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decision {
    /// Appointments to be written.
    pub appointments: Vec<Appointment>,
    /// Phones to be written.
    pub contacts: Vec<Contact>,
    /// Rows of the outbox to be written.
    pub outbox: Vec<Outgoing>,
    /// FHIR servers to be written.
    pub feeds: Vec<Feed>,
    /// Gates to be written.
    pub gates: Vec<Gate>,
    /// Tasks in the queue to be written.
    pub tickets: Vec<(TaskId, Ticket)>,
    /// Campaigns to be written.
    pub campaigns: Vec<Campaign>,
    /// Recipients to be written.
    pub sessions: Vec<Session>,
    /// The texts of a flow to be kept, with its id.
    pub sources: Option<(ProgramId, Sources)>,
    /// Whether new notices are held from the start, as their source's gate is closed.
    pub is_held: bool,
    /// New effects.
    pub effects: Vec<Planned>,
    /// New tasks for people.
    pub tasks: Vec<Task>,
    /// What was decided, and why.
    pub because: Vec<Outcome>,
}

impl Decision {
    /// A decision to do nothing, with its reason.
    #[must_use]
    pub fn nothing(appointment: Option<AppointmentKey>, event: &str, because: Reason) -> Self {
        let mut decision = Self::default();
        decision.explain(appointment, event, because);
        decision
    }

    /// Adds a reason.
    pub fn explain(&mut self, appointment: Option<AppointmentKey>, event: &str, because: Reason) {
        self.because.push(Outcome { appointment, event: event.to_owned(), because });
    }
}

impl Decision {
    /// The row of a phone as this decision writes it, taken from the scene at first.
    pub fn contact<'a>(
        &'a mut self,
        phone: &PhoneNumber,
        scene: &Scene,
    ) -> Option<&'a mut Contact> {
        let index = match self.contacts.iter().position(|row| row.phone == *phone) {
            Some(index) => index,
            None => {
                self.contacts.push(scene.contacts.get(phone)?.clone());
                self.contacts.len() - 1
            }
        };
        self.contacts.get_mut(index)
    }

    /// The row of an appointment as this decision writes it, taken from the scene at first.
    pub fn row<'a>(
        &'a mut self,
        key: &AppointmentKey,
        scene: &Scene,
    ) -> Option<&'a mut Appointment> {
        let index = match self.appointments.iter().position(|row| row.key == *key) {
            Some(index) => index,
            None => {
                let mut row = scene.appointments.get(key)?.clone();
                row.remember(scene.seq);
                self.appointments.push(row);
                self.appointments.len() - 1
            }
        };
        self.appointments.get_mut(index)
    }

    /// The row of a phone as this decision writes it, a new one if nothing is known of it.
    pub fn contact_or_new<'a>(
        &'a mut self,
        phone: &PhoneNumber,
        scene: &Scene,
    ) -> Option<&'a mut Contact> {
        if !self.contacts.iter().any(|row| row.phone == *phone) {
            self.contacts.push(scene.contact(phone));
        }
        self.contacts.iter_mut().find(|row| row.phone == *phone)
    }

    /// The row of a recipient as this decision writes it, taken from the scene at first.
    pub fn session<'a>(&'a mut self, id: &SessionId, scene: &Scene) -> Option<&'a mut Session> {
        let index = match self.sessions.iter().position(|row| row.id == *id) {
            Some(index) => index,
            None => {
                self.sessions.push(scene.sessions.get(id)?.clone());
                self.sessions.len() - 1
            }
        };
        self.sessions.get_mut(index)
    }

    /// Writes the row of a recipient in place of what this decision wrote of it so far.
    pub fn put_session(&mut self, session: Session) {
        self.sessions.retain(|row| row.id != session.id);
        self.sessions.push(session);
    }

    /// The row of a campaign as this decision writes it, taken from the scene at first.
    pub fn campaign<'a>(&'a mut self, id: &CampaignId, scene: &Scene) -> Option<&'a mut Campaign> {
        let index = match self.campaigns.iter().position(|row| row.id == *id) {
            Some(index) => index,
            None => {
                self.campaigns.push(scene.campaigns.get(id)?.clone());
                self.campaigns.len() - 1
            }
        };
        self.campaigns.get_mut(index)
    }

    /// Takes out the gate of a source as this decision writes it so far, at first from the scene. It
    /// has to be put back, so that there is one row a source.
    #[must_use]
    pub fn take_gate(&mut self, source: &SourceName, scene: &Scene) -> Gate {
        match self.gates.iter().position(|gate| gate.source == *source) {
            Some(index) => self.gates.remove(index),
            None => scene.gate(source),
        }
    }
}

impl Scene {
    /// The contact of a phone, new if nothing is known of it.
    #[must_use]
    pub fn contact(&self, phone: &PhoneNumber) -> Contact {
        self.contacts.get(phone).cloned().unwrap_or_else(|| Contact::new(phone.clone()))
    }

    /// The flow that a campaign runs.
    #[must_use]
    pub fn program(&self, campaign: &CampaignId) -> Option<&Arc<Program>> {
        self.programs.get(&self.campaigns.get(campaign)?.program)
    }

    /// Whether nobody is texted for a campaign any more; so it is with one that is not known.
    #[must_use]
    pub fn is_stopped(&self, campaign: &CampaignId) -> bool {
        let known = self.campaigns.get(campaign);
        known.is_none_or(|campaign| campaign.state == CampaignState::Stopped)
    }

    /// The gate of a source, open if nothing is known of it.
    #[must_use]
    pub fn gate(&self, source: &SourceName) -> Gate {
        self.gates.get(source).cloned().unwrap_or_else(|| Gate::new(source.clone()))
    }

    /// What is known of a FHIR server, new if nothing is.
    #[must_use]
    pub fn feed(&self, server: &SourceName) -> Feed {
        self.feeds.get(server).cloned().unwrap_or_else(|| Feed::new(server.clone()))
    }
}
