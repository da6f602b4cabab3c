//! Sorted rows in memory, and reading several layers of rows as one.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::iter::Peekable;

use crate::store::record;
use crate::store::{Error, Key, Order, Range, Row, SCAN_ROWS_MAX, Version, Write};

/// Rows changed, by key; a deleted row stays as a mark that hides the layers below.
pub(super) type Rows = BTreeMap<Key, Slot>;

/// A change of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) version: Version,
    pub(super) value: Option<Vec<u8>>,
}

impl Slot {
    pub(super) fn row(&self) -> Option<Row> {
        self.value.as_ref().map(|value| Row { version: self.version, value: value.clone() })
    }
}

/// Lays a commit's writes over the rows.
pub(super) fn lay(rows: &mut Rows, version: Version, writes: Vec<Write>) {
    for Write { key, value } in writes {
        rows.insert(key, Slot { version, value });
    }
}

/// A row of one layer: from memory, or still sealed from the base.
#[derive(Debug)]
pub(super) enum Found<'a> {
    Memory(&'a Slot),
    Sealed(sled::IVec),
}

/// A layer's rows in order.
pub(super) type Layer<'a> = Box<dyn Iterator<Item = Result<Entry<'a>, Error>> + 'a>;

/// A stored key and what the layer has under it.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) key: Cow<'a, [u8]>,
    pub(super) found: Found<'a>,
}

/// The rows of a range in memory.
pub(super) fn layer<'a>(rows: &'a Rows, range: &'a Range, order: Order) -> Layer<'a> {
    let Some(bounds) = range.bounds() else { return Box::new(std::iter::empty()) };
    let entry = |(key, slot): (&'a Key, &'a Slot)| {
        Ok(Entry { key: Cow::Borrowed(key.stored()), found: Found::Memory(slot) })
    };
    let found = rows.range::<[u8], _>((
        std::ops::Bound::Included(bounds.start),
        std::ops::Bound::Excluded(bounds.end),
    ));
    match order {
        Order::Ascending => Box::new(found.map(entry)),
        Order::Descending => Box::new(found.rev().map(entry)),
    }
}

/// Reads layers as one; where several have a key, the first layer counts.
pub(super) fn merge(
    layers: Vec<Layer<'_>>,
    limit: usize,
    order: Order,
) -> Result<Vec<(Key, Row)>, Error> {
    let limit = limit.min(SCAN_ROWS_MAX);
    let mut layers: Vec<_> = layers.into_iter().map(Iterator::peekable).collect();
    let mut merged = Vec::new();
    let mut next = Vec::new();
    while merged.len() < limit && find_next(&mut layers, order, &mut next)? {
        let mut newest = None;
        for layer in &mut layers {
            let entry = layer.next_if(|entry| entry.as_ref().is_ok_and(|e| *e.key == *next));
            newest = newest.or(entry);
        }
        let Some(entry) = newest.transpose()? else { break };
        if let Some(row) = read(&entry)? {
            merged.push(row);
        }
    }
    Ok(merged)
}

/// Puts the first key that any layer still has into `next`; false at the end of all.
fn find_next(
    layers: &mut [Peekable<Layer<'_>>],
    order: Order,
    next: &mut Vec<u8>,
) -> Result<bool, Error> {
    let mut is_found = false;
    for layer in layers {
        if let Some(failed) = layer.next_if(Result::is_err) {
            failed?;
        }
        let Some(Ok(entry)) = layer.peek() else { continue };
        let is_before = match order {
            Order::Ascending => *entry.key < **next,
            Order::Descending => *entry.key > **next,
        };
        if !is_found || is_before {
            next.clear();
            next.extend_from_slice(&entry.key);
            is_found = true;
        }
    }
    Ok(is_found)
}

fn read(entry: &Entry<'_>) -> Result<Option<(Key, Row)>, Error> {
    let Some(key) = Key::from_stored(&entry.key) else {
        return Err(Error::damaged("a row under a key of no table"));
    };
    let row = match &entry.found {
        Found::Memory(slot) => slot.row(),
        Found::Sealed(stored) => {
            let (version, value) = record::unseal(&key, stored)?;
            Some(Row { version, value: value.to_vec() })
        }
    };
    Ok(row.map(|row| (key, row)))
}
