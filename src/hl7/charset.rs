//! Character sets: bytes to text as MSH-18 or the settings say, and text back to bytes.
//!
//! MSH-18 is often empty, wrong or shifted by one field, so a label that is not known never fails:
//! the bytes are then UTF-8 if they are valid UTF-8, else Windows-1252, of which Latin-1 is a part.
//! Only UTF-16 and UTF-32 are refused: their bytes collide with MLLP's framing. The caller keeps
//! the raw bytes.

use std::borrow::Cow;
use std::fmt;

use encoding_rs::{EncoderResult, Encoding, UTF_8, WINDOWS_1252};

use super::Category;

const BOM: &[u8] = &[0xEF, 0xBB, 0xBF];
/// How far into a payload a header is searched for: blanks, batch headers, then MSH.
const HEADER_SEARCH_BYTES: usize = 64 * 1024;

/// A character set that text can be read from and written to.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Charset(&'static Encoding);

impl fmt::Debug for Charset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Charset {
    /// UTF-8.
    pub const UTF_8: Self = Self(UTF_8);
    /// Windows-1252, which contains ISO 8859-1.
    pub const WINDOWS_1252: Self = Self(WINDOWS_1252);

    /// Finds a character set by a label of HL7 table 0211 or by a common name; for settings.
    ///
    /// ```
    /// use appointd::hl7::Charset;
    /// assert_eq!(Charset::for_label("unicode utf-8"), Some(Charset::UTF_8));
    /// assert_eq!(Charset::for_label("8859/1"), Some(Charset::WINDOWS_1252));
    /// assert_eq!(Charset::for_label("UNICODE UTF-16"), None);
    /// ```
    #[must_use]
    pub fn for_label(label: &str) -> Option<Self> {
        match Label::read(label.as_bytes()) {
            Label::Known(charset) => Some(charset),
            Label::Ascii => Some(Self::UTF_8),
            Label::None | Label::Wide | Label::Unknown => None,
        }
    }

    /// The name in the WHATWG registry.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name()
    }
}

/// What a declared label means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Label {
    None,
    Ascii,
    Known(Charset),
    Wide,
    Unknown,
}

impl Label {
    /// Reads a label without regard to case, blanks and punctuation: senders spell them freely.
    fn read(label: &[u8]) -> Self {
        let folded: Vec<u8> = label
            .iter()
            .filter(|b| b.is_ascii_alphanumeric())
            .map(u8::to_ascii_uppercase)
            .collect();
        let known = match &*folded {
            b"" => return Self::None,
            b"ASCII" | b"USASCII" | b"ISOIR6" => return Self::Ascii,
            b"UNICODEUTF16" | b"UNICODEUTF32" | b"UTF16" | b"UTF16LE" | b"UTF16BE" | b"UTF32"
            | b"UCS2" | b"UCS4" => return Self::Wide,
            // "UNICODE" alone names no encoding: whoever sends it through MLLP means UTF-8.
            b"UNICODEUTF8" | b"UTF8" | b"UNICODE" => "utf-8",
            b"88591" | b"ISO88591" | b"WINDOWS1252" | b"CP1252" | b"LATIN1" => "windows-1252",
            b"88592" | b"ISO88592" => "iso-8859-2",
            b"88593" | b"ISO88593" => "iso-8859-3",
            b"88594" | b"ISO88594" => "iso-8859-4",
            b"88595" | b"ISO88595" => "iso-8859-5",
            b"88596" | b"ISO88596" => "iso-8859-6",
            b"88597" | b"ISO88597" => "iso-8859-7",
            b"88598" | b"ISO88598" => "iso-8859-8",
            b"88599" | b"ISO88599" => "windows-1254",
            b"885910" | b"ISO885910" => "iso-8859-10",
            b"885911" | b"ISO885911" => "windows-874",
            b"885913" | b"ISO885913" => "iso-8859-13",
            b"885914" | b"ISO885914" => "iso-8859-14",
            b"885915" | b"ISO885915" => "iso-8859-15",
            b"885916" | b"ISO885916" => "iso-8859-16",
            b"ISOIR14" | b"ISOIR87" | b"ISOIR159" => "iso-2022-jp",
            b"GB180302000" | b"GB18030" => "gb18030",
            b"KSX1001" => "euc-kr",
            b"BIG5" => "big5",
            _ => return Self::by_registry_name(label),
        };
        Encoding::for_label(known.as_bytes()).map_or(Self::Unknown, |e| Self::Known(Charset(e)))
    }

    fn by_registry_name(label: &[u8]) -> Self {
        match Encoding::for_label_no_replacement(label) {
            Some(encoding) if !encoding.is_ascii_compatible() => Self::Wide,
            Some(encoding) => Self::Known(Charset(encoding)),
            None => Self::Unknown,
        }
    }
}

