//! Rules of reading; the tables are in `fixtures/replies`.

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
fn what_is_not_plain_is_unclear() {
    let hostile = "y".repeat(100_000);
    let table = [
        "",
        "   ",
        "?",
        "no",
        "yes no",
        "yes but can I come at 3",
        "yes I can't make it",
        "ok cancel appointment",
        "thank you",
        "I don't want to cancel",
        "who is this",
        "999",
        "c x",
        "stop please",
        "\u{0}\u{feff}",
        hostile.as_str(),
    ];
    for text in table {
        assert_eq!(read(text, &english()), Intent::Unclear, "{}", text.len());
    }
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
