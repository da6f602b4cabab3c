//! The life of a task, what is one task, and ids as people write them.

use super::*;
use crate::core::phone::PhoneNumber;

fn now() -> Timestamp {
    "2026-12-01T12:00:00Z".parse().unwrap()
}

fn task(kind: TaskKind, note: &str) -> Task {
    Task {
        kind,
        appointment: Some(AppointmentKey::new("ehr/1")),
        phone: PhoneNumber::parse_e164("+14155550123").ok(),
        note: Phi::new(note.to_owned()),
        at: now(),
    }
}

fn scene(state: TaskState) -> (TaskId, Scene) {
    let id = TaskId::of(Seq(7), 0);
    let mut ticket = Ticket::new(task(TaskKind::Unclear, "?"));
    ticket.state = state;
    let mut scene = Scene::default();
    scene.tickets.insert(id, ticket);
    (id, scene)
}

#[test]
fn a_task_goes_from_open_to_taken_to_done_and_back_only_from_taken() {
    use TaskState::{Done, Open, Taken};
    let allowed = [(Open, Taken), (Taken, Done), (Open, Done), (Taken, Open)];
    for from in TaskState::ALL {
        for to in TaskState::ALL {
            let (id, scene) = scene(from);
            let decision = moved(id, to, "Frances", &scene, now());
            let reason = decision.because[0].because.clone();
            if allowed.contains(&(from, to)) {
                assert_eq!(reason, Reason::TaskMoved, "{from:?} {to:?}");
                assert_eq!(decision.tickets[0].1.state, to);
                assert_eq!(decision.tickets[0].1.by.is_some(), to != Open);
            } else {
                assert_eq!(reason, Reason::TaskIs(from), "{from:?} {to:?}");
                assert!(decision.tickets.is_empty());
            }
        }
    }
    let decision = moved(TaskId::of(Seq(8), 0), Taken, "Frances", &Scene::default(), now());
    assert_eq!(decision.because[0].because, Reason::Unknown);
}

#[test]
fn notes_are_bounded_and_the_last_ones_stay() {
    let mut ticket = Ticket::new(task(TaskKind::Unclear, "first"));
    for number in 0..100 {
        ticket.add(task(TaskKind::Unclear, &number.to_string()));
    }
    assert_eq!((ticket.notes.len(), ticket.notes_left_out), (NOTES_MAX, 80));
    assert_eq!(ticket.notes.last().unwrap().note.expose(), "99");
    assert_eq!(ticket.task.note.expose(), "first");
}

#[test]
fn what_is_new_opens_a_task_that_somebody_has() {
    let mut ticket = Ticket::new(task(TaskKind::Unclear, "?"));
    ticket.set(TaskState::Taken, "Frances", now());
    ticket.add(task(TaskKind::Unclear, "??"));
    assert_eq!((ticket.state, ticket.by), (TaskState::Open, None));
}

#[test]
fn tasks_about_a_phone_are_one_and_those_about_its_appointments_are_not() {
    let with =
        |kind, key: &str| Task { appointment: Some(AppointmentKey::new(key)), ..task(kind, "") };
    for kind in TaskKind::ALL {
        let is_one = subject(&with(kind, "ehr/1")) == subject(&with(kind, "ehr/2"));
        assert_eq!(is_one, kind.is_of_phone(), "{kind:?}");
        assert!(!subject(&Task { phone: None, ..with(kind, "ehr/1") }).is_empty());
    }
}

#[test]
fn old_rows_of_tasks_read_as_open() {
    let row = r#"{"kind":"unclear","appointment":null,"phone":null,"note":"?","at":"2026-12-01T12:00:00Z"}"#;
    let ticket: Ticket = serde_json::from_str(row).unwrap();
    assert_eq!(ticket.state, TaskState::Open);
    let again: Ticket = serde_json::from_str(&serde_json::to_string(&ticket).unwrap()).unwrap();
    assert_eq!(again, ticket);
}

#[test]
fn what_is_no_id_is_refused() {
    for text in
        ["", "-", "1", "1-", "-1", "+1-0", "1-0-0", "1-65536", "99999999999999999999-0", "١-0"]
    {
        assert!(text.parse::<TaskId>().is_err(), "{text}");
    }
    assert_eq!("12-3".parse(), Ok(TaskId::of(Seq(12), 3)));
}

#[test]
fn names_of_kinds_are_those_of_json() {
    for kind in TaskKind::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
    }
}
