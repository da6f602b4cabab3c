//! `application/x-www-form-urlencoded`, decoded once and kept whole.
//!
//! The signature is made over the decoded values of *all* parameters, known or not, so the form is
//! kept as it came, order and repetitions included.

use std::fmt;

/// Parameters in one form; an inbound text has about 25, ten pictures add 20.
pub const PARAMS_MAX: usize = 256;

/// Bytes of a form; a text of 1600 characters, each percent-encoded in 12 bytes, takes a third.
pub const FORM_BYTES_MAX: usize = 64 * 1024;

/// Why a body is no form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// More than [`FORM_BYTES_MAX`].
    #[error("form is longer than {FORM_BYTES_MAX} bytes")]
    TooLong,
    /// More than [`PARAMS_MAX`].
    #[error("form has more than {PARAMS_MAX} parameters")]
    TooManyParams,
    /// A name or value is not UTF-8.
    #[error("form parameter {0} is not UTF-8")]
    NotUtf8(usize),
}

/// Names and values in the order in which they came; prints names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Decodes a body or a query string.
    ///
    /// # Errors
    /// If it is too long, has too many parameters, or is not UTF-8. A percent sign that begins no
    /// code stands for itself.
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        if body.len() > FORM_BYTES_MAX {
            return Err(Error::TooLong);
        }
        let mut params = Vec::new();
        for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            if params.len() == PARAMS_MAX {
                return Err(Error::TooManyParams);
            }
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let mut next = || decode(halves.next().unwrap_or_default());
            let not_utf8 = Error::NotUtf8(params.len() + 1);
            params.push((next().ok_or(not_utf8)?, next().ok_or(not_utf8)?));
        }
        Ok(Self(params))
    }

    /// The first value of a parameter; an empty value counts as one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The first value of a parameter, unless it is empty.
    #[must_use]
    pub fn get_filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// All names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The form as it is posted.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut encoded = String::new();
        for (name, value) in &self.0 {
            if !encoded.is_empty() {
                encoded.push('&');
            }
            encode_into(&mut encoded, name);
            encoded.push('=');
            encode_into(&mut encoded, value);
        }
        encoded
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Form {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(params: I) -> Self {
        Self(params.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

fn decode(text: &[u8]) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        decoded.push(match first {
            b'+' => b' ',
            b'%' => match hex_pair(after) {
                Some((byte, after)) => {
                    rest = after;
                    byte
                }
                None => b'%',
            },
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

fn hex_pair(text: &[u8]) -> Option<(u8, &[u8])> {
    let (&[high, low], after) = text.split_first_chunk()?;
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some((digit(high)? * 16 + digit(low)?, after))
}

fn encode_into(encoded: &mut String, text: &str) {
    const HEX: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or_default();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' => {
                encoded.push(char::from(byte));
            }
            b' ' => encoded.push('+'),
            other => encoded.extend(['%', digit(other >> 4), digit(other & 15)]),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_decoded_and_otherwise_untouched() {
        let form = Form::parse(b"Body=++1%2B1+%3D+2%0A%F0%9F%91%8D+&From=%2B14155550123&ToCity=&x")
            .unwrap();
        assert_eq!(form.get("Body"), Some("  1+1 = 2\n\u{1f44d} "));
        assert_eq!(form.get("From"), Some("+14155550123"));
        assert_eq!((form.get("ToCity"), form.get_filled("ToCity")), (Some(""), None));
        assert_eq!(form.get("x"), Some(""));
        assert_eq!(form.get("y"), None);
    }

    #[test]
    fn malformed_forms_are_refused_or_read_literally() {
        assert_eq!(Form::parse(b"a=100%&b=%zz&c=%2").unwrap().get("a"), Some("100%"));
        assert_eq!(Form::parse(b"a=%+f").unwrap().get("a"), Some("% f"));
        assert_eq!(Form::parse(b"&&&").unwrap(), Form::default());
        assert_eq!(Form::parse(b"a=b=c").unwrap().get("a"), Some("b=c"));
        assert_eq!(Form::parse(b"a=1&b=%ff"), Err(Error::NotUtf8(2)));
        assert_eq!(Form::parse("a&".repeat(257).as_bytes()), Err(Error::TooManyParams));
        assert_eq!(Form::parse(&[b'a'; FORM_BYTES_MAX + 1]), Err(Error::TooLong));
    }

    #[test]
    fn a_form_prints_no_value() {
        let form: Form = [("Body", "yes, Jane Roe")].into_iter().collect();
        assert_eq!(format!("{form:?}"), "{\"Body\"}");
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_the_same(pairs in prop::collection::vec((".{1,8}", ".{0,20}"), 0..8)) {
            let form: Form = pairs.into_iter().collect();
            prop_assert_eq!(Form::parse(form.encode().as_bytes()).unwrap(), form);
        }

        #[test]
        fn any_bytes_are_survived(body in prop::collection::vec(any::<u8>(), 0..300)) {
            drop(Form::parse(&body));
        }
    }
}
