//! What templates may say, which one is taken, and what is refused when they are read.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

#[expect(dead_code, reason = "each suite uses a part of what is shared")]
mod support;

use std::collections::BTreeMap;

use appointd::core::appointment::{Appointment, Notice};
use appointd::core::claim::Claim;
use appointd::core::effect::TextKind;
use appointd::core::field::Field;
use appointd::core::message::segments::Encoding;
use appointd::core::message::{
    About, Error, File, Preparation, Subject, Template, Texts, VARIABLES, Variant, Which,
    carrier_word, render, samples,
};
use appointd::core::rules::{Privacy, Rules};
use support::{NEXT_TUESDAY, World, booked, english_file, place, rules, utc, with};

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

fn compiled(name: &str, text: &str) -> Result<Texts, Vec<Error>> {
    compiled_with(|file| {
        let _replaced = file.texts.insert(name.to_owned(), Template::from(text));
    })
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

fn preparation(visit_type: &str, location: Option<&str>, text: &str) -> Preparation {
    Preparation {
        visit_type: visit_type.to_owned(),
        location: location.map(str::to_owned),
        text: text.to_owned(),
    }
}

#[test]
fn shipped_texts_keep_to_two_segments_and_lists_to_three() {
    for sample in samples(&rules_in_both_languages()) {
        let sample = sample.unwrap();
        let most = if sample.about == About::Several { 3 } else { 2 };
        assert!(sample.typical.segments.count <= most, "{sample:?}");
        assert_eq!(carrier_word(&sample.text), None);
    }
}

#[test]
fn all_faults_are_reported_at_once() {
    let mut file = english_file();
    file.texts.remove("help");
    file.texts.insert("reminder".to_owned(), Template::from("{{ a }}"));
    file.texts.insert("booked".to_owned(), Template::from("{{ b"));
    let faults = Texts::compile(&BTreeMap::from([("en".to_owned(), file)]), "es").unwrap_err();
    assert_eq!(faults.len(), 4, "{faults:?}");
}

#[test]
fn an_empty_file_lacks_every_text_and_the_dates() {
    let faults = Texts::compile(&BTreeMap::from([("en".to_owned(), File::default())]), "en");
    assert_eq!(faults.unwrap_err().len(), TextKind::ALL.len() + 1);
}

#[test]
fn the_first_variant_that_fits_all_appointments_is_taken() {
    let variant =
        |location: Option<&str>, visit_type: Option<&str>, source: Option<&str>, say: &str| {
            Variant {
                location: location.map(str::to_owned),
                visit_type: visit_type.map(str::to_owned),
                source: source.map(str::to_owned),
                text: format!("{{{{ practice.name }}}} {say}"),
            }
        };
    let mut rules = rules();
    rules.texts = compiled_with(|file| {
        file.texts.get_mut("reminder").unwrap().variants = vec![
            variant(Some("MAIN"), Some("SURGERY"), None, "both"),
            variant(None, Some("SURGERY"), None, "surgery"),
            variant(Some("MAIN"), None, Some("other"), "other"),
            variant(Some("MAIN"), None, Some("ehr"), "main"),
            variant(None, None, Some("ehr"), "never at main"),
        ];
        file.texts.get_mut("help").unwrap().variants =
            vec![variant(None, None, Some("ehr"), "never")];
    })
    .unwrap();
    let at = |code: &str, visit_type: &str| {
        appointment(with(booked("1", NEXT_TUESDAY), |c| {
            c.appointment.location = Field::Value(place(code));
            c.appointment.visit_type = Field::Value(visit_type.to_owned());
        }))
    };
    let (main, surgery) = (at("MAIN", "FOLLOWUP"), at("MAIN", "SURGERY"));
    let elsewhere = at("X", "SURGERY");
    let table: [(&[&Appointment], &str); 5] = [
        (&[&surgery], "Owl Clinic both"),
        (&[&elsewhere], "Owl Clinic surgery"),
        (&[&main], "Owl Clinic main"),
        (&[&surgery, &elsewhere], "Owl Clinic surgery"),
        (&[&main, &elsewhere], "Owl Clinic never at main"),
    ];
    for (about, expected) in table {
        assert_eq!(written(TextKind::Reminder, about, &rules), expected);
    }
    assert!(written(TextKind::Help, &[], &rules).contains("Questions?"));
}

#[test]
fn a_variant_has_a_condition_and_is_checked_like_the_general_text() {
    let with_variant = |variant: Variant| {
        compiled_with(|file| file.texts.get_mut("reminder").unwrap().variants = vec![variant])
    };
    let good = Variant {
        location: Some("MAIN".to_owned()),
        text: "{{ practice.name }}".to_owned(),
        ..Variant::default()
    };
    assert!(with_variant(good.clone()).is_ok());
    let bad = [
        Variant { location: None, ..good.clone() },
        Variant { text: "{{ practice.name }} {{ appointment.reason }}".to_owned(), ..good.clone() },
        Variant { text: "{{ practice.name }}: reply CANCEL".to_owned(), ..good.clone() },
        Variant { text: "Hi".to_owned(), ..good },
    ];
    for variant in bad {
        let faults = with_variant(variant).unwrap_err();
        let which = Which { language: "en".into(), name: "reminder".into(), variant: Some(1) };
        assert!(matches!(&faults[..], [Error::Template { which: at, .. }] if *at == which));
    }
}

#[test]
fn a_preparation_is_the_first_that_fits_and_in_another_language_better_than_none() {
    let texts = |english: Vec<Preparation>, spanish: Vec<Preparation>| {
        let (mut en, mut es) = (english_file(), spanish_file());
        (en.preparations, es.preparations) = (english, spanish);
        let files = BTreeMap::from([("en".to_owned(), en), ("es".to_owned(), es)]);
        Rules { texts: Texts::compile(&files, "en").unwrap(), ..rules() }
    };
    let one = appointment(booked("1", NEXT_TUESDAY));
    let both = texts(
        vec![
            preparation("FOLLOWUP", Some("ELSEWHERE"), "Not here."),
            preparation("FOLLOWUP", Some("MAIN"), "Use door B."),
            preparation("FOLLOWUP", None, "Use door A."),
        ],
        vec![preparation("FOLLOWUP", None, "Use la puerta A.")],
    );
    assert!(written(BOOKED, &[&one], &both).contains("Office. Use door B. Reply"));
    assert!(written_in(Some("es"), BOOKED, &[&one], &both).contains("Use la puerta A. Responda"));
    let english = texts(vec![preparation("FOLLOWUP", None, "Use door A.")], Vec::new());
    assert!(written_in(Some("es"), BOOKED, &[&one], &english).contains("Use door A."));
    let spanish = texts(Vec::new(), vec![preparation("FOLLOWUP", None, "Use la puerta A.")]);
    assert!(written(BOOKED, &[&one], &spanish).contains("Use la puerta A."));
}

#[test]
fn a_preparation_is_short_plain_and_asks_for_no_opt_out() {
    let long = "a".repeat(460);
    for text in ["", " ", "a\nb", "{{ practice.name }}", "Reply CANCEL if ill.", &long] {
        let faults = compiled_with(|file| file.preparations = vec![preparation("X", None, text)]);
        let faults = faults.unwrap_err();
        assert!(matches!(&faults[..], [Error::Preparation { index: 0, .. }]), "{faults:?}");
    }
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
        (
            "reminder",
            "{{ practice.name }}\n{% for a in appointments %}\n{{ a.color }}{% endfor %}",
            3,
        ),
        ("reminder", "{{ practice.name }}\nHi {{ patient.given }}", 2),
        ("reminder", "{{ practice.name }} {{ appointment }}", 1),
        ("reminder", "{{ practice.name }}\nReply CANCEL to cancel", 2),
        ("reminder", "{{ practice.name }}\nReply {{ \"can\" }}cel", 1),
        ("reminder", "Hi {{ appointment.day }}", 1),
        ("reminder", "{% if appointment.location %}{{ practice.name }}{% else %}Hi{% endif %}", 1),
        ("no_such_text", "Hi", 1),
    ];
    for (name, text, line) in table {
        let faults = compiled(name, text).unwrap_err();
        let found = faults.iter().any(|fault| {
            matches!(fault, Error::Template { which, line: on, .. }
                if which.name == name && *on == line)
        });
        assert!(found, "{text}: {faults:?}");
    }
}

