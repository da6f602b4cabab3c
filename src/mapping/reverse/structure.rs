//! From the last message, of whatever kind, to one with the segments of the form.
//!
//! A message of the form's own kind stays whole. Of another kind stay the segments that both have,
//! and Z-segments; what the form requires besides is made from what is known of the appointment.
//! The structures are those of HL7 v2.5.1 (ADT 3.3.1, ORU 7.3.1, SRM 10.3, SIU 10.4); versions 2.3
//! to 2.8 have the same order.

use std::collections::BTreeSet;

use super::template::Form;
use super::{Error, Request, known};
use crate::core::appointment::Patient;
use crate::hl7::{Draft, Message, Path, SegmentName};

const HEAD: [&str; 3] = ["MSH", "SFT", "UAC"];
/// The segments of one patient in a scheduling message.
const PATIENT: [&str; 6] = ["PID", "PD1", "PV1", "PV2", "OBX", "DG1"];
const RESOURCES: [&str; 5] = ["RGS", "AIS", "AIG", "AIL", "AIP"];

const SIU: [&[&str]; 4] = [&HEAD, &["EVN", "SCH", "TQ1", "NTE"], &PATIENT, &RESOURCES];
const SRM: [&[&str]; 4] =
    [&HEAD, &["EVN", "ARQ", "APR", "NTE"], &["PID", "PV1", "PV2", "OBX", "DG1"], &RESOURCES];
const ADT: [&[&str]; 4] = [
    &HEAD,
    &["EVN", "PID", "PD1", "ARV", "ROL", "NK1", "PV1", "PV2", "DB1", "OBX", "AL1", "DG1", "DRG"],
    &["PR1", "GT1", "IN1", "IN2", "IN3"],
    &["ACC", "UB1", "UB2", "PDA"],
];
const ORU: [&[&str]; 4] = [&HEAD, &["PID", "PD1", "PV1", "PV2"], &["ORC", "OBR"], &["OBX"]];

/// Where a segment of this name goes: after what comes before it in the form's order. One that the
/// form does not know, a Z-segment, goes to the end.
pub(super) fn place(form: Form, draft: &Draft, name: SegmentName) -> usize {
    let names = draft.names();
    if let Some(last) = names.iter().rposition(|known| *known == Some(name)) {
        return last + 1;
    }
    first_place(form, draft, name)
}

/// Where the first segment of this name goes, before those that are there.
pub(super) fn first_place(form: Form, draft: &Draft, name: SegmentName) -> usize {
    let names = draft.names();
    let Some(rank) = rank(form, name) else { return names.len() };
    let is_before = |known: &Option<SegmentName>| {
        known.and_then(|known| self::rank(form, known)).is_some_and(|known| known < rank)
    };
    names.iter().rposition(is_before).map_or(1, |before| before + 1)
}

fn rank(form: Form, name: SegmentName) -> Option<usize> {
    let order = match form {
        Form::SiuS14 | Form::SiuS15 => &SIU,
        Form::SrmS03 | Form::SrmS04 => &SRM,
        Form::AdtA08 => &ADT,
        Form::OruR01 => &ORU,
    };
    order.iter().flat_map(|part| part.iter()).position(|known| *known == name.as_str())
}

/// The message to begin with.
pub(super) fn fit(
    request: &Request<'_>,
    form: Form,
    last: Option<&Message>,
) -> Result<Message, Error> {
    let Some(last) = last else {
        return fit(request, form, Some(&known::message(request, None)?));
    };
    let mut draft = Draft::from(last);
    match form {
        Form::SiuS14 | Form::SiuS15 if has_one_schedule(last) => {}
        Form::SrmS03 | Form::SrmS04 if has_one_schedule(last) || has(last, "ARQ") => {}
        Form::AdtA08 if last.header().message_code == "ADT" && !has(last, "SCH") => {}
        Form::SiuS14 | Form::SiuS15 | Form::SrmS03 | Form::SrmS04 => {
            // Neither a patient's event nor other appointments' schedules are this one's.
            let foreign = ["EVN", "SCH", "TQ1", "NTE", "APR", "RGS", "AIS", "AIG", "AIL", "AIP"];
            keep(&mut draft, |_, name| is_of(form, name) && !foreign.contains(&name));
        }
        Form::AdtA08 | Form::OruR01 => {
            let others = others(request, last)?;
            // Results of another message are not repeated as results of this one.
            let foreign: &[&str] = if form == Form::OruR01 { &["ORC", "OBR", "OBX"] } else { &[] };
            keep(&mut draft, |place, name| {
                !others.contains(&place) && is_of(form, name) && !foreign.contains(&name)
            });
        }
    }
    complete(request, form, last, draft)
}

