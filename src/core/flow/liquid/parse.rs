//! Builds the tree of a template from its pieces: tags and their blocks.

use super::cursor::Cursor;
use super::expression::{filtered, operand};
use super::fault::{Cause, Fault, Name};
use super::lex::{Piece, pieces};
use super::node::{Arm, Branch, For, Node, Way};
use super::{BYTES_MAX, NESTING_MAX};

/// Parses a template.
pub(super) fn parse(template: &str) -> Result<Vec<Node>, Fault> {
    if template.len() > BYTES_MAX {
        return Err(Cursor::new(template, "", 0).fault(Cause::TooLong));
    }
    let mut parser = Parser { pieces: pieces(template)?.into_iter(), depth: 0 };
    let mut nodes = Vec::new();
    match parser.body(&mut nodes)? {
        None => Ok(nodes),
        Some(tag) => Err(tag.fault(Cause::OutOfPlace(Name::of(tag.name)))),
    }
}

/// A tag that begins, parts or ends a block.
#[derive(Debug, Clone)]
struct Tag<'t> {
    name: &'t str,
    offset: usize,
    arguments: Cursor<'t>,
}

impl Tag<'_> {
    /// A fault at the tag's name.
    fn fault(&self, cause: Cause) -> Fault {
        self.arguments.fault_at(self.offset, cause)
    }

    fn misplaced(&self) -> Fault {
        self.fault(Cause::OutOfPlace(Name::of(self.name)))
    }

    fn after_else(&self) -> Fault {
        self.fault(Cause::AfterElse(Name::of(self.name)))
    }

    /// Faults if anything follows the name.
    fn require_bare(mut self) -> Result<(), Fault> {
        self.arguments.finish()
    }
}

struct Parser<'t> {
    pieces: std::vec::IntoIter<Piece<'t>>,
    depth: usize,
}

impl<'t> Parser<'t> {
    /// Reads nodes up to a tag that is none, such as `else` or `endif`, or up to the end.
    fn body(&mut self, nodes: &mut Vec<Node>) -> Result<Option<Tag<'t>>, Fault> {
        while let Some(piece) = self.pieces.next() {
            match piece {
                // Texts around a comment or a raw block become one.
                Piece::Text(text) => match nodes.last_mut() {
                    Some(Node::Text(before)) => before.push_str(text),
                    _ => nodes.push(Node::Text(text.to_owned())),
                },
                Piece::Output(mut cursor) => nodes.push(Node::Output(filtered(&mut cursor)?)),
                Piece::Tag { name, offset, arguments } => {
                    let tag = Tag { name, offset, arguments };
                    if is_part(name) {
                        return Ok(Some(tag));
                    }
                    nodes.extend(self.tag(tag)?);
                }
            }
        }
        Ok(None)
    }

    fn tag(&mut self, mut tag: Tag<'t>) -> Result<Option<Node>, Fault> {
        let cursor = &mut tag.arguments;
        let node = match tag.name {
            "assign" => {
                let name = variable(cursor)?;
                cursor.require("=", "\"=\"")?;
                Node::Assign { name, value: filtered(cursor)? }
            }
            "increment" | "decrement" => {
                let way = if tag.name == "increment" { Way::Up } else { Way::Down };
                let name = variable(cursor)?;
                tag.require_bare()?;
                Node::Count { name, way }
            }
            "cycle" => cycle(cursor)?,
            "break" | "continue" => {
                let node = if tag.name == "break" { Node::Break } else { Node::Continue };
                tag.require_bare()?;
                node
            }
            "comment" => return self.comment(&tag).map(|()| None),
            "if" | "unless" | "case" | "for" | "capture" => return self.block(tag).map(Some),
            name => return Err(tag.fault(Cause::UnknownTag(Name::of(name)))),
        };
        Ok(Some(node))
    }

    fn block(&mut self, tag: Tag<'t>) -> Result<Node, Fault> {
        if self.depth >= NESTING_MAX {
            return Err(tag.fault(Cause::TooDeep));
        }
        self.depth += 1;
        let node = match tag.name {
            "if" => self.conditions(tag, "if", true),
            "unless" => self.conditions(tag, "unless", false),
            "case" => self.case(tag),
            "for" => self.repeat(tag),
            _ => self.capture(tag),
        };
        self.depth -= 1;
        node
    }

    /// Reads a body and the tag that ends it.
    fn part(
        &mut self,
        start: &Tag<'_>,
        block: &'static str,
        nodes: &mut Vec<Node>,
    ) -> Result<Tag<'t>, Fault> {
        self.body(nodes)?.ok_or_else(|| start.fault(Cause::NoEnd(block)))
    }

    fn conditions(
        &mut self,
        mut tag: Tag<'t>,
        block: &'static str,
        when: bool,
    ) -> Result<Node, Fault> {
        let start = tag.clone();
        let mut branches = Vec::new();
        let mut otherwise = None;
        let mut test = Some((filtered(&mut tag.arguments)?, when));
        loop {
            let mut body = Vec::new();
            let mut next = self.part(&start, block, &mut body)?;
            match test.take() {
                Some((test, when)) => branches.push(Branch { test, when, body }),
                None => otherwise = Some(body),
            }
            let is_over = otherwise.is_some();
            match next.name {
                "elsif" | "else" if is_over => return Err(next.after_else()),
                "elsif" => test = Some((filtered(&mut next.arguments)?, true)),
                "else" => next.require_bare()?,
                name if name.strip_prefix("end") == Some(block) => {
                    next.require_bare()?;
                    let otherwise = otherwise.unwrap_or_default();
                    return Ok(Node::If { branches, otherwise });
                }
                _ => return Err(next.misplaced()),
            }
        }
    }

    fn case(&mut self, mut tag: Tag<'t>) -> Result<Node, Fault> {
        let start = tag.clone();
        let subject = filtered(&mut tag.arguments)?;
        let (mut arms, mut otherwise) = (Vec::new(), None);
        // What stands before the first `when` is dropped, as everywhere in Liquid.
        let mut next = self.part(&start, "case", &mut Vec::new())?;
        loop {
            let is_over = otherwise.is_some();
            match next.name {
                "when" | "else" if is_over => return Err(next.after_else()),
                "when" => {
                    let values = values(&mut next.arguments)?;
                    let mut body = Vec::new();
                    next = self.part(&start, "case", &mut body)?;
                    arms.push(Arm { values, body });
                }
                "else" => {
                    next.require_bare()?;
                    let mut body = Vec::new();
                    next = self.part(&start, "case", &mut body)?;
                    otherwise = Some(body);
                }
                "endcase" => {
                    next.require_bare()?;
                    let otherwise = otherwise.unwrap_or_default();
                    return Ok(Node::Case { subject, arms, otherwise });
                }
                _ => return Err(next.misplaced()),
            }
        }
    }

    fn repeat(&mut self, mut tag: Tag<'t>) -> Result<Node, Fault> {
        let start = tag.clone();
        let mut node = head(&mut tag.arguments)?;
        let mut end = self.part(&start, "for", &mut node.body)?;
        if end.name == "else" {
            end.require_bare()?;
            end = self.part(&start, "for", &mut node.otherwise)?;
        }
        match end.name {
            "endfor" => end.require_bare().map(|()| Node::For(Box::new(node))),
            "else" => Err(end.after_else()),
            _ => Err(end.misplaced()),
        }
    }

    fn capture(&mut self, mut tag: Tag<'t>) -> Result<Node, Fault> {
        let start = tag.clone();
        let name = match tag.arguments.quoted()? {
            Some(name) => name,
            None => variable(&mut tag.arguments)?,
        };
        tag.require_bare()?;
        let mut body = Vec::new();
        let end = self.part(&start, "capture", &mut body)?;
        if end.name != "endcapture" {
            return Err(end.misplaced());
        }
        end.require_bare()?;
        Ok(Node::Capture { name, body })
    }

    fn comment(&mut self, tag: &Tag<'_>) -> Result<(), Fault> {
        let is_end = |piece| matches!(piece, Piece::Tag { name: "endcomment", .. });
        if self.pieces.any(is_end) { Ok(()) } else { Err(tag.fault(Cause::NoEnd("comment"))) }
    }
}

