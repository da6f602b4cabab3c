//! Searches as they stand in an address.

/// Writes a text so that it can stand in a query (RFC 3986, 2.3).
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// The search for the appointment of an identifier, of any system if none is given
/// (FHIR R4, 3.1.1.4.10).
#[must_use]
pub fn by_identifier(system: Option<&str>, value: &str) -> String {
    let value = escaped(value);
    match system {
        Some(system) => format!("Appointment?identifier={}%7C{value}", escaped(system)),
        None => format!("Appointment?identifier={value}"),
    }
}
