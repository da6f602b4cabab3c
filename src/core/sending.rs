//! The two turns around an effect: the one that claims it, and the one that reports on it.
//!
//! Between them the effect is performed outside. The claim writes the text's words, so that they
//! tell the latest state; the report moves a patient's wish along and raises tasks for people.

use super::appointment::{Notice, WishState};
use super::consent::{Permission, drop_void, is_wished, may_send, spread, withdraw_texts};
use super::contact::{BadNumber, ConsentCause, Contact, Prompt, Spoke};
use super::delivery::{Failure, Next, Outgoing, Report, State};
use super::effect::{About, Effect, Sms, Task, TaskKind, TextKind, WriteBack};
use super::gate;
use super::hours::Hours;
use super::ids::{AppointmentKey, OutboxId};
use super::local_time::{LocalTime, Zone};
use super::message::{Subject, render};
use super::outreach;
use super::reason::Reason;
use super::rules::Rules;
use super::scene::{Decision, Scene};
use crate::clock::Timestamp;
use crate::phi::Phi;

/// Decides whether a row of the outbox is performed now, and marks it as claimed if so.
#[must_use]
pub fn claim(id: &OutboxId, scene: &Scene, rules: &Rules, now: Timestamp) -> Decision {
    let Some(row) = scene.outbox.get(id).filter(|row| !row.state.is_final()) else {
        return Decision::nothing(None, "SEND", Reason::Unknown);
    };
    if row.state == State::Held {
        return Decision::nothing(main_appointment(row), "SEND", Reason::HeldBack);
    }
    if row.due > now {
        // Asked for too early, or twice: it is held back, or another try is under way.
        let reason = if row.state == State::Ready { Reason::Postponed } else { Reason::InDoubt };
        return Decision::nothing(main_appointment(row), "SEND", reason);
    }
    let mut row = row.clone();
    if row.is_orphaned(now) && !row.is_repeatable() {
        // It may have been accepted; the sender looks for it before anything else.
        row.state = State::InDoubt;
        row.due = now + rules.delivery.reconcile_after;
        return with_row(row, Reason::InDoubt);
    }
    if let Effect::SendSms(sms) = &mut row.effect {
        drop_void(sms, scene, now);
    }
    let permission = may_send(&row, scene, rules, now);
    match gate::objection(&row, scene) {
        // What is void is so whatever an operator will say.
        Some(Reason::HeldBack) if !matches!(permission, Permission::Never(_)) => {
            return gate::hold(row, scene);
        }
        Some(Reason::Discarded) => return give_up(row, Reason::Discarded, scene, rules, now),
        Some(_) | None => {}
    }
    let at = match permission {
        Permission::Go => opening_for_spaced(&row, scene, rules, now),
        Permission::Later(at) => at,
        Permission::Never(reason) => return give_up(row, reason, scene, rules, now),
    };
    if at <= now {
        return perform(row, scene, rules, now);
    }
    row.due = at;
    with_row(row, Reason::Postponed)
}

/// When a text may go that did not arrive before. An answer goes at any hour, as the patient has just
/// texted; hours later it keeps the hours as any other.
fn opening_for_spaced(row: &Outgoing, scene: &Scene, rules: &Rules, now: Timestamp) -> Timestamp {
    if row.tries.lost.is_empty() || !matches!(row.effect, Effect::SendSms(_)) {
        return now;
    }
    hours_of(row, scene, rules).next_opening(now)
}

/// The zone of the visit that a row is mainly about.
fn zone_of(row: &Outgoing, scene: &Scene, rules: &Rules) -> Zone {
    let key = main_appointment(row);
    let start = key.and_then(|key| scene.appointments.get(&key)?.start.as_ref());
    start.map_or(rules.practice.zone, |start| start.zone)
}

/// When the hours for texts begin on the day after.
fn opening_tomorrow(row: &Outgoing, scene: &Scene, rules: &Rules, now: Timestamp) -> Timestamp {
    let zone = zone_of(row, scene, rules);
    let tomorrow = zone.date(now).succ_opt().unwrap_or(chrono::NaiveDate::MAX);
    hours_of(row, scene, rules).next_opening(LocalTime::day(tomorrow, zone).instant)
}

