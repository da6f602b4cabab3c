//! Each kind of evidence by itself, and what must not be taken for it.

use super::*;

const PID: &str = "PID|1||MRN1000^^^MAIN^MR||Doe^Jane||||||||(415)555-0123^^CP";
const JOHN: &str = "PID|1||MRN1001^^^MAIN^MR||Doe^John||||||||(415)555-0124^^CP";

fn sch(id: &str, start: &str, status: &str) -> String {
    format!("SCH||{id}|||||||||^^^{start}||||||||||||||{status}")
}

#[test]
fn a_mapping_that_reads_all_is_left_as_it_is() {
    let found =
        proposal(&[message("SIU^S12", &[&sch("10001", "20261201093000-0600", "Booked"), PID])]);
    let text = found.to_toml();
    assert!(text.contains("Nothing was found that should be read in another way."), "{text}");
    let own: Vec<_> = text.lines().filter(|l| !l.is_empty() && !l.starts_with('#')).collect();
    assert_eq!(own, ["title = \"OWL / MAIN\"", "extends = \"hl7-default\""]);
    assert_eq!(found.left_to_do, Vec::<String>::new());
}

#[test]
fn codes_that_no_table_knows_are_listed_with_their_triggers() {
    let sample = |trigger, status| message(trigger, &[&sch("10001", "202612010930", status), PID]);
    let found = proposal(&[
        sample("SIU^S12", "1"),
        sample("SIU^S14", "1"),
        sample("SIU^S15", "4"),
        sample("SIU^S26", "5"),
        sample("SIU^S14", "KEPT"),
    ]);
    let text = found.to_toml();
    for said in [
        "[tables.status]",
        "#   \"1\" in SIU^S12 1, SIU^S14 1\n",
        "#   \"4\" in SIU^S15 1; perhaps canceled = [\"4\"]",
        "#   \"5\" in SIU^S26 1; perhaps noshow = [\"5\"]",
        "#   \"KEPT\" in SIU^S14 1\n",
    ] {
        assert!(text.contains(said), "{said}\n{text}");
    }
    assert!(found.left_to_do.iter().any(|todo| todo.starts_with("4 codes of SCH-25.1")));
}

#[test]
fn a_name_in_the_place_of_a_code_is_masked_with_all_its_neighbours() {
    let sample = |status: &str| message("SIU^S14", &[&sch("10001", "202612010930", status), PID]);
    let text = proposal(&[sample("KEPT"), sample("Jane"), sample("DOE")]).to_toml().to_owned();
    for value in ["Jane", "DOE", "KEPT"] {
        assert!(!text.contains(value), "{value}\n{text}");
    }
    assert!(text.contains("#   \"Aaaa\" in SIU^S14 1"), "{text}");
    let numbers: Vec<_> = (0..30).map(|n| sample(&format!("X{n}"))).collect();
    let text = proposal(&numbers).to_toml().to_owned();
    assert!(text.contains("holds 30 different values that are no known status"), "{text}");
    assert!(!text.contains("X17"), "{text}");
    let users: Vec<_> = ('a'..='m').map(|letter| sample(&format!("user{letter}"))).collect();
    let text = proposal(&users).to_toml().to_owned();
    assert!(!text.contains("user"), "{text}");
}

#[test]
fn words_that_say_the_same_whatever_happens_are_no_status() {
    let sample = |trigger| {
        message(
            trigger,
            &["SCH||10001|||||||||^^^202612010930", PID, "AIP|1||1^Diaz^Frances|||||||||confirmed"],
        )
    };
    let text =
        proposal(&[sample("SIU^S12"), sample("SIU^S15"), sample("SIU^S26")]).to_toml().to_owned();
    assert!(text.contains("AIP-12 holds words for a status, but not of the appointment"), "{text}");
    assert!(!text.contains("\nstatus ="), "{text}");
}

#[test]
fn a_status_that_changes_beats_one_that_never_does() {
    let sample = |trigger, status: &str| {
        message(
            trigger,
            &[&sch("10001", "202612010930", "Booked"), PID, &format!("ZST|1|{status}")],
        )
    };
    let samples = [
        sample("SIU^S12", "New"),
        sample("SIU^S13", "New"),
        sample("SIU^S14", "Confirmed"),
        sample("SIU^S15", "Cancelled"),
    ];
    let found = proposal(&samples);
    let text = found.to_toml();
    assert_eq!(line(text, "status ="), "status = [\"ZST-2\", \"inherited\"]", "{text}");
    assert!(text.contains("SCH-25.1 says the same in all of 4 messages"), "{text}");
    assert_eq!(events(&compiled(text), &samples)[2]["event"], "CONFIRMED");
}