/// What was odd about the bytes; none of it stops the reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warning {
    /// A byte order mark stood first and was left out.
    ByteOrderMark,
    /// MSH-18 holds a label that names no character set.
    UnknownLabel,
    /// The bytes are not what MSH-18 says; another character set was used.
    NotAsDeclared,
    /// Some bytes mean nothing in the character set and became U+FFFD.
    Undecodable,
}

/// Text, the character set that it was read from, and what was odd about it.
#[derive(Clone, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// The text; borrowed if the bytes were UTF-8.
    pub text: Cow<'a, str>,
    /// The character set that the bytes were in; the answer is written in it.
    pub charset: Charset,
    /// What was odd.
    pub warnings: Vec<Warning>,
}

impl fmt::Debug for Decoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoded")
            .field("text_bytes", &self.text.len())
            .field("charset", &self.charset)
            .field("warnings", &self.warnings)
            .finish()
    }
}

/// Why bytes cannot become text, or text bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// MSH-18 or the bytes say UTF-16 or UTF-32.
    #[error("the message is in UTF-16 or UTF-32, which MLLP cannot carry; send UTF-8")]
    WideCharset,
    /// A character that the character set to be written in does not have.
    #[error("the text holds a character that {charset:?} lacks")]
    Lacking {
        /// The character set.
        charset: Charset,
    },
}

impl Error {
    /// The kind of failure.
    #[must_use]
    pub const fn category(self) -> Category {
        match self {
            Self::WideCharset | Self::Lacking { .. } => Category::Unsupported,
        }
    }
}

/// Turns a payload into text; `forced` (a connection's setting) wins over MSH-18.
///
/// # Errors
///
/// Fails for UTF-16 and UTF-32, which cannot be framed.
pub fn decode(bytes: &[u8], forced: Option<Charset>) -> Result<Decoded<'_>, Error> {
    let mut warnings = Vec::new();
    let body = bytes.strip_prefix(BOM).unwrap_or(bytes);
    if body.len() < bytes.len() {
        warnings.push(Warning::ByteOrderMark);
    }
    if is_wide(body) {
        return Err(Error::WideCharset);
    }
    let label = forced.map_or_else(|| Label::read(declared(body)), Label::Known);
    let declared = match label {
        Label::Wide => return Err(Error::WideCharset),
        Label::Known(charset) if charset != Charset::UTF_8 => Some(charset),
        Label::Unknown => {
            warnings.push(Warning::UnknownLabel);
            None
        }
        Label::None | Label::Ascii | Label::Known(_) => None,
    };
    if let Some(charset) = declared {
        return Ok(decode_as(body, charset, warnings));
    }
    match std::str::from_utf8(body) {
        Ok(text) => {
            if label == Label::Ascii && !text.is_ascii() {
                warnings.push(Warning::NotAsDeclared);
            }
            Ok(Decoded { text: Cow::Borrowed(text), charset: Charset::UTF_8, warnings })
        }
        Err(_) => {
            if matches!(label, Label::Ascii | Label::Known(_)) {
                warnings.push(Warning::NotAsDeclared);
            }
            Ok(decode_as(body, Charset::WINDOWS_1252, warnings))
        }
    }
}

fn decode_as(body: &[u8], charset: Charset, mut warnings: Vec<Warning>) -> Decoded<'_> {
    let (text, malformed) = charset.0.decode_without_bom_handling(body);
    if malformed {
        warnings.push(Warning::Undecodable);
    }
    Decoded { text, charset, warnings }
}

/// Whether the bytes begin as UTF-16 or UTF-32 text does.
fn is_wide(body: &[u8]) -> bool {
    let starts = [&b"\xFF\xFE"[..], b"\xFE\xFF", b"M\0S\0", b"\0M\0S", b"M\0\0\0S", b"\0\0\0M"];
    starts.iter().any(|start| body.starts_with(start))
}

/// MSH-18, first repetition, as bytes: empty if there is no such field.
fn declared(body: &[u8]) -> &[u8] {
    let searched = body.get(..HEADER_SEARCH_BYTES).unwrap_or(body);
    let header = searched
        .split(|b| matches!(b, b'\r' | b'\n'))
        .map(<[u8]>::trim_ascii_start)
        .find(|line| line.starts_with(b"MSH"))
        .unwrap_or_default();
    let Some(separator) = header.get(3) else { return &[] };
    // The name stands for MSH-0 and the separator for MSH-1, so MSH-18 is the part at 17.
    let mut fields = header.split(|b| b == separator).skip(1);
    let repetition = fields.next().and_then(|encoding| encoding.get(1)).unwrap_or(&b'~');
    let labels = fields.nth(15).unwrap_or_default();
    labels.split(|b| b == repetition).next().unwrap_or_default().trim_ascii()
}

