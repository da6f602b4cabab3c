//! What follows from an operator's word on a campaign, and from its moments.

use super::{CampaignId, NewCampaign, Order, Recipient};
use crate::clock::Timestamp;
use crate::core::reason::Reason;
use crate::core::rules::Rules;
use crate::core::scene::{Decision, Scene};

/// Decides on a new campaign.
#[must_use]
pub fn made(new: &NewCampaign, scene: &Scene) -> Decision {
    let _ = (new, scene);
    Decision::nothing(None, "CAMPAIGN", Reason::Unknown)
}

/// Decides on recipients that are to be added.
#[must_use]
pub fn added(
    id: &CampaignId,
    recipients: &[Recipient],
    scene: &Scene,
    rules: &Rules,
    now: Timestamp,
) -> Decision {
    let _ = (id, recipients, scene, rules, now);
    Decision::nothing(None, "CAMPAIGN", Reason::Unknown)
}

/// Decides on an operator's order.
#[must_use]
pub fn moved(id: &CampaignId, order: Order, by: &str, scene: &Scene, now: Timestamp) -> Decision {
    let _ = (id, order, by, scene, now);
    Decision::nothing(None, "CAMPAIGN", Reason::Unknown)
}

/// Begins the recipients whose turn it is.
#[must_use]
pub fn due(
    id: &CampaignId,
    generation: u32,
    scene: &Scene,
    rules: &Rules,
    now: Timestamp,
) -> Decision {
    let _ = (id, generation, scene, rules, now);
    Decision::nothing(None, "CAMPAIGN", Reason::Unknown)
}
