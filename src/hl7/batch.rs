//! What one payload or file holds: a message, several, or a batch with its envelope.
//!
//! `[FHS] [BHS] {messages} [BTS] [FTS]`, each header with its own separators; or simply messages one
//! after the other. Counts that are wrong are told, and no message is refused for its neighbour.

use memchr::memchr2;

use super::normalise::is_header;

/// Most messages taken from one payload; what is above is in [`Batch::stray_bytes`].
const MESSAGES_MAX: usize = 100_000;

/// The messages of one payload.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Batch<'a> {
    /// The text of each message, from its MSH to before the next header or trailer.
    pub messages: Vec<&'a str>,
    /// BHS-11 of the first batch, else FHS-11.
    pub control_id: Option<&'a str>,
    /// The sum of BTS-1, if any trailer states one.
    pub declared_count: Option<u64>,
    /// Bytes outside messages, headers and trailers, blanks apart.
    pub stray_bytes: usize,
}

impl std::fmt::Debug for Batch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch")
            .field("messages", &self.messages.len())
            .field("control_id", &self.control_id)
            .field("declared_count", &self.declared_count)
            .field("stray_bytes", &self.stray_bytes)
            .finish()
    }
}

impl Batch<'_> {
    /// Whether a trailer states another number of messages than there are.
    #[must_use]
    pub fn is_miscounted(&self) -> bool {
        let count = u64::try_from(self.messages.len()).unwrap_or(u64::MAX);
        self.declared_count.is_some_and(|declared| declared != count)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Message,
    Header,
    Trailer,
    Other,
}

/// Finds the messages of a payload. Text without any MSH is given as one message, for its reader to
/// refuse.
///
/// ```
/// use appointd::hl7::batch::split;
/// let batch = split("BHS|^~\\&|||||||||B7\rMSH|^~\\&|1\rMSH|^~\\&|2\rPID|1\rBTS|2\r");
/// assert_eq!(batch.messages, ["MSH|^~\\&|1\r", "MSH|^~\\&|2\rPID|1\r"]);
/// assert_eq!((batch.control_id, batch.declared_count), (Some("B7"), Some(2)));
/// ```
#[must_use]
pub fn split(text: &str) -> Batch<'_> {
    let mut batch = Batch::default();
    let mut reader = Reader { separator: None, enveloped: false, open: None };
    let mut next = 0;
    while let Some(rest) = text.get(next..).filter(|rest| !rest.is_empty()) {
        let start = next;
        // Either end counts here: a header after a line feed is a header, whatever ends segments.
        next = memchr2(b'\r', b'\n', rest.as_bytes()).map_or(text.len(), |end| next + end + 1);
        let line = text.get(start..next).unwrap_or_default();
        let content =
            line.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\u{FEFF}' | '\0'));
        match reader.kind(content) {
            Line::Message => {
                reader.close(text, start, &mut batch);
                reader.separator = content.chars().nth(3);
                reader.open = Some(start + line.find("MSH").unwrap_or_default());
            }
            Line::Header => {
                reader.close(text, start, &mut batch);
                reader.enveloped = true;
                let control_id = field(content, 10).filter(|id| !id.is_empty());
                let batch_header = content.starts_with("BHS") && batch.messages.is_empty();
                if batch_header || batch.control_id.is_none() {
                    batch.control_id = control_id.or(batch.control_id);
                }
            }
            Line::Trailer => {
                reader.close(text, start, &mut batch);
                let count = field(content, 1).and_then(|count| count.trim().parse::<u64>().ok());
                if let Some(count) = count.filter(|_| content.starts_with("BTS")) {
                    let sum = batch.declared_count.unwrap_or_default();
                    batch.declared_count = Some(sum.saturating_add(count));
                }
            }
            Line::Other if reader.open.is_none() => batch.stray_bytes += content.len(),
            Line::Other => {}
        }
    }
    reader.close(text, text.len(), &mut batch);
    if batch.messages.is_empty() && batch.stray_bytes > 0 {
        return Batch { messages: vec![text], stray_bytes: 0, ..batch };
    }
    batch
}

struct Reader {
    /// MSH-1 of the message before.
    separator: Option<char>,
    /// Whether a batch or file header was seen, so that trailers are trailers.
    enveloped: bool,
    /// Where the open message begins.
    open: Option<usize>,
}

