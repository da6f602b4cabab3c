//! `[outreach]`: how campaigns are run.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::core::flow::Tools;
use crate::core::rules::Outreach;

use super::reader::Section;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Reads `[outreach]`; `sender` is who texts.
pub(super) fn outreach(section: &mut Section<'_>, sender: &str) -> Outreach {
    let per_minute = section.size("per_minute", 1..=60_000, 30);
    let expires_after =
        section.duration("expires_after", Duration::from_secs(3600)..=90 * DAY, 7 * DAY);
    Outreach {
        flows: BTreeMap::new(),
        tools: Tools::default(),
        per_minute: u32::try_from(per_minute).unwrap_or(u32::MAX),
        expires_after: chrono::TimeDelta::from_std(expires_after)
            .unwrap_or(chrono::TimeDelta::days(7)),
        sender: sender.to_owned(),
    }
}