/// The hours for texts to the phone that a row is for.
fn hours_of(row: &Outgoing, scene: &Scene, rules: &Rules) -> Hours {
    let phone = match &row.effect {
        Effect::SendSms(sms) => Some(&sms.to),
        Effect::SendHl7(_)
        | Effect::UpdateFhir(_)
        | Effect::PostJson(_)
        | Effect::CallHttp(_)
        | Effect::ReadFhir(_) => None,
    };
    Hours::of(zone_of(row, scene, rules), phone, &rules.reminders)
}

fn give_up(
    row: Outgoing,
    reason: Reason,
    scene: &Scene,
    rules: &Rules,
    now: Timestamp,
) -> Decision {
    let mut decision = Decision::default();
    let known = row.clone();
    let mut row = Outgoing { state: State::Void, ..row };
    match &row.effect {
        Effect::SendHl7(write_back)
        | Effect::UpdateFhir(write_back)
        | Effect::PostJson(write_back)
            if reason == Reason::Overdue =>
        {
            // Nobody at the practice knows of this wish yet.
            row.state = State::Failed;
            advance_wish(&mut decision, write_back, scene, |_| WishState::Failed);
            decision.tasks.push(text_failed(&row, now));
        }
        Effect::SendHl7(write_back)
        | Effect::UpdateFhir(write_back)
        | Effect::PostJson(write_back)
            if reason == Reason::Shared =>
        {
            advance_wish(&mut decision, write_back, scene, |_| WishState::Requested);
            decision.tasks.push(by_hand(&row, scene, now));
        }
        Effect::ReadFhir(_) if reason == Reason::Overdue => {
            row.state = State::Failed;
            decision.tasks.push(text_failed(&row, now));
        }
        Effect::SendHl7(_)
        | Effect::UpdateFhir(_)
        | Effect::PostJson(_)
        | Effect::SendSms(_)
        | Effect::CallHttp(_)
        | Effect::ReadFhir(_) => {
            release(&mut decision, &row, scene);
        }
    }
    outreach::reported(&mut decision, (&known, &row), scene, rules, now);
    decision.explain(main_appointment(&row), "SEND", reason);
    decision.outbox.push(row);
    decision
}

fn perform(mut row: Outgoing, scene: &Scene, rules: &Rules, now: Timestamp) -> Decision {
    row.claim(now, &rules.delivery);
    let mut decision = Decision::default();
    match &mut row.effect {
        Effect::SendSms(sms) => {
            if let Err(code) = write_body(sms, scene, rules, now) {
                row.state = State::Failed;
                row.error = Some(code);
                decision.tasks.push(text_failed(&row, now));
                decision.outbox.push(row);
                decision.explain(None, "SEND", Reason::GivenUp("template".to_owned()));
                return decision;
            }
            let contact = scene.contact(&sms.to);
            let mut contact = noted(contact, &row.id, sms, scene, now);
            // The cap is for notices and reminders: a campaign must not use it up.
            if row.attempts == 1 && !sms.kind.is_answer() && sms.outreach.is_none() {
                contact.count_text(now);
            }
            decision.contacts.push(contact);
        }
        Effect::ReadFhir(_) | Effect::CallHttp(_) => {}
        Effect::SendHl7(write_back)
        | Effect::UpdateFhir(write_back)
        | Effect::PostJson(write_back) => {
            if write_back.control_id.is_empty() {
                write_back.control_id = row.id.control_id();
            }
            advance_wish(&mut decision, write_back, scene, |destination| {
                WishState::Sent(destination)
            });
        }
    }
    release(&mut decision, &row, scene);
    let subject = main_appointment(&row);
    decision.outbox.push(row);
    decision.explain(subject, "SEND", Reason::Sending);
    decision
}

