//! Every condition, with what holds and what does not.

use super::super::graph::Text;
use super::super::liquid::Template;
use super::*;

fn is_held(test: &str, input: &str, value: &str) -> bool {
    let (_, test) = *Test::ALL.iter().find(|(name, _)| *name == test).unwrap();
    let template = Template::parse("").unwrap();
    let text = Text { source: String::new(), template };
    let compiled = (test == Test::Regex).then(|| pattern(value).ok()).flatten();
    let condition = Condition { test, input: None, value: text, pattern: compiled };
    holds(&condition, input, value, Zone::parse("America/Chicago").unwrap())
}

#[test]
fn conditions_hold_as_in_studio() {
    let rows: &[(&str, &str, &str, bool)] = &[
        ("equal_to", "Yes ", "YES", true),
        ("equal_to", "yes please", "YES", false),
        ("equal_to", "", "", true),
        ("equal_to", "SÍ", "sí", true),
        ("not_equal_to", "no", "YES", true),
        ("not_equal_to", " yes", "YES", false),
        ("matches_any_of", "7", "6, 7, 8, 9, 10", true),
        ("matches_any_of", "1", "6, 7, 8, 9, 10", false),
        ("matches_any_of", "YES", "yes,y,", true),
        ("matches_any_of", "", "yes,y,", false),
        ("matches_any_of", " uno", "1, one ,uno", true),
        ("matches_any_of", "0,1", "0,1", false),
        ("does_not_match_any_of", "5", "6,7", true),
        ("does_not_match_any_of", "6", "6,7", false),
        ("contains", "I say YES", "yes", true),
        ("contains", "no", "yes", false),
        ("contains", "anything", "", false),
        ("does_not_contain", "no", "yes", true),
        ("does_not_contain", "Yes!", "yes", false),
        ("starts_with", " Yes!", "YE", true),
        ("starts_with", "oh yes", "yes", false),
        ("starts_with", "yes", "", false),
        ("does_not_start_with", "oh yes", "yes", true),
        ("does_not_start_with", "yes", "yes", false),
        ("is_blank", " \n", "", true),
        ("is_blank", "x", "", false),
        ("is_not_blank", "x", "", true),
        ("is_not_blank", "  ", "", false),
        ("regex", "YES 12", "yes \\d+", true),
        ("regex", "yes 12 or so", "yes \\d+", false),
        ("regex", "b", "a|b", true),
        ("regex", "ab", "a|b", false),
        ("less_than", "9", "10", true),
        ("less_than", "10", "9", false),
        ("less_than", "seven", "10", false),
        ("less_than", "", "10", false),
        ("greater_than", "2.5", "2", true),
        ("greater_than", "NaN", "2", false),
        ("greater_than", "2", "inf", false),
        ("is_before_date", "2026-03-01", "2026-03-02", true),
        ("is_before_date", "2026-03-02", "2026-03-02", false),
        ("is_before_date", "tomorrow", "2026-03-02", false),
        ("is_after_date", "2026-03-03T00:30:00Z", "2026-03-02", false),
        ("is_after_date", "2026-03-03T08:30:00Z", "2026-03-02", true),
        ("is_after_date", "2026-02-30", "2026-01-01", false),
        ("is_before_time", "09:30", "17:00", true),
        ("is_before_time", "5:30 PM", "17:00", false),
        ("is_after_time", "17:01", "17:00", true),
        ("is_after_time", "24:30", "17:00", false),
        ("is_after_time", "2026-03-03T18:30:00Z", "12:00", true),
    ];
    for (test, input, value, expected) in rows {
        assert_eq!(is_held(test, input, value), *expected, "{test} {input:?} {value:?}");
    }
    let tested: std::collections::BTreeSet<&str> = rows.iter().map(|row| row.0).collect();
    assert_eq!(tested.len(), Test::ALL.len());
}

#[test]
fn patterns_are_bounded() {
    assert!(pattern("(a{1000}){1000}").unwrap_err().contains("too large"));
    assert!(pattern("(?=a)").unwrap_err().contains("look-arounds"));
    assert!(pattern("(").is_err());
    // No end of the outer group can be smuggled in.
    assert!(pattern("a)|(b").is_err());
}
