//! Every appointment of the corpus, if it lies beside the project: a wish of its patient is planned in
//! every way of writing, and what is put in its place fulfils the wish.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use appointd::clock::Timestamp;
use appointd::core::appointment::WishKind;
use appointd::fhir::write::{
    Body, Plan, Policy, Refusal, State, Strategy, Target, Version, Wish, judge, plan,
};
use chrono::TimeDelta;
use serde_json::Value;

const STRATEGIES: [Strategy; 5] = [
    Strategy::JsonPatch,
    Strategy::FhirPathPatch,
    Strategy::Put,
    Strategy::AppointmentResponse,
    Strategy::Operation,
];

/// Appointments of the corpus by file, those within Bundles too.
fn appointments() -> Vec<(String, Value)> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus/fhir"));
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        if let Ok(entries) = fs::read_dir(&path) {
            open.extend(entries.map(|entry| entry.unwrap().path()));
        } else if let Some(value) = read(&path) {
            let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
            collect(&value, &name, &mut found);
        }
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    found
}

fn read(path: &PathBuf) -> Option<Value> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn collect(value: &Value, name: &str, found: &mut Vec<(String, Value)>) {
    if value.get("resourceType").and_then(Value::as_str) == Some("Appointment") {
        found.push((name.to_owned(), value.clone()));
    }
    let entries = value.get("entry").and_then(Value::as_array).into_iter().flatten();
    for resource in entries.filter_map(|entry| entry.get("resource")) {
        collect(resource, name, found);
    }
}

/// The start as written, and the present an hour before.
fn times(held: &Value) -> (Option<Timestamp>, Timestamp) {
    let start = held.get("start").and_then(Value::as_str).and_then(|text| text.parse().ok());
    let now = start.unwrap_or_default() - TimeDelta::hours(1);
    (start, now)
}

fn wish(kind: WishKind, held: &Value) -> Wish<'static> {
    let (told_start, now) = times(held);
    Wish { kind, patient_refs: &[], told_start, now, reply_id: "SM1", comment: None }
}

#[test]
fn every_appointment_of_the_corpus_is_planned_in_every_way() {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (name, held) in appointments() {
        for kind in [WishKind::Confirm, WishKind::Cancel] {
            for strategy in STRATEGIES {
                for target in [Target::Participant, Target::Status] {
                    let version = if name.starts_with("r5") { Version::R5 } else { Version::R4 };
                    let policy = Policy { strategy, target, version, ..Policy::default() };
                    let planned = plan(&held, &wish(kind, &held), &policy);
                    let shown = format!("{planned:?}").split(' ').next().unwrap().to_owned();
                    *counts.entry(format!("{kind:?} {shown}")).or_default() += 1;
                    let Plan::Write(change) = planned else { continue };
                    let _judged = judge(200, &|_| None, held.to_string().as_bytes(), &change);
                    if let Body::Resource(after) = &change.body {
                        let again = plan(after, &wish(kind, after), &policy);
                        assert_eq!(again, Plan::Done, "{name} {kind:?}");
                    }
                }
            }
        }
    }
    if !counts.is_empty() {
        assert!(counts.values().sum::<usize>() >= 20 * 20, "{counts:?}");
        assert!(counts.keys().any(|shown| shown.starts_with("Cancel Write")), "{counts:?}");
    }
}

#[test]
fn known_appointments_come_to_known_plans() {
    let all = appointments();
    if all.is_empty() {
        return;
    }
    let planned = |file: &str, kind| {
        let Some((_, held)) = all.iter().find(|(name, _)| name == file) else {
            panic!("no {file}");
        };
        plan(held, &wish(kind, held), &Policy::default())
    };
    let (confirm, cancel) = (WishKind::Confirm, WishKind::Cancel);
    let written = |plan: Plan| {
        let Plan::Write(change) = plan else { panic!("{plan:?}") };
        let Body::JsonPatch(operations) = change.body else { panic!("no patch") };
        operations.last().unwrap().clone()
    };
    // Cancelled at Oracle Health, which says besides that it cannot be cancelled.
    let off = "cerner_r4/r4_appointment_entry.json";
    assert_eq!(planned(off, cancel), Plan::Done);
    assert_eq!(planned(off, confirm), Plan::Refuse(Refusal::Off));
    let missed = "cerner_r4/r4_appointment_video_visit_entry.json";
    for kind in [confirm, cancel] {
        let refused = Plan::Refuse(Refusal::NotBooked(State::NoShow));
        assert_eq!(planned(missed, kind), refused);
    }
    let bogus = "medplum_capture/create-bogus-status.body.json";
    assert_eq!(planned(bogus, confirm), Plan::Refuse(Refusal::UnknownStatus));
    let accepted = "medplum_capture/update-participant-accepted.body.json";
    assert_eq!(planned(accepted, confirm), Plan::Done);
    assert_eq!(written(planned(accepted, cancel))["path"], "/cancelationReason");
    let created = "medplum_capture/create.body.json";
    assert_eq!(written(planned(created, confirm))["path"], "/participant/0/status");
    assert_eq!(planned("medplum_capture/update-cancelled.body.json", cancel), Plan::Done);
    // Asked for, without a time.
    let request = "r4b_hl7/appointment-example-request.json";
    assert_eq!(planned(request, cancel), Plan::Refuse(Refusal::NoStart));
    // Nobody but a doctor and a place.
    let nobody = "argonaut_stu3/Appointment-proposed-appt3.json";
    assert_eq!(planned(nobody, cancel), Plan::Refuse(Refusal::NoParticipant));
}
