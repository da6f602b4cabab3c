//! Settings of texts: files of languages, what is doubtful in them, and how much they tell.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use std::fs;
use std::path::Path;

use appointd::core::rules::Privacy;
use appointd::settings::{Fault, Loaded, from_text, load};
use tempfile::TempDir;

/// A folder with the settings.
fn folder(text: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "appointd.toml", text);
    dir
}

fn write(dir: &Path, name: &str, text: impl AsRef<[u8]>) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn load_dir(dir: &TempDir, env: &[(&str, &str)]) -> Result<Loaded, Vec<Fault>> {
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    load(&dir.path().join("appointd.toml"), env, None)
}

fn read(text: &str) -> Result<Loaded, Vec<Fault>> {
    from_text(text, Path::new("/nowhere"))
}

fn lines(faults: Result<Loaded, Vec<Fault>>) -> Vec<String> {
    faults.expect_err("faults").iter().map(ToString::to_string).collect()
}

/// Asserts that exactly these faults are found: the beginning of each line, in order.
fn assert_faults(text: &str, expected: &[&str]) {
    let found = lines(read(text));
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}\nexpected {expected}");
    }
}

#[test]
fn texts_and_word_lists_are_checked_with_file_and_line() {
    let dir = folder(
        "[texts]\npath = \"texts\"\n[replies]\npath = \"replies\"\n[practice]\nlocale = \"fr\"\n",
    );
    write(
        dir.path(),
        "texts/en.toml",
        "[help]\ntext = \"\"\"a\n{{ patient.diagnosis }}\"\"\"\n[helo]\ntext = \"x\"\n[booked]\ntext = 5\nlang = 1\n",
    );
    write(dir.path(), "texts/es.toml", "[help]\ntext = \"{% if %}\"\n");
    write(
        dir.path(),
        "texts/ht.toml",
        "[dates]\nday = \"{day}\"\ndya = \"x\"\n[[preparation]]\ntext = 5\n\
         [[help.variant]]\nlocation = \"A\"\n[[booked.variant]]\ntext = \"{{ practice.name }}\"\n\
         [reminder]\ntext = \"{{ practice.name }}, reply CANCEL\"\n",
    );
    write(dir.path(), "texts/README.toml", "");
    write(
        dir.path(),
        "replies/es.toml",
        "confirm = [\"si\", \"no\"]\ncancel = [\"NO\"]\nyes = []\n",
    );
    let found = lines(load_dir(&dir, &[]));
    let expected = [
        "texts/en.toml:3: help.text: patient.diagnosis: a text must not carry that",
        "texts/en.toml:5: helo.text: there is no such text",
        "texts/en.toml:7: booked.text: is a number",
        "texts/en.toml:8: booked.lang: there is no such setting",
        "texts/es.toml:2: help.text: ",
        "texts/ht.toml: canceled: is missing",
        "texts/ht.toml:3: dates.dya: there is no such setting; remove it",
        "texts/ht.toml: dates.weekdays: is missing",
        "texts/ht.toml:4: preparation[0].visit_type: is missing",
        "texts/ht.toml:5: preparation[0].text: is a number",
        "texts/ht.toml:6: help.variant[0].text: is missing",
        "texts/ht.toml:11: reminder.text: asks to reply CANCEL",
        "texts/README.toml: is not named after a language",
        "replies/es.toml:1: cancel: \"no\" stands in confirm too",
        "replies/es.toml:3: yes: there is no such setting",
        "replies/es.toml:1: reschedule: is missing",
        "practice.locale: there are no texts in \"fr\"",
    ];
    for line in expected {
        assert!(found.iter().any(|fault| fault.contains(line)), "{line}\n{found:#?}");
    }
}

#[test]
fn one_text_of_the_practice_replaces_the_built_in_one() {
    let dir = folder("[texts]\npath = \"texts\"\n");
    write(dir.path(), "texts/en.toml", "[help]\ntext = \"{{ practice.name }}: Call us.\"\n");
    let settings = load_dir(&dir, &[]).unwrap().settings;
    assert_eq!(settings.rules.texts.languages().iter().collect::<Vec<_>>(), ["en", "es"]);
}

#[test]
fn privacy_is_set_for_practice_places_and_visit_types() {
    let text = "[practice]\nprivacy = \"detailed\"\n[[locations]]\ncode = \"A\"\nprivacy = \"minimal\"\n\
                [[locations]]\ncode = \"B\"\n[[visit_types]]\ncode = \"CHEMO\"\nprivacy = \"minimal\"\n";
    let rules = read(text).unwrap().settings.rules;
    assert_eq!(rules.practice.privacy, Privacy::Detailed);
    assert_eq!(rules.place("A").unwrap().privacy, Some(Privacy::Minimal));
    assert_eq!(rules.place("B").unwrap().privacy, None);
    assert_eq!(rules.practice.visit_types["CHEMO"], Privacy::Minimal);
    let wrong = "[practice]\nprivacy = \"secret\"\n[[visit_types]]\ncode = \"A\"\n\
                 [[visit_types]]\ncode = \"A\"\nprivacy = 1\n";
    let expected = [
        "text:2: practice.privacy: \"secret\" is not right; write one of \"minimal\"",
        "text:3: visit_types[0].privacy: is missing; write \"minimal\"",
        "text:6: visit_types[1].code: is the code of another kind too",
        "text:7: visit_types[1].privacy: is a number",
    ];
    assert_faults(wrong, &expected);
}

#[test]
fn texts_that_are_dear_or_can_never_be_sent_are_warned_of() {
    let dir = folder("[texts]\npath = \"texts\"\n[[locations]]\ncode = \"A\"\n");
    let long = "word ".repeat(100);
    write(
        dir.path(),
        "texts/en.toml",
        format!(
            "[[preparation]]\nvisit_type = \"X\"\nlocation = \"C\"\ntext = \"Come early.\"\n\
             [[help.variant]]\nlocation = \"B\"\nsource = \"nobody\"\ntext = \"{{{{ practice.name }}}}\"\n\
             [booked]\ntext = \"{{{{ practice.name }}}} {long}\"\n"
        ),
    );
    let warnings: Vec<String> =
        load_dir(&dir, &[]).unwrap().warnings.iter().map(ToString::to_string).collect();
    let expected = [
        "texts/en.toml:4: preparation[0]: location \"C\" is none of [[locations]]",
        "texts/en.toml:8: help.variant[0].text: location \"B\" is none of",
        "texts/en.toml:8: help.variant[0].text: source \"nobody\" is no listener",
        "texts/en.toml:10: booked.text: en: takes 4 segments with long names",
        "texts/en.toml:10: booked.text: en: does not say how to end texts",
    ];
    for line in expected {
        assert!(warnings.iter().any(|warning| warning.contains(line)), "{line}\n{warnings:#?}");
    }
    let longer = "word ".repeat(310);
    let text = format!("[booked]\ntext = \"{{{{ practice.name }}}} {longer}\"\n");
    write(dir.path(), "texts/en.toml", text);
    let faults = lines(load_dir(&dir, &[]));
    assert!(faults[0].contains("en.toml:2: booked.text: takes 11 segments"), "{faults:?}");
}

#[test]
fn the_built_in_texts_raise_no_warning() {
    for locale in ["en", "es"] {
        let loaded = read(&format!("[practice]\nlocale = \"{locale}\"\n")).unwrap();
        let of_texts = loaded.warnings.iter().filter(|warning| warning.key.contains("text"));
        assert_eq!(of_texts.collect::<Vec<_>>(), Vec::<&Fault>::new());
    }
}
