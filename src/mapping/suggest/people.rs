//! Who and where: provider, place of the visit, language, the message's own time.

use super::super::normalise::language;
use super::super::output::Output;
use super::base;
use super::draft::{Draft, INHERITED, quoted};
use super::inventory::{Place, Stats};
use super::kind::Kind;
use super::study::{Study, messages};
use super::trial::Trial;

/// Words by which a place of visits is known.
const PLACES: [&str; 19] = [
    "clinic",
    "klinik",
    "clinique",
    "department",
    "dept",
    "centre",
    "center",
    "hospital",
    "hôpital",
    "ward",
    "room",
    "raum",
    "zimmer",
    "suite",
    "surgery",
    "opd",
    "praxis",
    "office",
    "campus",
];

pub(super) fn propose(study: &Study<'_>, now: &Trial, draft: &mut Draft) {
    let heard = now.those(super::trial::Reading::is_event);
    if heard.is_empty() {
        return;
    }
    provider(study, now, &heard, draft);
    location(study, now, &heard, draft);
    language(study, now, &heard, draft);
    occurred_at(study, now, &heard, draft);
    name(study, draft);
}

fn lacking(now: &Trial, heard: &[usize], output: Output) -> Vec<usize> {
    let has = |at: &usize| now.readings.get(*at).is_some_and(|reading| reading.has(output));
    heard.iter().copied().filter(|at| !has(at)).collect()
}

fn covers(study: &Study<'_>, place: &Place, at: &[usize]) -> usize {
    let column = study.column(&place.path());
    at.iter().filter(|at| column.get(**at).is_some_and(Option::is_some)).count()
}

/// The best of candidates by how many of the lacking samples they cover.
fn best<'s>(
    study: &'s Study<'_>,
    lacking: &[usize],
    rank: impl Fn(&Place, &Stats) -> Option<u8>,
) -> Option<(&'s Place, &'s Stats, usize)> {
    let ranked = study.inventory.iter().filter_map(|(place, stats)| {
        let rank = rank(place, stats)?;
        let covers = covers(study, place, lacking);
        let is_enough = covers > 0 && covers * 2 >= lacking.len();
        is_enough.then_some(((std::cmp::Reverse(covers), rank), place, stats, covers))
    });
    ranked.min_by_key(|(key, ..)| *key).map(|(_, place, stats, covers)| (place, stats, covers))
}

fn provider(study: &Study<'_>, now: &Trial, heard: &[usize], draft: &mut Draft) {
    // A name in the place of the id, as in `Family, Given`.
    let resources = Place {
        component: 1,
        observed: None,
        field: 3,
        segment: match crate::hl7::SegmentName::parse("AIG") {
            Ok(segment) => segment,
            Err(_) => return,
        },
    };
    let rules = now.sources(Output::Provider);
    if let Some(stats) = study.inventory.get(&resources).filter(|s| s.is_mostly(&[Kind::Person]))
        && rules.contains_key("AIG-3")
    {
        let source = r#"{ path = "AIG-3", full = 1 }"#.to_owned();
        let because =
            format!("{}: the name stands where the id should.", study.evidence(&resources, stats));
        return draft.field(Output::Provider, vec![source, INHERITED.to_owned()], vec![because]);
    }
    let lacking = lacking(now, heard, Output::Provider);
    if lacking.is_empty() {
        return;
    }
    let rank = |place: &Place, _: &Stats| {
        if place.component != 1 || !study.inventory.is_person(place) {
            return None;
        }
        match (place.segment.as_str(), place.field) {
            ("SCH", 16) => Some(0),
            ("PV1", 17) => Some(1),
            ("SCH", 12) => Some(2),
            ("ARQ", 15) => Some(3),
            (name, _) if name.starts_with('Z') => Some(4),
            _ => None,
        }
    };
    if let Some((place, _, covers)) = best(study, &lacking, rank) {
        let path = place.field_path();
        let because = format!(
            "{path} holds an id and a name in {covers} of {} without a provider.",
            messages(lacking.len())
        );
        draft.field(Output::Provider, vec![INHERITED.to_owned(), quoted(&path)], vec![because]);
    }
}

