//! The practice's own rules: who it is, when it reminds, what it tells, how it takes replies.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{NaiveTime, TimeDelta};

use crate::core::appointment::Notice;
use crate::core::contact::TEXTED_MAX;
use crate::core::ids::{DestinationName, SourceName};
use crate::core::local_time::Zone;
use crate::core::phone::{PhoneNumber, Region};
use crate::core::rules::{
    DeliveryRules, Notifications, Place, Practice, Privacy, Reminders, Replies, Window,
};

use super::fhir::Seen;
use super::listener::{region, zone};
use super::reader::Section;
use super::texts;
use super::time::{parse_offset, parse_time};
use super::words;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// The most reminders of one appointment; timers count them in a byte, patients in patience.
const OFFSETS_MAX: usize = 10;

/// Who the practice is, with what only settings need of it.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) practice: Practice,
    pub(super) region: Region,
    pub(super) locale: String,
    /// What patients see and nobody has written, by full key, with what to write.
    pub(super) unsaid: Vec<(&'static str, &'static str)>,
}

/// Reads `[practice]`; what patients see may be missing until real ones are texted.
pub(super) fn practice(section: &mut Section<'_>) -> Head {
    let region = region(section).unwrap_or(Region::US);
    let name = section.text("name");
    let wanted = "write the number to call, such as \"(202) 555-0100\"";
    let callback_phone = section.parsed_unseen("callback_phone", wanted, |text| {
        PhoneNumber::parse(text, region).map(|_| text.trim().to_owned())
    });
    let zone = zone(section);
    let locale = section.parsed("locale", "write a language such as \"en\" or \"es-MX\"", |text| {
        let parts = || text.split('-');
        let is_tag = parts().next().is_some_and(|tag| texts::is_language(&tag.to_lowercase()))
            && parts().all(|part| (1..=8).contains(&part.len()) && part.is_ascii());
        if is_tag { Ok(text.to_lowercase()) } else { Err(()) }
    });
    let seen = [
        (name.is_some(), "practice.name", "write the name that patients know"),
        (callback_phone.is_some(), "practice.callback_phone", wanted),
        (zone.is_some(), "practice.time_zone", "write a zone such as \"America/Chicago\""),
    ];
    let unsaid = seen.into_iter().filter(|(is_there, ..)| !is_there);
    let unsaid = unsaid.map(|(_, key, wanted)| (key, wanted)).collect();
    let practice = Practice {
        name: name.unwrap_or_else(|| "Owl Clinic".to_owned()),
        callback_phone: callback_phone.unwrap_or_else(|| "(202) 555-0100".to_owned()),
        zone: zone.unwrap_or(Zone::UTC),
        privacy: section.choice("privacy", &Privacy::NAMES, Privacy::default()),
        visit_types: BTreeMap::new(),
    };
    Head { practice, region, locale: locale.unwrap_or_else(|| "en".to_owned()), unsaid }
}

/// Reads one of `[[locations]]`.
pub(super) fn location(
    section: &mut Section<'_>,
    region: Region,
    places: &mut BTreeMap<String, Place>,
) {
    let code_place = section.place_of("code");
    let code = section.text("code");
    section.need(code.is_some(), "code", "write the code that messages use for the place");
    let wanted = "write a number such as \"(202) 555-0100\"";
    let place = Place {
        name: section.text("name"),
        address: section.text("address"),
        phone: section.parsed_unseen("phone", wanted, |text| {
            PhoneNumber::parse(text, region).map(|_| text.trim().to_owned())
        }),
        zone: zone(section),
        sensitive: section.flag("sensitive", false),
        privacy: privacy(section),
    };
    let Some(code) = code else { return };
    if places.insert(code, place).is_some() {
        section.fault(code_place, "code", "is the code of another location too; write another");
    }
}

/// Reads one of `[[visit_types]]`.
pub(super) fn visit_type(section: &mut Section<'_>, types: &mut BTreeMap<String, Privacy>) {
    let code_place = section.place_of("code");
    let code = section.text("code");
    section.need(code.is_some(), "code", "write the code that messages use for the kind of visit");
    let is_written = section.has("privacy");
    let privacy = privacy(section);
    section.need(is_written, "privacy", "write \"minimal\", \"standard\" or \"detailed\"");
    let Some(code) = code else { return };
    // One that cannot be read tells nothing; it is a fault anyway.
    if types.insert(code, privacy.unwrap_or(Privacy::Minimal)).is_some() {
        section.fault(code_place, "code", "is the code of another kind too; write another");
    }
}

fn privacy(section: &mut Section<'_>) -> Option<Privacy> {
    let wanted = "write \"minimal\", \"standard\" or \"detailed\"";
    section.parsed("privacy", wanted, |text| {
        let found = Privacy::NAMES.iter().find(|(name, _)| *name == text);
        found.map(|(_, privacy)| *privacy).ok_or(())
    })
}

