//! A recipient's conversation: the flow's steps, and what is asked of the world for them.

use super::campaign::SessionId;
use super::flow::HttpAnswer;
use super::ids::OutboxId;
use super::reason::Reason;
use super::rules::Rules;
use super::scene::{Decision, Scene};
use crate::clock::Timestamp;

/// Decides what follows when a recipient's moment has come: a reply did not come, or it took too long.
#[must_use]
pub fn due(
    id: &SessionId,
    generation: u32,
    scene: &Scene,
    rules: &Rules,
    now: Timestamp,
) -> Decision {
    let _ = (id, generation, scene, rules, now);
    Decision::nothing(None, "OUTREACH", Reason::Unknown)
}

/// Decides what follows from a web server's answer to a flow.
#[must_use]
pub fn answered(
    id: &OutboxId,
    answer: &HttpAnswer,
    scene: &Scene,
    rules: &Rules,
    now: Timestamp,
) -> Decision {
    let _ = (id, answer, scene, rules, now);
    Decision::nothing(None, "OUTREACH", Reason::Unknown)
}
