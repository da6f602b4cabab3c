//! Which setting was meant by a key that does not exist.

use super::fault::shown;

/// The longest key that is compared with the known ones.
const KEY_BYTES_MAX: usize = 40;

/// A key as it may be shown.
pub(super) fn clipped(key: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || "_-.[]".contains(c);
    if key.len() <= KEY_BYTES_MAX && key.chars().all(is_bare) { key.to_owned() } else { shown(key) }
}

/// The known key that is closest, if it is close enough to be meant.
pub(super) fn nearest(key: &str, known: &[&'static str]) -> Option<&'static str> {
    if key.len() > KEY_BYTES_MAX {
        return None;
    }
    let near = known.iter().map(|known| (distance(key, known), *known));
    near.filter(|(edits, known)| *edits <= (known.len() / 3).max(1)).min().map(|(_, known)| known)
}

/// How many letters must be changed, added or removed.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, to) in row.iter_mut().zip(std::iter::once(None).chain(b.chars().map(Some))) {
            let Some(to) = to else {
                *cell = left;
                continue;
            };
            let replaced = diagonal + usize::from(from != to);
            diagonal = *cell;
            left = replaced.min(*cell + 1).min(left + 1);
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_nonsense_is_not() {
        let known = ["listen", "allow", "charset", "ack_mode"];
        assert_eq!(nearest("lisen", &known), Some("listen"));
        assert_eq!(nearest("ackmode", &known), Some("ack_mode"));
        assert_eq!(nearest("allow", &known), Some("allow"));
        for key in ["", "zzzzzz", "ß", &"a".repeat(1 << 20)] {
            assert_eq!(nearest(key, &known), None);
        }
        assert_eq!((distance("", "abc"), distance("kitten", "sitting")), (3, 3));
    }

    #[test]
    fn keys_are_shown_short_and_on_one_line() {
        assert_eq!(clipped("max_frame_bytes"), "max_frame_bytes");
        assert_eq!(clipped("a\nb"), "\"a\\nb\"");
        assert!(clipped(&"é".repeat(1000)).chars().count() < 80);
    }
}
