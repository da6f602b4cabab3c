//! Texts that are no templates, and templates that would never end.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{BYTES_MAX, NESTING_MAX, NODES_MAX, OUTPUT_BYTES_MAX, OutOfFuel, Template};

const NOW: chrono::DateTime<chrono::Utc> = chrono::DateTime::UNIX_EPOCH;

fn rendered(template: &str, scope: &Json) -> Result<String, OutOfFuel> {
    match Template::parse(template) {
        Ok(parsed) => parsed.render(scope, NOW, chrono_tz::UTC),
        Err(fault) => panic!("{fault}"),
    }
}

#[test]
fn faults_say_where_and_why() {
    for (template, expected) in [
        ("a\nb {{ x", "line 2, byte 4: {{ is not closed"),
        ("{% if x", "line 1, byte 0: {% is not closed"),
        ("{{ 'x }}", "line 1, byte 0: {{ is not closed"),
        ("{% if 'x %}{% endif %}", "line 1, byte 6: a quote is not closed"),
        ("{{ }}", "line 1, byte 3: a value expected"),
        ("{{ x | }}", "line 1, byte 6: a filter's name expected"),
        ("{{ x | shout }}", "line 1, byte 7: unknown filter \"shout\""),
        ("{{ x | plus }}", "line 1, byte 7: filter \"plus\" takes 1 arguments, not 0"),
        ("{{ x | upcase: 1, 2 }}", "line 1, byte 7: filter \"upcase\" takes 0 arguments, not 2"),
        ("{{ x | default: 1, allow: true }}", "line 1, byte 19: unknown argument \"allow\""),
        (
            "{{ x | date: '%H', timezone: 'Mars/Base' }}",
            "line 1, byte 7: unknown time zone \"Mars/Base\"",
        ),
        ("{{ x | date: '%H', 'EST6' }}", "line 1, byte 7: unknown time zone \"EST6\""),
        ("{{ x y }}", "line 1, byte 5: unexpected \"y\""),
        ("{{ x = y }}", "line 1, byte 5: unexpected \"=\""),
        ("{{ x && y }}", "line 1, byte 5: unexpected \"&\""),
        ("{{ \u{201c}x\u{201d} }}", "line 1, byte 3: unexpected \"\u{201c}\""),
        ("{{ x. }}", "line 1, byte 5: a name expected"),
        ("{{ x[] }}", "line 1, byte 5: unexpected \"]\""),
        ("{{ x[1 }}", "line 1, byte 6: \"]\" expected"),
        ("{{ (1..2 }}", "line 1, byte 8: \")\" expected"),
        ("{{ (1) }}", "line 1, byte 5: \"..\" expected"),
        ("{{ x == and }}", "line 1, byte 8: a value expected"),
        ("{{ x | append: }}", "line 1, byte 14: a value expected"),
        ("{% %}", "line 1, byte 3: a tag's name expected"),
        ("{% include 'x' %}", "line 1, byte 3: unknown tag \"include\""),
        ("{% if x %}", "line 1, byte 3: {% if %} has no {% endif %}"),
        ("{% for x in y %}{% else %}", "line 1, byte 3: {% for %} has no {% endfor %}"),
        ("{% raw %}{% endra %}", "line 1, byte 0: {% raw %} has no {% endraw %}"),
        ("{% comment %}", "line 1, byte 3: {% comment %} has no {% endcomment %}"),
        ("{% if x %}{% endfor %}", "line 1, byte 13: {% endfor %} stands outside its block"),
        ("{% endif %}", "line 1, byte 3: {% endif %} stands outside its block"),
        ("{% else %}", "line 1, byte 3: {% else %} stands outside its block"),
        ("{% endraw %}", "line 1, byte 3: {% endraw %} stands outside its block"),
        (
            "{% for x in y %}{% elsif %}{% endfor %}",
            "line 1, byte 19: {% elsif %} stands outside its block",
        ),
        (
            "{% if x %}{% else %}{% else %}{% endif %}",
            "line 1, byte 23: {% else %} after {% else %}",
        ),
        (
            "{% if x %}{% else %}{% elsif y %}{% endif %}",
            "line 1, byte 23: {% elsif %} after {% else %}",
        ),
        (
            "{% case x %}{% else %}{% when 1 %}{% endcase %}",
            "line 1, byte 25: {% when %} after {% else %}",
        ),
        ("{% if x %}{% endif y %}", "line 1, byte 19: unexpected \"y\""),
        ("{% if %}{% endif %}", "line 1, byte 5: a value expected"),
        ("{% for x of y %}{% endfor %}", "line 1, byte 9: \"in\" expected"),
        ("{% for x in y step: 2 %}{% endfor %}", "line 1, byte 14: unknown argument \"step\""),
        ("{% for x in y offset: continue %}{% endfor %}", "line 1, byte 22: a number expected"),
        ("{% assign x %}", "line 1, byte 11: \"=\" expected"),
        ("{% assign = 1 %}", "line 1, byte 10: a variable's name expected"),
        ("{% capture %}{% endcapture %}", "line 1, byte 10: a variable's name expected"),
        ("{% break now %}", "line 1, byte 9: unexpected \"now\""),
        ("{% cycle %}", "line 1, byte 8: a value expected"),
    ] {
        let fault = Template::parse(template).unwrap_err();
        assert_eq!(fault.to_string(), expected, "{template}");
    }
}

