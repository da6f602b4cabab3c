//! Cuts a template into texts, outputs and tags: delimiters, whitespace control, `raw`. What stands
//! between the delimiters is read elsewhere.

use super::NODES_MAX;
use super::cursor::{Cursor, is_blank};
use super::fault::{Cause, Fault};

/// A part of a template.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece<'t> {
    Text(&'t str),
    Output(Cursor<'t>),
    Tag { name: &'t str, offset: usize, arguments: Cursor<'t> },
}

/// Cuts a template into pieces, without empty texts.
pub(super) fn pieces(template: &str) -> Result<Vec<Piece<'_>>, Fault> {
    let mut lexer = Lexer { template, at: 0, pieces: Vec::new(), trims_next: false };
    while lexer.at < template.len() {
        lexer.piece()?;
        if lexer.pieces.len() > NODES_MAX {
            return Err(lexer.fault(lexer.at, Cause::TooManyParts));
        }
    }
    lexer.pieces.retain(|(piece, _)| *piece != Piece::Text(""));
    Ok(lexer.pieces.into_iter().map(|(piece, _)| piece).collect())
}

struct Lexer<'t> {
    template: &'t str,
    at: usize,
    /// Pieces, and whether whitespace control may cut them.
    pieces: Vec<(Piece<'t>, bool)>,
    trims_next: bool,
}

/// What stands between delimiters, without the marks of whitespace control.
struct Inside<'t> {
    text: &'t str,
    offset: usize,
    trims_before: bool,
    trims_after: bool,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        self.template.get(self.at..).unwrap_or("")
    }

    fn fault(&self, offset: usize, cause: Cause) -> Fault {
        Cursor::new(self.template, "", offset).fault(cause)
    }

    fn piece(&mut self) -> Result<(), Fault> {
        let rest = self.rest();
        if rest.starts_with("{{") {
            let length =
                output_length(rest).ok_or_else(|| self.fault(self.at, Cause::NotClosed("{{")))?;
            let inside = self.inside(length);
            let cursor = Cursor::new(self.template, inside.text, inside.offset);
            self.push(&inside, Piece::Output(cursor));
        } else if rest.starts_with("{%") {
            self.tag(rest)?;
        } else {
            let text = rest.get(..delimiter(rest)).unwrap_or("");
            self.at += text.len();
            let kept = if self.trims_next { text.trim_start_matches(is_blank) } else { text };
            self.trims_next = false;
            self.pieces.push((Piece::Text(kept), true));
        }
        Ok(())
    }

    fn tag(&mut self, rest: &'t str) -> Result<(), Fault> {
        let start = self.at;
        let inner = rest.get(2..).unwrap_or("");
        let Some(length) = inner.find("%}") else {
            return Err(self.fault(start, Cause::NotClosed("{%")));
        };
        let inside = self.inside(length + 4);
        let mut cursor = Cursor::new(self.template, inside.text, inside.offset);
        let offset = cursor.offset();
        let Some(name) = cursor.word() else {
            return Err(self.fault(offset, Cause::Expected("a tag's name")));
        };
        cursor.skip_blank();
        if name == "raw" {
            return self.raw(start, &inside);
        }
        self.push(&inside, Piece::Tag { name, offset, arguments: cursor });
        Ok(())
    }

    /// Everything up to `endraw` is text, of which whitespace control takes nothing.
    fn raw(&mut self, start: usize, inside: &Inside<'t>) -> Result<(), Fault> {
        self.trim_before(inside.trims_before);
        let rest = self.rest();
        for (open, _) in rest.match_indices("{%") {
            let Some(length) = rest.get(open..).and_then(endraw_length) else { continue };
            self.pieces.push((Piece::Text(rest.get(..open).unwrap_or("")), false));
            self.at += open;
            self.trims_next = self.inside(length).trims_after;
            return Ok(());
        }
        Err(self.fault(start, Cause::NoEnd("raw")))
    }

    /// Goes past an output or a tag of this length and takes the delimiters off.
    fn inside(&mut self, length: usize) -> Inside<'t> {
        let start = self.at;
        self.at += length;
        let mut text = self.template.get(start + 2..self.at - 2).unwrap_or("");
        let mut offset = start + 2;
        let mut inside = Inside { text, offset, trims_before: false, trims_after: false };
        if let Some(rest) = text.strip_prefix('-') {
            (text, offset, inside.trims_before) = (rest, offset + 1, true);
        }
        if let Some(rest) = text.strip_suffix('-') {
            (text, inside.trims_after) = (rest, true);
        }
        let trimmed = text.trim_start_matches(is_blank);
        inside.offset = offset + (text.len() - trimmed.len());
        inside.text = trimmed.trim_end_matches(is_blank);
        inside
    }

    fn push(&mut self, inside: &Inside<'t>, piece: Piece<'t>) {
        self.trim_before(inside.trims_before);
        self.pieces.push((piece, false));
        self.trims_next = inside.trims_after;
    }

    fn trim_before(&mut self, trims: bool) {
        self.trims_next = false;
        if let Some((Piece::Text(text), true)) = self.pieces.last_mut().filter(|_| trims) {
            *text = text.trim_end_matches(is_blank);
        }
    }
}

/// The length of the text before the next output or tag.
fn delimiter(rest: &str) -> usize {
    let mut braces = rest.match_indices('{').map(|(at, _)| at);
    let is_one = |at: &usize| {
        rest.get(*at..).is_some_and(|rest| rest.starts_with("{{") || rest.starts_with("{%"))
    };
    braces.find(is_one).unwrap_or(rest.len())
}

/// The length of the tag `endraw`, if it stands here.
fn endraw_length(rest: &str) -> Option<usize> {
    let inner = rest.strip_prefix("{%")?;
    let inner = inner.strip_prefix('-').unwrap_or(inner).trim_start_matches(is_blank);
    let inner = inner.strip_prefix("endraw")?.trim_start_matches(is_blank);
    let inner = inner.strip_prefix('-').unwrap_or(inner).strip_prefix("%}")?;
    Some(rest.len() - inner.len())
}

/// The length of an output with its delimiters; `}}` within quotes does not end it.
fn output_length(rest: &str) -> Option<usize> {
    let mut quote = None;
    let mut is_escaped = false;
    let mut before = ' ';
    for (at, character) in rest.char_indices().skip(2) {
        match quote {
            Some(open) => {
                if character == open && !is_escaped {
                    quote = None;
                }
                is_escaped = character == '\\' && !is_escaped;
            }
            None if character == '}' && before == '}' => return Some(at + 1),
            None => quote = Some(character).filter(|quote| matches!(quote, '"' | '\'')),
        }
        before = if quote.is_none() { character } else { ' ' };
    }
    None
}