fn write_body(sms: &mut Sms, scene: &Scene, rules: &Rules, now: Timestamp) -> Result<(), String> {
    if sms.body.is_some() {
        // A second try says the same words as the first.
        return Ok(());
    }
    let appointments: Vec<_> =
        sms.about.iter().filter_map(|about| scene.appointments.get(&about.appointment)).collect();
    let subject = Subject { appointments: &appointments, rules, now };
    let text =
        render(sms.kind, sms.language.as_deref(), &subject).map_err(|error| error.to_string())?;
    sms.body = Some(Phi::new(text));
    Ok(())
}

/// What the phone remembers of a text that leaves.
fn noted(mut contact: Contact, id: &OutboxId, sms: &Sms, scene: &Scene, now: Timestamp) -> Contact {
    let mut asks =
        matches!(sms.kind, TextKind::WhichOne | TextKind::NotUnderstood | TextKind::WhichTalk);
    if let Some(text) = &sms.outreach {
        asks = outreach::note_asked(&mut contact, text, scene, now);
    }
    if sms.kind.asks() {
        let start = |about: &About| {
            let known = scene.appointments.get(&about.appointment)?;
            Some((known.key.clone(), known.start.as_ref()?.instant))
        };
        // One that is off can be told of, but is not there to be answered to.
        let is_open = |about: &&About| {
            let known = scene.appointments.get(&about.appointment);
            known.is_some_and(|known| known.status.is_open())
        };
        let open: Vec<&About> = sms.about.iter().filter(is_open).collect();
        asks = !open.is_empty();
        if asks {
            contact.ask(Prompt {
                appointments: open.iter().map(|about| about.appointment.clone()).collect(),
                at: now,
                starts: open.into_iter().filter_map(start).collect(),
                is_answered: false,
                outbox: Some(id.clone()),
            });
        }
    }
    contact.spoke = Some(Spoke { at: now, kind: sms.kind, asks });
    if sms.kind == TextKind::Notice(Notice::Canceled) {
        for about in &sms.about {
            contact.let_go(&about.appointment);
        }
    }
    contact
}

/// A notice that leaves, or is void, no longer waits to be replaced.
fn release(decision: &mut Decision, row: &Outgoing, scene: &Scene) {
    let Effect::SendSms(sms) = &row.effect else { return };
    let TextKind::Notice(notice) = sms.kind else { return };
    for about in &sms.about {
        let Some(known) = scene.appointments.get(&about.appointment) else { continue };
        let is_ours = known.unsent_notice == Some(notice) && known.generation == about.generation;
        let mut after = known.clone();
        if is_ours {
            after.unsent_notice = None;
        }
        after.remember(scene.seq);
        decision.appointments.push(after);
    }
}