/// Whether a tag parts or ends a block.
fn is_part(name: &str) -> bool {
    const PARTS: &[&str] = &["else", "elsif", "when"];
    const BLOCKS: &[&str] = &["if", "unless", "case", "for", "capture", "comment", "raw"];
    PARTS.contains(&name) || name.strip_prefix("end").is_some_and(|block| BLOCKS.contains(&block))
}

fn variable(cursor: &mut Cursor<'_>) -> Result<String, Fault> {
    cursor.skip_blank();
    let word = cursor.word().ok_or_else(|| cursor.fault(Cause::Expected("a variable's name")))?;
    Ok(word.to_owned())
}

/// Reads the values of `when`, parted by commas or `or`.
fn values(cursor: &mut Cursor<'_>) -> Result<Vec<super::node::Operand>, Fault> {
    let mut values = vec![operand(cursor, 0)?];
    loop {
        cursor.skip_blank();
        if !cursor.eat(",") && !cursor.eat_word("or") {
            cursor.finish()?;
            return Ok(values);
        }
        values.push(operand(cursor, 0)?);
    }
}

/// Reads `item in list limit: 3 offset: 1 reversed`.
fn head(cursor: &mut Cursor<'_>) -> Result<For, Fault> {
    let variable = variable(cursor)?;
    cursor.skip_blank();
    if !cursor.eat_word("in") {
        return Err(cursor.fault(Cause::Expected("\"in\"")));
    }
    let list = operand(cursor, 0)?;
    let (body, otherwise) = (Vec::new(), Vec::new());
    let (offset, limit, reversed) = (None, None, false);
    let mut head = For { variable, list, offset, limit, reversed, body, otherwise };
    loop {
        cursor.skip_blank();
        if cursor.eat(",") {
            continue;
        }
        if cursor.eat_word("reversed") {
            head.reversed = true;
        } else if cursor.eat_word("limit") {
            head.limit = Some(number(cursor)?);
        } else if cursor.eat_word("offset") {
            head.offset = Some(number(cursor)?);
        } else if let Some(word) = cursor.peek_word() {
            return Err(cursor.fault(Cause::UnknownArgument(Name::of(word))));
        } else {
            cursor.finish()?;
            return Ok(head);
        }
    }
}

fn number(cursor: &mut Cursor<'_>) -> Result<super::node::Operand, Fault> {
    cursor.require(":", "\":\"")?;
    cursor.skip_blank();
    // Going on where another loop ended is a way of paging, which no text needs.
    if cursor.peek_word() == Some("continue") {
        return Err(cursor.fault(Cause::Expected("a number")));
    }
    operand(cursor, 0)
}

/// Reads `group: first, second`.
fn cycle(cursor: &mut Cursor<'_>) -> Result<Node, Fault> {
    let mut text = cursor.rest();
    let mut first = operand(cursor, 0)?;
    let mut group = None;
    cursor.skip_blank();
    if cursor.eat(":") {
        text = cursor.rest();
        group = Some(first);
        first = operand(cursor, 0)?;
    }
    let mut choices = vec![first];
    loop {
        cursor.skip_blank();
        if !cursor.eat(",") {
            cursor.finish()?;
            return Ok(Node::Cycle { text: text.to_owned(), group, choices });
        }
        choices.push(operand(cursor, 0)?);
    }
}
