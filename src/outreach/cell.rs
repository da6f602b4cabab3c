//! Cells of separated values that are safe to open in a spreadsheet.

/// Writes a cell by RFC 4180; one that a spreadsheet would take for a formula is made plain text.
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
    let text = if is_formula(text) { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
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
        assert_eq!(quoted("\r=1"), "\"'\r=1\"");
        assert_eq!(quoted("-7"), "-7");
        assert_eq!(quoted("+14155550123"), "+14155550123");
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(quoted("two\nlines"), "\"two\nlines\"");
    }
}