/// Adds what the form requires; nothing of it is overwritten.
fn complete(
    request: &Request<'_>,
    form: Form,
    base: &Message,
    mut draft: Draft,
) -> Result<Message, Error> {
    let required: &[&str] = match form {
        Form::SiuS14 | Form::SiuS15 => &["SCH"],
        // The request is made from the schedule; see `Edit::request`.
        Form::SrmS03 | Form::SrmS04 if has(base, "ARQ") => &[],
        Form::SrmS03 | Form::SrmS04 => &["SCH"],
        Form::AdtA08 => &["EVN", "PID", "PV1"],
        Form::OruR01 => &["PID", "PV1"],
    };
    // A message that was a schedule before keeps its own ways, without RGS if so.
    let resources = ["RGS"].iter().filter(|_| required == ["SCH"] && !has_one_schedule(base));
    let mut made = None;
    for name in required.iter().chain(resources) {
        let name = SegmentName::parse(name)?;
        if draft.count(name) > 0 {
            continue;
        }
        let separator = base.separators().field;
        let segment = match name.as_str() {
            "EVN" => format!("EVN{separator}"),
            "RGS" => format!("RGS{separator}1"),
            "PV1" if request.appointment.is_none() => format!("PV1{separator}1{separator}O"),
            _ => {
                if made.is_none() {
                    made = Some(known::message(request, Some(base))?);
                }
                let found = made.as_ref().and_then(|made| made.segment(name.as_str()));
                found.ok_or(Error::NothingKnown)?.raw().to_owned()
            }
        };
        let form_order = if name.as_str() == "SCH" { Form::SiuS14 } else { form };
        draft.insert(place(form_order, &draft, name), &segment)?;
    }
    Ok(draft.finish()?)
}

/// Whether a message is about the schedule of one appointment.
pub(super) fn has_one_schedule(msg: &Message) -> bool {
    let names = msg.segments().map(|segment| segment.name());
    names.filter(|name| name.as_str() == "SCH").count() == 1
}

fn has(msg: &Message, name: &str) -> bool {
    msg.segment(name).is_some()
}

/// Whether a form takes over a segment of another kind of message.
fn is_of(form: Form, name: &str) -> bool {
    name.starts_with('Z') || SegmentName::parse(name).is_ok_and(|name| rank(form, name).is_some())
}

fn keep(draft: &mut Draft, wanted: impl Fn(usize, &str) -> bool) {
    let names = draft.names();
    draft.retain(|place| {
        let name = names.get(place).and_then(Option::as_ref);
        wanted(place, name.map_or("", SegmentName::as_str))
    });
}

/// The places of segments about other patients of a group visit: a note to a chart is one
/// patient's, and the others' data have no business in it.
fn others(request: &Request<'_>, msg: &Message) -> Result<BTreeSet<usize>, Error> {
    let pid = SegmentName::parse("PID")?;
    let starts: Vec<usize> = msg.segments_named(pid).map(|segment| segment.index()).collect();
    if starts.len() < 2 {
        return Ok(BTreeSet::new());
    }
    let patient = request.appointment.map(|appointment| &appointment.patient);
    let own = (1_u16..)
        .zip(&starts)
        .find(|(number, _)| patient.is_some_and(|patient| is_of_patient(msg, *number, patient)))
        .map(|(_, start)| *start)
        .ok_or(Error::WhichPatient)?;
    let mut group = None;
    let mut others = BTreeSet::new();
    for segment in msg.segments() {
        if segment.name() == pid {
            group = Some(segment.index());
        } else if RESOURCES.contains(&segment.name().as_str()) {
            group = None;
        }
        if group.is_some_and(|group| group != own) {
            others.insert(segment.index());
        }
    }
    Ok(others)
}

fn is_of_patient(msg: &Message, number: u16, patient: &Patient) -> bool {
    let paths = [format!("PID[{number}]-3[*].1"), format!("PID[{number}]-2.1")];
    let found = paths.iter().filter_map(|path| Path::parse(path).ok());
    let mut values = found.flat_map(|path| msg.select(&path)).map(|found| found.part.value());
    values.any(|value| {
        let text = value.into_text();
        !text.is_empty()
            && (patient.id.as_deref() == Some(&text)
                || patient.ids.iter().any(|id| id.value == text))
    })
}