/// Decides what follows from how performing an effect went.
#[must_use]
pub fn report(
    id: &OutboxId,
    report: &Report,
    scene: &Scene,
    rules: &Rules,
    now: Timestamp,
) -> Decision {
    let Some(known) = scene.outbox.get(id) else {
        return Decision::nothing(None, "DELIVERY", Reason::Unknown);
    };
    let mut row = known.clone();
    row.apply(report, now, &rules.delivery);
    // That the phone is blocked holds whichever of the tries it was said of.
    let failure =
        failure_of(report).filter(|failure| *failure == Failure::OptedOut || row != *known);
    if failure.is_some_and(|failure| failure.next() == Next::Opening) {
        row.postpone(opening_tomorrow(&row, scene, rules, now));
    }
    let mut decision = Decision::default();
    // Of a campaign's recipients the responses tell, not a task each.
    let has_task = learn_of_phone(&mut decision, (known, &row), failure, scene, now)
        || outreach::is_ours(&row.effect);
    forget_prompt(&mut decision, &row, scene);
    let failed_now = row.state == State::Failed && known.state != State::Failed;
    let is_overtaken = matches!(report, Report::NotDone { failure: Failure::Overtaken, .. })
        && !known.state.is_final();
    if let Effect::SendHl7(write_back)
    | Effect::UpdateFhir(write_back)
    | Effect::PostJson(write_back) = &row.effect
    {
        // The new state should have ended the wish; if it has not, a person has to know.
        let is_left = is_overtaken && is_wished(write_back, scene);
        if row.state == State::Accepted {
            advance_wish(&mut decision, write_back, scene, WishState::Acknowledged);
        } else if failed_now || is_left {
            advance_wish(&mut decision, write_back, scene, |_| WishState::Failed);
        }
        if is_left {
            decision.tasks.push(text_failed(&row, now));
        }
    }
    if failed_now && !has_task {
        let mut task = text_failed(&row, now);
        if let (Some(Failure::WordsRefused), Effect::SendSms(sms)) = (failure, &row.effect) {
            let code = row.error.as_deref().unwrap_or_default();
            task.note = Phi::new(format!("{code}: template {}", sms.kind.name()));
        }
        decision.tasks.push(task);
    }
    let reason = match row.state {
        State::Ready => Reason::RetryPlanned,
        State::Held => Reason::HeldBack,
        State::Sending | State::InDoubt => Reason::InDoubt,
        State::Accepted => Reason::Accepted,
        State::Delivered => Reason::Delivered,
        State::Failed => Reason::GivenUp(row.error.clone().unwrap_or_default()),
        State::Void if is_overtaken => Reason::TimeChanged,
        State::Void if failure == Some(Failure::Forbidden) => {
            Reason::GivenUp(row.error.clone().unwrap_or_default())
        }
        State::Void => Reason::Void,
    };
    let subject = main_appointment(&row);
    outreach::reported(&mut decision, (known, &row), scene, rules, now);
    remember(&mut decision, subject.as_ref(), scene);
    decision.outbox.push(row);
    gate::left(known, scene, &mut decision);
    decision.explain(subject, "DELIVERY", reason);
    decision
}

const fn failure_of(report: &Report) -> Option<Failure> {
    match report {
        Report::NotDone { failure, .. } | Report::Undelivered { failure, .. } => Some(*failure),
        Report::Accepted { .. }
        | Report::Delivered { .. }
        | Report::InDoubt { .. }
        | Report::NoTrace => None,
    }
}

/// Notes what a report says of the phone itself: blocked, not good for texts, or good again. Returns
/// whether a person is told of the failure thereby, or was before.
fn learn_of_phone(
    decision: &mut Decision,
    (known, row): (&Outgoing, &Outgoing),
    failure: Option<Failure>,
    scene: &Scene,
    now: Timestamp,
) -> bool {
    let Effect::SendSms(sms) = &row.effect else { return false };
    let mut contact = scene.contact(&sms.to);
    if failure == Some(Failure::OptedOut) {
        if contact.set_consent(true, ConsentCause::Refusal, now) {
            spread(&contact, scene, decision);
            withdraw_texts(&contact, scene, decision);
            decision.explain(None, "OPTED_OUT", Reason::ConsentBy(ConsentCause::Refusal));
        }
        decision.contacts.push(contact.clone());
        outreach::end_for_consent(&contact, decision, scene, now);
        return false;
    }
    if failure == Some(Failure::BadNumber) {
        if contact.bad.is_none() {
            let code = row.error.clone().unwrap_or_default();
            contact.bad = Some(BadNumber { code, since: now });
            let is_open = |key: &AppointmentKey| {
                scene.appointments.get(key).is_some_and(|known| known.status.is_open())
            };
            // Of a campaign's recipients the responses tell; who has a visit will miss its texts.
            if !outreach::is_ours(&row.effect) || contact.appointments.iter().any(is_open) {
                decision.tasks.push(Task { kind: TaskKind::BadNumber, ..text_failed(row, now) });
            }
            decision.contacts.push(contact);
        }
        return true;
    }
    if row.state == State::Delivered && known.state != State::Delivered && contact.bad.is_some() {
        contact.bad = None;
        decision.contacts.push(contact);
    }
    false
}

