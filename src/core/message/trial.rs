//! Templates are tried when they are read: what fails only when it is rendered (a filter, a loop
//! without end, a name that may be missing, a text without its sender) must not wait for a patient.

use std::collections::BTreeSet;

use super::vars::{Item, PatientVars, PracticeVars, Vars};
use super::{Error, Texts, Which, asks_for, carrier_word};
use crate::core::effect::TextKind;

/// The sender in trials, in letters that no template writes by itself.
const SENDER: &str = "Zq Clinic";

/// How many appointments a text can be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) none: bool,
    pub(super) one: bool,
    pub(super) several: bool,
}

/// How many appointments a text can be about.
pub(super) const fn counts(kind: TextKind) -> Counts {
    match kind {
        TextKind::HandedToStaff
        | TextKind::NothingOpen
        | TextKind::Help
        | TextKind::OptedIn
        | TextKind::OptedOut
        | TextKind::WhichTalk
        // Their words are the flow's.
        | TextKind::Outreach
        | TextKind::OutreachAnswer => Counts { none: true, one: false, several: false },
        TextKind::NotUnderstood => Counts { none: true, one: true, several: true },
        TextKind::Reminder
        | TextKind::WhichOne
        | TextKind::ConfirmNoted
        | TextKind::CancelNoted
        | TextKind::RescheduleNoted => Counts { none: false, one: true, several: true },
        TextKind::Notice(_) | TextKind::ChangedMeanwhile => {
            Counts { none: false, one: true, several: false }
        }
    }
}

/// The faults of all templates, the first of each.
pub(super) fn faults(texts: &Texts) -> Vec<Error> {
    let mut faults = Vec::new();
    for language in texts.languages() {
        for kind in TextKind::ALL {
            let samples = samples(counts(kind));
            let of_kind = texts.choices(language, kind);
            faults.extend(of_kind.filter_map(|which| fault(texts, &which, &samples)));
        }
    }
    faults
}

fn fault(texts: &Texts, which: &Which, samples: &[Vars]) -> Option<Error> {
    // Most samples of a text come out alike; each outcome is judged once.
    let mut judged = BTreeSet::new();
    samples.iter().find_map(|vars| match texts.write(which, vars) {
        Err(error) => Some(error),
        Ok(text) if !judged.insert(text.clone()) => None,
        Ok(text) if !text.to_lowercase().contains(&SENDER.to_lowercase()) => {
            Some(which.fault(1, "lacks {{ practice.name }}: every text says whom it is from"))
        }
        Ok(text) => carrier_word(&text).map(|word| which.fault(1, asks_for(&word))),
    })
}

/// Appointments that have everything, nothing, all but one thing, and one thing only.
fn samples(counts: Counts) -> Vec<Vars> {
    let mut sets: Vec<Vec<Item>> = Vec::new();
    if counts.none {
        sets.push(Vec::new());
    }
    if counts.one {
        sets.extend(items().into_iter().map(|item| vec![item]));
    }
    if counts.several {
        sets.push(vec![full(), bare()]);
        sets.push(vec![bare(), full()]);
        sets.push(vec![full(), full(), full()]);
        sets.push(vec![bare(), bare()]);
    }
    sets.into_iter().map(vars).collect()
}

fn items() -> Vec<Item> {
    let fields: [fn(&mut Item) -> &mut Option<String>; 6] = [
        |item| &mut item.time,
        |item| &mut item.patient,
        |item| &mut item.location,
        |item| &mut item.address,
        |item| &mut item.provider,
        |item| &mut item.preparation,
    ];
    let mut items = vec![full(), bare()];
    for field in fields {
        let (mut without, mut with) = (full(), bare());
        std::mem::swap(field(&mut without), field(&mut with));
        items.push(without);
        items.push(with);
    }
    for status in ["confirmed", "canceled", "over"] {
        items.push(Item { status, ..full() });
        items.push(Item { status, ..bare() });
    }
    items
}

fn vars(appointments: Vec<Item>) -> Vars {
    Vars {
        practice: PracticeVars {
            name: SENDER.to_owned(),
            callback_phone: "415-555-0100".to_owned(),
        },
        patient: PatientVars { given: appointments.first().and_then(|item| item.patient.clone()) },
        appointment: appointments.first().cloned(),
        appointments,
    }
}

fn full() -> Item {
    let own = |text: &str| Some(text.to_owned());
    Item {
        time: own("10:30 AM"),
        when: "Tue, Dec 8 at 10:30 AM".to_owned(),
        patient: own("Jane"),
        location: own("Main Street Office"),
        address: own("1 Main Street"),
        provider: own("Ana Diaz"),
        preparation: own("Bring your glasses."),
        ..bare()
    }
}

fn bare() -> Item {
    Item {
        day: "Tue, Dec 8".to_owned(),
        date: "12/8/2026".to_owned(),
        time: None,
        when: "Tue, Dec 8".to_owned(),
        patient: None,
        location: None,
        address: None,
        provider: None,
        preparation: None,
        callback_phone: "415-555-0100".to_owned(),
        status: "booked",
    }
}
