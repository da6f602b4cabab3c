//! The engine's door: what the rest of the house may ask of it.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::input::{Answer, Input, Received, Verdict, Work};
use super::rows::Lane;
use super::view::View;
use crate::core::event::Event;
use crate::store::{Category, Store};

/// A way to the engine that can be shared.
#[derive(Debug, Clone)]
pub struct Handle {
    inputs: mpsc::Sender<Input>,
    store: Arc<dyn Store>,
}

impl Handle {
    pub(super) const fn new(inputs: mpsc::Sender<Input>, store: Arc<dyn Store>) -> Self {
        Self { inputs, store }
    }

    /// Puts a message into the queue, in the order of the calls; waits while the queue is full.
    pub async fn enqueue(&self, received: Received) -> Pending {
        let (reply, verdict) = oneshot::channel();
        let sent = self.inputs.send(Input::Received(Box::new(received), reply)).await;
        Pending(sent.is_ok().then_some(verdict))
    }

    /// Hands in a message; the verdict comes when it is durable.
    pub async fn submit(&self, received: Received) -> Verdict {
        self.enqueue(received).await.verdict().await
    }

    /// Hands in any other event; the answer comes when it is durable.
    pub async fn act(&self, event: Event) -> Answer {
        let (reply, answer) = oneshot::channel();
        if self.inputs.send(Input::Event(Box::new(event), reply)).await.is_err() {
            return Answer::NotStored(Category::Unavailable);
        }
        answer.await.unwrap_or(Answer::NotStored(Category::Unknown))
    }

    /// Waits for work in a lane. One caller a lane: a second one takes the first one's place.
    ///
    /// Work that is handed out is claimed: it is to be performed and reported on.
    pub async fn claim(&self, lane: Lane, max: usize) -> Option<Vec<Work>> {
        let (reply, work) = oneshot::channel();
        self.inputs.send(Input::Claim { lane, max, reply }).await.ok()?;
        work.await.ok()
    }

    /// How many inputs wait to be taken.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.inputs.max_capacity() - self.inputs.capacity()
    }

    /// Whether no more inputs fit.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.inputs.capacity() == 0
    }

    /// Whether the engine has ended.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.inputs.is_closed()
    }

    /// The reading side.
    #[must_use]
    pub fn view(&self) -> View {
        View::new(Arc::clone(&self.store))
    }

    /// The store, for backups and checks.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }
}

/// A message in the queue.
#[derive(Debug)]
pub struct Pending(Option<oneshot::Receiver<Verdict>>);

impl Pending {
    /// Waits for the verdict.
    pub async fn verdict(self) -> Verdict {
        match self.0 {
            Some(verdict) => verdict.await.unwrap_or(Verdict::NotStored(Category::Unknown)),
            None => Verdict::NotStored(Category::Unavailable),
        }
    }
}