#[test]
fn bookings_that_come_confirmed_are_bookings() {
    let sample = |trigger| message(trigger, &[&sch("10001", "202612010930", "Confirmed"), PID]);
    let samples = [sample("SIU^S12"), sample("SIU^S12"), sample("SIU^S13"), sample("SIU^S14")];
    let found = proposal(&samples);
    let text = found.to_toml();
    let read = events(&compiled(text), &samples);
    let told: Vec<_> = read.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(told, ["BOOKED", "BOOKED", "RESCHEDULED", "CONFIRMED"], "{text}");
    let text = proposal(&samples[..1]).to_toml().to_owned();
    assert!(text.contains("confirmed already in 1 of 1 bookings. If it always is"), "{text}");
    assert!(!text.contains("[triggers]"), "{text}");
}

#[test]
fn a_number_of_several_appointments_is_no_identifier() {
    let sample = |id: u32, account: &str, pid: &str| {
        let start = format!("202612{:02}0930", id % 20 + 1);
        let visit = format!("PV1|1|O|||||||||||||||||{account}");
        message("SIU^S12", &[&sch(&id.to_string(), &start, "Booked"), pid, &visit])
    };
    let text = proposal(&[
        sample(10001, "A-1", PID),
        sample(10002, "A-1", PID),
        sample(10003, "A-2", JOHN),
        sample(10004, "A-2", JOHN),
    ]);
    let text = text.to_toml();
    assert!(
        text.contains("Without PV1-19.1: 2 of its values stand beside several other"),
        "{text}"
    );
    assert!(
        line(text, "ids =").starts_with("ids = [{ path = \"SCH-2[*].1\", system = \"filler\" }")
    );
    assert!(!text.contains("{ path = \"PV1-19"), "{text}");
    compiled(text);

    // The number of the visit that a new booking keeps is one.
    let canceled = sample(10001, "A-1", PID).replace("S12", "S15");
    let text = proposal(&[sample(10001, "A-1", PID), canceled, sample(10002, "A-1", PID)]);
    assert!(!text.to_toml().contains("Without"), "{}", text.to_toml());
    // One number for everybody names nobody.
    let text = proposal(&[
        sample(10001, "0", PID),
        sample(10002, "0", JOHN),
        sample(10003, "9", PID),
        sample(10004, "9", JOHN),
    ]);
    assert!(text.to_toml().contains("Without PV1-19.1: 2 of its values are those of several"));
}

#[test]
fn a_time_to_come_beats_the_time_of_the_entry() {
    let sample = |number: u32| {
        let resource = "AIP|1||1^Diaz^Frances|||20261120110311";
        let own = format!("ZDT|1|202612{number:02}0930|202612{number:02}1000");
        message("SIU^S12", &[&format!("SCH||1000{number}"), PID, resource, &own])
    };
    let samples = [sample(1), sample(2)];
    let found = proposal(&samples);
    let text = found.to_toml();
    assert_eq!(line(text, "start ="), "start = [\"ZDT-2\", \"inherited\"]", "{text}");
    assert_eq!(line(text, "end ="), "end = [\"inherited\", { path = \"ZDT-3\", soft = true }]");
    let read = events(&compiled(text), &samples);
    assert_eq!(read[1]["appointment"]["duration_minutes"], 30, "{text}");
}

#[test]
fn a_start_in_the_field_after_the_usual_one_is_found() {
    let found = proposal(&[message("SIU^S12", &["SCH||10001", PID, "AIS|1||X|||202612010930"])]);
    assert_eq!(line(found.to_toml(), "start ="), "start = [\"inherited\", \"AIS-6\"]");
    assert_eq!((found.events_before, found.events_after), (0, 1));
}

#[test]
fn a_start_that_is_no_time_is_passed_by() {
    let samples = [message("SIU^S12", &["SCH||10001|||||||||^^^soon", PID, "ZDT|1|202612010930"])];
    let found = proposal(&samples);
    assert_eq!(line(found.to_toml(), "start ="), "start = [\"ZDT-2\", \"inherited\"]");
    assert_eq!((found.events_before, found.events_after), (0, 1));
}

