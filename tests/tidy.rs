//! The house rules that no compiler holds: who may import whom, what a room must not contain, how
//! long a file may be.
//!
//! A rule that is in the way is changed here, with its reason, and nowhere else.

#![expect(
    clippy::unwrap_used,
    clippy::string_slice,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

const LINES_MAX: usize = 500;

/// A folder or file at the top of `src`: what of the crate it may import, and words it must not
/// contain. Tests within the rooms are free.
struct Room {
    name: &'static str,
    /// Paths within the crate, parted by blanks; everything below a path is meant too.
    imports: &'static str,
    banned: &'static [&'static [&'static str]],
}

const CLOCK: &[&str] = &["Utc::now", "Local::now", "SystemTime", "Instant::now"];
const WAITING: &[&str] = &["async", "await", "tokio", "futures_util", "thread"];
const OUTSIDE: &[&str] = &["std::fs", "std::net", "std::env", "std::process", "reqwest", "axum"];
const CHANCE: &[&str] = &["rand", "getrandom", "HashMap", "HashSet"];
const LOGS: &[&str] = &["tracing", "println", "eprintln"];
const ENGINES: &[&str] = &["sled", "postgres", "rustix"];

const PURE: &[&[&str]] = &[WAITING, OUTSIDE, CHANCE, LOGS, ENGINES];

/// Rooms in the order of `lib.rs`.
const ROOMS: &[Room] = &[
    Room { name: "clock", imports: "", banned: &[OUTSIDE, CHANCE, LOGS, ENGINES] },
    Room { name: "phi", imports: "", banned: PURE },
    Room { name: "category", imports: "", banned: PURE },
    Room { name: "shutdown", imports: "", banned: &[OUTSIDE, CHANCE, ENGINES] },
    Room { name: "core", imports: "category phi clock::Timestamp", banned: PURE },
    // `tokio_util`'s codec traits are pure, and are another word than `tokio`.
    Room {
        name: "hl7",
        imports: "category phi clock::Timestamp core::ids core::phone",
        banned: PURE,
    },
    Room { name: "mapping", imports: "category phi clock::Timestamp core hl7", banned: PURE },
    Room {
        name: "sms",
        imports: "category phi clock::Timestamp core::ids core::local_time core::phone",
        banned: PURE,
    },
    Room { name: "fhir", imports: "category phi clock::Timestamp core sms::Secret", banned: PURE },
    // Workbooks are put together in a file without a name, which `tempfile` makes.
    Room {
        name: "outreach",
        imports: "category phi clock::Timestamp core mapping::language_tag",
        banned: PURE,
    },
    // Settings read files and addresses; `reqwest::Url` is the reader of addresses.
    Room {
        name: "settings",
        imports: "category phi core hl7::AckMode hl7::charset mapping::reverse sms",
        banned: &[WAITING, CHANCE, LOGS, &["std::env", "std::process", "axum", "rustix"]],
    },
    // Rows are bytes here: what they mean is the engine's.
    Room {
        name: "store",
        imports: "category",
        banned: &[
            &["async", "await", "tokio", "reqwest", "axum", "std::net"],
            &["HashMap", "HashSet"],
        ],
    },
    Room {
        name: "engine",
        imports: "category phi clock shutdown core store",
        banned: &[&["reqwest", "axum", "std::net", "std::fs"], CHANCE, ENGINES],
    },
    // The poller lists texts with Twilio's client; a status callback fails as a request does, and tells
    // the sender. A FHIR
    // server that tells of a change is asked what it is, and its token is checked.
    Room {
        name: "inbound",
        imports: "category phi clock shutdown core fhir hl7 sms mapping engine telemetry tls settings::Network settings::NackPolicy outbound::twilio outbound::sms::failure_of outbound::brake outbound::fhir",
        banned: &[ENGINES],
    },
    Room {
        name: "outbound",
        imports: "category phi clock shutdown core fhir hl7 sms mapping engine telemetry tls",
        banned: &[ENGINES],
    },
    // Stand-ins for both ends of the daemon; `world` puts the daemon between them.
    Room {
        name: "sim",
        imports: "category phi clock shutdown core hl7 sms settings store outbound app",
        banned: &[ENGINES],
    },
    Room {
        name: "telemetry",
        imports: "category clock core::ids engine::Verdict engine::rows",
        banned: &[OUTSIDE, ENGINES, &["phi", "Phi"]],
    },
    Room { name: "tls", imports: "", banned: &[CHANCE, ENGINES] },
    // Of the store only what queries show.
    Room {
        name: "http",
        imports: "category clock core fhir::notification sms engine inbound outreach telemetry tls settings::parse_duration store::Table store::Stats store::Report",
        banned: &[ENGINES, &["reqwest"]],
    },
    Room {
        name: "app",
        imports: "category phi clock shutdown core fhir hl7 sms mapping settings store engine inbound outbound telemetry tls http",
        banned: &[ENGINES, &["axum", "reqwest"]],
    },
    Room {
        name: "cli",
        imports: "category phi clock shutdown core hl7 sms mapping outreach settings store engine inbound outbound sim telemetry http app",
        banned: &[ENGINES],
    },
];

/// Words that stand nowhere in code but in the files named.
const NOWHERE_ELSE: &[(&[&str], &[&str], &str)] = &[
    (CLOCK, &["src/clock.rs"], "only clock.rs reads the time"),
    (&["tokio::spawn"], &[], "spawn on the tasks of shutdown.rs, so that the drain waits"),
    (&["thread::sleep"], &[], "wait on a clock or a channel"),
    (
        &["thread::spawn", "thread::Builder"],
        &["src/app/mod.rs", "src/store/embedded.rs"],
        "engine and checkpoint have the only threads",
    ),
    (&[".unwrap()", ".expect(", "panic!(", "unreachable!("], &[], "return an error instead"),
    (&["todo!(", "unimplemented!(", "dbg!("], &[], "is not finished"),
    (&["#[allow("], &[], "write #[expect(.., reason = ..)]"),
    (&["println!(", "print!(", "eprintln!("], &["src/cli/out.rs"], "print by cli/out.rs"),
    (&["set_var", "remove_var"], &[], "settings are passed, not set"),
];

#[test]
fn rooms_import_only_what_the_table_allows() {
    let mut faults = Vec::new();
    for file in sources() {
        let Some(room) = file.room() else { continue };
        for (offset, path) in imports(&file.code) {
            let own = path.split("::").next() == Some(room.name);
            if !own && !room.imports.split(' ').any(|allowed| is_below(&path, allowed)) {
                faults.push(file.at(offset, &format!("{} must not import {path}", room.name)));
            }
        }
        for (offset, count) in supers(&file.code) {
            if count >= file.depth() {
                faults.push(file.at(offset, "leaves its room by super: write crate::"));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn rooms_contain_no_banned_words() {
    let mut faults = Vec::new();
    for file in sources() {
        let Some(room) = file.room() else { continue };
        for word in room.banned.iter().flat_map(|words| words.iter()) {
            for offset in words(&file.code, word) {
                faults.push(file.at(offset, &format!("{} must not contain {word}", room.name)));
            }
        }
        for (banned, except, why) in NOWHERE_ELSE {
            if except.contains(&file.name.as_str()) {
                continue;
            }
            for offset in banned.iter().flat_map(|word| words(&file.code, word)) {
                faults.push(file.at(offset, why));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn every_room_stands_in_the_table() {
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let rooms: BTreeSet<&str> = lib
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    let table: BTreeSet<&str> = ROOMS.iter().map(|room| room.name).collect();
    assert_eq!(rooms, table);
    let seen: BTreeSet<String> =
        sources().iter().filter_map(|file| file.room()).map(|room| room.name.to_owned()).collect();
    assert_eq!(seen.iter().map(String::as_str).collect::<BTreeSet<_>>(), table);
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let mut faults = Vec::new();
    for path in files(&["src", "crates", "tests", "benches", "fuzz"], &["rs"]) {
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.lines().count();
        if lines > LINES_MAX {
            faults.push(format!("{}:{lines}: over {LINES_MAX} lines", shown(&path)));
        }
        let is_front = !path.ends_with("tests.rs");
        if is_front && !text.starts_with("//! ") && !text.starts_with("#![no_main]") {
            faults.push(format!("{}:1: no //! at the top", shown(&path)));
        }
    }
    assert_none(&faults);
}

// Whoever names one of its types compiles all of them.
#[test]
fn one_member_alone_names_the_library_of_fhir() {
    let mut rest = files(&["src", "tests", "benches", "fuzz"], &["rs"]);
    let name = concat!("fhir", "_sdk");
    rest.retain(|path| fs::read_to_string(path).unwrap().contains(name));
    assert!(rest.is_empty(), "{rest:?}");
}

#[test]
fn nothing_is_left_for_later_and_nothing_of_a_machine_is_told() {
    // Outside tests; a test may assert behaviour that is known to be wrong.
    let later = [concat!("TO", "DO"), concat!("FIX", "ME")].map(str::to_owned);
    let homes = ["home", "root", "Users", "work", "workspace"].map(|home| format!("/{home}/"));
    let machines = homes.iter().cloned().chain([format!("/tmp/{}", "wt-")]).collect::<Vec<_>>();
    let mut faults = Vec::new();
    let kinds = ["rs", "toml", "py", "mjs", "sh", "service", "yml", "md", "run"];
    let folders =
        ["src", "crates", "tests", "conf", "mappings", "systemd", ".ci", ".cargo", "fixtures"];
    for path in files(&folders, &kinds) {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let name = shown(&path);
        for (number, line) in text.lines().enumerate() {
            let is_test = name.starts_with("tests/");
            let words = if is_test { &[][..] } else { &later[..] };
            for word in words.iter().chain(&machines).filter(|word| line.contains(word.as_str())) {
                faults.push(format!("{name}:{}: contains {word}", number + 1));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn the_readers_of_code_see_what_is_there() {
    let read = code(
        "/// crate::no\nuse crate::a::{\n    b, c::{D, E}, self,\n};\nlet x = crate::f::g(); // crate::no\n#[cfg(test)]\nmod tests {\nuse crate::no;\n",
    );
    let paths: Vec<String> = imports(&read).into_iter().map(|(_, path)| path).collect();
    assert_eq!(paths, ["a::b", "a::c", "a::self", "f::g"]);
    assert_eq!(supers("use super::a; super::super::b(); my_super::c").len(), 3);
    assert_eq!(supers("super::super::b()"), [(0, 2)]);
    assert!(is_below("a::b", "a") && is_below("a", "a") && !is_below("ab", "a"));
    assert_eq!(words("tokio tokio_util my_tokio tokio::x", "tokio"), [0, 26]);
    assert_eq!(words("a.unwrap() b.unwrap_or(c)", ".unwrap()"), [1]);
}

// ---------------------------------------------------------------------------------- helpers

struct File {
    /// As in `src/core/mod.rs`.
    name: String,
    /// Code without comments and without tests; lines as in the file.
    code: String,
}

impl File {
    fn room(&self) -> Option<&'static Room> {
        let path = self.name.strip_prefix("src/")?;
        let name = path.split('/').next()?.trim_end_matches(".rs");
        ROOMS.iter().find(|room| room.name == name)
    }

    /// How many `super` lead out of the crate's root.
    fn depth(&self) -> usize {
        let count = self.name.matches('/').count();
        if self.name.ends_with("/mod.rs") { count - 1 } else { count }
    }

    fn at(&self, offset: usize, what: &str) -> String {
        let line = self.code[..offset].matches('\n').count() + 1;
        format!("{}:{line}: {what}", self.name)
    }
}

/// The crate's files with code that is not only for tests.
fn sources() -> Vec<File> {
    let paths = files(&["src"], &["rs"]);
    let texts: BTreeMap<PathBuf, String> =
        paths.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect();
    let tests: Vec<PathBuf> =
        texts.iter().flat_map(|(path, text)| test_modules(path, text)).collect();
    texts
        .iter()
        .filter(|(path, _)| !tests.iter().any(|test| path.starts_with(test)))
        .map(|(path, text)| File { name: shown(path), code: code(text) })
        .collect()
}

/// The files and folders of modules that are compiled for tests only.
fn test_modules(path: &Path, text: &str) -> Vec<PathBuf> {
    let path_folder = path.parent().unwrap();
    let folder = match path.file_name().unwrap().to_str().unwrap() {
        "mod.rs" | "lib.rs" | "main.rs" => path_folder.to_owned(),
        _ => path.with_extension(""),
    };
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut found = Vec::new();
    for (index, _) in lines.iter().enumerate().filter(|(_, line)| **line == "#[cfg(test)]") {
        let after = &lines[index + 1..];
        let path =
            after.first().and_then(|line| line.strip_prefix("#[path = \"")?.strip_suffix("\"]"));
        found.extend(path.map(|path| path_folder.join(path)));
        let next = after.iter().find(|line| !line.starts_with("#["));
        let Some(declared) = next.and_then(|line| line.strip_suffix(';')) else { continue };
        let Some((_, name)) = declared.split_once("mod ") else { continue };
        found.extend([folder.join(name), folder.join(format!("{name}.rs"))]);
    }
    found
}

fn code(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let follows = lines.peek().is_some_and(|next| next.contains("mod ") && next.ends_with('{'));
        if line == "#[cfg(test)]" && follows {
            break;
        }
        let bare = if line.trim_start().starts_with("//") { "" } else { line };
        writeln!(code, "{}", bare.split(" // ").next().unwrap_or("")).unwrap();
    }
    code
}

/// Paths after `crate::`, groups taken apart, with their offsets.
fn imports(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (offset, prefix) in code.match_indices("crate::") {
        let rest = &code[offset + prefix.len()..];
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
        let (head, tail) = rest.split_at(end.unwrap_or(rest.len()));
        let group = tail.strip_prefix('{').filter(|_| head.is_empty() || head.ends_with("::"));
        match group {
            None => found.push((offset, head.trim_end_matches(':').to_owned())),
            Some(group) => {
                found
                    .extend(items(group).into_iter().map(|item| (offset, format!("{head}{item}"))));
            }
        }
    }
    found
}

/// The items of a group up to its closing brace; those of inner groups stand for themselves.
fn items(group: &str) -> Vec<String> {
    let mut items = vec![String::new()];
    let mut depth = 1_usize;
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => items.push(String::new()),
            _ if depth == 1 && !c.is_whitespace() => items.last_mut().unwrap().push(c),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    items.retain(|item| !item.is_empty());
    items.iter().map(|item| item.trim_end_matches(':').to_owned()).collect()
}

/// Chains of `super::`, with how many there are.
fn supers(code: &str) -> Vec<(usize, usize)> {
    let starts = code.match_indices("super::").map(|(offset, _)| offset);
    starts
        .filter(|offset| !code[..*offset].ends_with("super::"))
        .map(|offset| {
            (offset, code[offset..].split("super::").take_while(|s| s.is_empty()).count())
        })
        .collect()
}

fn is_below(path: &str, allowed: &str) -> bool {
    path.strip_prefix(allowed).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Where a word stands by itself.
fn words(code: &str, word: &str) -> Vec<usize> {
    let is_letter = |c: char| c.is_alphanumeric() || c == '_';
    let opens = word.starts_with(is_letter);
    let closes = word.ends_with(is_letter);
    code.match_indices(word)
        .filter(|(offset, _)| !opens || !code[..*offset].ends_with(is_letter))
        .filter(|(offset, _)| !closes || !code[offset + word.len()..].starts_with(is_letter))
        .map(|(offset, _)| offset)
        .collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().to_string_lossy().into_owned()
}

/// The files of folders, those within them too; a name without an ending counts as its own ending.
fn files(folders: &[&str], endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    while let Some(folder) = open.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                // What cargo builds in a folder of its own is nobody's text.
                if !path.ends_with("fuzz/target") {
                    open.push(path);
                }
                continue;
            }
            let ending = path.extension().or_else(|| path.file_name()).unwrap().to_string_lossy();
            if endings.contains(&&*ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}
