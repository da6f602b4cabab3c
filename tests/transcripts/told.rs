//! What came of a step, in words: texts, messages to the EHR, tasks, and why nothing came.

use std::collections::{BTreeMap, BTreeSet};

use appointd::clock::Timestamp;
use appointd::core::delivery::{Outgoing, Report, State};
use appointd::core::effect::{Effect, TaskKind};
use appointd::core::ids::{AppointmentKey, OutboxId, Seq};
use appointd::core::local_time::Zone;
use appointd::core::phone::PhoneNumber;
use appointd::core::reason::{Outcome, Reason};
use appointd::core::task::{TaskState, Ticket};
use appointd::engine::rows::{self, Cause, Entry};
use appointd::hl7::Message;
use appointd::sim::ehr::Line;
use appointd::sim::phone::{Direction, Text};
use appointd::store::{Order, Range, Table};

use super::script::{Person, Script, shown};
use super::stage::Stage;

const ROWS_MAX: usize = 10_000;
/// How much of a note is shown.
const SHOWN_MAX: usize = 100;

/// How far the story has been told.
#[derive(Debug)]
pub(crate) struct Teller {
    zone: Zone,
    people: Vec<Person>,
    seq: Seq,
    texts: usize,
    lines: usize,
    /// Tasks by their keys: how many notes they had, and how far they were.
    tasks: BTreeMap<Vec<u8>, (usize, TaskState)>,
    waiting: BTreeMap<OutboxId, Timestamp>,
    doubted: BTreeSet<OutboxId>,
    /// What was put off in this step.
    postponed: BTreeSet<OutboxId>,
}

/// One thing that came of a step.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Told {
    at: Timestamp,
    /// What is told first of things that come at once.
    rank: u8,
    order: String,
    words: String,
}

/// What came of a step, and the reasons that were given if nothing did.
struct Gathered {
    told: Vec<Told>,
    reasons: Vec<String>,
}

impl Teller {
    pub(crate) fn new(script: &Script) -> Self {
        Self {
            zone: script.zone,
            people: script.people.clone(),
            seq: Seq(0),
            texts: 0,
            lines: 0,
            tasks: BTreeMap::new(),
            waiting: BTreeMap::new(),
            doubted: BTreeSet::new(),
            postponed: BTreeSet::new(),
        }
    }

    /// What has come since the last time; `is_asked` if silence needs a reason.
    pub(crate) fn tell(&mut self, stage: &Stage, is_asked: bool) -> Vec<String> {
        let now = stage.clock.now();
        self.postponed.clear();
        let outbox: BTreeMap<OutboxId, Outgoing> =
            stage.outbox().into_iter().map(|row| (row.id.clone(), row)).collect();
        let mut gathered = Gathered { told: Vec::new(), reasons: Vec::new() };
        self.journal(stage, &outbox, &mut gathered);
        self.messages(stage, &mut gathered);
        self.texts(stage, &mut gathered);
        self.tasks(stage, &mut gathered);
        self.waiting(&outbox, now, &mut gathered);
        let Gathered { mut told, mut reasons } = gathered;
        told.sort();
        if told.is_empty() && is_asked {
            reasons.dedup();
            return match reasons.as_slice() {
                [] => vec!["nothing, for this was heard before".to_owned()],
                _ => vec![format!("nothing: {}", reasons.join("; "))],
            };
        }
        told.into_iter().map(|told| self.dated(told, now)).collect()
    }

    fn dated(&self, told: Told, now: Timestamp) -> String {
        let (then, today) = (self.zone.local(told.at), self.zone.date(now));
        if told.at == now {
            told.words
        } else if then.date() == today {
            format!("{} {}", clock(then), told.words)
        } else {
            format!("{} {} {}", then.format("%a %-d %b"), clock(then), told.words)
        }
    }