#[test]
fn what_a_text_must_not_carry_is_refused_as_that() {
    for name in ["family", "last_name", "mrn", "id", "reason", "diagnosis", "birth_date", "dob"] {
        for root in ["patient", "appointment"] {
            let faults =
                compiled("booked", &format!("{{{{ practice.name }}}} {{{{ {root}.{name} }}}}"));
            let told = faults.unwrap_err()[0].to_string();
            assert!(told.contains("a text must not carry that"), "{told}");
        }
    }
}

#[test]
fn a_template_that_fails_only_when_it_is_rendered_is_refused() {
    let table = [
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

#[test]
fn every_variable_is_described_in_the_shipped_file_and_can_be_printed() {
    let head = include_str!("../conf/texts/en.toml");
    for (name, meaning) in VARIABLES {
        let line = head.lines().find(|line| line.starts_with(&format!("#   {name} ")));
        assert!(line.is_some_and(|line| line.ends_with(meaning)), "{name}: {line:?}");
        let text =
            format!("{{{{ practice.name }}}}{{% if {name} %}} {{{{ {name} }}}}{{% endif %}}");
        assert!(compiled("booked", &text).is_ok(), "{name}");
    }
}

#[test]
fn the_worst_case_counts_long_names_places_and_days() {
    let mut rules = rules_in_both_languages();
    let place = rules.locations.get_mut("MAIN").unwrap();
    place.name = Some("The Very Long Named Building of the Riverside Family".to_owned());
    let find = |name: &str, language: &str, about: About| {
        samples(&rules).into_iter().map(Result::unwrap).find(|sample| {
            (sample.which.name.as_str(), sample.which.language.as_str(), sample.about)
                == (name, language, about)
        })
    };
    let booked = find("booked", "en", About::One).unwrap();
    assert!(booked.worst.segments.units > booked.typical.segments.units + 20, "{booked:?}");
    let spanish = find("booked", "es", About::One).unwrap();
    assert_eq!(spanish.typical.segments.encoding, Encoding::Gsm7);
    assert_eq!(spanish.worst.segments.encoding, Encoding::Ucs2);
    assert_eq!(spanish.worst.forced_by, ['á'], "Saturday");
    let digest = find("reminder", "en", About::Several).unwrap();
    assert!(digest.worst.segments.count >= 3, "{digest:?}");
}

/// All shipped texts in one place; write them anew with `APPOINTD_GOLDEN=write`.
#[test]
fn the_shipped_texts_read_as_they_should() {
    let mut lines = String::new();
    for sample in samples(&detailed()).into_iter().map(Result::unwrap) {
        let about = match sample.about {
            About::Nothing => "",
            About::One => ", one",
            About::Several => ", several",
        };
        let count = |size: &appointd::core::message::Size| match size.segments.encoding {
            Encoding::Gsm7 => size.segments.count.to_string(),
            Encoding::Ucs2 => format!("{} UCS-2", size.segments.count),
        };
        lines.push_str(&format!(
            "{} {}{about} ({}, at worst {})\n    {}\n",
            sample.which.language,
            sample.which.name,
            count(&sample.typical),
            count(&sample.worst),
            sample.text
        ));
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/texts.golden");
    if std::env::var("APPOINTD_GOLDEN").is_ok_and(|value| value == "write") {
        std::fs::write(&path, &lines).unwrap();
    }
    let golden = std::fs::read_to_string(path).unwrap();
    for (line, golden) in lines.lines().zip(golden.lines()) {
        assert_eq!(line, golden);
    }
    assert_eq!(lines, golden);
}
