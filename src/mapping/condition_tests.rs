//! Tests of conditions: patterns, versions, triggers.

use super::*;

#[test]
fn a_pattern_knows_star_and_question_mark_only() {
    for (pattern, text) in [
        ("", ""),
        ("*", ""),
        ("*", "abc"),
        ("a*c", "abbc"),
        ("a?c", "abc"),
        ("*b*", "abc"),
        ("a*b*c", "aXbXbXc"),
        ("[a]", "[a]"),
        ("日*", "日本"),
    ] {
        assert!(glob(pattern, text.chars()), "{pattern} {text}");
    }
    for (pattern, text) in
        [("", "a"), ("a", ""), ("a?c", "ac"), ("a*c", "abcd"), ("?", ""), (".*", "abc")]
    {
        assert!(!glob(pattern, text.chars()), "{pattern} {text}");
    }
}

#[test]
fn a_hostile_pattern_ends_soon() {
    assert!(!glob(&"*a".repeat(200), "a".repeat(100).chars()));
    assert!(!glob("*a*a*a*a*a*b", "a".repeat(10_000).chars()));
}

#[test]
fn versions_are_compared_by_number() {
    let at_least = Test::AtLeast(vec![2, 5]);
    for (version, holds) in
        [("2.5", true), ("2.5.1", true), ("2.10", true), ("2.4", false), ("", false), ("x", false)]
    {
        assert_eq!(at_least.holds(version), holds, "{version}");
    }
}

#[test]
fn triggers_are_read_or_refused() {
    assert!(Trigger::parse("SIU^S12").unwrap().matches("siu", "S12"));
    assert!(Trigger::parse("S12").unwrap().matches("SRM", "S12"));
    assert!(Trigger::parse("SIU^*").unwrap().matches("SIU", ""));
    assert!(!Trigger::parse("SIU^*").unwrap().matches("ADT", "A08"));
    for bad in ["", "^", "SIU^", "SIU^S12^SIU_S12", "S 12"] {
        assert!(Trigger::parse(bad).is_none(), "{bad}");
    }
}