/// A character set to write in, under the label that the receiver knows it by.
///
/// ```
/// use appointd::hl7::charset::Target;
/// let latin = Target::parse("8859/1").unwrap();
/// assert_eq!(latin.encode("Zoë").unwrap(), b"Zo\xEB");
/// assert!(latin.encode("O’Roe").is_err(), "Windows has a byte for it, Latin-1 has not");
/// assert!(Target::parse("ASCII").unwrap().encode("Zoë").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    label: String,
    charset: Charset,
    /// Bytes that the label has not, though the encoding in use knows them.
    foreign: Option<std::ops::RangeInclusive<u8>>,
}

impl Target {
    /// Finds a character set by a label of HL7 table 0211 or by a common name.
    #[must_use]
    pub fn parse(label: &str) -> Option<Self> {
        let label = label.trim();
        let charset = Charset::for_label(label)?;
        let is_iso = label.trim_start_matches(|c: char| !c.is_ascii_digit()).starts_with("8859");
        let foreign = match Label::read(label.as_bytes()) {
            Label::Ascii => Some(0x80..=0xFF),
            // Control characters there, letters in the Windows sets that stand for them here.
            Label::Known(_) if is_iso => Some(0x80..=0x9F),
            Label::Known(_) | Label::None | Label::Wide | Label::Unknown => None,
        };
        Some(Self { label: label.to_owned(), charset, foreign })
    }

    /// The label as it was given, for MSH-18.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Turns text into bytes; nothing is replaced.
    ///
    /// # Errors
    ///
    /// Fails for a character that the character set lacks.
    pub fn encode(&self, text: &str) -> Result<Vec<u8>, Error> {
        let bytes = encode_whole(text, self.charset)?;
        let foreign = self.foreign.as_ref();
        if foreign.is_some_and(|foreign| bytes.iter().any(|byte| foreign.contains(byte))) {
            return Err(Error::Lacking { charset: self.charset });
        }
        Ok(bytes)
    }
}

/// Turns text into bytes; nothing is replaced.
///
/// # Errors
///
/// Fails for a character that the character set lacks.
pub fn encode_whole(text: &str, charset: Charset) -> Result<Vec<u8>, Error> {
    let (bytes, is_whole) = encode_or_mark(text, charset);
    if is_whole { Ok(bytes) } else { Err(Error::Lacking { charset }) }
}

/// Turns text into bytes for an answer; what the character set lacks becomes `?`.
///
/// ```
/// use appointd::hl7::charset::{Charset, encode};
/// assert_eq!(encode("Müller 日本", Charset::WINDOWS_1252), b"M\xFCller ??");
/// ```
#[must_use]
pub fn encode(text: &str, charset: Charset) -> Vec<u8> {
    encode_or_mark(text, charset).0
}