impl Reader {
    fn kind(&self, line: &str) -> Line {
        let Some((name, rest)) = line.split_at_checked(3) else { return Line::Other };
        let separated = rest.starts_with(|char: char| char.is_ascii_punctuation());
        match name {
            // The first header is left to its reader, however odd it is.
            "MSH" if separated && (self.open.is_none() || is_header(line, self.separator)) => {
                Line::Message
            }
            "BHS" | "FHS" if separated && (self.open.is_none() || self.enveloped) => Line::Header,
            "BTS" | "FTS" if self.enveloped && (separated || rest.is_empty()) => Line::Trailer,
            _ => Line::Other,
        }
    }

    fn close<'a>(&mut self, text: &'a str, end: usize, batch: &mut Batch<'a>) {
        let Some(message) = self.open.take().and_then(|start| text.get(start..end)) else { return };
        if batch.messages.len() < MESSAGES_MAX {
            batch.messages.push(message);
        } else {
            batch.stray_bytes += message.len();
        }
    }
}

/// The part of an envelope segment at an index; a header's separator is its first field.
fn field(segment: &str, index: usize) -> Option<&str> {
    let separator = segment.chars().nth(3)?;
    segment.split(separator).nth(index)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ONE: &str = "MSH|^~\\&|A\rPID|1\r";

    #[test]
    fn one_message_is_itself() {
        for text in [ONE, "MSH|^~\\&|A\nPID|1\n", "MSH$%*/@$A\rPID$1", "MSH||A"] {
            assert_eq!(split(text).messages, [text]);
        }
        assert_eq!(split("\u{FEFF}\r\n  MSH|^~\\&|A\r").messages, ["MSH|^~\\&|A\r"]);
    }

    #[test]
    fn concatenated_messages_are_split_at_their_headers() {
        for end in ["\r", "\n", "\r\n", "\r\r\n"] {
            let text = format!("MSH|^~\\&|1{end}PID|1{end}MSH|^~\\&|2{end}{end}MSH$%*/@$3");
            let messages = split(&text).messages;
            assert_eq!(messages.len(), 3, "{end:?}");
            assert_eq!(messages.concat(), text);
        }
    }

    #[test]
    fn msh_inside_a_value_is_no_header() {
        let text = "MSH|^~\\&|1\rNTE|1||see MSH|^~\\&|x\rMSHX|1\rMSH words\r";
        assert_eq!(split(text).messages, [text]);
    }

    #[test]
    fn an_envelope_gives_its_control_id_and_count() {
        let text =
            format!("FHS|^~\\&|||||||||F1\rBHS#^~\\&#########B1\r{ONE}{ONE}BTS|3|note\rFTS|1\r");
        let batch = split(&text);
        assert_eq!(batch.messages, [ONE, ONE]);
        assert_eq!((batch.control_id, batch.declared_count), (Some("B1"), Some(3)));
        assert!(batch.is_miscounted());
        assert_eq!(batch.stray_bytes, 0);
    }

    #[test]
    fn several_batches_in_one_file_are_added_up() {
        let text =
            format!("FHS|\rBHS|^~\\&|||||||||B1\r{ONE}BTS|1\rBHS|^~\\&|||||||||B2\r{ONE}BTS|1\r");
        let batch = split(&text);
        assert_eq!((batch.messages.len(), batch.control_id), (2, Some("B1")));
        assert!(!batch.is_miscounted());
    }

    #[test]
    fn trailers_count_only_in_an_envelope() {
        let text = "MSH|^~\\&|1\rBTS|9\r";
        assert_eq!((split(text).messages, split(text).declared_count), (vec![text], None));
    }

    #[test]
    fn text_without_a_message_is_left_for_its_reader_to_refuse() {
        assert_eq!(split("GET / HTTP/1.1\r\n").messages, ["GET / HTTP/1.1\r\n"]);
        assert!(split("").messages.is_empty());
        assert!(split("\r\n\0 ").messages.is_empty());
        assert_eq!(split("junk\rMSH|^~\\&|1\r").stray_bytes, 4);
        assert!(split("BHS|^~\\&|\rBTS|0\r").messages.is_empty());
    }

    proptest! {
        #[test]
        fn without_envelope_no_byte_is_lost(text in "(MSH\\|\\^~\\\\&\\||PID\\|1|[\r\n]|[a-z日]){0,30}") {
            let batch = split(&text);
            let inside: usize = batch.messages.iter().map(|message| message.len()).sum();
            let visible = |text: &str| text.chars().filter(|c| !c.is_whitespace()).count();
            let kept: usize = batch.messages.iter().map(|message| visible(message)).sum();
            prop_assert!(inside <= text.len());
            prop_assert!(visible(&text) <= kept + batch.stray_bytes);
        }
    }
}
