//! Finds the paths that a template reads from its scope.

use std::collections::BTreeSet;

use super::node::{Filtered, Node, Operand, Path, Root, Segment};

/// The paths of a template in the order of first mention.
pub(super) fn of(nodes: &[Node]) -> Vec<Vec<String>> {
    let mut finder = Finder::default();
    finder.nodes(nodes);
    finder.paths
}

#[derive(Debug, Default)]
struct Finder<'t> {
    paths: Vec<Vec<String>>,
    seen: BTreeSet<Vec<String>>,
    /// Names that the template gave a value before.
    locals: BTreeSet<&'t str>,
    /// Variables of the loops around.
    loops: Vec<&'t str>,
}

impl<'t> Finder<'t> {
    fn nodes(&mut self, nodes: &'t [Node]) {
        nodes.iter().for_each(|node| self.node(node));
    }

    fn node(&mut self, node: &'t Node) {
        match node {
            Node::Text(_) | Node::Break | Node::Continue => {}
            Node::Output(value) => self.filtered(value),
            Node::If { branches, otherwise } => {
                for branch in branches {
                    self.filtered(&branch.test);
                    self.nodes(&branch.body);
                }
                self.nodes(otherwise);
            }
            Node::Case { subject, arms, otherwise } => {
                self.filtered(subject);
                for arm in arms {
                    self.operands(&arm.values);
                    self.nodes(&arm.body);
                }
                self.nodes(otherwise);
            }
            Node::For(head) => {
                self.operand(&head.list);
                self.operands(head.offset.iter().chain(&head.limit));
                self.loops.push(&head.variable);
                self.nodes(&head.body);
                self.loops.pop();
                self.nodes(&head.otherwise);
            }
            Node::Assign { name, value } => {
                self.filtered(value);
                self.locals.insert(name);
            }
            Node::Capture { name, body } => {
                self.nodes(body);
                self.locals.insert(name);
            }
            Node::Count { name, .. } => {
                self.locals.insert(name);
            }
            Node::Cycle { group, choices, .. } => self.operands(group.iter().chain(choices)),
        }
    }

    fn filtered(&mut self, filtered: &Filtered) {
        let (first, rest) = (&filtered.expression.first, &filtered.expression.rest);
        for comparison in std::iter::once(first).chain(rest.iter().map(|(_, next)| next)) {
            self.operand(&comparison.chain.first);
            self.operands(comparison.chain.rest.iter().map(|(_, next)| next));
        }
        for call in &filtered.filters {
            self.operands(call.arguments.iter().chain(&call.named));
        }
    }

    fn operands<'o>(&mut self, operands: impl IntoIterator<Item = &'o Operand>) {
        operands.into_iter().for_each(|operand| self.operand(operand));
    }

    fn operand(&mut self, operand: &Operand) {
        match operand {
            Operand::Literal(_) | Operand::Empty | Operand::Blank => {}
            Operand::Path(path) => self.path(path),
            Operand::Range(first, last) => self.operands([&**first, &**last]),
        }
    }

    fn path(&mut self, path: &Path) {
        let mut found = Vec::new();
        match &path.root {
            Root::Name(name) if !self.is_local(name) => found.push(name.clone()),
            Root::Name(_) => {}
            Root::Key(operand) | Root::Value(operand) => self.operand(operand),
        }
        let is_of_scope = !found.is_empty();
        let mut is_literal = is_of_scope;
        for segment in &path.segments {
            match segment {
                Segment::Name(name) if is_literal => found.push(name.clone()),
                Segment::Index(index) if is_literal => found.push(index.to_string()),
                Segment::Name(_) | Segment::Index(_) => {}
                Segment::Key(operand) => {
                    is_literal = false;
                    self.operand(operand);
                }
            }
        }
        if is_of_scope && self.seen.insert(found.clone()) {
            self.paths.push(found);
        }
    }

    fn is_local(&self, name: &str) -> bool {
        let is_forloop = name == "forloop" && !self.loops.is_empty();
        is_forloop || self.locals.contains(name) || self.loops.contains(&name)
    }
}
