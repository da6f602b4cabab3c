//! What a message costs does not grow with the mapping: ten times the rules read the same values
//! with the same allocations.
//!
//! Allocations are counted by the allocator, so the numbers are the same on every machine. How long
//! it takes is measured by `cargo bench --bench mapping`.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use appointd::clock::Timestamp;
use appointd::core::ids::SourceName;
use appointd::core::local_time::Zone;
use appointd::core::phone::Region;
use appointd::hl7::Message;
use appointd::mapping::difference::difference;
use appointd::mapping::{Library, Mapping, Outcome, Site};

#[path = "../benches/mapping/rules.rs"]
mod rules;

/// Room for lists that are made longer now and then.
const GROWN_LISTS: u64 = 12;

#[test]
fn no_allocation_grows_with_the_number_of_rules() {
    let (usual, tenfold) = mappings();
    with_site(|site| {
        for msg in messages() {
            assert_eq!(
                difference(&usual, &tenfold, (&msg).into(), site, now()),
                [],
                "they read the same"
            );
            let claims = usual.apply(&msg, site, now());
            assert!(matches!(claims, Outcome::Claims(claims) if claims.len() == 1));
            let allocations = |mapping: &Mapping| count(|| drop(mapping.apply(&msg, site, now())));
            assert_eq!(allocations(&usual), allocations(&tenfold), "silent");
            let traced =
                |mapping: &Mapping| count(|| drop(mapping.apply_traced(&msg, site, now())));
            let (few, many) = (traced(&usual), traced(&tenfold));
            assert!(many <= few + GROWN_LISTS, "traced: {many}, and {few} with a tenth");
        }
    });
}

#[test]
fn a_message_is_read_with_few_allocations() {
    for msg in messages() {
        let text = msg.text().to_owned();
        let few = count(|| drop(Message::read(&text)));
        assert!(few <= 12, "{few} allocations to read {} bytes", text.len());
    }
}

/// `hl7-default`, and what has ten times its rules.
fn mappings() -> (Arc<Mapping>, Arc<Mapping>) {
    let text = rules::tenfold();
    let library = Library::load([("tenfold.toml", text.as_str())]).unwrap();
    let mapping = |name| library.lookup(name).cloned().unwrap();
    (mapping("hl7-default"), mapping("tenfold"))
}

fn messages() -> Vec<Message> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/hl7");
    let files = fs::read_dir(folder).unwrap();
    let texts = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    texts.map(|text| Message::read(&text).unwrap()).collect()
}

/// Allocations of what was done once before, so that what is kept for later does not count.
fn count(mut read: impl FnMut()) -> u64 {
    read();
    allocation_counter::measure(read).count_total
}

fn now() -> Timestamp {
    "2030-01-01T00:00:00Z".parse().unwrap()
}

fn with_site(read: impl FnOnce(&Site<'_>)) {
    let source = SourceName::new("main-ehr");
    let locations = BTreeMap::new();
    read(&Site {
        source: &source,
        zone: None,
        practice_zone: Zone::parse("America/Chicago").unwrap(),
        region: Region::US,
        locations: &locations,
    });
}
