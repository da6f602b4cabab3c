//! Any text as a site's own mapping: it is refused with places, or it works.
//!
//! The first byte says how the rest is read: as text, or as changes to a mapping that is shipped,
//! because few random texts come as far as a condition within a source.

use std::collections::BTreeMap;

use appointd::hl7::Message;
use appointd::mapping::coverage::Coverage;
use appointd::mapping::{Fault, Library, check_examples};

use super::{outcome, site};

/// Parts the files of a site in one input, so that they can extend each other.
const NEXT_FILE: &str = "\n=====\n";
/// The most files of a site.
const FILES_MAX: usize = 3;
const NAMES: [&str; FILES_MAX] = ["site/ours.toml", "site/theirs.toml", "site/hl7-default.toml"];

const SHIPPED: [&str; 13] = [
    include_str!("../../mappings/allscripts-pm.toml"),
    include_str!("../../mappings/athenahealth.toml"),
    include_str!("../../mappings/cerner.toml"),
    include_str!("../../mappings/eclinicalworks.toml"),
    include_str!("../../mappings/epic.toml"),
    include_str!("../../mappings/ge-centricity.toml"),
    include_str!("../../mappings/hl7-default.toml"),
    include_str!("../../mappings/meditech.toml"),
    include_str!("../../mappings/mie-webchart.toml"),
    include_str!("../../mappings/nextgen-enterprise.toml"),
    include_str!("../../mappings/nextgen-office.toml"),
    include_str!("../../mappings/nhs-pas.toml"),
    include_str!("../../mappings/samedi.toml"),
];

/// Lines and parts of lines that a change can put in.
const SNIPPETS: &str = include_str!("snippets.txt");

/// Messages that a mapping without a fault is tried with.
const MESSAGES: [&str; 3] = [
    include_str!("../../fixtures/hl7/siu_booked.hl7"),
    include_str!("../../fixtures/hl7/siu_confirmed.hl7"),
    "MSH|^~\\&|A|B|||20261120110311-0600||SIU^S12|1|P|2.5\rSCH|1|2|||||||||^^^20261201|||||||||||||||NOSHOW\r\
     TQ1|1||||||202612010930|202612011000\rTQ1|2||||||202612020930\rPID|1||M1~\"\"||\"\"|||||||||\"\"\r\
     PID|2||M2^^^X&1&Y^MR||DOE^JANE||||||||^PRN^CP^^1^415^5550100||de\rRGS|1|D\rAIL|1||EAST\rRGS|2\rAIP|1||7^Roe\rZAP|x~y&z",
];

/// Checks one input.
pub fn check(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    let text = match kind % 2 {
        0 => String::from_utf8_lossy(rest).into_owned(),
        _ => changed(usize::from(*kind) / 2, rest),
    };
    let files: Vec<(&str, &str)> =
        NAMES.iter().copied().zip(text.split(NEXT_FILE).take(FILES_MAX)).collect();
    match Library::load(files.iter().copied()) {
        Ok(library) => check_library(&library, &files),
        Err(faults) => check_faults(&faults, &files),
    }
}

fn check_faults(faults: &[Fault], files: &[(&str, &str)]) {
    assert!(!faults.is_empty(), "a refusal has a reason");
    let lines: BTreeMap<&str, usize> =
        files.iter().map(|(name, text)| (*name, text.split('\n').count())).collect();
    for fault in faults {
        assert!(!fault.problem.is_empty(), "{fault}");
        // A shipped file can be wrong only if it extends a file of the site.
        assert!(fault.file.ends_with(".toml"), "{fault}");
        let last = lines.get(fault.file.as_str()).copied().unwrap_or(usize::MAX);
        assert!(fault.line.is_none_or(|line| (1..=last).contains(&line)), "{fault}");
    }
}

fn check_library(library: &Library, files: &[(&str, &str)]) {
    for (file, text) in files {
        let name = file.trim_start_matches("site/").trim_end_matches(".toml");
        let mapping = library.lookup(name).expect("a file without fault is a mapping");
        assert_eq!(mapping.name(), name);
        assert_eq!(mapping.files().first().map(String::as_str), Some(*file));
        for fault in check_examples(mapping) {
            assert_eq!(fault.file, *file, "an example fails in its own file");
        }
        let mut coverage = Coverage::of(mapping);
        for message in MESSAGES {
            let msg = Message::read(message).expect("a message");
            site::with(u8::try_from(text.len() % 256).unwrap_or(0), |site| {
                outcome::check(mapping, &msg, site, true);
                coverage.add(mapping, &msg, site, site::received_at());
            });
        }
        let _findings = coverage.to_json();
        let (messages, rules, used) = coverage.counts();
        assert!(messages == 3 && used <= rules);
    }
}

/// A shipped mapping with changes of four bytes each: what to do, with which line (two bytes), and
/// with which snippet.
fn changed(which: usize, changes: &[u8]) -> String {
    let shipped = SHIPPED[which % SHIPPED.len()];
    let mut lines: Vec<String> = shipped.lines().map(str::to_owned).collect();
    let snippets: Vec<&str> = SNIPPETS.lines().collect();
    for change in changes.as_chunks::<4>().0.iter().take(64) {
        let [what, high, low, snippet] = change.map(usize::from);
        let at = (high << 8 | low) % lines.len();
        let snippet = snippets[snippet % snippets.len()];
        match what % 7 {
            0 => lines[at] = snippet.to_owned(),
            1 => lines.insert(at, snippet.to_owned()),
            2 if lines.len() > 1 => drop(lines.remove(at)),
            3 => lines.insert(at, lines[at].clone()),
            4 => lines.push(snippet.to_owned()),
            // The value of a key, or the head of a table.
            5 => {
                let key = lines[at].split('=').next().unwrap_or_default();
                lines[at] = format!("{key}= {snippet}");
            }
            // One more source, one more code.
            _ => lines[at] = lines[at].replacen('[', &format!("[{snippet}, "), 1),
        }
    }
    lines.join("\n")
}
