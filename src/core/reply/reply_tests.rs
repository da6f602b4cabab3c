//! Rules of reading; the tables are in `fixtures/replies`.

use std::collections::BTreeSet;

use super::*;

fn english() -> Words {
    Words::from(toml::from_str::<WordsFile>(include_str!("../../../conf/replies/en.toml")).unwrap())
}

#[test]
fn everyday_replies_are_understood() {
    let table = [
        ("C", Intent::Confirm),
        ("c.", Intent::Confirm),
        ("1", Intent::Number(1)),
        ("Yes", Intent::Confirm),
        ("YES!!!", Intent::Confirm),
        ("yes please", Intent::Confirm),
        ("Yes, see you then!", Intent::Confirm),
        ("Hi, ok thanks, I'll be there", Intent::Confirm),
        ("Ok thank you", Intent::Confirm),
        ("👍🏽", Intent::Confirm),
        ("✅", Intent::Confirm),
        ("I’ll be there", Intent::Confirm),
        ("Confirm Appt", Intent::Confirm),
        ("cancel appt.", Intent::Cancel),
        ("Can't make it, sorry", Intent::Cancel),
        ("X", Intent::Cancel),
        ("R", Intent::Reschedule),
        ("reschedule please", Intent::Reschedule),
        ("STOP", Intent::Stop),
        (" stop. ", Intent::Stop),
        ("Unsubscribe", Intent::Stop),
        ("cancel", Intent::CancelOrStop),
        ("START", Intent::Start),
        ("help", Intent::Help),
        ("2", Intent::Number(2)),
    ];
    for (text, intent) in table {
        assert_eq!(read(text, &english()), intent, "{text}");
    }
}

#[test]
fn what_says_nothing_is_unclear_and_what_says_more_is_for_a_person() {
    let hostile = "y".repeat(100_000);
    for text in
        ["", "   ", "?", "no", "thank you", "who is this", "999", "\u{0}\u{feff}", hostile.as_str()]
    {
        assert_eq!(read(text, &english()), Intent::Unclear, "{}", text.len());
    }
    for text in [
        "yes no",
        "yes but can I come at 3",
        "yes I can't make it",
        "ok cancel appointment",
        "I don't want to cancel",
        "c x",
        "STOP or go",
    ] {
        assert_eq!(read(text, &english()), Intent::Mixed, "{text}");
    }
    assert_eq!(read("stop please", &english()), Intent::Stop);
}

#[test]
fn choices_are_spread_out_and_slips_are_told() {
    let file: WordsFile = toml::from_str(
        r#"
            confirm = ["[I/we/] come", "stop"]
            cancel = ["cancel", "we come", "one two three four five six seven eight nine"]
            reschedule = []
            start = []
            help = ["?!"]
            naming = { weekdays = ["monday"] }
        "#,
    )
    .unwrap();
    let problems = file.problems();
    for (key, problem) in [
        ("confirm", "\"stop\" is an opt-out"),
        ("cancel", "\"cancel\" is an opt-out"),
        ("cancel", "\"we come\" stands in confirm too"),
        ("cancel", "has more than 8 words"),
        ("reschedule", "is empty"),
        ("help", "nothing counts"),
        ("naming.weekdays", "write 7"),
    ] {
        let is_told = |found: &(&str, String)| found.0 == key && found.1.contains(problem);
        assert!(problems.iter().any(is_told), "{key}: {problem}\n{problems:#?}");
    }
    let words = Words::from(file);
    let come: Vec<&str> = words.confirm.iter().map(String::as_str).collect();
    assert_eq!(come, ["come", "i come", "stop", "we come"]);
}

#[test]
fn no_word_stands_in_two_lists() {
    let words = english();
    let lists =
        [&words.confirm, &words.cancel, &words.reschedule, &words.start, &words.help, &words.stop];
    let total: usize = lists.iter().map(|list| list.len()).sum();
    let distinct: BTreeSet<&String> = lists.into_iter().flatten().collect();
    assert_eq!(total, distinct.len());
}