/// Reads `[reminders]`.
pub(super) fn reminders(section: &mut Section<'_>) -> Reminders {
    let place = section.place_of("offsets");
    let wanted = "write a length of time such as \"48h\", or HHMM such as \"4800\"";
    let offsets = section.list("offsets", |text| {
        parse_offset(text)
            .ok()
            .filter(|offset| offset.is_none_or(|offset| offset <= TimeDelta::days(366)))
            .ok_or_else(|| format!("is no length of time up to 366d; {wanted}"))
    });
    let mut offsets: Vec<TimeDelta> = offsets.map_or_else(
        || vec![TimeDelta::hours(48), TimeDelta::hours(24)],
        |offsets| offsets.into_iter().flatten().collect(),
    );
    offsets.sort_by(|a, b| b.cmp(a));
    offsets.dedup();
    if offsets.len() > OFFSETS_MAX {
        let problem = format!("has more than {OFFSETS_MAX} reminders; remove some");
        section.fault(place.clone(), "offsets", problem);
    }
    let min_lead = section.delta("min_lead", Duration::ZERO..=7 * DAY, HOUR);
    if offsets.iter().any(|offset| *offset < min_lead) {
        let advice = "has a reminder that would come later than min_lead allows; it is never sent";
        section.warn(place, "offsets", advice);
    }
    Reminders {
        offsets,
        window: section.table("window", window),
        per_patient_per_day: section.size("per_patient_per_day", 0..=20, 2),
        min_lead,
        by_area_code: section.flag("by_area_code", true),
        digest_by_phone: section.flag("digest_by_phone", true),
        per_phone_per_week: match section.size("per_phone_per_week", 0..=TEXTED_MAX as u64, 0) {
            0 => None,
            cap => Some(cap),
        },
    }
}

fn window(section: &mut Section<'_>) -> Window {
    let wanted = "write a time of day such as \"09:00\" or \"0900\"";
    let start = section.parsed("start", wanted, |text| parse_time(text).and_then(|t| t.ok_or(())));
    let place = section.place_of("finish");
    let finish = section.parsed("finish", wanted, parse_time);
    let window = Window {
        start: start.or(NaiveTime::from_hms_opt(9, 0, 0)).unwrap_or_default(),
        finish: finish.unwrap_or_else(|| NaiveTime::from_hms_opt(20, 0, 0)),
    };
    if window.finish.is_some_and(|finish| finish <= window.start) {
        section.fault(place, "finish", "is not after start; write a later time, up to \"24:00\"");
    }
    window
}

/// Reads `[notifications]`.
pub(super) fn notifications(section: &mut Section<'_>) -> Notifications {
    let flags = [
        ("booked", Notice::Booked),
        ("rescheduled", Notice::Rescheduled),
        ("modified", Notice::Modified),
        ("confirmed", Notice::Confirmed),
        ("canceled", Notice::Canceled),
        ("noshowed", Notice::NoShowed),
    ];
    let is_on = |(key, notice): (&'static str, Notice)| section.flag(key, true).then_some(notice);
    Notifications {
        enabled: flags.into_iter().filter_map(is_on).collect(),
        cancel_hold: section.delta("cancel_hold", Duration::ZERO..=DAY, 2 * MINUTE),
        stale_after: section.delta("stale_after", MINUTE..=30 * DAY, DAY),
        tell_when_reflected: section.flag("tell_when_reflected", false),
    }
}

/// Reads `[replies]`.
pub(super) fn replies(section: &mut Section<'_>) -> Replies {
    Replies {
        answer_until_after_end: section.delta(
            "answer_until",
            Duration::ZERO..=7 * DAY,
            Duration::ZERO,
        ),
        prompt_counts_for: section.delta("prompt_counts_for", MINUTE..=30 * DAY, 3 * DAY),
        provider_answers_keywords: section.flag("provider_answers_keywords", true),
        words: words::words(section),
    }
}

/// Reads `[delivery]`.
pub(super) fn delivery(section: &mut Section<'_>) -> DeliveryRules {
    let second = Duration::from_secs(1);
    let retry_first = section.delta("retry_first", second..=HOUR, 10 * second);
    let place = section.place_of("retry_max");
    let retry_max = section.delta("retry_max", second..=DAY, 10 * MINUTE);
    if retry_first > retry_max {
        section.fault(place, "retry_max", "is shorter than retry_first; write a longer pause");
    }
    DeliveryRules {
        retry_first,
        retry_max,
        write_back_for: section.delta("write_back_for", MINUTE..=30 * DAY, DAY),
        reconcile_after: section.delta("reconcile_after", second..=HOUR, MINUTE),
    }
}

/// The names that routes can join, also those of listeners, destinations and servers with faults.
#[derive(Debug)]
pub(super) struct Ends<'a> {
    pub(super) sources: &'a BTreeMap<String, String>,
    pub(super) destinations: &'a BTreeMap<String, String>,
    pub(super) servers: &'a Seen,
}

/// Reads one `[[route]]`.
pub(super) fn route(
    section: &mut Section<'_>,
    ends: &Ends<'_>,
    routes: &mut BTreeMap<SourceName, DestinationName>,
) {
    let place = section.place_of("source");
    let source_wanted = "write the name of an [[hl7.listener]], [[fhir.server]] or [[json.source]]";
    let source = section.parsed("source", source_wanted, |text| {
        ends.sources.get_key_value(text).map(|(name, _)| SourceName::new(name)).ok_or(())
    });
    let wanted =
        "write the name of an [[hl7.destination]], [[fhir.server]] or [[json.destination]]";
    let destination_place = section.place_of("destination");
    let destination = section.parsed("destination", wanted, |text| {
        let found = ends.destinations.get_key_value(text);
        found.map(|(name, _)| DestinationName::new(name)).ok_or(())
    });
    section.need(source.is_some(), "source", source_wanted);
    section.need(destination.is_some(), "destination", wanted);
    let name = destination.as_ref().map_or("", DestinationName::as_str);
    if ends.servers.unwritten.contains(name) {
        let problem = "takes no wishes; write write_back = \"participant\" or \"status\" there";
        section.fault(destination_place, "destination", problem);
    }
    let (Some(source), Some(destination)) = (source, destination) else { return };
    if routes.insert(source, destination).is_some() {
        section.fault(place, "source", "has another route already; remove one of them");
    }
}
