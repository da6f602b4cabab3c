//! Reactions: a tap on one of our texts, which some phones tell in words.
//!
//! `Liked “Owl Clinic: .. Reply C to confirm, X ..”`: what is quoted is ours and never read. A tap
//! says that a text was seen, and maybe an old one; whether the patient comes is for a person to
//! find out.

use super::fold::fold;
use super::words::Words;

/// The quoted text begins within so many characters.
const LEAD_MAX: usize = 60;

/// Whether a text is a reaction to one of ours.
pub(super) fn is_reaction<'a>(text: &str, all: impl Iterator<Item = &'a Words>) -> bool {
    let is_quote =
        |c: char| matches!(c, '"' | '\u{201c}' | '\u{201d}' | '\u{201e}' | '«' | '\u{2018}');
    let lead: String = text.trim().chars().take(LEAD_MAX).take_while(|c| !is_quote(*c)).collect();
    let has_quote = text.trim().chars().take(LEAD_MAX).any(is_quote);
    let folded = fold(&lead);
    // Which emoji was tapped does not matter.
    let words = folded.split(' ').filter(|word| word.chars().all(|c| c.is_alphanumeric()));
    let words = words.collect::<Vec<_>>().join(" ");
    let is_whole = !has_quote && text.trim().chars().nth(LEAD_MAX).is_none();
    all.map(|words| &words.reactions).any(|reactions| {
        (has_quote && reactions.contains(&words)) || (is_whole && reactions.contains(&folded))
    })
}