/// Takes back that a text asked something which has not left, or has not arrived: nobody can answer
/// it, nor was the start told that stood in it.
fn forget_prompt(decision: &mut Decision, row: &Outgoing, scene: &Scene) {
    let Effect::SendSms(sms) = &row.effect else { return };
    if !matches!(row.state, State::Ready | State::Failed | State::Void) {
        return;
    }
    if let (Some(text), Some(contact)) = (&sms.outreach, decision.contact(&sms.to, scene)) {
        outreach::forget_asked(contact, text);
    }
    let is_it = |prompt: &Prompt| prompt.outbox.as_ref() == Some(&row.id);
    let known = scene.contacts.get(&sms.to);
    if known.is_some_and(|known| known.prompts.iter().any(is_it))
        && let Some(contact) = decision.contact(&sms.to, scene)
    {
        contact.prompts.retain(|prompt| !is_it(prompt));
    }
}

/// Puts this turn into the appointment's history, unless the decision writes it anyway.
fn remember(decision: &mut Decision, subject: Option<&AppointmentKey>, scene: &Scene) {
    let Some(known) = subject.and_then(|key| scene.appointments.get(key)) else { return };
    if decision.appointments.iter().any(|written| written.key == known.key) {
        return;
    }
    let mut after = known.clone();
    after.remember(scene.seq);
    decision.appointments.push(after);
}

fn advance_wish(
    decision: &mut Decision,
    write_back: &WriteBack,
    scene: &Scene,
    state: impl FnOnce(super::ids::DestinationName) -> WishState,
) {
    let Some(known) = scene.appointments.get(&write_back.appointment) else { return };
    let mut after = known.clone();
    after.remember(scene.seq);
    if let Some(wish) = &mut after.wish
        && wish.kind == write_back.wish
        && wish.state != WishState::Reflected
    {
        wish.state = state(write_back.destination.clone());
    }
    decision.appointments.push(after);
}

fn text_failed(row: &Outgoing, now: Timestamp) -> Task {
    let (kind, phone) = match &row.effect {
        Effect::SendSms(sms) => (TaskKind::TextFailed, Some(sms.to.clone())),
        Effect::SendHl7(_) | Effect::UpdateFhir(_) | Effect::PostJson(_) => {
            (TaskKind::WriteBackFailed, None)
        }
        Effect::CallHttp(_) => (TaskKind::Outreach, None),
        Effect::ReadFhir(_) => (TaskKind::ReadFailed, None),
    };
    Task {
        kind,
        appointment: main_appointment(row),
        phone,
        note: Phi::new(row.error.clone().unwrap_or_default()),
        at: now,
    }
}

fn by_hand(row: &Outgoing, scene: &Scene, now: Timestamp) -> Task {
    let appointment = main_appointment(row);
    let known = appointment.as_ref().and_then(|key| scene.appointments.get(key));
    Task {
        kind: TaskKind::EnterByHand,
        phone: known.and_then(|known| known.patient.phone.clone()),
        appointment,
        note: Phi::new(Reason::Shared.to_string()),
        at: now,
    }
}

/// The appointment that an effect is mainly about.
#[must_use]
pub fn main_appointment(row: &Outgoing) -> Option<AppointmentKey> {
    subject_of(&row.effect)
}

/// The appointment that an effect will mainly be about.
#[must_use]
pub fn subject_of(effect: &Effect) -> Option<AppointmentKey> {
    match effect {
        Effect::SendSms(sms) => sms.about.first().map(|about| about.appointment.clone()),
        Effect::SendHl7(write_back)
        | Effect::UpdateFhir(write_back)
        | Effect::PostJson(write_back) => Some(write_back.appointment.clone()),
        Effect::ReadFhir(_) | Effect::CallHttp(_) => None,
    }
}

fn with_row(row: Outgoing, reason: Reason) -> Decision {
    let subject = main_appointment(&row);
    let mut decision = Decision { outbox: vec![row], ..Decision::default() };
    decision.explain(subject, "SEND", reason);
    decision
}
