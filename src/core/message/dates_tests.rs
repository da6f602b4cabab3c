//! Days and times, as languages write them.

use super::*;

fn zone(name: &str) -> Zone {
    Zone::parse(name).unwrap()
}

fn at(text: &str, place: &str) -> LocalTime {
    LocalTime::settle(text.parse().unwrap(), zone(place))
}

fn file(text: &str) -> DatesFile {
    let whole: crate::core::message::File = toml::from_str(text).unwrap();
    whole.dates
}

fn english() -> DatesFile {
    file(include_str!("../../../conf/texts/en.toml"))
}

fn spanish() -> Dates {
    Dates::compile(&file(include_str!("../../../conf/texts/es.toml"))).unwrap()
}

fn written(dates: &Dates, start: &LocalTime) -> String {
    let now = "2026-12-01T15:00:00Z".parse().unwrap();
    let (day, time) = (dates.day(start, now), dates.time(start, &[]));
    dates.when(start, &day, time.as_deref())
}

#[test]
fn a_day_has_its_weekday_and_a_time_its_half_of_the_day() {
    let english = Dates::compile(&english()).unwrap();
    let table = [
        ("2026-12-08T10:30:00", "Tue, Dec 8 at 10:30 AM", "mar 8 dic a las 10:30 a. m."),
        ("2026-12-09T13:05:00", "Wed, Dec 9 at 1:05 PM", "mié 9 dic a la 1:05 p. m."),
        ("2026-12-12T00:00:00", "Sat, Dec 12 at 12:00 AM", "sáb 12 dic a las 12:00 a. m."),
        ("2026-12-13T12:00:00", "Sun, Dec 13 at 12:00 PM", "dom 13 dic a las 12:00 p. m."),
        ("2027-01-08T09:00:00", "Fri, Jan 8, 2027 at 9:00 AM", "vie 8 ene 2027 a las 9:00 a. m."),
    ];
    for (local, in_english, in_spanish) in table {
        let start = at(local, "America/New_York");
        assert_eq!(written(&english, &start), in_english);
        assert_eq!(written(&spanish(), &start), in_spanish);
    }
    let day = LocalTime::day("2026-12-08".parse().unwrap(), zone("America/New_York"));
    assert_eq!(written(&english, &day), "Tue, Dec 8");
    assert_eq!(english.date(&day), "12/8/2026");
}

#[test]
fn the_year_is_that_of_the_places_clock() {
    let english = Dates::compile(&english()).unwrap();
    // In New York it is still 2026.
    let now = "2027-01-01T03:00:00Z".parse().unwrap();
    let start = at("2026-12-31T23:30:00", "America/New_York");
    assert_eq!(english.day(&start, now), "Thu, Dec 31");
}

#[test]
fn the_zone_is_told_to_a_phone_of_another() {
    let english = Dates::compile(&english()).unwrap();
    let time = |start: &LocalTime, zones: &[&str]| {
        let zones: Vec<Zone> = zones.iter().map(|name| zone(name)).collect();
        english.time(start, &zones).unwrap()
    };
    let start = at("2026-12-08T10:30:00", "America/New_York");
    assert_eq!(time(&start, &[]), "10:30 AM");
    assert_eq!(time(&start, &["America/Chicago"]), "10:30 AM EST");
    assert_eq!(time(&start, &["America/Chicago", "America/Detroit"]), "10:30 AM");
    assert_eq!(time(&at("2026-07-08T10:30:00", "America/New_York"), &["UTC"]), "10:30 AM EDT");
    assert_eq!(time(&at("2026-12-08T10:30:00", "-06:00"), &["UTC"]), "10:30 AM UTC-06:00");
    assert_eq!(time(&at("2026-12-08T10:30:00", "Asia/Dubai"), &["UTC"]), "10:30 AM UTC+04:00");
    // Arizona has no daylight saving: it is Denver's time in winter only.
    let phoenix = at("2026-07-08T10:30:00", "America/Phoenix");
    assert_eq!(time(&phoenix, &["America/Denver"]), "10:30 AM MST");
}

#[test]
fn a_form_that_tells_no_day_or_time_is_refused_by_its_key() {
    let change = |change: fn(&mut DatesFile)| {
        let mut file = english();
        change(&mut file);
        let faults = Dates::compile(&file).map(|_| ()).unwrap_err();
        assert_eq!(faults.len(), 1, "{faults:?}");
        faults[0].0
    };
    assert_eq!(change(|f| f.weekdays = None), "weekdays");
    assert_eq!(change(|f| f.weekdays = Some(vec!["Mon".to_owned()])), "weekdays");
    assert_eq!(change(|f| f.months = Some(vec![" ".to_owned(); 12])), "months");
    assert_eq!(change(|f| f.day = Some("{month} {day}".to_owned())), "day");
    assert_eq!(change(|f| f.day = Some("{weekday} {month} {dya}".to_owned())), "day");
    assert_eq!(change(|f| f.day = Some("{weekday} {month} {day".to_owned())), "day");
    assert_eq!(change(|f| f.day = Some("{weekday} {month} day}".to_owned())), "day");
    assert_eq!(change(|f| f.day_with_year = f.day.clone()), "day_with_year");
    assert_eq!(change(|f| f.time = Some("{hour12}:{minute}".to_owned())), "time");
    assert_eq!(change(|f| f.time = Some("{hour24}".to_owned())), "time");
    assert_eq!(change(|f| f.when = Some("{time}".to_owned())), "when");
    assert_eq!(change(|f| f.when_at_one = Some("{day}".to_owned())), "when_at_one");
    assert_eq!(change(|f| f.am = None), "am");
    assert_eq!(change(|f| f.when = Some("x".repeat(500))), "when");
}

#[test]
fn a_clock_of_24_hours_needs_no_halves() {
    let mut file = english();
    file.time = Some("{hour24}:{minute}".to_owned());
    (file.am, file.pm) = (None, None);
    let dates = Dates::compile(&file).unwrap();
    assert_eq!(dates.time(&at("2026-12-08T21:05:00", "UTC"), &[]).unwrap(), "21:05");
}
