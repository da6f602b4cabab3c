//! Tells when a mapping file was saved, so that it is in force without a restart or a signal.
//!
//! The system tells of changes of the files' folders, because editors put a new file in the place of
//! the old one. Several changes in a row count once, when it has been calm for a moment. Where the
//! system does not tell (some network drives), a signal does the same by hand.

use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

/// How long it has to be calm: an editor writes, renames and sets attributes within this.
const CALM: Duration = Duration::from_millis(500);
/// How long is waited for calm at most.
const CALM_WITHIN_CHANGES: usize = 20;

/// A watch over files and folders.
#[derive(Debug)]
pub struct Watch {
    /// Ends the watch when dropped.
    _watcher: RecommendedWatcher,
    changes: mpsc::Receiver<()>,
    /// Whether a change was heard of and not yet reported: waiting for calm may be interrupted.
    is_pending: bool,
}

impl Watch {
    /// Watches mapping files, and folders of them.
    ///
    /// # Errors
    /// What the system refuses, such as a folder that is not there.
    pub fn over(paths: &[PathBuf]) -> notify::Result<Self> {
        // One that waits is enough to say that something has changed.
        let (tell, changes) = mpsc::channel(1);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.is_ok_and(|event| concerns_mappings(&event)) {
                let _is_told = tell.try_send(()).is_ok();
            }
        })?;
        let mut folders: Vec<&Path> = paths.iter().filter_map(|path| folder(path)).collect();
        folders.sort();
        folders.dedup();
        for folder in folders {
            watcher.watch(folder, RecursiveMode::NonRecursive)?;
        }
        Ok(Self { _watcher: watcher, changes, is_pending: false })
    }

    /// Waits until something has changed and it is calm again; whoever stops waiting and begins
    /// again misses nothing.
    pub async fn changed(&mut self) {
        if !self.is_pending && self.changes.recv().await.is_none() {
            // The watcher is gone; nothing will ever change again.
            return std::future::pending().await;
        }
        self.is_pending = true;
        for _ in 0..CALM_WITHIN_CHANGES {
            if tokio::time::timeout(CALM, self.changes.recv()).await.is_err() {
                break;
            }
        }
        self.is_pending = false;
    }
}

/// The folder whose changes tell of a path.
fn folder(path: &Path) -> Option<&Path> {
    if path.is_dir() {
        return Some(path);
    }
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Some(Path::new(".")),
        parent => parent,
    }
}

/// Reading a file changes nothing, and other files than mappings are nobody's concern.
fn concerns_mappings(event: &Event) -> bool {
    let changes = matches!(
        event.kind,
        EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_) | EventKind::Any
    );
    let is_mapping = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "toml");
    // A folder that goes takes its files along.
    let is_folder = matches!(event.kind, EventKind::Remove(_));
    changes && (is_folder || event.paths.iter().any(is_mapping))
}
