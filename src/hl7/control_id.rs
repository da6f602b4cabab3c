//! Control ids of our own messages: MSH-10 of whatever is sent.

/// Crockford's alphabet: no letter that is taken for a digit, and in the order of the digits' values.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// MSH-10 holds 20 characters up to version 2.6.
const LENGTH: usize = 20;
const RANDOM_BITS: u32 = 52;

/// Makes a control id of 20 characters: 48 bits of time, 52 random or counted bits.
///
/// Later ids sort after earlier ones. Bits above the widths are left out.
///
/// ```
/// use appointd::hl7::control_id;
/// assert_eq!(control_id(1_772_355_600_000, 42).len(), 20);
/// assert!(control_id(1, u64::MAX) < control_id(2, 0));
/// ```
#[must_use]
pub fn control_id(millis: u64, random: u64) -> String {
    let time = u128::from(millis & 0xFFFF_FFFF_FFFF) << RANDOM_BITS;
    let bits = time | u128::from(random & ((1 << RANDOM_BITS) - 1));
    let digit = |place: usize| {
        let index = usize::try_from(bits >> (5 * place) & 31).unwrap_or_default();
        char::from(ALPHABET.get(index).copied().unwrap_or(b'0'))
    };
    (0..LENGTH).rev().map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_in_time_and_in_chance_and_sort_by_time() {
        assert_eq!(control_id(0, 0), "0".repeat(20));
        assert_eq!(control_id(u64::MAX, u64::MAX), "Z".repeat(20));
        assert_ne!(control_id(7, 1), control_id(7, 2));
        assert!(control_id(1_772_355_600_000, 9) < control_id(1_772_355_600_001, 1));
    }
}
