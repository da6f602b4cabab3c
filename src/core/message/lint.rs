//! What no text may ask of a patient: to reply a word that carriers take as an opt-out.
//!
//! Who replies CANCEL to call off a visit is unsubscribed by the carrier, the answer to that reply is
//! refused, and the visit still stands. STOP is the one opt-out word that texts name, and only to end
//! texts.

/// Opt-out words of carriers besides STOP (Twilio's defaults; 47 CFR 64.1200(a)(10)).
const OPT_OUT: [&str; 8] =
    ["cancel", "end", "quit", "revoke", "unsubscribe", "optout", "opt-out", "stopall"];

/// Those that, in capitals, are always read as something to reply.
const LOUD: [&str; 4] = ["CANCEL", "END", "QUIT", "REVOKE"];

/// Those that a text may name to end texts.
const ENDS_TEXTS: [&str; 4] = ["unsubscribe", "optout", "opt-out", "stopall"];

/// Words that ask for a reply, accents folded.
const ASKS: [&str; 14] = [
    "reply",
    "text",
    "send",
    "respond",
    "answer",
    "responda",
    "responde",
    "responder",
    "conteste",
    "contesta",
    "envie",
    "envia",
    "mande",
    "escriba",
];

/// How many words after such a word are what to reply.
const ASKED_WORDS: usize = 3;

/// Words after which comes what the reply is for.
const PURPOSE: [&str; 9] = ["to", "for", "if", "when", "para", "si", "cuando", "stop", "por"];

/// Words that begin a condition, accents folded.
const CONDITIONS: [&str; 5] = ["if", "when", "unless", "si", "cuando"];

/// Words for coming to a visit, or staying away, accents folded.
const COMING: [&str; 24] = [
    "come",
    "coming",
    "came",
    "make",
    "attend",
    "attending",
    "arrive",
    "miss",
    "appointment",
    "appt",
    "visit",
    "venir",
    "viene",
    "vendra",
    "puede",
    "pueda",
    "asistir",
    "asiste",
    "asistira",
    "acudir",
    "acude",
    "llegar",
    "cita",
    "visita",
];

/// Words that say no, accents folded.
const NOT: [&str; 11] = [
    "can't",
    "can\u{2019}t",
    "cant",
    "cannot",
    "won't",
    "won\u{2019}t",
    "unable",
    "not",
    "no",
    "miss",
    "canceling",
];

/// How many words after an opt-out word belong to it.
const CLAUSE_WORDS: usize = 8;

/// A word of a text.
#[derive(Debug, Clone)]
struct Word {
    /// As it is written, marks left out.
    plain: String,
    /// In small letters, accents folded.
    small: String,
    /// Whether it stands in quotes.
    is_quoted: bool,
    /// Whether a list goes on before it: a comma, a slash, "or".
    is_listed: bool,
    /// Whether a sentence ends after it.
    ends: bool,
}

/// The opt-out word that a text tells the patient to reply, if it does.
///
/// ```
/// use appointd::core::message::carrier_word;
/// assert_eq!(carrier_word("Reply C to confirm, CANCEL to cancel"), Some("CANCEL".to_owned()));
/// assert_eq!(carrier_word("Reply C or cancel"), Some("cancel".to_owned()));
/// assert_eq!(carrier_word("Responda CANCELAR. Reply X to cancel, STOP to end texts."), None);
/// ```
#[must_use]
pub fn carrier_word(text: &str) -> Option<String> {
    let words = words(text);
    let found = words.iter().enumerate().find(|(at, word)| is_asked_for(&words, *at, word));
    found.map(|(_, word)| word.plain.clone())
}

