//! Pages with bad entries, odd links and no modes; walks that would not end.

use proptest::prelude::*;
use serde_json::json;

use super::super::resource::tests::any_value;
use super::*;

const BASE: &str = "https://ehr.example.org/r4";

fn page(bundle: &Value) -> Result<Page, PageError> {
    read(bundle.to_string().as_bytes(), BASE)
}

fn bundle(entries: &[Value]) -> Value {
    json!({"resourceType": "Bundle", "type": "searchset", "total": "7", "entry": entries})
}

fn resource(kind: &str, id: &str) -> Value {
    json!({"resource": {"resourceType": kind, "id": id}})
}

fn shown(page: &Page) -> Vec<String> {
    page.entries.iter().map(|entry| format!("{entry:?}")).collect()
}

#[test]
fn entries_are_told_apart_with_modes_and_without() {
    let outcome = json!({"resource": {"resourceType": "OperationOutcome",
        "issue": [{"code": "not-supported"}, {"code": "_include Jane Doe"}, {"code": "not-supported"}]}});
    let with_mode = |mode: &str, kind: &str| {
        let mut entry = resource(kind, "1");
        entry["search"] = json!({"mode": mode});
        entry
    };
    let read = page(&bundle(&[
        resource("Appointment", "a1"),
        resource("Patient", "p1"),
        outcome,
        with_mode("match", "Appointment"),
        with_mode("include", "Appointment"),
        with_mode("match", "Slot"),
        with_mode("outcome", "Patient"),
        with_mode("", "Appointment"),
    ]))
    .unwrap();
    assert_eq!(
        shown(&read),
        [
            "Match(Appointment)",
            "Include(Patient)",
            "Outcome",
            "Match(Appointment)",
            "Include(Appointment)",
            "Include(Slot)",
            "Include(Patient)",
            "Match(Appointment)",
        ]
    );
    assert_eq!(read.warnings, ["not-supported", "unknown"]);
    assert_eq!((read.total, read.next), (Some(7), None));
}

#[test]
fn a_bad_entry_is_kept_and_spoils_nothing_else() {
    let bad = [
        json!(null),
        json!("Appointment"),
        json!({}),
        json!({"resource": null}),
        json!({"resource": []}),
        json!({"resource": {"id": "a1"}}),
        json!({"resource": {"resourceType": 7, "id": "a1"}}),
        json!({"resource": {"resourceType": "Appointment"}}),
        json!({"resource": {"resourceType": "Appointment", "id": "a/1"}}),
        json!({"fullUrl": "https://ehr.example.org/r4/Appointment/a1", "response": {"status": "404"}}),
    ];
    let mut entries = bad.to_vec();
    entries.push(resource("Appointment", "a2"));
    let read = page(&bundle(&entries)).unwrap();
    let raws: Vec<&Value> = read
        .entries
        .iter()
        .filter_map(|entry| if let Entry::Bad { raw, .. } = entry { Some(raw) } else { None })
        .collect();
    assert_eq!(raws, bad.iter().collect::<Vec<_>>());
    assert_eq!(shown(&read).last().unwrap(), "Match(Appointment)");
    assert_eq!(shown(&read)[0], "Bad(\"the entry has no resource\")");
}

#[test]
fn half_a_character_in_one_entry_spoils_no_page() {
    let body = br#"{"resourceType": "Bundle", "entry": [
        {"resource": {"resourceType": "Appointment", "id": "a1", "comment": "cut \ud83d"}},
        {"resource": {"resourceType": "Appointment", "id": "a2"}}]}"#;
    assert_eq!(read(body, BASE).unwrap().entries.len(), 2);
}

#[test]
fn an_address_stays_with_its_resource() {
    let mut entry = resource("Patient", "p1");
    entry["fullUrl"] = json!("https://mpi.example.org/Patient/p1");
    let read = page(&bundle(&[entry.clone(), resource("Patient", "p2")])).unwrap();
    let entries: Vec<Value> = read
        .entries
        .into_iter()
        .map(|entry| if let Entry::Include(found) = entry { found.into_entry() } else { json!(0) })
        .collect();
    assert_eq!(entries, [entry, resource("Patient", "p2")]);
}