    fn journal(
        &mut self,
        stage: &Stage,
        outbox: &BTreeMap<OutboxId, Outgoing>,
        gathered: &mut Gathered,
    ) {
        let range = Range::all(Table::Journal).after(&rows::journal(self.seq).unwrap());
        for (key, row) in stage.store.scan(&range, ROWS_MAX, Order::Ascending).unwrap() {
            self.seq = rows::seq_of(&key).unwrap();
            let (entry, _) = rows::decode_entry(&row.value).unwrap();
            let order = format!("{:020}", self.seq.0);
            for words in self.entry(&entry, outbox, &mut gathered.reasons) {
                gathered.told.push(Told { at: entry.at, rank: 0, order: order.clone(), words });
            }
        }
    }

    fn entry(
        &mut self,
        entry: &Entry,
        outbox: &BTreeMap<OutboxId, Outgoing>,
        reasons: &mut Vec<String>,
    ) -> Vec<String> {
        let consent = entry.outcomes.iter().filter(|outcome| is_consent(&outcome.because));
        let mut told: Vec<String> = consent.map(consent_words).collect();
        match &entry.cause {
            Cause::Message(_) | Cause::Reply { .. } | Cause::Operator { .. } => {
                reasons.extend(entry.outcomes.iter().map(|outcome| outcome.because.to_string()));
            }
            // What a campaign does at its moments is seen by its texts.
            Cause::Timer if entry.outcomes.iter().any(is_campaigns) => {}
            Cause::Timer => told.extend(entry.outcomes.iter().filter_map(idle_timer)),
            Cause::Send { outbox: id } => {
                told.extend(self.send(id, entry, outbox));
            }
            Cause::Delivery { outbox: id, report } => {
                let what = outbox.get(id).map_or_else(String::new, what);
                told.extend(self.report(id, report, &what));
            }
        }
        told
    }

    /// Why a text was not sent when its time had come.
    fn send(
        &mut self,
        id: &OutboxId,
        entry: &Entry,
        outbox: &BTreeMap<OutboxId, Outgoing>,
    ) -> Option<String> {
        let mut reasons = entry.outcomes.iter().map(|outcome| &outcome.because);
        let why = reasons.rfind(|because| !is_sending(because))?;
        if *why == Reason::Postponed {
            self.postponed.insert(id.clone());
            return None;
        }
        self.waiting.remove(id);
        let what = outbox.get(id).map_or_else(String::new, what);
        Some(format!("not sent: {what}: {why}"))
    }

    fn report(&mut self, id: &OutboxId, report: &Report, what: &str) -> Option<String> {
        match report {
            Report::Accepted { .. } | Report::Delivered { .. } => {
                self.doubted.remove(id).then(|| format!("after all the carrier has it: {what}"))
            }
            Report::Undelivered { code, .. } => Some(format!("not delivered: {what}: {code}")),
            Report::NotDone { code, .. } => Some(format!("refused: {what}: {code}")),
            Report::InDoubt { code } => {
                self.doubted.insert(id.clone());
                Some(format!("in doubt whether it is taken: {what}: {code}"))
            }
            Report::NoTrace => {
                self.doubted.remove(id);
                Some(format!("the carrier does not have it: {what}"))
            }
        }
    }

    /// Marks what was being sent when the daemon ended.
    pub(crate) fn crashed(&mut self, stage: &Stage) {
        let sending = stage.outbox().into_iter().filter(|row| row.state == State::Sending);
        self.doubted.extend(sending.map(|row| row.id));
    }

    fn messages(&mut self, stage: &Stage, gathered: &mut Gathered) {
        let lines = stage.ehr.transcript();
        for (index, line) in lines.iter().enumerate().skip(self.lines) {
            let order = format!("{index:06}");
            gathered.told.push(Told { at: line.at, rank: 1, order, words: wish(line) });
        }
        self.lines = lines.len();
    }

    fn texts(&mut self, stage: &Stage, gathered: &mut Gathered) {
        let texts = stage.carrier.all_texts();
        for text in texts.iter().skip(self.texts) {
            let (who, rank) = match text.direction {
                Direction::Inbound => continue,
                Direction::OutboundReply => ("the carrier itself to", 2),
                Direction::OutboundApi => ("to", 3),
            };
            let words = format!(
                "{who} {}{}: {}",
                shown(&text.to),
                self.there(&text.to, text.at),
                printable(text.body.expose())
            );
            // Texts that leave at once may arrive in any order; the address of the news names the row.
            let order = text.status_callback.clone().unwrap_or_default();
            gathered.told.push(Told { at: text.at, rank, order, words });
            gathered.told.extend(segments(text));
        }
        self.texts = texts.len();
    }

