//! Messages of foreign systems, where they are at hand: what their dialects do differently is found.

use std::path::Path;

use super::super::shown;
use super::*;
use crate::hl7::{batch, charset};

/// The messages of the files whose names begin so.
fn files(prefixes: &[&str]) -> Vec<String> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus/hl7"));
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".hl7") && prefixes.iter().any(|one| name.starts_with(one)))
        .collect();
    names.sort();
    let mut found = Vec::new();
    for name in names {
        let bytes = std::fs::read(folder.join(name)).unwrap();
        let text = charset::decode(&bytes, None).unwrap().text.into_owned();
        let is_framing = |char: char| char.is_control() && char != '\r' && char != '\n';
        let messages = batch::split(text.trim_matches(is_framing)).messages;
        found.extend(messages.iter().map(|text| (*text).to_owned()));
    }
    found.retain(|text| Message::read(text).is_ok());
    found
}

/// The proposal for a vendor, if the files are there.
fn of(prefixes: &[&str]) -> Option<(Suggestion, Vec<Value>)> {
    let texts = files(prefixes);
    if texts.is_empty() {
        return None;
    }
    let found = proposal(&texts);
    let read = events(&compiled(found.to_toml()), &texts);
    println!("\n{prefixes:?}\n{}", found.to_toml());
    Some((found, read))
}

/// With `--nocapture` it shows them.
#[test]
fn every_file_makes_a_proposal_without_its_patients() {
    let names: Vec<_> = ('a'..='z')
        .map(|letter| letter.to_string())
        .filter(|name| !files(&[name]).is_empty())
        .collect();
    for name in &names {
        let texts = files(&[name]);
        let found = proposal(&texts);
        compiled(found.to_toml());
        assert!(found.events_after >= found.events_before, "{name}");
        // Words of the language of mappings and reports are no patient's.
        let own = found.to_toml().to_lowercase();
        for msg in messages(&texts) {
            for path in ["PID-5.1", "PID-13.1", "PID-11.1", "PID-19", "NK1-2.1"] {
                let value = msg.get(&path.parse().unwrap()).into_text().to_lowercase();
                let is_form = shown::masked(&value) == value;
                let is_telling = value.len() > 4 && !is_form && !value.contains("patient");
                assert!(!is_telling || !own.contains(&value), "{name} {path}");
            }
        }
    }
}

#[test]
fn nextgen_office_has_its_status_two_and_three_places_further() {
    let Some((found, read)) = of(&["nextgen_office_"]) else { return };
    assert_eq!(
        line(found.to_toml(), "status ="),
        "status = [\"inherited\", \"SCH-27\", \"SCH-28\"]"
    );
    let told: Vec<_> = read.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(told, ["BOOKED", "RESCHEDULED", "CANCELED"]);
}

#[test]
fn an_nhs_pas_has_numbers_for_statuses_and_codes_of_phones_in_component_4() {
    let Some((found, read)) = of(&["nhs_pas_s", "nhs_pas_z"]) else { return };
    let text = found.to_toml();
    let phone =
        "phone = [{ path = \"PID-13[*]\", codes = [2, 3, 4], preferred = 9 }, \"PID-40[*]\"]";
    assert_eq!(line(text, "phone ="), phone);
    assert!(text.contains("\"4\" in SIU^S15 1; perhaps canceled = [\"4\"]"), "{text}");
    assert!(text.contains("\"5\" in SIU^S26 1; perhaps noshow = [\"5\"]"), "{text}");
    assert!(line(text, "location =").contains("ZBX[3.1=CLINIC_CODE_INFO]-5"), "{text}");
    assert!(line(text, "\"SIU^Z02\"").contains("MODIFIED"));
    assert!(found.left_to_do.iter().any(|todo| todo.contains("region = \"GB\"")));
    assert_eq!((found.events_before, read.len()), (4, 5));
}

#[test]
fn an_nhs_pas_tells_of_appointments_by_adt() {
    let Some((found, read)) = of(&["nhs_pas_adt"]) else { return };
    assert_eq!(line(found.to_toml(), "start ="), "start = [\"inherited\", \"PV2-8\"]");
    assert!(found.to_toml().contains("The value changes with the trigger at ZU3-3 (1, 4)"));
    let told: Vec<_> = read.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(told, ["BOOKED", "CANCELED"]);
}

#[test]
fn an_epic_of_the_samples_has_its_status_in_sch_17() {
    let Some((found, read)) = of(&["epic_us_"]) else { return };
    assert_eq!(line(found.to_toml(), "status ="), "status = [\"inherited\", \"SCH-17.2\"]");
    assert_eq!(read[1]["event"], "RESCHEDULED");
    let Some((found, _)) = of(&["epic_mayo"]) else { return };
    assert!(found.to_toml().contains("SCH-25.5 holds a second status (Arrived)"));
}

#[test]
fn samedi_counts_seconds_without_saying_so() {
    let Some((found, _)) = of(&["samedi_s"]) else { return };
    assert_eq!(line(found.to_toml(), "duration_unit"), "duration_unit = \"s\"");
}

#[test]
fn what_a_profile_knows_is_not_proposed_again() {
    for (prefix, name) in [("nhs_pas_s", "nhs-pas"), ("samedi_s", "samedi")] {
        let samples = messages(&files(&[prefix]));
        let base = lookup(name).unwrap();
        let found = at_site(|site| {
            suggest(&samples, &Basis { base: &base, files: &[], site, now: now() }).unwrap()
        });
        for key in ["duration_unit =", "phone =", "status =", "start ="] {
            let is_said = found.to_toml().lines().any(|line| line.starts_with(key));
            assert!(!is_said, "{name} {key}\n{}", found.to_toml());
        }
    }
}

#[test]
fn clicrdv_has_its_provider_in_sch_16_and_french_phones() {
    let Some((found, read)) = of(&["clicrdv"]) else { return };
    assert_eq!(line(found.to_toml(), "provider ="), "provider = [\"inherited\", \"SCH-16\"]");
    assert!(found.left_to_do.iter().any(|todo| todo.contains("region = \"FR\"")));
    assert!(read[0]["appointment"]["provider"]["family"].is_string());
}

#[test]
fn a_cerner_says_confirmed_at_booking_and_webchart_says_o() {
    let Some((found, read)) = of(&["barts"]) else { return };
    assert_eq!(read[0]["event"], "BOOKED", "{}", found.to_toml());
    let Some((found, _)) = of(&["mie_"]) else { return };
    assert!(found.to_toml().contains("#   \"O\" in SIU^S14 1"), "{}", found.to_toml());
}

#[test]
fn requests_and_mistyped_triggers_are_read() {
    let Some((found, _)) = of(&["zorgdomein"]) else { return };
    assert!(line(found.to_toml(), "ids =").contains("ARQ-1"));
    assert!(line(found.to_toml(), "\"SRM^S01\"").contains("pending"));
    let Some((found, _)) = of(&["msft_siu_12"]) else { return };
    assert!(line(found.to_toml(), "\"ADT^A60\"").contains("MODIFIED"));
}
