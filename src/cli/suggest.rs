//! `appointd map --suggest`: a first mapping for an EHR that nobody has seen, from its messages.
//!
//! The mapping goes to the standard output, so that it can be written into a file; what is said
//! about it goes to the error stream.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::client::load;
use super::map::{MAPPING_DEFAULT, messages_of};
use super::{Config, Failure, out};
use crate::app;
use crate::clock::Clock;
use crate::core::ids::SourceName;
use crate::core::local_time::Zone;
use crate::core::phone::Region;
use crate::core::rules::Place;
use crate::hl7::Message;
use crate::mapping::suggest::{Basis, SAMPLES_MAX, suggest};
use crate::mapping::{Library, Mapping, Site};

/// The most messages that are complained about one by one.
const COMPLAINTS_MAX: usize = 5;

/// What samples are read with before anything is known of their sender.
struct Start {
    base: Arc<Mapping>,
    /// The site's own mapping files.
    files: Vec<(String, String)>,
    source: SourceName,
    zone: Option<Zone>,
    practice_zone: Zone,
    region: Region,
    locations: BTreeMap<String, Place>,
}

pub(super) fn run(
    files: &[PathBuf],
    mapping: Option<&str>,
    config: Option<&Path>,
) -> Result<(), Failure> {
    let start = Start::new(mapping, config)?;
    let samples = samples(files)?;
    let texts: Vec<_> =
        start.files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let site = Site {
        source: &start.source,
        zone: start.zone,
        practice_zone: start.practice_zone,
        region: start.region,
        locations: &start.locations,
    };
    let now = Clock::system().now();
    let basis = Basis { base: &start.base, files: &texts, site, now };
    out::progress(&format!("{} messages ..", samples.len()));
    let suggestion = suggest(&samples, &basis).map_err(|faults| {
        Failure::Configuration(faults.iter().map(ToString::to_string).collect())
    })?;
    out::progress("");
    out::say(suggestion.to_toml().trim_end());
    out::complain(&format!(
        "{} of {} messages are events by {}, {} by the proposal",
        suggestion.events_before,
        suggestion.samples,
        start.base.name(),
        suggestion.events_after,
    ));
    for todo in &suggestion.left_to_do {
        out::complain(todo);
    }
    Ok(())
}

impl Start {
    fn new(mapping: Option<&str>, config: Option<&Path>) -> Result<Self, Failure> {
        let Some(config) = config else {
            let name = mapping.unwrap_or(MAPPING_DEFAULT);
            return Ok(Self {
                base: named(name, &[])?,
                files: Vec::new(),
                source: SourceName::new("map"),
                zone: None,
                practice_zone: Zone::UTC,
                region: Region::US,
                locations: BTreeMap::new(),
            });
        };
        let settings = load(&Config { config: config.to_owned() })?;
        let files = app::mapping_files(&settings.mappings)
            .map_err(|fault| Failure::Configuration(vec![fault]))?;
        let first = settings.listeners.first();
        Ok(Self {
            // The listener's own mapping may be the one that is to be replaced: it is no base.
            base: named(mapping.unwrap_or(MAPPING_DEFAULT), &files)?,
            files,
            source: first.map_or_else(|| SourceName::new("map"), |listener| listener.name.clone()),
            zone: first.and_then(|listener| listener.zone),
            practice_zone: settings.rules.practice.zone,
            region: first.map_or(Region::US, |listener| listener.region),
            locations: settings.rules.locations.clone(),
        })
    }
}

fn named(name: &str, files: &[(String, String)]) -> Result<Arc<Mapping>, Failure> {
    let texts = files.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    let library = Library::load(texts).map_err(|faults| {
        Failure::Configuration(faults.iter().map(ToString::to_string).collect())
    })?;
    let known: Vec<_> = library.iter().map(|mapping| mapping.name()).collect();
    library.lookup(name).map(Arc::clone).ok_or_else(|| {
        Failure::Usage(format!("there is no mapping \"{name}\"; there are {}", known.join(", ")))
    })
}

/// The messages of all files; what cannot be read is told and left out.
fn samples(files: &[PathBuf]) -> Result<Vec<Message>, Failure> {
    let mut samples = Vec::new();
    let mut unread = 0;
    for file in files {
        for found in messages_of(file)? {
            match Message::read(&found.text) {
                Ok(msg) => samples.push(msg),
                Err(fault) => {
                    unread += 1;
                    if unread <= COMPLAINTS_MAX {
                        let file = file.display();
                        out::complain(&format!("{file}: a message is left out: {fault}"));
                    }
                }
            }
        }
    }
    if samples.is_empty() {
        return Err(Failure::Failed("no message of these files can be read".to_owned()));
    }
    if unread > COMPLAINTS_MAX {
        out::complain(&format!("{unread} messages are left out in all"));
    }
    if samples.len() > SAMPLES_MAX {
        let all = samples.len();
        out::complain(&format!("only the first {SAMPLES_MAX} of {all} messages are looked at"));
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "MSH|^~\\&|OWL|MAIN|||20261120110311||SIU^S12|1|P|2.4\rSCH||10001\r";

    fn written(text: &str) -> (tempfile::TempDir, Vec<PathBuf>) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("samples.hl7");
        std::fs::write(&file, text).unwrap();
        (folder, vec![file])
    }

    #[test]
    fn what_is_wrong_with_samples_or_base_is_said() {
        for (text, mapping, said) in [
            ("", None, "there is no message in it"),
            ("hello", None, "no message of these files can be read"),
            (SAMPLE, Some("no-such-ehr"), "there is no mapping \"no-such-ehr\"; there are hl7-"),
        ] {
            let (_folder, files) = written(text);
            let failure = run(&files, mapping, None).unwrap_err().to_string();
            assert!(failure.contains(said), "{failure}");
        }
        let nowhere = run(&[PathBuf::from("no-such-file.hl7")], None, None).unwrap_err();
        assert!(nowhere.to_string().starts_with("no-such-file.hl7: "), "{nowhere}");
    }

    #[test]
    fn messages_that_cannot_be_read_do_not_hinder_the_others() {
        let broken = SAMPLE.replace("MSH|", "MSH\u{e9}");
        let (_folder, files) = written(&format!("{SAMPLE}{broken}{SAMPLE}"));
        assert_eq!(samples(&files).unwrap().len(), 2);
    }
}
