//! Templates are tried when they are read: what fails only when it is rendered (a name within a
//! loop, a filter, a loop without end) must not wait for a patient.

use minijinja::Environment;
use minijinja::value::Serde;

use super::{Error, Item, PatientVars, PracticeVars, Vars, finished, unreadable};
use crate::core::effect::TextKind;

/// The faults of a language's templates, rendered with samples that have everything and nothing.
pub(super) fn faults(env: &Environment<'_>, language: &str) -> Vec<Error> {
    TextKind::ALL.into_iter().filter_map(|kind| fault(env, language, kind)).collect()
}

fn fault(env: &Environment<'_>, language: &str, kind: TextKind) -> Option<Error> {
    let name = kind.name();
    let template = env.get_template(&format!("{language}/{name}")).ok()?;
    samples(kind).iter().find_map(|vars| match template.render(Serde(vars)) {
        Ok(text) => finished(&text, name).err(),
        Err(error) => Some(unreadable(language, name, &error)),
    })
}

fn samples(kind: TextKind) -> Vec<Vars<'static>> {
    let sets = match kind {
        TextKind::NotUnderstood
        | TextKind::HandedToStaff
        | TextKind::NothingOpen
        | TextKind::Help
        | TextKind::OptedIn
        | TextKind::OptedOut => vec![vec![]],
        TextKind::Reminder | TextKind::WhichOne => {
            vec![vec![full()], vec![bare()], vec![full(), bare()], vec![bare(), full()]]
        }
        TextKind::Notice(_)
        | TextKind::ConfirmNoted
        | TextKind::ChangedMeanwhile
        | TextKind::CancelNoted
        | TextKind::RescheduleNoted => vec![vec![full()], vec![bare()]],
    };
    sets.into_iter().map(vars).collect()
}

fn vars(appointments: Vec<Item<'static>>) -> Vars<'static> {
    Vars {
        practice: PracticeVars { name: "Owl Clinic", callback_phone: "415-555-0100" },
        patient: PatientVars { given: appointments.first().and_then(|item| item.patient) },
        appointment: appointments.first().cloned(),
        appointments,
    }
}

fn full() -> Item<'static> {
    Item {
        time: Some("10:30 AM".to_owned()),
        patient: Some("Jane"),
        location: Some("Main Street Office".to_owned()),
        address: Some("1 Main Street".to_owned()),
        provider: Some("Ana Diaz".to_owned()),
        ..bare()
    }
}

fn bare() -> Item<'static> {
    Item {
        day: "Tue, Dec 8".to_owned(),
        date: "12/8/2026".to_owned(),
        time: None,
        patient: None,
        location: None,
        address: None,
        provider: None,
        callback_phone: "415-555-0100",
    }
}
