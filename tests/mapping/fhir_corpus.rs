//! Resources and notifications of foreign servers, where they are at hand: what each comes to is
//! written down in `fhir_corpus.golden`, without names, numbers or phones.
//!
//! `APPOINTD_GOLDEN=write cargo test --test mapping fhir_corpus` writes it anew, to be compared.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use appointd::core::ids::SourceName;
use appointd::core::local_time::Zone;
use appointd::core::phone::Region;
use appointd::mapping::{Choice, Library, Resource, Site};

use super::corpus::row;
use super::received_at;

/// The folder of foreign resources; the test does nothing where it is not there.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus/fhir");
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mapping/fhir_corpus.golden");

#[test]
fn every_foreign_resource_comes_to_what_is_written_down() {
    let Ok(folders) = std::fs::read_dir(FOLDER) else { return };
    let library = Arc::new(Library::load([]).unwrap());
    let choice = Choice::parse("auto", &library).unwrap();
    let mut lines = Vec::new();
    for folder in folders {
        for path in files_of(&folder.unwrap().path()) {
            lines.extend(lines_of(&path, &choice));
        }
    }
    lines.sort();
    let head = "file | mapping | event, or why none | status | start | minutes | known of the patient | digest";
    let told = format!("{head}\n{}\n", lines.join("\n"));
    if std::env::var("APPOINTD_GOLDEN").is_ok_and(|value| value == "write") {
        std::fs::write(GOLDEN, &told).unwrap();
    }
    let golden = std::fs::read_to_string(GOLDEN).unwrap();
    for (told, golden) in told.lines().zip(golden.lines()) {
        assert_eq!(told, golden);
    }
    assert_eq!(told.lines().count(), golden.lines().count());
}

/// The resources of a folder; headers of requests are kept beside captured bodies.
fn files_of(folder: &Path) -> Vec<PathBuf> {
    let Ok(files) = std::fs::read_dir(folder) else { return Vec::new() };
    let is_resource = |path: &PathBuf| {
        let name = path.to_string_lossy();
        name.ends_with(".json") && !name.ends_with(".headers.json")
    };
    files.map(|file| file.unwrap().path()).filter(is_resource).collect()
}

/// A line for each entry that comes to something; at least one.
fn lines_of(path: &Path, choice: &Choice) -> Vec<String> {
    let folder = path.parent().and_then(Path::file_name).unwrap().to_string_lossy();
    let name = format!("{folder}/{}", path.file_stem().unwrap().to_string_lossy());
    let read = match Resource::read_all(&std::fs::read_to_string(path).unwrap()) {
        Ok(read) => read,
        Err(refused) => return vec![format!("{name} | - | {refused}")],
    };
    if read.is_empty() {
        return vec![format!("{name} | - | there is no appointment in it")];
    }
    let mut lines = Vec::new();
    for entry in read {
        match entry {
            Err(passed) => lines.push(format!("{name} | - | {passed}")),
            Ok(resource) => {
                for row in rows(&resource, choice) {
                    lines.push(format!("{name} | {row}"));
                }
            }
        }
    }
    lines
}

fn rows(resource: &Resource, choice: &Choice) -> Vec<String> {
    let source = SourceName::new("main");
    let locations = BTreeMap::new();
    let site = Site {
        source: &source,
        zone: None,
        practice_zone: Zone::parse("America/Chicago").unwrap(),
        region: Region::US,
        locations: &locations,
    };
    let mapping = choice.of(resource, &source).mapping;
    let outcome = mapping.apply(resource, &site, received_at());
    let (explained, _) = mapping.explain(resource, &site, received_at());
    assert_eq!(explained, outcome, "explaining changes nothing");
    let events = outcome.to_json(&mapping.origin(resource, &site));
    events.into_iter().map(|event| format!("{} | {}", mapping.name(), row(event))).collect()
}
