//! Slips of the finger: one letter too many, too few, wrong, or two in the wrong order.

/// Words with fewer letters are too near to each other to forgive anything.
const LETTERS_MIN: usize = 4;

/// Whether a word is one slip away from another.
pub(super) fn is_slip(typed: &str, meant: &str) -> bool {
    let typed: Vec<char> = typed.chars().collect();
    let meant: Vec<char> = meant.chars().collect();
    let shorter = typed.len().min(meant.len());
    if shorter < LETTERS_MIN || typed.len().abs_diff(meant.len()) > 1 {
        return false;
    }
    let same = typed.iter().zip(&meant).take_while(|(one, other)| one == other).count();
    let typed = typed.get(same..).unwrap_or_default();
    let meant = meant.get(same..).unwrap_or_default();
    let after = |rest: &[char], count: usize| rest.get(count..).map(<[char]>::to_vec);
    let swapped = match (typed, meant) {
        ([a, b, typed @ ..], [c, d, meant @ ..]) => a == d && b == c && typed == meant,
        _ => false,
    };
    // Equal words are no slip of each other.
    !(typed.is_empty() && meant.is_empty())
        && (swapped
            || after(typed, 1).is_some_and(|typed| typed == meant)
            || after(meant, 1).is_some_and(|meant| typed == meant)
            || after(typed, 1).is_some_and(|typed| after(meant, 1) == Some(typed)))
}

#[cfg(test)]
mod tests {
    use super::is_slip;

    #[test]
    fn one_slip_is_forgiven_in_words_of_four_letters() {
        for typed in ["confrm", "confirmm", "comfirm", "cofnirm", "confir", "onfirm", "confimr"] {
            assert!(is_slip(typed, "confirm"), "{typed}");
        }
        for typed in ["confirm", "cnfrm", "confirmed", "firm", "", "mrifnoc"] {
            assert!(!is_slip(typed, "confirm"), "{typed}");
        }
        assert!(!is_slip("yss", "yes") && !is_slip("yea", "yes"));
    }
}