fn is_asked_for(words: &[Word], at: usize, word: &Word) -> bool {
    let small = word.small.as_str();
    if small == "stop" {
        return stops_a_visit(words, at) || is_for_who_stays_away(words, at, word);
    }
    if !OPT_OUT.contains(&small) {
        return false;
    }
    if ENDS_TEXTS.contains(&small) && is_for_who_stays_away(words, at, word) {
        return true;
    }
    if LOUD.contains(&word.plain.as_str()) {
        return true;
    }
    let sentence = sentence(words, at);
    let ends_texts = sentence.iter().any(|word| is_about_texts(&word.small));
    if ENDS_TEXTS.contains(&small) && ends_texts {
        return false;
    }
    let next = words.get(at + 1).map(|word| word.small.as_str());
    let is_further = word.is_listed && !word.ends && matches!(next, Some("to" | "para"));
    let asks = sentence.iter().any(|word| ASKS.contains(&word.small.as_str()));
    is_named_by_verb(words, at) || (asks && (is_further || word.is_quoted))
}

/// Whether one of the few words before asks for it.
fn is_named_by_verb(words: &[Word], at: usize) -> bool {
    let before = words.get(..at).unwrap_or_default().iter().rev().take(ASKED_WORDS);
    for word in before {
        if word.ends || PURPOSE.contains(&word.small.as_str()) {
            return false;
        }
        if ASKS.contains(&word.small.as_str()) {
            return true;
        }
    }
    false
}

/// Whether STOP is said to call off a visit.
fn stops_a_visit(words: &[Word], at: usize) -> bool {
    let after: Vec<&str> = words
        .get(at + 1..)
        .unwrap_or_default()
        .iter()
        .take(5)
        .map(|word| word.small.as_str())
        .collect();
    let calls_off = matches!(after.as_slice(), ["to", "cancel", ..] | ["para", "cancelar", ..]);
    let visit = ["appointment", "appt", "visit", "cita", "visita", "it", "cancelarla"];
    let names_visit = after.iter().skip(2).any(|word| visit.contains(word));
    calls_off && names_visit || matches!(after.as_slice(), ["para", "cancelarla", ..])
}

/// Whether it is told as the answer of who does not come: "STOP if you can't come", "Can't come? STOP".
fn is_for_who_stays_away(words: &[Word], at: usize, word: &Word) -> bool {
    let is_loud = word.plain.chars().all(|c| !c.is_lowercase());
    if !(is_loud || word.is_quoted || is_named_by_verb(words, at)) {
        return false;
    }
    let own = sentence(words, at);
    let after: &[Word] = if word.ends { &[] } else { words.get(at + 1..).unwrap_or_default() };
    let end = after.iter().position(|word| word.ends).map_or(after.len(), |end| end + 1);
    let after = after.get(..end.min(CLAUSE_WORDS)).unwrap_or_default();
    let next = after.first().map(|word| word.small.as_str());
    if next.is_some_and(|next| CONDITIONS.contains(&next)) {
        return is_about_coming(after);
    }
    // "STOP to end texts": what it is for is said behind it.
    let is_explained = next.is_some_and(|next| PURPOSE.contains(&next) && next != "stop")
        || after.iter().any(|word| is_about_texts(&word.small));
    if is_explained {
        return false;
    }
    let begins = own.first().is_some_and(|first| CONDITIONS.contains(&first.small.as_str()));
    let start = words.get(..at).unwrap_or_default().iter().rposition(|word| word.ends);
    let asked = start.map(|end| sentence(words, end)).unwrap_or_default();
    let is_answer = asked.iter().any(|word| NOT.contains(&word.small.as_str()));
    (begins && is_about_coming(own)) || (is_answer && is_about_coming(asked))
}

fn is_about_coming(words: &[Word]) -> bool {
    words.iter().any(|word| COMING.contains(&word.small.as_str()))
}

fn is_about_texts(word: &str) -> bool {
    ["texts", "texting", "messages", "sms", "mensajes", "textos"].contains(&word)
}

/// The words of the sentence in which one stands.
fn sentence(words: &[Word], at: usize) -> &[Word] {
    let start = words.get(..at).unwrap_or_default().iter().rposition(|word| word.ends);
    let start = start.map_or(0, |end| end + 1);
    let rest = words.get(start..).unwrap_or_default();
    let from = at - start;
    let end = rest.iter().skip(from).position(|word| word.ends).map(|end| from + end + 1);
    rest.get(..end.unwrap_or(rest.len())).unwrap_or_default()
}

