//! What a lane of write-backs says of how one went: to the metrics, and to the engine.

use tracing::error;

use crate::core::delivery::{Failure, Report};
use crate::core::event::Event;
use crate::core::ids::{DestinationName, OutboxId};
use crate::engine::{Answer, Handle};
use crate::telemetry::Metrics;

/// Counts a report and hands it to the engine.
pub(super) async fn report(
    handle: &Handle,
    metrics: &Metrics,
    destination: &DestinationName,
    outbox: &OutboxId,
    report: Report,
) {
    let outcome = match &report {
        Report::Accepted { .. } => "accepted",
        Report::NotDone { failure: Failure::TryLater, .. } | Report::InDoubt { .. } => "retry",
        Report::NotDone { failure: Failure::Overtaken, .. } => "overtaken",
        Report::NotDone { .. }
        | Report::Delivered { .. }
        | Report::Undelivered { .. }
        | Report::NoTrace => "refused",
    };
    metrics.sent(destination.as_str(), outcome);
    let event = Event::DeliveryReported { outbox: outbox.clone(), report };
    if let Answer::NotStored(category) = handle.act(event).await {
        // The row stays claimed and comes up again.
        error!(outbox.id = %outbox, ?category, "A delivery report was not stored");
    }
}