#[test]
fn births_and_entries_are_no_appointments() {
    let found = proposal(&[message(
        "SIU^S12",
        &[
            "SCH||10001",
            "PID|1||MRN1000||Doe^Jane||203001010930",
            "EVN|S12|202612010930",
            "IN1|1|X||||||||||203001010000",
        ],
    )]);
    assert_eq!(found.events_after, 0);
    assert!(!found.to_toml().contains("\nstart ="), "{}", found.to_toml());
    assert!(
        found.left_to_do.iter().any(|todo| todo.starts_with("appointment.start is found nowhere"))
    );
}

#[test]
fn seconds_without_unit_are_told_by_the_end() {
    let sample = |seconds: u32, end: &str| {
        let start = "20261201093000-0600";
        message("SIU^S12", &[&format!("SCH||10001|||||||{seconds}||^^^{start}^{end}"), PID])
    };
    let found =
        proposal(&[sample(1800, "20261201100000-0600"), sample(900, "20261201094500-0600")]);
    let text = found.to_toml();
    assert_eq!(line(text, "duration_unit"), "duration_unit = \"s\"", "{text}");
    let found = proposal(&[sample(30, "20261201100000-0600")]);
    assert!(!found.to_toml().contains("duration_unit"), "{}", found.to_toml());
}

#[test]
fn starts_at_night_may_be_those_of_another_zone() {
    let sample = |hour: u32| {
        message("SIU^S12", &[&sch("10001", &format!("20261201{hour:02}00"), "Booked"), PID])
    };
    let hours = |hours: [u32; 6]| proposal(&hours.map(sample)).to_toml().to_owned();
    assert!(hours([14, 15, 20, 22, 23, 1]).contains("they may be UTC"));
    let day = hours([8, 9, 10, 13, 15, 16]);
    assert!(!day.contains("UTC, not"), "{day}");
    assert!(day.contains("no offset from UTC in 6 messages: it is meant in the zone"), "{day}");
}

#[test]
fn phones_are_read_in_odd_components_and_by_odd_codes() {
    let at = |pid: &str| [message("SIU^S12", &[&sch("10001", "202612010930-0600", "Booked"), pid])];
    let parted = at("PID|1||MRN1000||Doe^Jane||||||||^^^^^^415^5550123");
    let found = proposal(&parted);
    let read = events(&compiled(found.to_toml()), &parted);
    assert_eq!(read[0]["patient"]["phone"], "+14155550123", "{}", found.to_toml());

    let coded = at(
        "PID|1||MRN1000||Doe^Jane||||||||4155550100^^^HOME^^^^^N~4155550123^^^MOBILE^^^^^Y~4155550199^^^FAX",
    );
    let found = proposal(&coded);
    let expected =
        "phone = [{ path = \"PID-13[*]\", codes = [2, 3, 4], preferred = 9 }, \"PID-40[*]\"]";
    assert_eq!(line(found.to_toml(), "phone ="), expected);
    let read = events(&compiled(found.to_toml()), &coded);
    assert_eq!(read[0]["patient"]["phone"], "+14155550123");

    let own = at("PID|1||MRN1000||Doe^Jane\rZPH|1|(415) 555-0123");
    let found = proposal(&own);
    assert_eq!(line(found.to_toml(), "phone ="), "phone = [\"inherited\", \"ZPH-2[*]\"]");

    let work = at("PID|1||MRN1000||Doe^Jane|||||||||(415)555-0123^WPN^PH");
    assert!(!proposal(&work).to_toml().contains("phone ="));
    // Ten digits in a local field may be any number.
    let bare = at("PID|1||MRN1000||Doe^Jane\rZPH|1|4155550123");
    assert!(!proposal(&bare).to_toml().contains("phone ="));
}

#[test]
fn names_in_one_component_are_parted() {
    let samples = [message(
        "SIU^S12",
        &[
            &sch("10001", "202612010930-0600", "Booked"),
            "PID|1||MRN1000||Doe, Jane||||||||(415)555-0123^^CP",
            "AIG|1||Diaz, Frances",
        ],
    )];
    let found = proposal(&samples);
    let read = events(&compiled(found.to_toml()), &samples);
    assert_eq!(read[0]["patient"]["family"], "Doe", "{}", found.to_toml());
    assert_eq!(read[0]["patient"]["given"], "Jane");
    assert_eq!(read[0]["appointment"]["provider"]["family"], "Diaz", "{}", found.to_toml());
    assert!(!found.to_toml().contains("Frances"));
}

