//! Paths and resources that are wrong, huge or malicious, and where nodes stand.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::parse::FUNCTIONS;
use super::tests::context;
use super::work::EFFORT_MAX;
use super::*;

/// Each path is refused at a character, from 1, and with these words.
fn check_refused(table: &[(&str, usize, &str)]) {
    for (text, at, problem) in table {
        let error = Path::parse(text).map(|path| path.to_string()).unwrap_err();
        assert_eq!(error.at + 1, *at, "{text}: {error}");
        let whole = error.to_string();
        assert!(whole.contains(problem), "{text}: {error}");
        assert!(whole.ends_with(&format!("(at character {at})")), "{error}");
    }
}

#[test]
fn a_wrong_path_says_where_and_what() {
    check_refused(&[
        ("", 1, "a path is expected"),
        ("  ", 3, "a path is expected"),
        ("status.", 8, "an element or a function is expected after a dot"),
        ("status..x", 8, "an element or a function is expected"),
        ("participant.wher(status = 'x')", 13, "did you mean \"where\"?"),
        ("participant.Where(status = 'x')", 13, "did you mean \"where\"?"),
        ("participant.startswith('x')", 13, "did you mean \"startsWith\"?"),
        ("participant.descendants()", 13, "the function descendants is not in this subset"),
        ("Patient('x')", 1, "the function Patient is not in this subset"),
        ("Appoinment.status", 1, "did you mean \"Appointment\"?"),
        ("deceased.ofType(datetime)", 17, "did you mean \"dateTime\"?"),
        ("deceased.ofType(FHIR.datetime)", 22, "did you mean \"dateTime\"?"),
        ("deceased.ofType(flag7)", 17, "the type flag7 is not known"),
        ("deceased.ofType()", 17, "a type is expected"),
        ("deceased.ofType('boolean')", 17, "a type is expected"),
        ("deceased.ofType(boolean", 24, ") is expected"),
        ("participant.first(1)", 13, "first takes no argument"),
        ("participant.skip()", 13, "skip takes 1 argument "),
        ("iif(true)", 1, "iif takes 2 to 3 arguments"),
        ("x.replace('a')", 3, "replace takes 2 arguments"),
        ("x.skip(1 2)", 10, "a comma or ) is expected"),
        ("x.skip(1,)", 10, "a path or a value is expected"),
        ("x.where(a", 10, "a comma or ) is expected"),
        ("(a", 3, ") is expected"),
        ("a)", 2, "an operator or the end is expected"),
        ("a b", 3, "an operator or the end is expected"),
        ("a 'b'", 3, "an operator or the end is expected"),
        ("a[", 3, "a path is expected"),
        ("a[1", 4, "] is expected"),
        ("a =", 4, "a path is expected"),
        ("= a", 1, "a path or a value is expected"),
    ]);
}

#[test]
fn habits_of_other_languages_are_told_what_to_write() {
    check_refused(&[
        ("a == b", 3, "equality is written ="),
        ("a && b", 3, "written and"),
        ("a || b", 3, "written or"),
        ("a <> b", 3, "written !="),
        ("a = \"b\"", 5, "single quotes"),
        ("a * 2", 3, "arithmetic"),
        ("a - 2", 3, "arithmetic"),
        ("a div 2", 3, "arithmetic"),
        ("- a", 3, "a number is expected after the minus"),
        ("a is Patient", 3, "write .ofType(..)"),
        ("(a as Patient).name", 4, "write .ofType(..)"),
        ("x.where(a is Patient)", 11, "write .ofType(..)"),
        ("x[1 - 2]", 5, "arithmetic"),
        ("a contains b", 3, "write them around in"),
        ("a // why", 3, "comments"),
        ("{}", 1, "empty collection"),
        ("$that", 1, "did you mean \"$this\"?"),
        ("$thsi.id", 1, "did you mean \"$this\"?"),
        ("%", 1, "only $this, %resource and own variables"),
        ("a.$this", 3, "an element or a function"),
        ("a ? b", 3, "no meaning"),
        ("日本", 1, "no meaning"),
        ("'日本' ; 'x'", 6, "no meaning"),
        ("'open", 1, "not closed with '"),
        ("a.`open", 3, "not closed with `"),
        ("``", 1, "an element has a name"),
        (r"'\x'", 2, "no escape"),
        (r"'\u00'", 2, "no escape"),
        (r"'\ud800'", 2, "no escape"),
        ("99999999999999999999", 21, "too large"),
        ("@2026-1-1", 1, "a date is written"),
        ("@", 1, "a date is written"),
        ("@T", 1, "a date is written"),
        ("a.matches('(')", 11, "no regular expression"),
        ("a.matches('[a-z]{1000}{1000}')", 11, "too large"),
        ("a.matches('x(?=y)')", 11, "no regular expression"),
        ("a.matches(b)", 11, "in quotes, not computed"),
        ("a.matches('b'.lower())", 11, "in quotes, not computed"),
    ]);
}