#[test]
fn what_is_no_page_says_so() {
    for (body, error) in [
        (json!({"resourceType": "Appointment", "id": "a1"}).to_string(), PageError::NoBundle),
        ("[]".to_owned(), PageError::NoBundle),
        ("<html>".to_owned(), PageError::NoJson(NoJson::Markup)),
        (String::new(), PageError::NoJson(NoJson::Empty)),
        (
            r#"{"resourceType": "OperationOutcome", "issue": [{"code": "throttled"}, {}]}"#
                .to_owned(),
            PageError::Outcome(vec!["throttled".to_owned(), "unknown".to_owned()]),
        ),
        (bundle(&vec![json!({}); ENTRIES_MAX + 1]).to_string(), PageError::TooManyEntries),
    ] {
        assert_eq!(read(body.as_bytes(), BASE).unwrap_err(), error);
    }
    let outcome = PageError::Outcome(vec!["throttled".to_owned()]);
    assert_eq!(outcome.to_string(), "the server answered with an outcome: throttled");
    // A page of one entry, as converters from XML write it, and one of none.
    let single = json!({"resourceType": "Bundle", "entry": resource("Appointment", "a1")});
    assert_eq!(page(&single).unwrap().entries.len(), 1);
    assert_eq!(page(&json!({"resourceType": "Bundle"})).unwrap(), Page::default());
}

fn next_of(url: &str, own: Option<&str>) -> Result<Option<String>, PageError> {
    let mut links = vec![json!({"relation": "next", "url": url}), json!({"relation": "last"})];
    links.extend(own.map(|url| json!({"relation": "self", "url": url})));
    page(&json!({"resourceType": "Bundle", "link": links})).map(|page| page.next)
}

#[test]
fn a_next_link_may_be_relative_and_is_otherwise_followed_as_it_stands() {
    for (link, expected) in [
        (
            "https://ehr.example.org/r4?_getpages=a%2Fb|c&x=//",
            "https://ehr.example.org/r4?_getpages=a%2Fb|c&x=//",
        ),
        ("HTTPS://EHR.example.org:443/x", "HTTPS://EHR.example.org:443/x"),
        ("Appointment?ct=x:y", "https://ehr.example.org/r4/Appointment?ct=x:y"),
        ("?page=2", "https://ehr.example.org/r4/Appointment?page=2"),
        (
            "/pages/2?url=https://evil.example",
            "https://ehr.example.org/pages/2?url=https://evil.example",
        ),
        ("//ehr.example.org/r4?page=2", "https://ehr.example.org/r4?page=2"),
    ] {
        assert_eq!(next_of(link, None).unwrap().as_deref(), Some(expected), "{link}");
    }
    let own = next_of("?page=2", Some("https://ehr.example.org/r4/Slot?page=1")).unwrap();
    assert_eq!(own.as_deref(), Some("https://ehr.example.org/r4/Slot?page=2"));
    let foreign = next_of("?page=2", Some("http://inside:8080/r4/Appointment?page=1")).unwrap();
    assert_eq!(foreign.as_deref(), Some("https://ehr.example.org/r4/Appointment?page=2"));
    assert_eq!(next_of("", None).unwrap(), None);
}

#[test]
fn a_next_link_to_another_server_is_an_error() {
    for link in [
        "https://evil.example/r4?page=2",
        "http://ehr.example.org/r4?page=2",
        "https://ehr.example.org:8443/r4",
        "https://ehr.example.org@evil.example/r4",
        "https:ehr.example.org/r4",
        "//evil.example/r4",
        "/\\evil.example/r4",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "Appointment?a=b c",
        "?page=2#x",
        "?page=\n2",
    ] {
        assert_eq!(next_of(link, None), Err(PageError::ForeignLink), "{link}");
    }
    let long = format!("?ct={}", "a".repeat(10_000));
    assert_eq!(next_of(&long, None), Err(PageError::ForeignLink));
}

#[test]
fn a_walk_ends() {
    let mut walk = PageWalk::new("p1", 3);
    assert_eq!(walk.follow("p2"), Ok(()));
    assert_eq!(walk.follow("p1"), Err(PageError::Loop));
    assert_eq!(walk.follow("p2"), Err(PageError::Loop));
    assert_eq!(walk.follow("p3"), Ok(()));
    assert_eq!(walk.pages(), 3);
    assert_eq!(walk.follow("p4"), Err(PageError::TooManyPages(3)));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _page = read(&body, BASE);
    }

    #[test]
    fn any_bundle_is_read_and_nothing_is_lost(
        mut bundle in any_value(),
        entries in prop::collection::vec(any_value(), 0..6),
        link in ".{0,40}",
        base in ".{0,30}",
    ) {
        let count = entries.len();
        if let Some(members) = bundle.as_object_mut() {
            members.insert("resourceType".to_owned(), json!("Bundle"));
            members.insert("entry".to_owned(), json!(entries));
            members.insert("link".to_owned(), json!([{"relation": "next", "url": link}]));
            let body = bundle.to_string();
            if let Ok(page) = read(body.as_bytes(), BASE) {
                prop_assert_eq!(page.entries.len(), count);
                let next = page.next.unwrap_or_else(|| BASE.to_owned()).to_ascii_lowercase();
                prop_assert!(next.starts_with("https://ehr.example.org"), "{}", next);
            }
            let _page = read(body.as_bytes(), &base);
        }
    }
}