#[test]
fn faults_repeat_no_more_than_the_beginning_of_a_name() {
    let fault = Template::parse(&format!("{{{{ x | {} }}}}", "y".repeat(9_000))).unwrap_err();
    assert!(fault.to_string().len() < 100, "{fault}");
}

#[test]
fn templates_beyond_the_bounds_are_refused() {
    let fault = |template: String| Template::parse(&template).unwrap_err().cause.to_string();
    assert_eq!(fault("x".repeat(BYTES_MAX + 1)), "the template is longer than 65536 bytes");
    assert_eq!(fault("{{x}}".repeat(NODES_MAX + 1)), "the template has more than 5000 parts");
    let deep = |depth| format!("{}{}", "{% if x %}".repeat(depth), "{% endif %}".repeat(depth));
    assert_eq!(fault(deep(NESTING_MAX + 1)), "nested more than 32 deep");
    assert!(Template::parse(&deep(NESTING_MAX)).is_ok());
    assert_eq!(fault(format!("{{{{ {} }}}}", "a[".repeat(9_000))), "nested more than 32 deep");
    assert_eq!(fault(format!("{{{{ {} }}}}", "(".repeat(9_000))), "nested more than 32 deep");
}

#[test]
fn long_chains_need_no_stack() {
    let chain = format!("{{{{ x{} }}}}", " and x".repeat(9_000));
    assert_eq!(rendered(&chain, &json!({})).unwrap_err(), OutOfFuel::Steps);
    let filters = format!("{{{{ 1{} }}}}", "|plus:1".repeat(5_000));
    assert_eq!(rendered(&filters, &json!({})).as_deref(), Ok("5001"));
    let negations = format!("{{{{ {} x }}}}", "not ".repeat(9_001));
    assert_eq!(rendered(&negations, &json!({})).as_deref(), Ok("true"));
    let branches = format!("{{% if x %}}{}{{% endif %}}", "{% elsif x %}".repeat(4_000));
    assert_eq!(rendered(&branches, &json!({})).as_deref(), Ok(""));
}

#[test]
fn every_rendering_ends() {
    let scope = json!({
        "text": "0123456789".repeat(1_000),
        "list": (0..1_000).collect::<Vec<_>>(),
        "digits": "1".repeat(1_000_000),
        "rows": vec![json!({"a": "b".repeat(100)}); 1_000],
    });
    let in_loops = |body: &str| {
        format!(
            "{{% assign a = list %}}{{% assign t = text %}}{{% for i in list %}}{{% for j in list %}}{body}{{% endfor %}}{{% endfor %}}"
        )
    };
    for template in [
        "{{ (1..1000000000) | size }}".to_owned(),
        "{% for i in (-1e300..1e300) %}{% endfor %}".to_owned().replace("1e300", "999999999999"),
        in_loops(""),
        in_loops("{% assign a = a | concat: a %}"),
        in_loops("{% assign a = a | sort | reverse | uniq %}"),
        in_loops("{% assign x = rows | map: 'a' | join %}"),
        in_loops("{% if rows contains list %}{% endif %}"),
        in_loops("{% if rows == rows %}{% endif %}"),
        in_loops("{% assign x = t | replace: '', t %}"),
        in_loops("{% assign x = t | split: '' %}"),
        in_loops("{% assign t = t | append: t %}"),
        in_loops("{% capture t %}{{ t }}{{ t }}{% endcapture %}"),
        in_loops("{% capture x %}{{ text }}{% endcapture %}"),
        in_loops("{% assign x = rows | to_json %}"),
        in_loops("{% assign x = text | upcase | url_encode | escape %}"),
        in_loops("{% assign x = text | truncate: 3 %}"),
        in_loops("{{ text }}"),
        in_loops("{% assign x = 'now' | date: '%99999999999999999999Y' %}"),
        in_loops("{% assign x = 'now' | date: '%60000N' %}"),
        in_loops("{% assign x = 'now' | date: '%c%c%c%c%c%c%c%c%c%c%c%c' %}"),
        in_loops("{% increment i %}"),
        in_loops("{% if digits == blank or digits > digits %}{% endif %}"),
        in_loops(
            "{% assign x = digits.size %}{% assign x = digits | size %}{% assign x = digits[1] %}",
        ),
        in_loops("{% assign x = digits | plus: 1 %}{% assign x = digits | date: '%Y' %}"),
    ] {
        assert!(rendered(&template, &scope).is_err(), "{template}");
    }
}

#[test]
fn texts_have_a_greatest_length() {
    let scope = json!({"t": "x".repeat(OUTPUT_BYTES_MAX)});
    assert_eq!(rendered("{{ t }}", &scope).unwrap().len(), OUTPUT_BYTES_MAX);
    assert_eq!(rendered("{{ t }}!", &scope).unwrap_err(), OutOfFuel::Length);
    assert_eq!(rendered("{{ t | append: '!' }}", &scope).unwrap_err(), OutOfFuel::Length);
    assert_eq!(rendered("{{ t | size }}", &scope).as_deref(), Ok("65536"));
    assert_eq!(
        rendered("{{ 0 | date: '%99999999Y' }}", &scope).unwrap_err().to_string(),
        "the template makes a text of more than 65536 bytes"
    );
}