#[test]
fn each_function_is_read_with_as_few_and_as_many_arguments_as_it_takes() {
    for (name, least, most) in FUNCTIONS {
        for count in least..=most {
            let is_of_types = ["ofType", "getReferenceKey"].contains(&name);
            let arg = if is_of_types { "Patient" } else { "'x'" };
            let text = format!("a.{name}({})", vec![arg; count].join(","));
            assert_eq!(Path::parse(&text).map(|path| path.to_string()), Ok(text));
        }
    }
    let mut sorted = FUNCTIONS;
    sorted.sort_unstable();
    assert_eq!(sorted, FUNCTIONS);
}

#[test]
fn a_path_is_neither_long_nor_deep() {
    assert!(Path::parse(&"a".repeat(BYTES_MAX)).is_ok());
    assert!(Path::parse(&"a".repeat(BYTES_MAX + 1)).is_err());
    let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Path::parse(&nested(DEPTH_MAX - 1)).is_ok());
    assert!(Path::parse(&nested(DEPTH_MAX)).unwrap_err().problem.contains("more than 16 deep"));
    assert!(Path::parse(&"a[".repeat(500)).is_err());
    assert!(Path::parse(&"(".repeat(1000)).is_err());
    assert!(Path::parse(&"where(".repeat(160)).is_err());
    for long in [vec!["a"; 500].join("."), vec!["a"; 500].join("|"), vec!["1"; 500].join("=")] {
        assert_eq!(all(&long, &json!({})).unwrap().len(), { usize::from(long.starts_with('1')) });
    }
}

fn read(path: &str) -> Path {
    Path::parse(path).unwrap()
}

fn all<'v>(path: &str, resource: &'v Value) -> Result<Vec<Item<'v>>, TooMuch> {
    let found = read(path).find(&context(resource, &[]))?;
    Ok(found.into_iter().map(|hit| hit.item).collect())
}

fn run(path: &str, resource: &Value) -> Result<usize, TooMuch> {
    all(path, resource).map(|items| items.len())
}

#[test]
fn what_takes_too_much_gives_nothing() {
    let wide = json!({"resourceType": "Basic", "x": vec![json!({"y": [1, 2, 3]}); 2_000],
        "text": "a".repeat(1_000_000), "many": vec![json!("ab"); 9_000]});
    assert_eq!(run("x.y", &wide), Ok(6_000));
    assert_eq!(run("x.exists()", &wide), Ok(1));
    let doubling = format!("'aaaaaaaa'{}", ".select($this & $this)".repeat(40));
    let growing = format!("'aaaaaaaa'{}", ".replace('a','aaaaaaaa')".repeat(40));
    for path in [
        "x.where(%resource.x.y.exists())",
        "x.select(%resource.x)",
        "x.select(x.select(%resource.x.y.select(%resource.x)))|x.select(%resource.x)",
        "x.y | x.y | many | x",
        "text.split('a')",
        "x.select(%resource.text.length())",
        "x.select(%resource.text & 'x')",
        "x.select(%resource.text.matches('b+c'))",
        "x.select(%resource.text = %resource.text)",
        "x.select(%resource.text.upper())",
        "many.select(%resource.text)|many.select(text)",
        "many.join(%resource.text)",
        "text.replace('', %resource.text)",
        doubling.as_str(),
        growing.as_str(),
    ] {
        assert_eq!(run(path, &wide), Err(TooMuch), "{path}");
        let whole = format!("({path}).empty()");
        assert_eq!(run(&whole, &wide), Err(TooMuch), "{path}");
    }
}

#[test]
fn nothing_refers_to_itself_for_ever() {
    let circle = json!({"resourceType": "Basic", "id": "b", "next": {"reference": "#"},
        "contained": [{"id": "c", "resourceType": "Basic", "next": {"reference": "#c"}}]});
    assert_eq!(run(&format!("next{}", ".resolve().next".repeat(60)), &circle), Ok(1));
    assert_eq!(run(&format!("contained{}", ".next.resolve()".repeat(60)), &circle), Ok(1));
}

#[test]
fn a_node_is_found_again_by_its_position() {
    let resource = json!({
        "resourceType": "Appointment",
        "participant": [{}, {"actor": {"reference": "Patient/p1", "odd `na\\me": [1, 2]}}],
        "status": "booked", "same": "booked",
    });
    for path in [
        "Appointment",
        "Appointment.participant[0]",
        "Appointment.participant[1].actor.reference",
        "Appointment.participant[1].actor.`odd \\`na\\\\me`[1]",
        "Appointment.same",
    ] {
        let found = all(path, &resource).unwrap();
        let node = found.first().and_then(Item::node).unwrap();
        assert_eq!(locate(&resource, node).as_deref(), Some(path));
    }
    assert_eq!(locate(&resource, &json!("booked")), None);
    let plain = json!({"resourceType": "not a type", "x": [7]});
    assert_eq!(locate(&plain, &plain["x"][0]).as_deref(), Some("$this.x[0]"));
}

