//! Cells of separated values that are safe to open in a spreadsheet.

/// What a spreadsheet that was told another separator takes for the border of a cell.
const BORDERS: [char; 5] = [';', '\t', '|', '\n', '\r'];

/// Writes a cell by RFC 4180; one that a spreadsheet would take for a formula is made plain text, and
/// so is each piece that it would make a cell of with another separator.
///
/// A figure with a sign, such as a phone in E.164 form, stays as it is.
///
/// ```
/// use appointd::outreach::cell::quoted;
/// assert_eq!(quoted("=1+1"), "'=1+1");
/// assert_eq!(quoted("+14155550123"), "+14155550123");
/// assert_eq!(quoted("a, \"b\""), "\"a, \"\"b\"\"\"");
/// ```
#[must_use]
pub fn quoted(text: &str) -> String {
    let text = plain(text);
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len() + 1);
    if is_formula(text) {
        plain.push('\'');
    }
    for (index, piece) in text.split_inclusive(BORDERS).enumerate() {
        // Behind a border, quotation marks and blanks may be taken away before it is calculated.
        if index > 0 && is_formula(piece.trim_start_matches(['"', ' ']).trim_end_matches(BORDERS)) {
            plain.push('\'');
        }
        plain.push_str(piece);
    }
    plain
}

/// Whether a spreadsheet would calculate it; full-width signs count in some of them too.
fn is_formula(text: &str) -> bool {
    text.starts_with(['=', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff20}', '\u{ff0b}', '\u{ff0d}'])
        || (text.starts_with(['+', '-']) && text.parse::<f64>().is_err())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_safe_in_a_spreadsheet() {
        for formula in ["=1+1", "@SUM(A1)", "-cmd|' /C calc'!A0", "+1+cmd", "\t=1", "＝1"] {
            assert!(quoted(formula).trim_start_matches('"').starts_with('\''), "{formula}");
        }
        assert_eq!(quoted("\r=1"), "\"'\r'=1\"");
        assert_eq!(quoted("-7"), "-7");
        assert_eq!(quoted("+14155550123"), "+14155550123");
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(quoted("two\nlines"), "\"two\nlines\"");
    }

    #[test]
    fn pieces_behind_another_separator_are_safe_too() {
        assert_eq!(quoted("a;=1+1"), "a;'=1+1");
        assert_eq!(quoted("a\t@SUM(A1)|+1+cmd"), "a\t'@SUM(A1)|'+1+cmd");
        assert_eq!(quoted("fine\n=1+1"), "\"fine\n'=1+1\"");
        assert_eq!(quoted("x;\"=1\""), "\"x;'\"\"=1\"\"\"");
        assert_eq!(quoted("a;-7;+14155550123"), "a;-7;+14155550123");
    }
}