    /// The time where a phone is, if that is worth telling.
    fn there(&self, phone: &PhoneNumber, at: Timestamp) -> String {
        let zone = self.people.iter().find(|person| person.phone == *phone).and_then(|p| p.zone);
        zone.map_or_else(String::new, |zone| format!(" (there it is {})", clock(zone.local(at))))
    }

    fn tasks(&mut self, stage: &Stage, gathered: &mut Gathered) {
        let all = stage.store.scan(&Range::all(Table::Task), ROWS_MAX, Order::Ascending).unwrap();
        for (key, row) in all {
            let ticket: Ticket = rows::decode(Table::Task, &row.value).unwrap();
            let known = (ticket.notes.len(), ticket.state);
            let before = self.tasks.insert(key.bytes().to_vec(), known);
            let now = stage.clock.now();
            let told = ticket_words(&ticket, before);
            gathered.told.extend(told.into_iter().map(|words| Told {
                at: if before.is_none() { ticket.task.at } else { now },
                rank: 4,
                order: format!("{:02x?}", key.bytes()),
                words,
            }));
        }
    }

    fn waiting(
        &mut self,
        outbox: &BTreeMap<OutboxId, Outgoing>,
        now: Timestamp,
        gathered: &mut Gathered,
    ) {
        let mut told = |order: &OutboxId, words: String| {
            gathered.told.push(Told { at: now, rank: 5, order: order.to_string(), words });
        };
        for (id, row) in outbox {
            match row.state {
                State::Ready | State::InDoubt if row.due > now => {
                    if self.waiting.insert(id.clone(), row.due) != Some(row.due) {
                        let then = self.zone.local(row.due);
                        let day = then.format("%a %-d %b");
                        let put_off = self.postponed.contains(id);
                        let why = if put_off { ", outside the hours for texts" } else { "" };
                        told(id, format!("waits until {day} {}{why}: {}", clock(then), what(row)));
                    }
                }
                State::Void => {
                    if self.waiting.remove(id).is_some() {
                        told(id, format!("taken back: {}", what(row)));
                    }
                }
                State::Held => {
                    if self.waiting.insert(id.clone(), Timestamp::MAX_UTC).is_none() {
                        told(id, format!("held back for an operator: {}", what(row)));
                    }
                }
                State::Ready | State::InDoubt => {}
                State::Sending | State::Accepted | State::Delivered | State::Failed => {
                    self.waiting.remove(id);
                }
            }
        }
    }
}

fn clock(time: chrono::NaiveDateTime) -> String {
    use chrono::Timelike as _;
    let form = if time.second() == 0 { "%H:%M" } else { "%H:%M:%S" };
    time.format(form).to_string()
}

const fn is_consent(reason: &Reason) -> bool {
    matches!(reason, Reason::ConsentBy(_))
}

fn consent_words(outcome: &Outcome) -> String {
    let now = if outcome.event == "OPTED_IN" { "may be texted" } else { "may not be texted" };
    format!("the phone {now}: {}", outcome.because)
}

const fn is_sending(reason: &Reason) -> bool {
    matches!(reason, Reason::Sending | Reason::InDoubt)
}

/// Why a planned moment brought nothing.
fn idle_timer(outcome: &Outcome) -> Option<String> {
    let is_told =
        matches!(outcome.because, Reason::ReminderQueued | Reason::InDigest | Reason::Expired)
            || is_consent(&outcome.because);
    let visit = outcome.appointment.as_ref().map_or("?", number);
    (!is_told).then(|| format!("no reminder of visit {visit}: {}", outcome.because))
}

fn number(key: &AppointmentKey) -> &str {
    key.as_str().rsplit('/').next().unwrap_or_default()
}

