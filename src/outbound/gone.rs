//! The lane of a destination that is no longer configured: nothing is sent, staff enters what waits.

use tracing::error;

use crate::core::delivery::{Failure, Report};
use crate::core::effect::Effect;
use crate::core::event::Event;
use crate::engine::rows::Lane;
use crate::engine::{Answer, Handle};
use crate::shutdown::Tasks;

/// How much is given up at a time.
const AT_ONCE: usize = 16;

/// Gives up what waits in a lane.
#[derive(Debug)]
pub struct GoneLane {
    lane: Lane,
    handle: Handle,
}

impl GoneLane {
    /// Prepares to give up what waits in a lane.
    #[must_use]
    pub const fn new(lane: Lane, handle: Handle) -> Self {
        Self { lane, handle }
    }

    /// Gives up what is due until told to stop.
    pub async fn run(self, tasks: Tasks) {
        let stop = tasks.stop_token();
        loop {
            let work = tokio::select! {
                work = self.handle.claim(self.lane.clone(), AT_ONCE) => work,
                () = stop.cancelled() => return,
            };
            let Some(work) = work else { return };
            for work in work {
                let report = match &work.row.effect {
                    // Nobody asks any more what changed there.
                    Effect::ReadFhir(_) => Report::Accepted { id: "not_configured".to_owned() },
                    Effect::SendSms(_)
                    | Effect::SendHl7(_)
                    | Effect::UpdateFhir(_)
                    | Effect::PostJson(_)
                    | Effect::CallHttp(_) => {
                        let code = "not_configured".to_owned();
                        Report::NotDone { failure: Failure::Permanent, code }
                    }
                };
                let event = Event::DeliveryReported { outbox: work.row.id.clone(), report };
                if let Answer::NotStored(category) = self.handle.act(event).await {
                    error!(outbox.id = %work.row.id, ?category, "A report was not stored");
                }
            }
        }
    }
}
