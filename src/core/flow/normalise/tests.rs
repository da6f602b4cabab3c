//! What replies are read as, row by row; half of the rows are traps.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::*;
use crate::core::reply::WordsFile;

static WORDS: LazyLock<BTreeMap<String, Words>> = LazyLock::new(|| {
    let read = |text| Words::from(toml::from_str::<WordsFile>(text).unwrap());
    let en = read(include_str!("../../../../conf/replies/en.toml"));
    let es = read(include_str!("../../../../conf/replies/es.toml"));
    [("en".to_owned(), en), ("es".to_owned(), es)].into()
});

const SCALE: Expect = Expect::Number { min: 0, max: 10 };

fn check(expect: &Expect, rows: &[(&str, &str, Option<&str>)]) {
    let mut wrong = Vec::new();
    for (language, text, expected) in rows {
        let language = Some(*language).filter(|tag| !tag.is_empty());
        let read = read_as(expect, text, language, &WORDS);
        if read.as_deref() != *expected {
            wrong.push(format!("{language:?} {text:?}: {read:?}, not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn numbers_on_a_scale_of_ten() {
    check(
        &SCALE,
        &[
            ("en", "7", Some("7")),
            ("en", " 7 ", Some("7")),
            ("en", "7.", Some("7")),
            ("en", "7!", Some("7")),
            ("en", "07", Some("7")),
            ("en", "7.0", Some("7")),
            ("en", "0", Some("0")),
            ("en", "10", Some("10")),
            ("en", "seven", Some("7")),
            ("en", "Seven", Some("7")),
            ("en", "SEVEN.", Some("7")),
            ("en", "about seven", Some("7")),
            ("en", "About a 7", Some("7")),
            ("en", "around 7 I think", Some("7")),
            ("en", "I'd say 7", Some("7")),
            ("en", "I’d say a seven", Some("7")),
            ("en", "it's a 7", Some("7")),
            ("en", "My pain is 7", Some("7")),
            ("en", "pain level: 7", Some("7")),
            ("en", "pain=7", Some("7")),
            ("en", "7/10", Some("7")),
            ("en", "7 / 10", Some("7")),
            ("en", "7 out of 10", Some("7")),
            ("en", "seven out of ten", Some("7")),
            ("en", "7 of 10", Some("7")),
            ("en", "10/10", Some("10")),
            ("en", "10 out of 10!!", Some("10")),
            ("en", "7 (seven)", Some("7")),
            ("en", "seven, 7", Some("7")),
            ("en", "7ish", Some("7")),
            ("en", "7-ish", Some("7")),
            ("en", "~7", Some("7")),
            ("en", "#7", Some("7")),
            ("en", "7 thanks", Some("7")),
            ("en", "Hi, 7 today", Some("7")),
            ("en", "maybe 7", Some("7")),
            ("en", "still 7", Some("7")),
            ("en", "I am at a 7", Some("7")),
            ("en", "good morning, 7", Some("7")),
            ("en", "7️⃣", Some("7")),
            ("en", "🔟", Some("10")),
            ("en", "７", Some("7")),
            ("en", "7 😩", Some("7")),
            ("en", "none", Some("0")),
            ("en", "No pain", Some("0")),
            ("en", "zero", Some("0")),
            ("en", "a solid 7", Some("7")),
            ("en", "ten", Some("10")),
            ("en", "siete", Some("7")),
            ("es", "siete", Some("7")),
            ("es", "Siete.", Some("7")),
            ("es", "un 7", Some("7")),
            ("es", "como un siete", Some("7")),
            ("es", "más o menos 7", Some("7")),
            ("es", "7 de 10", Some("7")),
            ("es", "7 sobre 10", Some("7")),
            ("es", "siete de diez", Some("7")),
            ("es", "creo que 8", Some("8")),
            ("es", "yo diría que un 8", Some("8")),
            ("es", "mi dolor es de 4", Some("4")),
            ("es", "tengo un dolor de 6", Some("6")),
            ("es", "sin dolor", Some("0")),
            ("es", "nada", Some("0")),
            ("es", "No tengo dolor", Some("0")),
            ("es", "no me duele", Some("0")),
            ("es", "cero", Some("0")),
            ("es", "uno", Some("1")),
            ("es", "seven", Some("7")),
            ("", "siete", Some("7")),
            ("", "ten", Some("10")),
        ],
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_could_be_another_number_is_none() {
    check(
        &SCALE,
        &[
            ("en", "", None),
            ("en", "7 or 8", None),
            ("en", "7-8", None),
            ("en", "7 - 8", None),
            ("en", "7–8", None),
            ("en", "7 to 8", None),
            ("en", "between 3 and 4", None),
            ("en", "between three and four", None),
            ("en", "3, 4", None),
            ("en", "not 7", None),
            ("en", "not a 7", None),
            ("en", "no, 7", None),
            ("en", "11", None),
            ("en", "100", None),
            ("en", "99999999999999999999", None),
            ("en", "eleven", None),
            ("en", "-7", None),
            ("en", "\u{2212}7", None),
            ("en", "7\u{2212}8", None),
            ("en", "7\u{2011}8", None),
            ("en", "≥7", None),
            ("en", "≤ 7", None),
            ("en", "±7", None),
            ("en", "≠ 7", None),
            ("en", "7+", None),
            ("en", "> 7", None),
            ("en", "more than 7", None),
            ("en", "at least 7", None),
            ("en", "over 7", None),
            ("en", "less than 3", None),
            ("en", "almost 7", None),
            ("en", "7.5", None),
            ("en", "7,5", None),
            ("en", ".5", None),
            ("en", "7 1/2", None),
            ("en", "7½", None),
            ("en", "seven and a half", None),
            ("en", "7%", None),
            ("en", "7?", None),
            ("en", "is 7 bad?", None),
            ("en", "7/5", None),
            ("en", "7/100", None),
            ("en", "7 out of 12", None),
            ("en", "8/10/2026", None),
            ("en", "7:30", None),
            ("en", "7am", None),
            ("en", "7 pm", None),
            ("en", "7th", None),
            ("en", "7 days", None),
            ("en", "was 7", None),
            ("en", "was 7 now 3", None),
            ("en", "7 yesterday", None),
            ("en", "7 but worse at night", None),
            ("en", "1 1", None),
            ("en", "7 7", None),
            ("en", "007", None),
            ("en", "7 eight", None),
            ("en", "this one", None),
            ("en", "no one", None),
            ("en", "a lot", None),
            ("en", "very bad", None),
            ("en", "yes", None),
            ("en", "stop", None),
            ("en", "call me", None),
            ("en", "555-0123", None),
            ("en", "on a scale of 0 to 10, 7", None),
            ("en", "5 o 6", None),
            ("en", "½", None),
            ("en", "②", None),
            ("en", "once", None),
            ("es", "7 u 8", None),
            ("es", "siete u ocho", None),
            ("es", "entre 3 y 4", None),
            ("es", "no es 7", None),
            ("es", "casi 7", None),
            ("es", "más de 7", None),
            ("es", "menos de 3", None),
            ("es", "siete y medio", None),
            ("es", "una vez", None),
            ("es", "7 noches", None),
            ("en", "7 morning", None),
            ("es", "once", None),
            ("es", "ten", None),
            ("es", "mucho", None),
            ("es", "7 días", None),
            ("es", "¿7?", None),
            ("", "once", None),
        ],
    );
}

#[test]
fn larger_numbers_are_read_within_their_bounds() {
    let years = Expect::Number { min: 18, max: 120 };
    check(
        &years,
        &[
            ("en", "twenty one", Some("21")),
            ("en", "twenty-one", Some("21")),
            ("en", "sixty", Some("60")),
            ("en", "17", None),
            ("en", "none", None),
            ("es", "treinta y uno", Some("31")),
            ("es", "veintidós", Some("22")),
            ("es", "cuarenta", Some("40")),
        ],
    );
    let steps = Expect::Number { min: 0, max: 50_000 };
    check(&steps, &[("en", "1,000", Some("1000")), ("es", "1.000", None), ("en", "10,5", None)]);
    let small = Expect::Number { min: 0, max: 20 };
    check(
        &small,
        &[("es", "once", Some("11")), ("en", "once", None), ("en", "eleven", Some("11"))],
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn yes_and_no() {
    check(
        &Expect::YesNo,
        &[
            ("en", "YES", Some("YES")),
            ("en", "yes", Some("YES")),
            ("en", "Yes.", Some("YES")),
            ("en", "yes please", Some("YES")),
            ("en", "Yes, thank you!", Some("YES")),
            ("en", "yeah", Some("YES")),
            ("en", "yesssss", Some("YES")),
            ("en", "Y", Some("YES")),
            ("en", "yep", Some("YES")),
            ("en", "ya", Some("YES")),
            ("en", "sure", Some("YES")),
            ("en", "sure no problem", Some("YES")),
            ("en", "of course", Some("YES")),
            ("en", "ok", Some("YES")),
            ("en", "I do", Some("YES")),
            ("en", "I am", Some("YES")),
            ("en", "I do, thanks", Some("YES")),
            ("en", "Please, I would!", Some("YES")),
            ("en", "It is, thank you", Some("YES")),
            ("en", "sure I can", Some("YES")),
            ("en", "Yes I am", Some("YES")),
            ("en", "👍🏽", Some("YES")),
            ("en", "✅", Some("YES")),
            ("en", "yes yes", Some("YES")),
            ("en", "sí", Some("YES")),
            ("es", "SI", Some("YES")),
            ("es", "Sí", Some("YES")),
            ("es", "sí, gracias", Some("YES")),
            ("es", "siiii", Some("YES")),
            ("es", "claro", Some("YES")),
            ("es", "Claro que sí", Some("YES")),
            ("es", "por supuesto", Some("YES")),
            ("es", "desde luego", Some("YES")),
            ("es", "así es", Some("YES")),
            ("es", "yes", Some("YES")),
            ("en", "NO", Some("NO")),
            ("en", "no thanks", Some("NO")),
            ("en", "No, thank you.", Some("NO")),
            ("en", "nope", Some("NO")),
            ("en", "nah", Some("NO")),
            ("en", "not really", Some("NO")),
            ("en", "of course not", Some("NO")),
            ("en", "absolutely not", Some("NO")),
            ("en", "I don't", Some("NO")),
            ("en", "no I’m not", Some("NO")),
            ("en", "not at all", Some("NO")),
            ("en", "sorry, no", Some("NO")),
            ("en", "👎", Some("NO")),
            ("en", "nooooo", Some("NO")),
            ("es", "no, gracias", Some("NO")),
            ("es", "Claro que no", Some("NO")),
            ("es", "para nada", Some("NO")),
            ("es", "nunca", Some("NO")),
            // What says both, something else besides, or only courtesy.
            ("en", "yes and no", None),
            ("en", "yes no", None),
            ("en", "no yes", None),
            ("en", "👍👎", None),
            ("en", "maybe", None),
            ("en", "I don't know", None),
            ("en", "not sure", None),
            ("en", "yes but not today", None),
            ("en", "yes?", None),
            ("en", "no problem", None),
            ("en", "I am ok, thanks", None),
            ("en", "It is ok thanks", None),
            ("en", "I am well thank you", None),
            ("en", "I am sorry", None),
            ("en", "I am so sorry", None),
            ("en", "I am afraid", None),
            ("en", "no I am", None),
            ("en", "thanks", None),
            ("en", "please", None),
            ("en", "cancel my appointment", None),
            ("en", "I can't make it", None),
            ("en", "confirm", None),
            ("en", "1", None),
            ("en", "Liked “Reply YES or NO”", None),
            ("en", "yes or no", None),
            ("en", "who is this", None),
            ("en", "", None),
            ("es", "ya", None),
            ("es", "sí y no", None),
            ("es", "no sé", None),
            ("es", "tal vez", None),
            ("es", "sí pero mañana no", None),
            ("es", "¿sí?", None),
            ("es", "gracias", None),
            ("", "ya", None),
        ],
    );
}

#[test]
fn one_of_some_words() {
    let also = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let times = Expect::Choice(vec![
        ("MORNING".to_owned(), also(&["am", "early", "mañana", "1"])),
        ("EVENING".to_owned(), also(&["pm", "late", "tarde", "2"])),
    ]);
    check(
        &times,
        &[
            ("en", "morning", Some("MORNING")),
            ("en", "in the morning please", Some("MORNING")),
            ("en", "I'd prefer the evening", Some("EVENING")),
            ("en", "Evening!", Some("EVENING")),
            ("en", "2", Some("EVENING")),
            ("es", "por la tarde", Some("EVENING")),
            ("es", "prefiero la mañana", Some("MORNING")),
            ("en", "morning or evening", None),
            ("en", "not the morning", None),
            ("en", "morning?", None),
            ("en", "any", None),
            ("en", "", None),
        ],
    );
}

#[test]
fn figures_of_a_choice_are_what_they_are() {
    let expect = Expect::Choice(
        ["10", "1", "aaa"].map(|word| (word.to_owned(), Vec::new())).into_iter().collect(),
    );
    let rows = [
        ("en", "1000", None),
        ("en", "111", None),
        ("en", "10", Some("10")),
        ("en", "1", Some("1")),
        ("en", "AAA", Some("aaa")),
        ("en", "a", None),
    ];
    check(&expect, &rows);
    let thousand = Expect::Choice(vec![("1000".to_owned(), Vec::new())]);
    check(&thousand, &[("en", "1000", Some("1000")), ("en", "10", None)]);
}

#[test]
fn a_novel_is_not_read() {
    let long = format!("yes{}", " please".repeat(40));
    assert_eq!(read_as(&Expect::YesNo, &long, None, &WORDS), None);
}
