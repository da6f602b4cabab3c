//! `[guard]`: how many texts a source may cause before an operator is asked.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::core::gate::{Guard, Limit};
use crate::core::ids::SourceName;

use super::reader::Section;

const MINUTE: Duration = Duration::from_secs(60);

/// A hospital with two thousand bookings a day has some seventy in its busiest ten minutes, and a
/// clinic that calls off a doctor's whole day forty; an archive has thousands.
const TEXTS: u64 = 200;

/// Reads `[guard]`; `sources` are the feeds that there are.
pub(super) fn guard(section: &mut Section<'_>, sources: &BTreeMap<String, String>) -> Guard {
    let texts = texts(section, Some(TEXTS));
    let within = within(section, 10 * MINUTE);
    let limit = limit(texts, within);
    let mut own = BTreeMap::new();
    let _units = section.each("source", |source| {
        let place = source.place_of("name");
        let wanted = "write the name of an [[hl7.listener]], [[fhir.server]] or [[json.source]]";
        let name = source.parsed("name", wanted, |text| {
            sources.get_key_value(text).map(|(name, _)| SourceName::new(name)).ok_or(())
        });
        source.need(name.is_some(), "name", wanted);
        let default = texts.or(Some(TEXTS));
        let texts = self::texts(source, default);
        let within = self::within(source, within);
        let Some(name) = name else { return };
        if own.insert(name, self::limit(texts, within)).is_some() {
            let problem = "has a limit of its own already; remove one of them";
            source.fault(place, "name", problem);
        }
    });
    Guard { limit, sources: own }
}

fn texts(section: &mut Section<'_>, default: Option<u64>) -> Option<u64> {
    section.count_or_off("texts", 1..=1_000_000, default)
}

fn within(section: &mut Section<'_>, default: Duration) -> Duration {
    // Counts are kept by the minute, for as long as core::gate::WITHIN_MAX.
    section.duration("within", MINUTE..=60 * MINUTE, default)
}

fn limit(texts: Option<u64>, within: Duration) -> Option<Limit> {
    let texts = u32::try_from(texts?).unwrap_or(u32::MAX);
    Some(Limit { texts, within: chrono::TimeDelta::from_std(within).ok()? })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use chrono::TimeDelta;

    use super::*;
    use crate::settings::from_text;

    const FEED: &str = "[[hl7.listener]]\nname = \"ehr\"\nlisten = \"127.0.0.1:0\"\n";

    fn read(text: &str) -> Result<Guard, Vec<String>> {
        let loaded = from_text(&format!("{FEED}{text}"), Path::new("/nowhere"));
        loaded
            .map(|loaded| loaded.settings.rules.guard)
            .map_err(|faults| faults.iter().map(ToString::to_string).collect())
    }

    fn limit_of(guard: &Guard, source: &str) -> Option<(u32, TimeDelta)> {
        guard.limit(&SourceName::new(source)).map(|limit| (limit.texts, limit.within))
    }

    #[test]
    fn without_a_word_two_hundred_texts_in_ten_minutes_are_let_through() {
        let guard = read("").unwrap();
        assert_eq!(limit_of(&guard, "ehr"), Some((200, TimeDelta::minutes(10))));
    }

    #[test]
    fn a_source_may_have_a_limit_of_its_own_or_none() {
        let own = "[guard]\ntexts = 50\nwithin = \"5m\"\n[[guard.source]]\nname = \"ehr\"\n";
        let guard = read(&format!("{own}texts = 500")).unwrap();
        assert_eq!(limit_of(&guard, "ehr"), Some((500, TimeDelta::minutes(5))));
        assert_eq!(limit_of(&guard, "other"), Some((50, TimeDelta::minutes(5))));
        assert_eq!(limit_of(&read(&format!("{own}texts = \"off\"")).unwrap(), "ehr"), None);
        assert_eq!(limit_of(&read("[guard]\ntexts = \"off\"").unwrap(), "ehr"), None);
    }

    #[test]
    fn a_source_that_is_none_and_limits_out_of_range_are_faults() {
        let faults = read("[guard]\ntexts = 0\nwithin = \"2h\"\n[[guard.source]]\nname = \"lab\"");
        let faults = faults.unwrap_err().join("\n");
        for key in ["guard.texts", "guard.within", "guard.source[0].name"] {
            assert!(faults.contains(key), "{key}\n{faults}");
        }
        let twice = "[[guard.source]]\nname = \"ehr\"\n";
        assert!(read(&twice.repeat(2)).unwrap_err().join("").contains("remove one of them"));
    }
}