#[test]
fn a_scope_of_any_depth_is_read() {
    let mut deep = json!(1);
    for _ in 0..200 {
        deep = json!([deep]);
    }
    let scope = json!({"x": deep});
    assert_eq!(rendered("{{ x }}", &scope).unwrap_err(), OutOfFuel::Steps);
    assert_eq!(rendered("{{ x | json }}", &scope).unwrap_err(), OutOfFuel::Steps);
    assert_eq!(rendered("{% if x == x %}{% endif %}", &scope).unwrap_err(), OutOfFuel::Steps);
    assert_eq!(rendered("{{ x | reverse | first }}", &scope).unwrap_err(), OutOfFuel::Steps);
    assert_eq!(rendered("{{ x[0][0].size }}", &scope).as_deref(), Ok("1"));
}

/// Pieces of templates, so that chance finds more than texts.
const FRAGMENTS: &[&str] = &[
    "{{",
    "}}",
    "{%",
    "%}",
    "{{-",
    "-%}",
    " ",
    "\n",
    "a",
    "b.c",
    "['a']",
    "[0]",
    "[-1]",
    "[a]",
    "(1..9)",
    "'x'",
    "\"",
    "1",
    "-2.5",
    "nil",
    "empty",
    "blank",
    "true",
    "|",
    "| plus: 1",
    "| append: a",
    "| split: ''",
    "| sort",
    "| map: 'a'",
    "| where: 'a'",
    "| join",
    "| slice: -3, 2",
    "| date: '%5N%c%-_#10Z%'",
    "| truncate: 1",
    "| round: 400",
    "| json",
    "| uniq",
    "| url_decode",
    "| default: b",
    "| concat: a",
    "| replace: '', a",
    "{{ a | divided_by: b }}",
    "{{ b | date }}",
    "{{ a }}",
    "{{ b.c }}",
    " == ",
    " contains ",
    " and ",
    " not ",
    "{% if a %}",
    "{% else %}",
    "{% endif %}",
    "{% for a in b %}",
    "{% for i in a %}",
    "{% endfor %}",
    "{% break %}",
    "{% assign a = ",
    "{% capture b %}",
    "{% endcapture %}",
    "{% case a %}",
    "{% when b %}",
    "{% endcase %}",
    "{% raw %}",
    "{% endraw %}",
    "{% comment %}",
    "{% endcomment %}",
    "{% cycle a, b %}",
    "{% increment a %}",
    "é",
    "\u{2028}",
    "\\",
];

fn fragments() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(FRAGMENTS), 0..24).prop_map(|parts| parts.concat())
}

fn values() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        ".{0,12}".prop_map(Json::from),
        "[0-9TZ:/ .+-]{0,24}".prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
            prop::collection::btree_map("[abc]", inner, 0..4)
                .prop_map(|fields| Json::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused(text in ".*") {
        let read = Template::parse(&text);
        let is_plain = !text.contains("{{") && !text.contains("{%");
        prop_assert!(!is_plain || read.is_ok());
    }

    #[test]
    fn any_template_renders_or_runs_out_of_fuel(
        template in fragments(),
        a in values(),
        b in values(),
        seconds in -10_000_000_000_000_i64..10_000_000_000_000,
    ) {
        let now = chrono::DateTime::from_timestamp_millis(seconds).unwrap();
        let scope = json!({"a": a, "b": b});
        if let Ok(parsed) = Template::parse(&template) {
            let text = parsed.render(&scope, now, chrono_tz::Asia::Kolkata);
            let value = parsed.value(&scope, now, chrono_tz::America::New_York);
            prop_assert!(text.map_or(0, |text| text.len()) <= OUTPUT_BYTES_MAX);
            let is_single = matches!(&value, Ok(value) if !value.is_string());
            prop_assert!(!is_single || parsed.is_literal().is_none());
            let paths = parsed.paths();
            prop_assert!(paths.iter().all(|path| !path.is_empty()));
        }
    }

    #[test]
    fn any_value_goes_through_any_filter(
        filter in prop::sample::select(super::filters::names()),
        first in values(),
        arguments in prop::collection::vec(values(), 0..3),
    ) {
        let names = ["a", "b", "c"];
        let given: Vec<&str> = names.iter().copied().take(arguments.len()).collect();
        let colon = if given.is_empty() { "" } else { ": " };
        let template = format!("{{{{ x | {filter}{colon}{} }}}}", given.join(", "));
        let mut scope = json!({"x": first});
        for (name, argument) in names.iter().zip(arguments) {
            scope[*name] = argument;
        }
        if let Ok(parsed) = Template::parse(&template) {
            prop_assert!(parsed.render(&scope, NOW, chrono_tz::UTC).is_ok());
        }
    }
}