#[test]
fn an_item_is_written_as_text_if_it_is_one_value() {
    let resource = json!({"a": 1.5, "b": true, "c": "x", "d": {}, "e": 7});
    let found = all("a | b | c | d | e | 'y' | 2 | 0.5 | false", &resource).unwrap();
    let written: Vec<_> = found.iter().map(|item| item.text().unwrap_or_default()).collect();
    assert_eq!(written, ["1.5", "true", "x", "", "7", "y", "2", "0.5", "false"]);
    assert_eq!(found.iter().filter(|item| item.node().is_some()).count(), 5);
}

/// Resources of names that the paths below ask for.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-zß日#/ ]{0,6}".prop_map(Value::from),
        Just(json!("#a")),
        Just(json!("Patient/a")),
    ];
    let name = prop::sample::select(vec![
        "a",
        "_a",
        "id",
        "url",
        "valueString",
        "value",
        "extension",
        "contained",
        "reference",
        "resourceType",
        "entry",
        "resource",
        "fullUrl",
        "ä `",
    ]);
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..6).prop_map(|members| {
                Value::Object(members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
            }),
        ]
    })
}

/// Paths that are read, most of them.
fn any_path() -> impl Strategy<Value = String> {
    let start = prop::sample::select(vec![
        "a",
        "id",
        "value",
        "contained",
        "entry.resource",
        "extension",
        "$this",
        "%resource",
        "Patient",
        "Resource",
        "'x'",
        "'#a'",
        "1",
        "-2.5",
        "true",
        "@2026-01-31",
        "`ä \\``",
    ]);
    let operators = vec![
        "and", "or", "xor", "implies", "in", "=", "!=", "~", "!~", "<", "<=", ">", ">=", "|", "&",
        "+",
    ];
    start.prop_map(str::to_owned).prop_recursive(4, 24, 3, move |inner| {
        let function = prop::sample::select(FUNCTIONS.to_vec());
        let member = prop::sample::select(vec!["a", "id", "value", "extension", "reference"]);
        let operator = prop::sample::select(operators.clone());
        prop_oneof![
            (inner.clone(), member).prop_map(|(path, name)| format!("{path}.{name}")),
            (inner.clone(), 0..3).prop_map(|(path, index)| format!("{path}[{index}]")),
            (inner.clone(), function, inner.clone(), inner.clone()).prop_map(
                |(path, (name, least, _), one, other)| match (name, least) {
                    ("ofType", _) => format!("{path}.ofType(string)"),
                    ("matches", _) => format!("{path}.matches('^a.?')"),
                    (name, 0) => format!("{path}.{name}()"),
                    (name, 1) => format!("{path}.{name}({one})"),
                    (name, _) => format!("{path}.{name}({one}, {other})"),
                }
            ),
            (inner.clone(), operator, inner).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in ".{0,200}") {
        let is_read = Path::parse(&text).is_ok();
        prop_assert!(!is_read || text.len() <= BYTES_MAX);
    }

    #[test]
    fn any_words_are_read_or_refused(
        words in prop::collection::vec(prop::sample::select(vec![
            "a", ".", "(", ")", "[", "]", ",", "where", "'x", "'", "`", "\\", "@2026", "1", "-",
            "=", "|", "and", "$this", "%resource", "ofType(", "matches('", "日", " ", "\u{301}",
        ]), 0..60),
    ) {
        let text = words.concat();
        if let Err(error) = Path::parse(&text) {
            prop_assert!(error.at <= text.chars().count());
        }
    }

    #[test]
    fn any_path_on_any_value_ends_within_bounds(
        path in any_path(),
        value in any_value(),
        others in prop::collection::vec(any_value(), 0..3),
    ) {
        let parsed = Path::parse(&path);
        let is_deep = path.len() > BYTES_MAX || path.matches('(').count() >= DEPTH_MAX;
        prop_assert!(is_deep || parsed.is_ok(), "{path}: {parsed:?}");
        if let Ok(parsed) = parsed {
            let beside = [Arc::new(Beside::new(others.into_iter().map(|other| (None, other))))];
            let found = parsed.find(&context(&value, &beside)).unwrap_or_default();
            let found: Vec<_> = found.into_iter().map(|hit| hit.item).collect();
            let bytes: usize = found.iter().filter_map(Item::text).map(|text| text.len()).sum();
            prop_assert!(found.len() <= EFFORT_MAX && bytes <= EFFORT_MAX);
        }
    }

    #[test]
    fn what_is_found_at_the_root_can_be_located(path in any_path(), value in any_value()) {
        let Ok(parsed) = Path::parse(&path) else { return Ok(()) };
        let found = parsed.find(&context(&value, &[])).unwrap_or_default();
        for hit in &found {
            let Some(node) = hit.item.node() else { continue };
            prop_assert!(locate(hit.home.resource, node).is_some(), "{path}");
            prop_assert!(locate(&value, hit.home.resource).is_some(), "{path}");
        }
    }
}
