//! Where a value stands, in the syntax of what a mapping reads: positions of HL7, `FHIRPath` of JSON.
//!
//! One language for both: a mapping says once what it reads (`reads`), and every path of its file is
//! of that syntax.

use super::document::{Node, Reads};
use super::fhirpath;
use super::path::{self, Found};
use super::view::{Body, View};

/// A path.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Spot {
    Hl7(path::Path),
    Json(fhirpath::Path),
}

/// A part of a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum At {
    /// Its component with this number.
    Component(u16),
    /// What this path leads to from it.
    Member(fhirpath::Path),
}

impl Spot {
    /// Reads a path; what is wrong is reported there.
    pub(super) fn read(node: &Node<'_>) -> Option<Self> {
        let text = node.text()?;
        let read = match node.reads() {
            Reads::Hl7 => {
                path::Path::parse(&text).map(Self::Hl7).map_err(|error| error.to_string())
            }
            Reads::Fhir => {
                fhirpath::Path::parse(&text).map(Self::Json).map_err(|error| error.to_string())
            }
        };
        read.map_err(|problem| node.fault(problem)).ok()
    }

    /// Values that are one component stand in the first unless the path says otherwise.
    pub(super) fn into_component(mut self) -> Self {
        if let Self::Hl7(path) = &mut self
            && path.component.is_none()
        {
            path.component = Some(1);
        }
        self
    }

    /// What stands at the place: the first text, else the first null.
    pub(super) fn first<'m>(&self, view: &View<'m>) -> Option<Found<'m>> {
        match (self, &view.body) {
            (Self::Hl7(path), Body::Hl7(lines)) => path.first(lines),
            (Self::Json(_), Body::Json(_)) => {
                let mut first = None;
                self.visit(view, &mut |found| {
                    first = Some(found);
                    true
                });
                first
            }
            (Self::Hl7(_), Body::Json(_)) | (Self::Json(_), Body::Hl7(_)) => None,
        }
    }

    /// Shows each value at the place to `see` until it says that it has seen enough.
    pub(super) fn visit<'m>(&self, view: &View<'m>, see: &mut dyn FnMut(Found<'m>) -> bool) {
        match (self, &view.body) {
            (Self::Hl7(path), Body::Hl7(lines)) => path.visit(lines, see),
            (Self::Json(path), Body::Json(sheet)) => {
                let _seen = sheet.find(path).into_iter().any(see);
            }
            (Self::Hl7(_), Body::Json(_)) | (Self::Json(_), Body::Hl7(_)) => {}
        }
    }

    /// Whether the place asks for each of several values; a path into JSON always does.
    pub(super) fn is_every(&self) -> bool {
        match self {
            Self::Hl7(path) => path.is_every(),
            Self::Json(_) => true,
        }
    }

    /// Segment and field; of a path into JSON the path.
    pub(super) fn position(&self) -> (String, u16) {
        match self {
            Self::Hl7(path) => (path.segment.to_string(), path.field),
            Self::Json(path) => (path.to_string(), 0),
        }
    }
}

impl At {
    /// Reads a part: a number from 1, or a path from the value.
    pub(super) fn read(node: &Node<'_>) -> Option<Self> {
        match node.reads() {
            Reads::Hl7 => node.number().map(Self::Component),
            Reads::Fhir => {
                let path = fhirpath::Path::parse(&node.text()?);
                path.map(Self::Member).map_err(|problem| node.fault(problem.to_string())).ok()
            }
        }
    }

    /// A part by a path of our own; one that cannot be read leads nowhere.
    pub(super) fn member(text: &str) -> Self {
        fhirpath::Path::parse(text).map_or(Self::Component(0), Self::Member)
    }
}
