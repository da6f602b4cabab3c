//! What texts say, what they never say, and how long they are.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

#[expect(dead_code, reason = "each suite uses a part of what is shared")]
mod support;

use std::collections::BTreeMap;

use appointd::core::appointment::{Appointment, Notice, Status};
use appointd::core::claim::{Claim, EhrEvent};
use appointd::core::effect::TextKind;
use appointd::core::field::Field;
use appointd::core::message::segments::{Encoding, Segments};
use appointd::core::message::{Error, File, Preparation, Subject, Texts, render, samples};
use appointd::core::rules::{Privacy, Rules};
use support::{
    NEXT_TUESDAY, World, booked, claim, day, english_file, for_rick, place, rules, utc, with,
};

const BOOKED: TextKind = TextKind::Notice(Notice::Booked);

/// What a claim makes of an unknown appointment.
fn appointment(claim: Claim) -> Appointment {
    let mut world = World::new();
    world.tell(claim);
    world.scene.appointments.into_values().next().unwrap()
}

fn written(kind: TextKind, appointments: &[&Appointment], rules: &Rules) -> String {
    written_in(None, kind, appointments, rules)
}

fn written_in(
    language: Option<&str>,
    kind: TextKind,
    appointments: &[&Appointment],
    rules: &Rules,
) -> String {
    let now = utc("2026-12-01T15:00:00Z");
    render(kind, language, &Subject { appointments, rules, now }).unwrap()
}

fn spanish_file() -> File {
    toml::from_str(include_str!("../conf/texts/es.toml")).unwrap()
}

/// The shipped texts, with a change to the English ones.
fn compiled_with(change: impl FnOnce(&mut File)) -> Result<Texts, Vec<Error>> {
    let mut english = english_file();
    change(&mut english);
    let files = BTreeMap::from([("en".to_owned(), english), ("es".to_owned(), spanish_file())]);
    Texts::compile(&files, "en")
}

fn rules_in_both_languages() -> Rules {
    Rules { texts: compiled_with(|_| {}).unwrap(), ..rules() }
}

/// Everything that can be shown, is.
fn detailed() -> Rules {
    let mut rules = rules_in_both_languages();
    rules.practice.privacy = Privacy::Detailed;
    rules
}

/// Appointments that lack one thing or another.
fn variants() -> Vec<Appointment> {
    vec![
        appointment(booked("1", NEXT_TUESDAY)),
        appointment(with(booked("1", NEXT_TUESDAY), |c| c.appointment.location = Field::Absent)),
        appointment(with(booked("1", NEXT_TUESDAY), |c| c.appointment.provider = Field::Absent)),
        appointment(with(booked("1", NEXT_TUESDAY), |c| c.patient.given = Field::Absent)),
        appointment(with(booked("1", NEXT_TUESDAY), |c| {
            c.appointment.start = Field::Value(day("2026-12-08"));
        })),
        appointment(with(claim(EhrEvent::Booked, "1"), |c| {
            c.appointment.start = Field::Value(day("2027-01-08"));
            c.patient.given = Field::Absent;
        })),
    ]
}

/// Jane at nine, Rick at half past ten.
fn family() -> [Appointment; 2] {
    [
        appointment(booked("1", "2026-12-08T09:00:00")),
        appointment(for_rick(booked("2", "2026-12-08T10:30:00"))),
    ]
}

fn named(given: &str) -> Appointment {
    appointment(with(booked("1", NEXT_TUESDAY), |c| {
        c.patient.given = Field::Value(given.to_owned().into());
    }))
}

#[test]
fn every_text_of_every_appointment_is_short_and_names_the_practice() {
    for rules in [rules_in_both_languages(), detailed()] {
        for appointment in variants() {
            for (language, kind) in
                ["en", "es"].into_iter().flat_map(|l| TextKind::ALL.map(|kind| (l, kind)))
            {
                let text = written_in(Some(language), kind, &[&appointment], &rules);
                let segments = Segments::of(&text);
                assert_eq!(segments.encoding, Encoding::Gsm7, "{text}");
                assert!(segments.count <= 2, "{} segments: {text}", segments.count);
                assert!(text.contains("Owl Clinic"), "{text}");
                let slips = ["  ", " ,", " .", "none", "..", "Hi ,", "Hola ,", "{", "}"];
                assert!(slips.iter().all(|slip| !text.contains(slip)), "{text}");
            }
        }
    }
}

