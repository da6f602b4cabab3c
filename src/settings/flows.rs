//! `[outreach] flows`: files of Twilio Studio, read and checked.
//!
//! Three flows are built in, so that no file is needed; a file of the practice that bears the name of
//! one takes its place.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use crate::core::flow::{self, Program, Tools};

use super::fault::{Fault, Place};
use super::layers::{FILES_MAX, read_text};
use super::reader::Section;

/// The flows that are built in, by name.
pub const BUILT_IN_FLOWS: [(&str, &str); 3] = [
    ("new-member-welcome", include_str!("../../conf/flows/new-member-welcome.json")),
    ("post-procedure", include_str!("../../conf/flows/post-procedure.json")),
    ("research-eligibility", include_str!("../../conf/flows/research-eligibility.json")),
];

/// The built-in flows, read once; they call nobody. A test reads them as it would a practice's own.
static BUILT_IN: LazyLock<BTreeMap<String, Arc<Program>>> = LazyLock::new(|| {
    let files: BTreeMap<String, String> = BUILT_IN_FLOWS
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect();
    let read = |name: &String| {
        let program = Program::read(name, &files, &Tools::default()).ok()?;
        Some((name.clone(), Arc::new(program)))
    };
    files.keys().filter_map(read).collect()
});

/// The longest name of a flow, in bytes.
const NAME_MAX: usize = 64;
/// Where flows are if nothing else is said.
const FOLDER: &str = "flows";

/// Reads the flows there are.
pub(super) fn flows(section: &mut Section<'_>, tools: &Tools) -> BTreeMap<String, Arc<Program>> {
    let place = section.place_of("flows");
    let listed = section.list("flows", |text| {
        if text.trim().is_empty() {
            Err("write a file or a folder".to_owned())
        } else {
            Ok(text.to_owned())
        }
    });
    let paths: Vec<PathBuf> = match listed {
        Some(listed) => listed.iter().map(|text| section.path_of(text)).collect(),
        None => [section.path_of(FOLDER)].into_iter().filter(|path| path.is_dir()).collect(),
    };
    let mut files: BTreeMap<String, (PathBuf, String)> = BTreeMap::new();
    for path in paths {
        for path in files_of(section, &place, &path) {
            read_one(section, &path, &mut files);
        }
    }
    let mut programs = BUILT_IN.clone();
    if !files.is_empty() {
        compile(section, &files, tools, &mut programs);
    }
    programs
}

/// A file itself, or the flows in a folder.
fn files_of(section: &mut Section<'_>, place: &Place, path: &Path) -> Vec<PathBuf> {
    if !path.is_dir() {
        if !path.exists() {
            let problem = format!("{} is no file and no folder", path.display());
            section.fault(place.clone(), "flows", problem);
            return Vec::new();
        }
        return vec![path.to_owned()];
    }
    let Ok(entries) = fs::read_dir(path) else {
        section.fault(place.clone(), "flows", format!("{} cannot be read", path.display()));
        return Vec::new();
    };
    let is_flow = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "json");
    let mut found: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(is_flow).take(FILES_MAX + 1).collect();
    if found.len() > FILES_MAX {
        let problem = format!("{} holds more than {FILES_MAX} flows", path.display());
        section.fault(place.clone(), "flows", problem);
        found.truncate(FILES_MAX);
    }
    found.sort();
    found
}

fn read_one(
    section: &mut Section<'_>,
    path: &Path,
    files: &mut BTreeMap<String, (PathBuf, String)>,
) {
    let shown = path.display().to_string();
    let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ');
    if name.is_empty() || name.len() > NAME_MAX || !name.chars().all(is_part) {
        let problem =
            "is no name for a flow: letters, digits, hyphens, at most 64; rename the file";
        section.desk.notes.fault(Fault::new(Place::file(shown), "", problem));
        return;
    }
    let Some(text) = read_text(path, &mut section.desk.notes) else { return };
    if let Some((first, _)) = files.get(&name) {
        let problem = format!("a flow of this name is {} already; rename one", first.display());
        section.desk.notes.fault(Fault::new(Place::file(shown), "", problem));
        return;
    }
    let _none = files.insert(name, (path.to_owned(), text));
}

