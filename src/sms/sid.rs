//! Twilio's identifiers: two letters for the kind, 32 hexadecimal digits.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

/// A text is not an identifier of the kind that is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {0} and 32 hexadecimal digits")]
pub struct Error(&'static str);

macro_rules! sid {
    ($(#[$doc:meta])* $name:ident, $expected:literal, [$($prefix:literal),+]) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Checks prefix, length and digits.
            ///
            /// # Errors
            /// If the text is anything else; the error does not repeat it.
            pub fn parse(text: &str) -> Result<Self, Error> {
                let digits = None$(.or_else(|| text.strip_prefix($prefix)))+;
                let is_valid = digits.is_some_and(|digits| {
                    digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
                });
                if is_valid { Ok(Self(text.to_owned())) } else { Err(Error($expected)) }
            }

            /// The identifier as Twilio writes it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

sid!(
    /// An account, `AC..`.
    AccountSid, "AC", ["AC"]
);
sid!(
    /// An API key, `SK..`.
    KeySid, "SK", ["SK"]
);
sid!(
    /// A messaging service, `MG..`: a pool of senders.
    ServiceSid, "MG", ["MG"]
);
sid!(
    /// A message, `SM..` or, with media, `MM..`.
    MessageSid, "SM or MM", ["SM", "MM"]
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_kind_and_length_is_an_identifier() {
        let digits = "0123456789abcdefABCDEF0123456789";
        assert!(MessageSid::parse(&format!("SM{digits}")).is_ok());
        assert!(MessageSid::parse(&format!("MM{digits}")).is_ok());
        for bad in ["", "SM", "SM1", &format!("AC{digits}"), &format!("SM{digits}0"), "SM\u{661}"] {
            assert!(MessageSid::parse(bad).is_err(), "{bad}");
        }
        assert!(AccountSid::parse(&format!("SM{digits}")).is_err());
        assert!(serde_json::from_str::<ServiceSid>("\"MG\"").is_err());
    }
}