#[test]
fn the_everyday_texts_take_two_segments_at_most_with_long_names() {
    let mut rules = rules_in_both_languages();
    rules.practice.name = "Riverside Family Medicine Associates".to_owned();
    let appointment = named("Maximiliana");
    for kind in TextKind::ALL {
        for language in ["en", "es"] {
            let text = written_in(Some(language), kind, &[&appointment], &rules);
            assert!(Segments::of(&text).count <= 2, "{text}");
        }
    }
}

#[test]
fn no_text_tells_last_name_visit_type_record_number_or_an_undescribed_place() {
    let secret = appointment(with(booked("1", NEXT_TUESDAY), |c| {
        c.patient.family = Field::Value("Secretname".to_owned().into());
        c.appointment.visit_type = Field::Value("CHEMO".to_owned());
        c.appointment.location = Field::Value(place("ONC1"));
    }));
    for rules in [rules_in_both_languages(), detailed()] {
        for kind in TextKind::ALL {
            for about in [vec![&secret], vec![&secret, &secret]] {
                for language in ["en", "es"] {
                    let text = written_in(Some(language), kind, &about, &rules);
                    for hidden in ["Secretname", "CHEMO", "MRN1000", "Oncology", "ONC1", "Diaz"] {
                        assert!(!text.contains(hidden), "{hidden} in {text}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_sensitive_place_hides_itself_and_who_works_there() {
    let mut rules = detailed();
    rules.locations.get_mut("SENS").unwrap().privacy = Some(Privacy::Detailed);
    let sensitive = appointment(with(booked("1", NEXT_TUESDAY), |c| {
        c.appointment.location = Field::Value(place("SENS"));
    }));
    for kind in TextKind::ALL {
        let text = written(kind, &[&sensitive], &rules);
        for hidden in ["Addiction", "Side Street", "Diaz", "SENS"] {
            assert!(!text.contains(hidden), "{hidden} in {text}");
        }
    }
}

/// A follow-up at the main place, with a preparation.
fn told(practice: Privacy, at_place: Option<Privacy>, of_type: Option<Privacy>) -> String {
    let mut rules = rules();
    rules.texts = compiled_with(|file| {
        file.preparations = vec![preparation("FOLLOWUP", None, "Bring your glasses.")];
    })
    .unwrap();
    rules.practice.privacy = practice;
    rules.locations.get_mut("MAIN").unwrap().privacy = at_place;
    rules.practice.visit_types =
        of_type.map(|privacy| ("FOLLOWUP".to_owned(), privacy)).into_iter().collect();
    written(BOOKED, &[&appointment(booked("1", NEXT_TUESDAY))], &rules)
}

fn preparation(visit_type: &str, location: Option<&str>, text: &str) -> Preparation {
    Preparation {
        visit_type: visit_type.to_owned(),
        location: location.map(str::to_owned),
        text: text.to_owned(),
    }
}

#[test]
fn privacy_is_the_places_else_the_practices_and_a_stricter_visit_type_wins() {
    use Privacy::{Detailed, Minimal, Standard};
    let table = [
        (Standard, None, None, Standard),
        (Minimal, None, None, Minimal),
        (Detailed, None, None, Detailed),
        (Minimal, Some(Detailed), None, Detailed),
        (Detailed, Some(Minimal), None, Minimal),
        (Detailed, None, Some(Minimal), Minimal),
        (Detailed, Some(Standard), Some(Detailed), Standard),
        (Minimal, None, Some(Detailed), Minimal),
    ];
    for (practice, at_place, of_type, expected) in table {
        let text = told(practice, at_place, of_type);
        let has = |privacy: Privacy, words: &str| {
            assert_eq!(text.contains(words), expected >= privacy, "{words} in {text}");
        };
        has(Standard, "Jane");
        has(Standard, "Main Street Office");
        has(Standard, "Bring your glasses.");
        has(Detailed, "with Ana Diaz");
        has(Detailed, "1 Main Street");
        assert!(
            text.contains("Owl Clinic: Hi") && text.contains("Tue, Dec 8 at 2:00 PM"),
            "{text}"
        );
    }
}

#[test]
fn a_described_place_is_named() {
    let text = written(TextKind::Reminder, &[&appointment(booked("1", NEXT_TUESDAY))], &rules());
    assert!(text.contains("Tue, Dec 8 at 2:00 PM, Main Street Office"), "{text}");
}

#[test]
fn another_year_is_named() {
    let text =
        written(TextKind::Reminder, &[&appointment(booked("1", "2027-01-08T09:00:00"))], &rules());
    assert!(text.contains("Fri, Jan 8, 2027 at 9:00 AM"), "{text}");
}

#[test]
fn the_number_to_call_is_the_places_then_the_messages_then_the_practices() {
    let mut rules = rules();
    let number = |rules: &Rules, appointment: &Appointment| {
        written(TextKind::CancelNoted, &[appointment], rules)
    };
    let plain = appointment(booked("1", NEXT_TUESDAY));
    assert!(number(&rules, &plain).contains("415-555-0100"));
    let calling = |text: &str| {
        appointment(with(booked("1", NEXT_TUESDAY), |c| {
            c.appointment.callback_phone = Field::Value(text.to_owned());
        }))
    };
    assert!(number(&rules, &calling("www.evil.com/4155550199")).contains("415-555-0100"));
    let own = calling("415-555-0101");
    assert!(number(&rules, &own).contains("415-555-0101"));
    rules.locations.get_mut("MAIN").unwrap().phone = Some("415-555-0102".to_owned());
    assert!(number(&rules, &own).contains("415-555-0102"));
}

#[test]
fn look_alikes_are_folded_and_letters_are_kept() {
    let mut rules = rules();
    rules.practice.name = "Owl\u{2019}s Clinic \u{2013} West".to_owned();
    let text = written(BOOKED, &[&named("Jos\u{e9}")], &rules);
    assert!(text.starts_with("Owl's Clinic - West: Hi Jos\u{e9},"), "{text}");
    assert_eq!(Segments::of(&text).encoding, Encoding::Gsm7);
}

#[test]
fn a_hostile_name_is_only_a_name_or_none() {
    let table = [
        ("{{ practice }}{% for %}", "Hi {{ practice }}{% for %}, appointment"),
        ("Jane\r\nDoe\u{7}", "Hi Jane Doe, appointment"),
        ("evil.com", "Hi, appointment"),
        ("https://evil", "Hi, appointment"),
        ("www.evil", "Hi, appointment"),
        ("null", "Hi, appointment"),
        (" ", "Hi, appointment"),
        ("\u{202e}", "Hi, appointment"),
    ];
    for (given, expected) in table {
        let text = written(BOOKED, &[&named(given)], &rules());
        assert!(text.contains(expected), "{given:?}: {text}");
    }
    let text = written(BOOKED, &[&named(&"Ab".repeat(250))], &rules());
    assert!(text.contains(&format!("Hi {},", "Ab".repeat(20))), "{text}");
}

#[test]
fn a_digest_is_a_numbered_list_and_names_people_only_if_they_differ() {
    let [jane, rick] = family();
    let text = written(TextKind::Reminder, &[&jane, &rick], &rules());
    assert!(text.contains("Reminder: 2 appointments on Tue, Dec 8, Main Street Office."), "{text}");
    assert!(text.contains(" 1: 9:00 AM Jane; 2: 10:30 AM Rick."), "{text}");
    assert!(
        text.contains("Reply C to confirm all, or a number with a letter, such as 2X"),
        "{text}"
    );
    let later = appointment(booked("3", NEXT_TUESDAY));
    let text = written(TextKind::Reminder, &[&jane, &later], &rules());
    assert!(text.contains("Reminder for Jane: 2 appointments"), "{text}");
    assert!(text.contains(" 1: 9:00 AM; 2: 2:00 PM."), "{text}");
    let spanish =
        written_in(Some("es"), TextKind::Reminder, &[&jane, &rick], &rules_in_both_languages());
    assert!(spanish.contains(" 1: 9:00 a. m. Jane; 2: 10:30 a. m. Rick."), "{spanish}");
}

#[test]
fn a_digest_tells_places_and_preparations_that_differ() {
    let mut rules = rules();
    rules.texts = compiled_with(|file| {
        file.preparations = vec![preparation("FOLLOWUP", Some("MAIN"), "Bring your glasses.")];
    })
    .unwrap();
    let [jane, rick] = family();
    let other = with(booked("3", NEXT_TUESDAY), |c| c.appointment.location = Field::Absent);
    let text = written(TextKind::Reminder, &[&jane, &rick, &appointment(other)], &rules);
    assert!(text.contains("on Tue, Dec 8. 1: 9:00 AM Jane (Main Street Office);"), "{text}");
    assert!(text.contains("3: 2:00 PM Jane. Bring your glasses."), "{text}");
}

#[test]
fn a_name_that_privacy_hides_is_not_told_in_a_list_either() {
    let mut rules = rules();
    rules.practice.visit_types = BTreeMap::from([("COUNSELING".to_owned(), Privacy::Minimal)]);
    let [jane, rick] = family();
    let hidden = with(booked("1", "2026-12-08T09:00:00"), |c| {
        c.appointment.visit_type = Field::Value("COUNSELING".to_owned());
    });
    let hidden = appointment(hidden);
    let text = written(TextKind::Reminder, &[&hidden, &rick], &rules);
    assert!(!text.contains("Jane") && text.contains("2: 10:30 AM Rick"), "{text}");
    let text = written(TextKind::Reminder, &[&hidden, &jane], &rules);
    assert!(!text.contains("for Jane"), "{text}");
}

#[test]
fn a_question_lists_days_and_answers_list_what_was_answered() {
    let one = appointment(booked("1", NEXT_TUESDAY));
    let other = appointment(for_rick(booked("2", "2026-12-10T10:00:00")));
    let about = [&one, &other];
    let both = "Tue, Dec 8 at 2:00 PM Jane; Thu, Dec 10 at 10:00 AM Rick";
    let text = written(TextKind::WhichOne, &about, &rules());
    assert!(
        text.contains("1: Tue, Dec 8 at 2:00 PM Jane; 2: Thu, Dec 10 at 10:00 AM Rick."),
        "{text}"
    );
    assert!(text.ends_with("Reply with its number, or ALL."), "{text}");
    for kind in [TextKind::ConfirmNoted, TextKind::CancelNoted, TextKind::RescheduleNoted] {
        assert!(written(kind, &about, &rules()).contains(both), "{kind:?}");
    }
    let text = written(TextKind::NotUnderstood, &about, &rules());
    assert!(
        text.contains("2X. 1: Tue, Dec 8") && text.contains("a number with a letter"),
        "{text}"
    );
    let text = written(TextKind::NotUnderstood, &[&one], &rules());
    assert!(text.contains("Reply C to confirm, R to reschedule"), "{text}");
    assert_eq!(text, written(TextKind::NotUnderstood, &[], &rules()));
}

#[test]
fn a_very_long_list_still_fits_into_a_text() {
    let many: Vec<Appointment> = (0..60).map(|_| named(&"Ab".repeat(40))).collect();
    let about: Vec<&Appointment> = many.iter().collect();
    for kind in TextKind::ALL {
        let _text = written(kind, &about, &rules());
    }
}

#[test]
fn what_changed_meanwhile_is_said() {
    let with_status = |status: Status| {
        let mut one = appointment(booked("1", NEXT_TUESDAY));
        one.status = status;
        written(TextKind::ChangedMeanwhile, &[&one], &rules())
    };
    assert!(with_status(Status::Booked).contains("has been moved to Tue, Dec 8 at 2:00 PM"));
    assert!(with_status(Status::Canceled).contains("has been canceled in the meantime"));
    assert!(with_status(Status::Fulfilled).contains("is over"));
}

#[test]
fn help_names_practice_number_and_stop() {
    for language in ["en", "es"] {
        let text = written_in(Some(language), TextKind::Help, &[], &rules_in_both_languages());
        assert!(text.contains("Owl Clinic") && text.contains("415-555-0100"), "{text}");
        assert!(text.contains("STOP"), "{text}");
    }
}

#[test]
fn the_patients_language_is_used_where_there_is_one() {
    let rules = rules_in_both_languages();
    let one = appointment(booked("1", NEXT_TUESDAY));
    for (language, is_spanish) in [
        (Some("es"), true),
        (Some("es-MX"), true),
        (Some("ES_us"), true),
        (Some("fr"), false),
        (None, false),
        (Some(""), false),
        (Some("\u{0}"), false),
    ] {
        let text = written_in(language, BOOKED, &[&one], &rules);
        assert_eq!(text.contains("Hola Jane, tiene cita el mar 8 dic a las"), is_spanish, "{text}");
    }
}

#[test]
fn a_text_without_words_or_with_too_many_is_an_error() {
    let one = appointment(booked("1", NEXT_TUESDAY));
    let about = [&one];
    let now = utc("2026-12-01T15:00:00Z");
    let mut rules = rules();
    rules.practice.name = "x".repeat(2_000);
    let result =
        render(TextKind::Help, None, &Subject { appointments: &about, rules: &rules, now });
    assert!(matches!(result, Err(Error::Length { .. })), "{result:?}");
    assert!(samples(&rules).iter().all(Result::is_err));
}

#[test]
fn no_error_holds_what_the_patient_is_called() {
    let one = named("Secretname");
    let about = [&one];
    let mut rules = rules();
    rules.practice.name = "x".repeat(2_000);
    let now = utc("2026-12-01T15:00:00Z");
    let error =
        render(TextKind::Reminder, None, &Subject { appointments: &about, rules: &rules, now });
    assert!(!error.unwrap_err().to_string().contains("Secretname"));
}