fn compile(
    section: &mut Section<'_>,
    files: &BTreeMap<String, (PathBuf, String)>,
    tools: &Tools,
    programs: &mut BTreeMap<String, Arc<Program>>,
) {
    let built_in =
        BUILT_IN_FLOWS.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    let mut texts: BTreeMap<String, String> = built_in.collect();
    texts.extend(files.iter().map(|(name, (_, text))| (name.clone(), text.clone())));
    // A flow that others call is read with each of them.
    let mut told = BTreeSet::new();
    let mut fault_of = |fault: &flow::Fault| {
        let shown = files.get(&fault.flow).map_or_else(
            || format!("built-in {}.json", fault.flow),
            |(path, _)| path.display().to_string(),
        );
        let state = fault.state.as_ref().map(|(name, kind)| format!("state {name} ({kind}): "));
        let problem = format!("{}{}", state.unwrap_or_default(), fault.problem);
        let is_new = told.insert((shown.clone(), fault.line, problem.clone()));
        is_new.then(|| Fault::new(Place::line(shown, fault.line), "", problem))
    };
    let mut by_sid: BTreeMap<String, PathBuf> = BTreeMap::new();
    for (name, (path, _)) in files {
        match Program::read(name, &texts, tools) {
            Ok(program) => {
                // Which of them a caller means could not be said.
                let sid = program.sid().map(str::to_owned);
                let first = sid.and_then(|sid| by_sid.insert(sid, path.clone()));
                if let Some(first) = first {
                    let problem = format!("has the sid of {}: remove one", first.display());
                    let place = Place::file(path.display().to_string());
                    section.desk.notes.fault(Fault::new(place, "", problem));
                }
                for warning in program.warnings().iter().filter_map(&mut fault_of) {
                    section.desk.notes.warn(warning);
                }
                let _built_in = programs.insert(name.clone(), Arc::new(program));
            }
            Err(faults) => {
                for fault in faults.iter().filter_map(&mut fault_of) {
                    section.desk.notes.fault(fault);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::from_text;

    const SMALL: &str = r#"{"states": [
  {"name": "Trigger", "type": "trigger", "transitions": [{"event": "incomingRequest", "next": "hi"}]},
  {"name": "hi", "type": "send-message", "properties": {"body": "Hi"}, "transitions": []}
], "initial_state": "Trigger"}"#;

    #[test]
    fn built_in_flows_are_there_without_a_file() {
        let loaded = from_text("", Path::new("/nowhere")).unwrap();
        let flows = &loaded.settings.rules.outreach.flows;
        assert_eq!(flows.len(), BUILT_IN_FLOWS.len());
        let questions = flows["post-procedure"].questions();
        let names: Vec<&str> = questions.iter().map(|question| question.name.as_str()).collect();
        assert_eq!(names, ["pain", "call-wanted", "visit-planned"]);
    }

    #[test]
    fn a_folder_beside_the_settings_is_read_and_its_files_win() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("flows")).unwrap();
        fs::write(dir.path().join("flows/post-procedure.json"), SMALL).unwrap();
        fs::write(dir.path().join("flows/own.json"), SMALL).unwrap();
        fs::write(dir.path().join("flows/notes.txt"), "no flow").unwrap();
        let loaded = from_text("", dir.path()).unwrap();
        let flows = &loaded.settings.rules.outreach.flows;
        assert_eq!((flows.len(), flows["post-procedure"].states()), (4, 2));
        // Named one by one.
        let text = "[outreach]\nflows = [\"flows/own.json\"]\n";
        let loaded = from_text(text, dir.path()).unwrap();
        assert!(loaded.settings.rules.outreach.flows["post-procedure"].states() > 2);
    }

    #[test]
    fn two_flows_of_one_sid_are_a_fault() {
        let dir = tempfile::tempdir().unwrap();
        let text = SMALL.replacen('{', "{\"sid\": \"FW00000000000000000000000000000001\", ", 1);
        fs::create_dir(dir.path().join("flows")).unwrap();
        fs::write(dir.path().join("flows/a.json"), &text).unwrap();
        fs::write(dir.path().join("flows/b.json"), &text).unwrap();
        let faults = from_text("", dir.path()).unwrap_err();
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("b.json: has the sid of") && lines[0].contains("a.json"));
    }

    #[test]
    fn faults_of_flows_stand_among_those_of_the_settings() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("flows")).unwrap();
        fs::write(dir.path().join("flows/own.json"), SMALL.replace("send-message", "say-play"))
            .unwrap();
        fs::write(dir.path().join("flows/a#b.json"), SMALL).unwrap();
        let faults =
            from_text("[outreach]\nflows = [\"flows\", \"gone\"]\n", dir.path()).unwrap_err();
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[0].contains("a#b.json: is no name"), "{lines:?}");
        let expected = "own.json:3: state hi (say-play): the type say-play is not supported";
        assert!(lines[1].contains(expected), "{lines:?}");
        assert!(lines[2].contains("outreach.flows") && lines[2].contains("gone"), "{lines:?}");
    }
}
