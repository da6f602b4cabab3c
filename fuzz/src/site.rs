//! What a message is read with besides its mapping: a clinic that does not exist.

use std::collections::BTreeMap;

use appointd::clock::Timestamp;
use appointd::core::ids::SourceName;
use appointd::core::local_time::Zone;
use appointd::core::phone::Region;
use appointd::core::rules::Place;
use appointd::mapping::Site;
use chrono::DateTime;

/// Calls with a site; `choice` takes one of a few.
pub(crate) fn with<T>(choice: u8, read: impl FnOnce(&Site<'_>) -> T) -> T {
    let source = SourceName::new("main-ehr");
    let zone = |name: &str| Zone::parse(name).expect("a zone");
    let denver = Place { zone: Some(zone("America/Denver")), ..Place::default() };
    let locations: BTreeMap<String, Place> =
        [("EAST".to_owned(), denver), ("WEST".to_owned(), Place::default())].into();
    let (practice, country) = match choice & 3 {
        0 => ("America/Chicago", "US"),
        1 => ("Europe/London", "GB"),
        2 => ("Europe/Berlin", "DE"),
        _ => ("Asia/Shanghai", "CN"),
    };
    read(&Site {
        source: &source,
        zone: (choice & 4 != 0).then(|| zone("+05:30")),
        practice_zone: zone(practice),
        region: Region::parse(country).unwrap_or(Region::US),
        locations: &locations,
    })
}

/// 1 January 2030.
pub(crate) fn received_at() -> Timestamp {
    DateTime::from_timestamp(1_893_456_000, 0).expect("a time")
}