#[test]
fn the_country_of_the_messages_is_that_of_their_phones() {
    let sample = |country: &str| {
        let pid =
            format!("PID|1||MRN1000||Doe^Jane||||||1 Road^^Town^^X1^{country}||07700 900123^^CP");
        proposal(&[message("SIU^S12", &[&sch("10001", "202612010930-0600", "Booked"), &pid])])
    };
    let found = sample("GBR");
    assert!(found.left_to_do.iter().any(|todo| todo.contains("Set region = \"GB\"")));
    let found = sample("");
    assert!(found.left_to_do.iter().any(|todo| todo.starts_with("Only 0 of 1 phone numbers fit")));
}

#[test]
fn appointments_by_admissions_are_read() {
    let sample = |trigger| {
        let visit = "PV1|1|O|CARD1||||||1234^Diaz^Frances||||||||||V-77";
        message(trigger, &[PID, visit, "PV2||||||||202612010930"])
    };
    let samples = [
        sample("ADT^A05"),
        sample("ADT^A38"),
        message("ADT^A08", &[PID, "PV1|1|I"]),
        sample("ADT^A01"),
    ];
    let found = proposal(&samples);
    let read = events(&compiled(found.to_toml()), &samples);
    let told: Vec<_> = read.iter().map(|event| event["event"].clone()).collect();
    assert_eq!(told, ["BOOKED".into(), "CANCELED".into(), Value::Null, Value::Null]);
    assert_eq!(read[0]["appointment"]["start"], "2026-12-01T09:30:00-06:00");
}

#[test]
fn requests_are_read_and_not_texted() {
    let samples = [message("SRM^S01", &["ARQ|P-77|F-88|||||||30|min|202612010930", PID])];
    let found = proposal(&samples);
    let text = found.to_toml();
    let read = events(&compiled(text), &samples);
    assert_eq!(read[0]["event"], "BOOKED", "{text}");
    assert_eq!(read[0]["appointment"]["status"], "pending");
    assert!(line(text, "\"SRM^S01\"").contains("suppress"), "{text}");
}

#[test]
fn a_trigger_that_cannot_be_named_is_told_and_masked() {
    let found =
        proposal(&[message("SIU^S 12\"x", &[&sch("10001", "202612010930", "Booked"), PID])]);
    compiled(found.to_toml());
    assert!(
        found.left_to_do.iter().any(|todo| todo.contains("MSH-9 \"AAA^A 99\"a\"")),
        "{found:?}"
    );
    assert!(!found.to_toml().contains("[triggers]"));
}

#[test]
fn a_label_that_is_no_character_set_is_told() {
    let text = message("SIU^S12", &[&sch("10001", "202612010930", "Booked"), PID]);
    let found = proposal(&[text.replace("|P|2.4", "|P|2.4||||||NLD")]);
    assert!(
        found.left_to_do.iter().any(|todo| todo.starts_with("MSH-18 says \"NLD\"")),
        "{found:?}"
    );
}

#[test]
fn no_samples_make_a_file_too() {
    let found = proposal(&[]);
    compiled(found.to_toml());
    assert_eq!((found.samples, found.events_after), (0, 0));
}

#[test]
fn a_sites_own_mapping_is_a_base_like_any_other() {
    for name in ["our-base", "proposal"] {
        let file = format!("mappings/{name}.toml");
        let own = "extends = \"hl7-default\"\n[defaults]\nzone = \"UTC\"\n\
                   [appointment]\nids = [\"ZAP-1\"]\n";
        let files = [(file.as_str(), own)];
        let library = Library::load(files).unwrap();
        let base = library.lookup(name).unwrap();
        let samples = messages(&[message("SIU^S12", &["SCH|1", PID, "ZAP|Q-4711|202612010930"])]);
        let found = at_site(|site| {
            suggest(&samples, &Basis { base, files: &files, site, now: now() }).unwrap()
        });
        assert_eq!((found.events_before, found.events_after), (0, 1), "{}", found.to_toml());
        assert!(found.to_toml().contains(&format!("extends = \"{name}\"")));
        assert!(!found.to_toml().contains("no offset"), "the base says in which zone times are");
    }
}