fn location(study: &Study<'_>, now: &Trial, heard: &[usize], draft: &mut Draft) {
    let lacking = lacking(now, heard, Output::Location);
    if lacking.is_empty() {
        return;
    }
    let is_place = |stats: &Stats| {
        let values: Vec<_> = stats.distinct().into_iter().flatten().collect();
        let named = values.iter().filter(|value| is_place_name(value)).count();
        named > 0 && named * 2 >= values.len()
    };
    let rank = |place: &Place, stats: &Stats| {
        if place.component > 2 {
            return None;
        }
        if let Some(code) = &place.observed {
            let is_value = place.field == 5 && place.component == 1;
            return (is_value && is_place_name(code)).then_some(2);
        }
        if !is_place(stats) {
            return None;
        }
        match (place.segment.as_str(), place.field) {
            ("RGS", 3) => Some(0),
            ("PV1", 6 | 11 | 39) => Some(1),
            (name, _) if name.starts_with('Z') => Some(2),
            ("AIG", 3 | 4) => Some(3),
            ("SCH", 21) => Some(4),
            _ => None,
        }
    };
    let Some((place, stats, _)) = best(study, &lacking, rank) else { return };
    let path = place.field_path();
    let because = format!(
        "{}: a place, by its words. {} had none.",
        study.evidence(place, stats),
        messages(lacking.len())
    );
    let beside = Place { component: 2, ..place.clone() };
    let name = if study.inventory.get(&beside).is_some() { 2 } else { place.component };
    let source = format!("{{ path = {}, code = 1, name = {name} }}", quoted(&path));
    draft.field(Output::Location, vec![INHERITED.to_owned(), source], vec![because]);
}

fn is_place_name(text: &str) -> bool {
    let text = text.to_lowercase();
    text.split(|char: char| !char.is_alphabetic()).any(|word| PLACES.contains(&word))
}

fn language(study: &Study<'_>, now: &Trial, heard: &[usize], draft: &mut Draft) {
    let lacking = lacking(now, heard, Output::Language);
    if lacking.is_empty() {
        return;
    }
    // Codes of two letters are also those of states and countries.
    let is_language = |text: &String| text.chars().count() > 2 && language::tag(text).is_some();
    let rank = |place: &Place, stats: &Stats| {
        let values = stats.distinct().filter(|values| values.iter().all(is_language));
        values?;
        let is_read = base::reads(&now.mapping, Output::Language, place);
        match (place.segment.as_str(), place.component) {
            _ if is_read => None,
            ("PID", 1 | 2) if matches!(place.field, 14..=17) => Some(0),
            (name, 1 | 2) if name.starts_with('Z') => Some(1),
            ("PV1" | "PV2" | "PD1", 1) => Some(2),
            _ => None,
        }
    };
    if let Some((place, stats, _)) = best(study, &lacking, rank) {
        let because =
            format!("{}: all are names or codes of languages.", study.evidence(place, stats));
        let sources = vec![INHERITED.to_owned(), quoted(&place.path())];
        draft.field(Output::Language, sources, vec![because]);
    }
}

fn occurred_at(study: &Study<'_>, now: &Trial, heard: &[usize], draft: &mut Draft) {
    let lacking = lacking(now, heard, Output::OccurredAt);
    if lacking.is_empty() {
        return;
    }
    let rank = |place: &Place, stats: &Stats| {
        let is_usual = place.is_at("EVN", 2) && place.component == 1;
        (is_usual && stats.is_mostly(&[Kind::Time])).then_some(0)
    };
    if let Some((place, stats, _)) = best(study, &lacking, rank) {
        let because = format!(
            "{}. MSH-7 has none in {}.",
            study.evidence(place, stats),
            messages(lacking.len())
        );
        let sources = vec![INHERITED.to_owned(), quoted(&place.path())];
        draft.field(Output::OccurredAt, sources, vec![because]);
    }
}

/// A patient's name in one component, as in `Family, Given`.
fn name(study: &Study<'_>, draft: &mut Draft) {
    let whole = study.inventory.iter().find(|(place, _)| place.is_at("PID", 5));
    let Some((place, stats)) = whole.filter(|(place, _)| place.component == 1) else { return };
    let has_given = study.inventory.get(&place.beside(2)).is_some();
    if stats.is_mostly(&[Kind::Person]) && !has_given {
        let because = format!("{}: family and given name in one.", study.evidence(place, stats));
        let source = r#"{ path = "PID-5", full = 1 }"#.to_owned();
        draft.field(Output::Name, vec![source, INHERITED.to_owned()], vec![because]);
    }
}