fn words(text: &str) -> Vec<Word> {
    let mut found: Vec<Word> = Vec::new();
    let mut goes_on = false;
    for piece in text.split([' ', '\n', '\t', '/']) {
        let is_mark = |c: char| !(c.is_alphanumeric() || c == '-');
        let plain = piece.trim_matches(|c| is_mark(c) || c == '-');
        if plain.is_empty() {
            goes_on |= piece.contains(',');
            continue;
        }
        let small: String = plain.to_lowercase().chars().map(without_accent).collect();
        let is_joint = ["or", "o", "and", "y", "u"].contains(&small.as_str());
        let is_comma = piece.ends_with([',', ':']);
        found.push(Word {
            plain: plain.to_owned(),
            small,
            is_quoted: piece.starts_with(['"', '\'', '\u{201c}', '\u{2018}', '\u{ab}']),
            is_listed: goes_on,
            ends: piece.ends_with(['.', '!', '?', ';']),
        });
        goes_on = is_joint || is_comma;
    }
    found
}

const fn without_accent(c: char) -> char {
    match c {
        'á' => 'a',
        'é' => 'e',
        'í' => 'i',
        'ó' => 'o',
        'ú' => 'u',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_asks_for_an_opt_out_word_is_found() {
        for text in [
            "Reply CANCEL to cancel.",
            "reply cancel",
            "Text \u{201c}cancel\u{201d} to us",
            "Reply C to confirm or CANCEL.",
            "Reply C to confirm, cancel to call off",
            "Reply C or cancel",
            "Reply C/cancel",
            "Responda cancel",
            "Envíe CANCEL si no puede venir",
            "envía: quit",
            "To call off, please send 'end'.",
            "Reply to us with \"cancel\" today",
            "Can't come? QUIT",
            "Reply REVOKE",
            "Reply unsubscribe to call off the visit",
            "Reply STOP to cancel your appointment",
            "Responda STOP para cancelar la cita",
            "(CANCEL)",
            "Reply STOP if you can't come",
            "Reply STOP when you cannot make it.",
            "Responda STOP si no puede venir",
            "Responda \u{ab}stop\u{bb} cuando no pueda asistir a la cita",
            "Reply UNSUBSCRIBE if you can't make it",
            "Can't come? UNSUBSCRIBE / STOPALL",
            "Can\u{2019}t come? Reply STOP.",
            "Can't make it? Text STOPALL",
            "\u{bf}No puede venir? STOP",
            "If you can't come, reply STOP.",
            "Si no puede venir, responda OPTOUT",
        ] {
            assert!(carrier_word(text).is_some(), "{text}");
        }
    }

    #[test]
    fn a_text_that_only_speaks_of_it_passes() {
        for text in [
            "Your appointment has been canceled.",
            "Reply X to cancel, STOP to end texts.",
            "Reply C to confirm, R to reschedule, X to cancel.",
            "Responda X para cancelar, STOP para no recibir mensajes.",
            "Responda CANCELAR",
            "Call us to cancel or to end the plan.",
            "We will text you before the end of the week.",
            "Reply UNSUBSCRIBE to end texts",
            "Reply with its number, or ALL.",
            "Reply X if you can't come, STOP to end texts.",
            "Can't come? Reply X. STOP to end texts.",
            "Can't come? Reply X, STOP to end texts.",
            "If you can't come, reply X. Reply STOP to opt out.",
            "If you can't come, please stop by or call.",
            "R para cambiarla, X si no puede venir, STOP para no recibir mensajes.",
            "Please come early. Text STOP, and texts end.",
            "",
            ", / -- \" '",
        ] {
            assert_eq!(carrier_word(text), None, "{text}");
        }
    }
}
