//! What texts say, what they never say, and how long they are.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

#[expect(dead_code, reason = "each suite uses a part of what is shared")]
mod support;

use std::collections::BTreeMap;

use appointd::core::appointment::Appointment;
use appointd::core::claim::{Claim, EhrEvent};
use appointd::core::effect::TextKind;
use appointd::core::field::Field;
use appointd::core::message::segments::{Encoding, Segments};
use appointd::core::message::{Error, File, Subject, Template, Texts, render};
use appointd::core::rules::Rules;
use support::{NEXT_TUESDAY, World, booked, claim, day, english_file, place, rules, utc, with};

/// What a claim makes of an unknown appointment.
fn appointment(claim: Claim) -> Appointment {
    let mut world = World::new();
    world.tell(claim);
    world.scene.appointments.into_values().next().unwrap()
}

fn written(kind: TextKind, appointments: &[&Appointment], rules: &Rules) -> String {
    let now = utc("2026-12-01T15:00:00Z");
    render(kind, None, &Subject { appointments, rules, now }).unwrap()
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

#[test]
fn every_text_of_every_appointment_is_short_and_names_the_practice() {
    let rules = rules();
    for appointment in variants() {
        for kind in TextKind::ALL {
            let text = written(kind, &[&appointment], &rules);
            let segments = Segments::of(&text);
            assert_eq!(segments.encoding, Encoding::Gsm7, "{text}");
            assert!(segments.count <= 2, "{} segments: {text}", segments.count);
            assert!(text.contains("Owl Clinic"), "{text}");
            assert!(
                !text.contains("  ") && !text.contains(" ,") && !text.contains("none"),
                "{text}"
            );
        }
    }
}

#[test]
fn the_everyday_texts_take_two_segments_at_most_with_long_names() {
    let mut rules = rules();
    rules.practice.name = "Riverside Family Medicine Associates".to_owned();
    let appointment = appointment(with(booked("1", NEXT_TUESDAY), |c| {
        c.patient.given = Field::Value("Maximiliana".to_owned().into());
    }));
    for kind in TextKind::ALL {
        let text = written(kind, &[&appointment], &rules);
        assert!(Segments::of(&text).count <= 2, "{text}");
    }
}

#[test]
fn no_text_tells_last_name_visit_type_record_number_or_an_undescribed_place() {
    let rules = rules();
    let secret = appointment(with(booked("1", NEXT_TUESDAY), |c| {
        c.patient.family = Field::Value("Secretname".to_owned().into());
        c.appointment.visit_type = Field::Value("CHEMO".to_owned());
        c.appointment.location = Field::Value(place("ONC1"));
    }));
    for kind in TextKind::ALL {
        for about in [vec![&secret], vec![&secret, &secret]] {
            let text = written(kind, &about, &rules);
            for hidden in ["Secretname", "CHEMO", "MRN1000", "Oncology", "ONC1", "Diaz"] {
                assert!(!text.contains(hidden), "{hidden} in {text}");
            }
        }
    }
}

#[test]
fn a_sensitive_place_hides_itself_and_who_works_there() {
    let rules = rules();
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
    let own = appointment(with(booked("1", NEXT_TUESDAY), |c| {
        c.appointment.callback_phone = Field::Value("415-555-0101".to_owned());
    }));
    assert!(number(&rules, &own).contains("415-555-0101"));
    rules.locations.get_mut("MAIN").unwrap().phone = Some("415-555-0102".to_owned());
    assert!(number(&rules, &own).contains("415-555-0102"));
}

#[test]
fn no_text_asks_to_reply_cancel() {
    for (name, template) in english_file() {
        assert!(!template.text.to_lowercase().contains("reply cancel"), "{name}");
    }
}

#[test]
fn look_alikes_are_folded_and_letters_are_kept() {
    let mut rules = rules();
    rules.practice.name = "Owl\u{2019}s Clinic \u{2013} West".to_owned();
    let jose = appointment(with(booked("1", NEXT_TUESDAY), |c| {
        c.patient.given = Field::Value("Jos\u{e9}".to_owned().into());
    }));
    let text =
        written(TextKind::Notice(appointd::core::appointment::Notice::Booked), &[&jose], &rules);
    assert!(text.starts_with("Owl's Clinic - West: Hi Jos\u{e9},"), "{text}");
    assert_eq!(Segments::of(&text).encoding, Encoding::Gsm7);
}

#[test]
fn a_name_with_template_marks_is_only_a_name() {
    let hostile = appointment(with(booked("1", NEXT_TUESDAY), |c| {
        c.patient.given = Field::Value("{{ appointment.provider }}{% for %}".to_owned().into());
    }));
    let text = written(TextKind::Reminder, &[&hostile], &rules());
    assert!(text.contains("{{ appointment.provider }}{% for %}"), "{text}");
}

fn compiled(name: &str, text: &str) -> Result<Texts, Vec<Error>> {
    let mut file = english_file();
    file.insert(name.to_owned(), Template { text: text.to_owned() });
    Texts::compile(&BTreeMap::from([("en".to_owned(), file)]), "en")
}

#[test]
fn all_faults_are_reported_at_once() {
    let mut file = english_file();
    file.remove("help");
    file.insert("reminder".to_owned(), Template { text: "{{ a }}".to_owned() });
    file.insert("booked".to_owned(), Template { text: "{{ b".to_owned() });
    let faults = Texts::compile(&BTreeMap::from([("en".to_owned(), file)]), "es").unwrap_err();
    assert_eq!(faults.len(), 4, "{faults:?}");
}

#[test]
fn an_empty_file_lacks_every_text() {
    let faults = Texts::compile(&BTreeMap::from([("en".to_owned(), File::new())]), "en");
    assert_eq!(faults.unwrap_err().len(), TextKind::ALL.len());
}

#[test]
fn the_patients_language_is_used_where_there_is_one() {
    let spanish: File = english_file()
        .into_keys()
        .map(|name| (name, Template { text: "{{ practice.name }}: hola".to_owned() }))
        .collect();
    let files = BTreeMap::from([("en".to_owned(), english_file()), ("es".to_owned(), spanish)]);
    let mut rules = rules();
    rules.texts = Texts::compile(&files, "en").unwrap();
    let one = appointment(booked("1", NEXT_TUESDAY));
    let about = [&one];
    let now = utc("2026-12-01T15:00:00Z");
    for (language, is_spanish) in [
        (Some("es"), true),
        (Some("es-MX"), true),
        (Some("fr"), false),
        (None, false),
        (Some(""), false),
    ] {
        let subject = Subject { appointments: &about, rules: &rules, now };
        let text = render(TextKind::Help, language, &subject).unwrap();
        assert_eq!(text == "Owl Clinic: hola", is_spanish, "{language:?}");
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
}

#[test]
fn no_error_holds_what_the_patient_is_called() {
    let one = appointment(with(booked("1", NEXT_TUESDAY), |c| {
        c.patient.given = Field::Value("Secretname".repeat(500).into());
    }));
    let about = [&one];
    let rules = rules();
    let now = utc("2026-12-01T15:00:00Z");
    let error =
        render(TextKind::Reminder, None, &Subject { appointments: &about, rules: &rules, now });
    assert!(!error.unwrap_err().to_string().contains("Secretname"));
}

#[test]
fn a_template_with_a_fault_is_refused_with_its_line() {
    let table = [
        ("reminder", "Hi {{ patient.diagnosis }}", 1),
        ("reminder", "Hi\nyou {{ appointment.birthdate }}", 2),
        ("reminder", "Hi {{ patient.family }}", 1),
        ("reminder", "Hi {{ visit_type }}", 1),
        ("reminder", "Hi {{ patient.given", 1),
        ("reminder", "Hi\n\n{% if patient.given %}you", 3),
        ("reminder", "Hi {% endif %}", 1),
        ("reminder", "Hi {{ patient.given | shout }}", 1),
        ("reminder", "Hi {% include 'other' %}", 1),
        ("no_such_text", "Hi", 1),
    ];
    for (name, text, line) in table {
        let faults = compiled(name, text).unwrap_err();
        let found = faults.iter().any(|fault| {
            matches!(fault, Error::Template { name: at, line: on, .. } if at == name && *on == line)
        });
        assert!(found, "{text}: {faults:?}");
    }
}

#[test]
fn a_template_that_fails_only_when_it_is_rendered_is_refused() {
    let table = [
        "{{ practice.name }}{% for a in appointments %}{{ a.diagnosis }}{% endfor %}",
        "{{ practice.name }}{% if not patient.given %}{{ patient.given | upper | shout }}{% endif %}",
        "{{ practice.name }}{% for i in range(90000) %}{% for j in range(90000) %}x{% endfor %}{% endfor %}",
        "{{ practice.name * 100000 }}",
        "{{ debug() }}",
        "   ",
    ];
    for text in table {
        assert!(compiled("reminder", text).is_err(), "{text}");
    }
}

#[test]
fn an_answer_that_is_about_no_appointment_cannot_name_one() {
    for name in ["help", "opted_in", "not_understood", "handed_to_staff", "nothing_open"] {
        assert!(compiled(name, "{{ practice.name }} {{ appointment.day }}").is_err(), "{name}");
    }
}