fn is_campaigns(outcome: &Outcome) -> bool {
    matches!(outcome.event.as_str(), "CAMPAIGN" | "OUTREACH")
}

/// What a row of the outbox is.
fn what(row: &Outgoing) -> String {
    match &row.effect {
        Effect::SendSms(sms) => {
            format!("\"{}\" to {}", sms.kind.name().replace('_', " "), shown(&sms.to))
        }
        Effect::SendHl7(write_back)
        | Effect::UpdateFhir(write_back)
        | Effect::PostJson(write_back) => {
            format!("the wish about visit {} to the EHR", number(&write_back.appointment))
        }
        Effect::ReadFhir(_) => "a look at the EHR".to_owned(),
        Effect::CallHttp(_) => "a question to a web server".to_owned(),
    }
}

/// What a write-back says.
fn wish(line: &Line) -> String {
    let msg = Message::read(&line.text).unwrap();
    let visit = msg.get(&"SCH-2.1".parse().unwrap()).into_text().into_owned();
    let wish = if msg.header().trigger == "S15" { "canceled" } else { "confirmed" };
    match line.answer.as_str() {
        "AA" => format!("to EHR: visit {visit} {wish}"),
        answer => format!("to EHR: visit {visit} {wish}, answered {answer}"),
    }
}

/// What has become of a task since it was last looked at.
fn ticket_words(ticket: &Ticket, before: Option<(usize, TaskState)>) -> Vec<String> {
    let task = &ticket.task;
    let kind = kind(task.kind);
    let (notes, state) = before.unwrap_or_default();
    let mut words = Vec::new();
    if before.is_none() {
        let urgent = if task.kind.is_urgent() { ", urgent" } else { "" };
        let visit = task.appointment.as_ref();
        let visit = visit.map_or_else(String::new, |key| format!(", visit {}", number(key)));
        words.push(format!("task{urgent}: {kind}{visit}: \"{}\"", short(task.note.expose())));
    }
    let new = ticket.notes.iter().skip(notes);
    words.extend(
        new.map(|note| format!("note to the task \"{kind}\": \"{}\"", short(note.note.expose()))),
    );
    if ticket.state != state {
        words.push(format!("the task \"{kind}\" is {}", ticket.state.name()));
    }
    words
}

fn short(text: &str) -> String {
    let shown = printable(text);
    let short: String = shown.chars().take(SHOWN_MAX).collect();
    if short == shown { shown } else { format!("{short}..") }
}

const fn kind(kind: TaskKind) -> &'static str {
    match kind {
        TaskKind::Reschedule => "wants another time",
        TaskKind::Unclear => "reply to be read",
        TaskKind::CancelOrOptOut => "opted out, and may have meant the visit",
        TaskKind::EnterByHand => "to be entered in the EHR by hand",
        TaskKind::WriteBackFailed => "the EHR did not take the wish",
        TaskKind::TextFailed => "a text could not be sent",
        TaskKind::Declined => "declined at the EHR",
        TaskKind::ReadFailed => "could not be looked at",
        TaskKind::WrongNumber => "says it is not the patient's phone",
        TaskKind::BadNumber => "the number cannot be texted",
        TaskKind::Outreach => "a campaign's answer",
        TaskKind::OutreachUrgent => "a campaign's answer",
        TaskKind::Flood => "too many texts at once",
    }
}

/// A remark on a text of many parts, which cost a text each.
fn segments(text: &Text) -> Option<Told> {
    (text.segments > 2).then(|| Told {
        at: text.at,
        rank: 3,
        order: format!("{}~", text.status_callback.clone().unwrap_or_default()),
        words: format!("(a text of {} parts)", text.segments),
    })
}

/// A text with what cannot be seen written out.
pub(crate) fn printable(text: &str) -> String {
    let is_hidden =
        |c: char| c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}');
    text.chars().fold(String::new(), |mut shown, c| {
        if c == '\n' {
            shown.push_str("\\n");
        } else if is_hidden(c) {
            shown.push_str(&c.escape_unicode().to_string());
        } else {
            shown.push(c);
        }
        shown
    })
}
