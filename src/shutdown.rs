//! Stopping in order: who listens stops first, who works finishes, the engine goes last.
//!
//! Every task of the daemon is spawned on a [`Tasks`], so that the drain can wait for it; each has
//! the token that tells it to stop.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A group of tasks that are stopped and waited for together.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    stop: CancellationToken,
    tracker: TaskTracker,
}

impl Tasks {
    /// A group of its own.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The token that tells the tasks to stop.
    #[must_use]
    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// The tracker, for rooms that spawn by themselves.
    #[must_use]
    pub const fn tracker(&self) -> &TaskTracker {
        &self.tracker
    }

    /// Runs a task in the group.
    pub fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        drop(self.tracker.spawn(task));
    }

    /// Tells all tasks to stop and waits for them; returns whether they did in time.
    pub async fn drain(&self, grace: Duration) -> bool {
        self.stop.cancel();
        self.tracker.close();
        tokio::time::timeout(grace, self.tracker.wait()).await.is_ok()
    }
}