/// The bytes, and whether none of them is a `?` for a character that is lacking.
fn encode_or_mark(text: &str, charset: Charset) -> (Vec<u8>, bool) {
    let mut is_whole = true;
    let mut encoder = charset.0.new_encoder();
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    loop {
        // Asked for each time, because an unmappable character leaves room unused.
        let need = encoder.max_buffer_length_from_utf8_without_replacement(rest.len());
        bytes.reserve(need.unwrap_or(rest.len()).saturating_add(16));
        let (result, read) =
            encoder.encode_from_utf8_to_vec_without_replacement(rest, &mut bytes, true);
        rest = rest.get(read..).unwrap_or_default();
        match result {
            EncoderResult::InputEmpty => return (bytes, is_whole),
            EncoderResult::OutputFull => {}
            EncoderResult::Unmappable(_) => {
                bytes.push(b'?');
                is_whole = false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with_label(label: &str, name: &[u8]) -> Vec<u8> {
        let head = format!("MSH|^~\\&|A|B|C|D|20260101||SIU^S12|1|P|2.5|||||| {label} \rPID|||||");
        [head.as_bytes(), name].concat()
    }

    fn name(bytes: &[u8]) -> (String, Charset, Vec<Warning>) {
        let decoded = decode(bytes, None).unwrap();
        let name = decoded.text.rsplit('|').next().unwrap().to_owned();
        (name, decoded.charset, decoded.warnings)
    }

    #[test]
    fn msh_18_decides() {
        for (label, bytes, text) in [
            ("8859/1", &b"M\xFCller"[..], "Müller"),
            ("UNICODE UTF-8", "Müller".as_bytes(), "Müller"),
            ("8859/15", b"\xA4", "€"),
            ("8859/2", b"\xE8", "č"),
            ("WINDOWS-1252", b"\x80", "€"),
            ("GB 18030-2000", b"\xC4\xE3", "你"),
            ("BIG-5", b"\xA7\x41", "你"),
            ("KS X 1001", b"\xC7\xD1", "한"),
            ("ISO IR87", b"\x1b$B$\"\x1b(B", "あ"),
        ] {
            assert_eq!(name(&with_label(label, bytes)).0, text, "{label}");
        }
    }

    #[test]
    fn only_the_first_repetition_counts() {
        assert_eq!(name(&with_label("8859/2~UNICODE UTF-8", b"\xE8")).0, "č");
    }

    #[test]
    fn an_unknown_label_never_fails() {
        let (text, charset, warnings) = name(&with_label("NLD", "Müller".as_bytes()));
        assert_eq!((text.as_str(), charset), ("Müller", Charset::UTF_8));
        assert_eq!(warnings, [Warning::UnknownLabel]);
    }

    #[test]
    fn without_a_label_the_bytes_decide() {
        assert_eq!(name(&with_label("", b"M\xFCller")).1, Charset::WINDOWS_1252);
        assert_eq!(name(&with_label("", "Müller".as_bytes())).1, Charset::UTF_8);
        assert_eq!(decode(b"", None).unwrap().text, "");
    }

    #[test]
    fn declared_utf_8_that_is_not_becomes_windows_1252_with_a_warning() {
        let (text, charset, warnings) = name(&with_label("UNICODE UTF-8", b"M\xFCller"));
        assert_eq!((text.as_str(), charset), ("Müller", Charset::WINDOWS_1252));
        assert_eq!(warnings, [Warning::NotAsDeclared]);
        assert_eq!(name(&with_label("ASCII", b"M\xFCller")).2, [Warning::NotAsDeclared]);
    }

    #[test]
    fn the_setting_wins_over_the_label() {
        let bytes = with_label("UNICODE UTF-8", b"\xE8");
        let forced = Charset::for_label("8859/2");
        assert!(decode(&bytes, forced).unwrap().text.ends_with('č'));
    }

    #[test]
    fn the_label_is_found_by_the_messages_own_separators() {
        let bytes = b"\r\n MSH$%*/@$A$B$C$D$$$SIU$1$P$2.3$$$$$$8859/2*X\rPID$\xE8";
        assert!(decode(bytes, None).unwrap().text.ends_with('č'));
    }

    #[test]
    fn a_byte_order_mark_is_left_out() {
        let decoded = decode(b"\xEF\xBB\xBFMSH|", None).unwrap();
        assert_eq!((&*decoded.text, &*decoded.warnings), ("MSH|", &[Warning::ByteOrderMark][..]));
    }

    #[test]
    fn utf_16_is_refused_by_label_and_by_sight() {
        assert_eq!(decode(&with_label("UNICODE UTF-16", b""), None), Err(Error::WideCharset));
        assert_eq!(decode(b"\xFF\xFEM\0S\0H\0", None), Err(Error::WideCharset));
        assert_eq!(decode(b"M\0S\0H\0|\0", None), Err(Error::WideCharset));
    }

    #[test]
    fn what_is_lacking_is_told_and_not_replaced() {
        let target = |label| Target::parse(label).unwrap();
        for (label, text, bytes) in [
            ("UNICODE UTF-8", "Zoë ’ 日", "Zoë ’ 日".as_bytes()),
            ("windows-1252", "O’Roe €", b"O\x92Roe \x80"),
            ("8859/15", "€", b"\xA4"),
            ("ISO IR87", "あ", b"\x1b$B$\"\x1b(B"),
            ("ASCII", "Roe", b"Roe"),
        ] {
            assert_eq!(target(label).encode(text).unwrap(), bytes, "{label}");
            assert_eq!(target(label).label(), label);
        }
        for (label, text) in [
            ("ASCII", "ë"),
            ("8859/1", "€"),
            ("iso-8859-9", "’"),
            ("8859/2", "ë日"),
            ("windows-1252", "č"),
        ] {
            let lacking = matches!(target(label).encode(text), Err(Error::Lacking { .. }));
            assert!(lacking, "{label}");
        }
        assert_eq!(Target::parse("UNICODE UTF-16"), None);
        assert!(encode_whole("č", Charset::WINDOWS_1252).is_err());
    }

    #[test]
    fn bytes_that_mean_nothing_are_told() {
        assert_eq!(name(&with_label("BIG-5", b"\xFF")).2, [Warning::Undecodable]);
    }

    proptest! {
        #[test]
        fn any_bytes_become_text_or_are_refused(bytes: Vec<u8>) {
            if let Ok(decoded) = decode(&bytes, None) {
                prop_assert!(!encode(&decoded.text, decoded.charset).is_empty() || bytes.len() <= 3);
            }
        }

        #[test]
        fn utf_8_goes_through_unchanged(text: String) {
            prop_assert_eq!(encode(&text, Charset::UTF_8), text.as_bytes());
        }
    }
}
