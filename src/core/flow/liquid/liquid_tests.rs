//! What templates render, what they are refused for, and what they read.

use serde_json::{Value as Json, json};

use super::{Template, Timestamp};

const ZONE: chrono_tz::Tz = chrono_tz::America::New_York;

fn now() -> Timestamp {
    "2027-01-15T19:30:05.250Z".parse().unwrap()
}

fn scope() -> Json {
    json!({
        "flow": {
            "data": {"first-name": "jane", "clinic": "Owl Clinic", "visits": 3, "none": null},
            "variables": {"tries": "1", "yes": true, "no": false, "key": "clinic"},
            "channel": {"address": "+15555550123"},
        },
        "widgets": {"ask-1": {"inbound": {"Body": " Yes "}}},
        "list": ["b", "a", "C"],
        "numbers": [3, 1.5, 2],
        "nested": [[1, 2], [3, {"a": 1}], null],
        "rows": [
            {"name": "Jane", "age": 34, "kin": {"name": "John"}},
            {"name": "Frances", "age": 7},
        ],
        "object": {"k": "v", "n": 1.0, "l": [1, "a", null], "o": {}},
        "long": 9_007_199_254_740_993_i64,
        "text": "a-b_c <x> & 'y'",
    })
}

fn rendered(template: &str) -> String {
    let parsed = Template::parse(template).unwrap_or_else(|fault| panic!("{template}: {fault}"));
    parsed.render(&scope(), now(), ZONE).unwrap()
}

fn value(template: &str) -> Json {
    Template::parse(template).unwrap().value(&scope(), now(), ZONE).unwrap()
}

#[track_caller]
fn assert_all(table: &[(&str, &str)]) {
    for (template, expected) in table {
        assert_eq!(rendered(template), *expected, "{template}");
    }
}

#[test]
fn paths_find_values_and_missing_ones_are_empty() {
    assert_all(&[
        ("", ""),
        ("{ a } % {} }}", "{ a } % {} }}"),
        ("{{flow.data.first-name}}", "jane"),
        ("{{ flow['data'][\"first-name\"] }}", "jane"),
        ("{{ ['flow'].data.clinic }}", "Owl Clinic"),
        ("{{ flow.data[flow.variables.key] }}", "Owl Clinic"),
        ("{{ flow.data[nowhere] }}|{{ nowhere.at.all }}|{{ flow.data.none.x }}", "||"),
        ("{{ list[0] }}{{ list[-1] }}{{ list[9] }}{{ list[-9] }}{{ list.1 }}", "bCa"),
        ("{{ list.first }}{{ list.last }}{{ list.size }}{{ list['size'] }}", "bC33"),
        ("{{ flow.data.clinic.size }} {{ 'Jané'.size }} {{ flow.data.size }}", "10 4 4"),
        ("{{ rows[0].kin.name }} {{ rows.first['name'] }}", "John Jane"),
        ("{{ (1..3).last }} {{ (1..3)[1] }} {{ 'abc'[1] }}", "3 2 b"),
        ("{{ flow.data.first-name.size }}", "4"),
        ("{{ widgets.ask-1.inbound.Body }}", " Yes "),
    ]);
}

#[test]
fn literals_are_values() {
    assert_all(&[
        ("{{ 'it' }}{{ \"'s\" }}", "it's"),
        (r"{{ 'a\n\t\'\u00e9\x\101' }}", "a\n\t'éxA"),
        (r"{{ '\ud83d\ude00' }}", "😀"),
        ("{{ 1 }} {{ -2 }} {{ 2.50 }} {{ +3 }} {{ 4. }}", "1 -2 2.5 3 4"),
        ("{{ true }}{{ false }}{{ nil }}{{ null }}{{ empty }}{{ blank }}", "truefalse"),
        ("{{ (1..4) }}", "1234"),
        ("{{ '}}' }}{{ \"{{\" }}", "}}{{"),
    ]);
}

#[test]
fn objects_are_printed_as_json() {
    assert_all(&[
        ("{{ object }}", r#"{"k":"v","n":1,"l":[1,"a",null],"o":{}}"#),
        ("{{ nested }}", r#"123{"a":1}"#),
        ("{{ nested | join: ';' }}", r#"1,2;3,{"a":1};"#),
        ("{{ '=' | append: rows[1] }}", r#"={"name":"Frances","age":7}"#),
        ("{{ nested | to_json }}", r#"[[1,2],[3,{"a":1}],null]"#),
        ("{{ list | json }}{{ 'a\"b' | json }}{{ nowhere | json }}", r#"["b","a","C"]"a\"b"null"#),
    ]);
}

#[test]
fn numbers_are_printed_without_needless_digits() {
    assert_all(&[
        ("{{ long }}", "9007199254740993"),
        ("{{ 0.1 | plus: 0.2 }}", "0.30000000000000004"),
        ("{{ 10 | divided_by: 4 }} {{ 10 | divided_by: 5 }}", "2.5 2"),
        ("{{ 1000000 | times: 1000000 | times: 1000000000 }}", "1e+21"),
        ("{{ 1 | divided_by: 10000000 }}", "1e-7"),
        ("{{ 1 | divided_by: 0 }}{{ 1 | modulo: 0 }}", ""),
        ("{{ 0 | times: -1 }}", "0"),
    ]);
}

#[test]
fn texts_count_as_the_numbers_they_are() {
    assert_all(&[
        ("{{ '1' | plus: 1 }}", "2"),
        ("{{ flow.variables.tries | plus: '2' }}", "3"),
        ("{{ ' 7 ' | minus: 2 }}{{ 'abc' | plus: 1 }}{{ nowhere | plus: 1 }}", "511"),
        ("{{ '0x10' | plus: 0 }} {{ '1e2' | plus: 0 }} {{ '1.' | plus: 0 }}", "16 100 1"),
        ("{{ true | plus: 1 }}{{ object | plus: 1 }}", "21"),
    ]);
}

#[test]
fn filters_of_numbers_compute() {
    assert_all(&[
        ("{{ 4 | minus: 6 }}{{ 4 | times: 1.5 }}", "-26"),
        ("{{ -7 | modulo: 3 }}{{ 7 | modulo: -3 }}", "2-2"),
        ("{{ -7 | divided_by: 2, true }}", "-4"),
        ("{{ -4.2 | abs }} {{ 4.2 | ceil }} {{ -4.2 | floor }}", "4.2 5 -5"),
        (
            "{{ 2.5 | round }} {{ -2.5 | round }} {{ 1.005 | round: 2 }} {{ 155 | round: -1 }}",
            "3 -3 1.01 160",
        ),
        ("{{ 3 | at_least: 5 }} {{ 3 | at_most: '2' }}", "5 2"),
    ]);
}

#[test]
fn filters_of_texts_make_texts() {
    assert_all(&[
        (
            "{{ 'JANE doe' | capitalize }}|{{ 'ß' | upcase }}|{{ 'ÉA' | downcase }}",
            "Jane doe|SS|éa",
        ),
        ("{{ widgets.ask-1.inbound.Body | strip | upcase }}", "YES"),
        ("[{{ ' a ' | lstrip }}][{{ ' a ' | rstrip }}][{{ 'xax' | strip: 'x' }}]", "[a ][ a][a]"),
        ("{{ \"a\\r\\nb\\nc\" | strip_newlines }}", "abc"),
        ("{{ 'a-a' | replace: 'a', 'b' }} {{ 'ab' | replace: '', '.' }}", "b-b a.b"),
        ("{{ 'a-a' | replace_first: 'a', 'b' }} {{ 'ab' | replace_first: '', '.' }}", "b-a .ab"),
        (
            "{{ 'a-a' | remove: 'a' }} {{ 'a-a' | remove_first: 'a' }} {{ 'a' | replace: 'a' }}",
            "- -a ",
        ),
        ("{{ 'a' | append: 1 | prepend: flow.data.first-name }}", "janea1"),
        (
            "{{ 'abcdef' | truncate: 5 }} {{ 'abcde' | truncate: 5 }} {{ 'abcdef' | truncate: 2, '' }}",
            "ab... abcde ab",
        ),
        ("{{ 'a b  c' | truncatewords: 2 }} {{ 'a b' | truncatewords: 3, '!' }}", "a b... a b"),
        (
            "{{ 'ñandú' | slice: 1, 3 }} {{ 'abc' | slice: -2 }} {{ 'abc' | slice: -9, 2 }}",
            "and b ",
        ),
        ("{{ text | escape }}", "a-b_c &lt;x&gt; &amp; &#39;y&#39;"),
        ("{{ '&lt;a & b' | escape_once }}", "&lt;a &amp; b"),
        ("{{ text | url_encode }} {{ 'é' | url_encode }}", "a-b_c+%3Cx%3E+%26+'y' %C3%A9"),
        ("{{ 'a%20b+c%C3%A9' | url_decode }} {{ '%zz %C3' | url_decode }}", "a b cé %zz %C3"),
        (
            "{{ 'a,b,,c,,' | split: ',' | join: '-' }} {{ 'añ' | split: '' | join: '-' }}",
            "a-b--c a-ñ",
        ),
        ("{{ 'abc' | size }} {{ 'abc' | first }} {{ 'abc' | last }} {{ 12 | size }}", "3 a c 0"),
    ]);
}

#[test]
fn filters_of_lists_make_lists() {
    assert_all(&[
        ("{{ list | first }}{{ list | last }}{{ list | size }}{{ nowhere | first }}", "bC3"),
        ("{{ list | join }} {{ list | reverse | join: '' }}", "b a C Cab"),
        ("{{ list | sort | join: '' }} {{ list | sort_natural | join: '' }}", "Cab abC"),
        ("{{ numbers | sort | join: ' ' }} {{ numbers | sum }}", "1.5 2 3 6.5"),
        (
            "{{ rows | map: 'name' | join: '+' }} {{ rows | map: 'kin.name' | compact | size }}",
            "Jane+Frances 1",
        ),
        ("{{ rows | sort: 'age' | map: 'name' | first }} {{ rows | sum: 'age' }}", "Frances 41"),
        (
            "{{ rows | where: 'age', 7 | map: 'name' }} {{ rows | where: 'kin' | size }}",
            "Frances 1",
        ),
        ("{{ 'a,b,a,1' | split: ',' | uniq | join: '' }}", "ab1"),
        ("{{ list | concat: numbers | size }} {{ list | slice: 1, 2 | join: '' }}", "6 aC"),
        ("{{ rows | concat: rows | uniq | size }}", "2"),
        ("{{ 'x' | concat: 'y' | join: '' }}{{ nowhere | concat: nowhere | size }}", "xy0"),
    ]);
}

#[test]
fn sorting_a_mixed_list_has_an_order() {
    let scope = json!({"l": ["b", 2, null, [1], "a", true, {"x": 1}, 1.5]});
    let template = Template::parse("{{ l | sort | json }}").unwrap();
    let sorted = template.render(&scope, now(), ZONE).unwrap();
    assert_eq!(sorted, r#"[true,1.5,2,"a","b",{"x":1},[1],null]"#);
}

#[test]
fn default_stands_for_what_is_missing_false_or_without_content() {
    assert_all(&[
        ("{{ nowhere | default: 'x' }}{{ '' | default: 'x' }}{{ false | default: 'x' }}", "xxx"),
        ("{{ 0 | default: 'x' }}{{ ' ' | default: 'x' }}{{ nowhere | default: nowhere }}", "0 "),
        ("{{ false | default: 'x', allow_false: true }}", "false"),
        ("{{ nowhere | default: 'x', allow_false: true }}", "x"),
    ]);
}

#[test]
fn dates_are_written_in_the_zone() {
    assert_all(&[
        ("{{ 'now' | date: '%Y-%m-%d %H:%M:%S.%L %z %Z' }}", "2027-01-15 14:30:05.250 -0500 EST"),
        ("{{ 'now' | date }}", "Friday, January 15, 2027 at 2:30 pm -0500"),
        (
            "{{ 'now' | date: '%F %T %R %D %r %:z', timezone: 'Asia/Kolkata' }}",
            "2027-01-16 01:00:05 01:00 01/16/27 01:00:05 AM +05:30",
        ),
        ("{{ 'now' | date: '%H:%M %Z', 'America/Los_Angeles' }}", "11:30 PST"),
        ("{{ 'now' | date: '%H:%M %Z', -60 }}", "20:30 +0100"),
        ("{{ 1800000000 | date: '%s %j %U %u' }}", "1800000000 015 02 5"),
        ("{{ '1800000000' | date: '%-l%P' }}", "3am"),
        ("{{ '2027-01-15' | date: '%b %-d %H' }}", "Jan 15 00"),
        ("{{ '2027-01' | date: '%b %-d %H' }}", "Jan 1 00"),
        ("{{ '20261201' | date: '%F %R' }}", "2026-12-01 00:00"),
        // No such day, and no such year: seconds.
        ("{{ '20261301' | date: '%Y' }}{{ '18991231' | date: '%Y' }}", "19701970"),
        ("{{ '2027-01-15T09:00' | date: '%-I:%M %p' }}", "9:00 AM"),
        ("{{ '2027-01-15 21:00:00+02:00' | date: '%k' }}", "14"),
        ("{{ '1/5/2027 2:05 PM' | date: '%A %d %R' }}", "Tuesday 05 14:05"),
        ("{{ 'Fri, 15 Jan 2027 14:30:00 GMT' | date: '%R' }}", "09:30"),
        (
            "{{ '2027-03-14T02:30:00' | date: '%R' }} {{ '2026-11-01T01:30' | date: '%R %Z' }}",
            "03:30 01:30 EDT",
        ),
        (
            "{{ 'Jan 22, 2027' | date: '%-d%q %^a %#B %_5d|%05d|%10Y|%Q%' }}",
            "22nd FRI JANUARY    22|00022|0000002027|%Q%",
        ),
    ]);
}

#[test]
fn what_is_no_date_stays_as_it_is() {
    assert_all(&[
        (
            "{{ 'tomorrow' | date: '%Y' }}|{{ '' | date: '%Y' }}|{{ nowhere | date: '%Y' }}",
            "tomorrow||",
        ),
        (
            "{{ '2027-02-30' | date: '%d' }} {{ '13/13/2027' | date: '%d' }}",
            "2027-02-30 13/13/2027",
        ),
        ("{{ '99999999999999999' | date: '%Y' }}", "99999999999999999"),
        ("{{ true | date: '%Y' }}{{ list | date: '%Y' }}", "truebaC"),
    ]);
}

#[test]
fn conditions_choose() {
    assert_all(&[
        ("{% if flow.variables.yes %}a{% else %}b{% endif %}", "a"),
        (
            "{% if flow.variables.no %}a{% elsif 1 > 2 %}b{% elsif 2 > 1 %}c{% else %}d{% endif %}",
            "c",
        ),
        ("{% unless flow.variables.no %}a{% else %}b{% endunless %}", "a"),
        ("{% if nowhere %}a{% endif %}{% if 0 %}b{% endif %}{% if '' %}c{% endif %}", "bc"),
        ("{% if empty %}a{% endif %}{% if nil == nowhere %}b{% endif %}", "ab"),
        (
            "{% case flow.data.first-name %}{% when 'x', 'jane' %}a{% when 'y' or 'z' %}b{% else %}c{% endcase %}",
            "a",
        ),
        ("{% case 2 %} drop {% when 1 %}a{% when 2 or 3 %}b{% when 2 %}c{% endcase %}", "bc"),
        ("{% case 'q' %}{% when 1 %}a{% else %}c{% endcase %}{% case 1 %}{% endcase %}", "c"),
        (
            "{%- if flow.variables.tries -%}{{flow.variables.tries | plus: 1}}{%- else -%}1{%- endif -%}",
            "2",
        ),
    ]);
}

#[test]
fn operators_compare() {
    for (condition, holds) in [
        ("1 == 1.0", true),
        ("1 == '1'", false),
        ("'a' != 'b'", true),
        ("'a' <> 'a'", false),
        ("'10' < 9", false),
        ("'10' < '9'", true),
        ("'b' >= 'a'", true),
        ("nowhere < 1", false),
        ("flow.data.none < 1", false),
        ("'abc' > 1", false),
        ("flow.data.clinic contains 'Owl'", true),
        ("list contains 'a'", true),
        ("list contains 'x'", false),
        ("'a1' contains 1", true),
        ("nowhere contains 'a'", false),
        ("list == list", true),
        ("object == object", true),
        ("rows[0] == rows[1]", false),
        ("nowhere == flow.data.none", true),
        ("'' == empty", true),
        ("object == empty", false),
        ("object.o == empty", true),
        ("nil == empty", false),
        ("'  ' == blank", true),
        ("nowhere == blank", true),
        ("false == blank", true),
        ("0 == blank", false),
        ("true or false and false", true),
        ("false and true or true", false),
        ("not false", true),
        ("not 1 == 2 and true", true),
        ("1 == 1 == true", false),
    ] {
        let found = rendered(&format!("{{% if {condition} %}}true{{% else %}}false{{% endif %}}"));
        assert_eq!(found, holds.to_string(), "{condition}");
    }
}

#[test]
fn loops_go_through_lists() {
    assert_all(&[
        ("{% for i in list %}{{ i }},{% endfor %}", "b,a,C,"),
        (
            "{% for i in (1..3) %}{{ forloop.index }}{{ forloop.index0 }}{{ forloop.rindex }} {% endfor %}",
            "103 212 321 ",
        ),
        (
            "{% for i in list %}{{ i }}{% unless forloop.last %}, {% endunless %}{% endfor %}",
            "b, a, C",
        ),
        ("{% for i in (1..9) limit: 3 offset: 2 reversed %}{{ i }}{% endfor %}", "543"),
        ("{% for i in (1..9), limit: '2', offset: -3 %}{{ i }}{% endfor %}", "78"),
        ("{% for i in nowhere %}a{% else %}none{% endfor %}", "none"),
        ("{% for i in list limit: 0 %}a{% else %}none{% endfor %}", ""),
        ("{% for i in 'text' %}{{ i }}{% endfor %}{% for i in '' %}a{% endfor %}", "text"),
        ("{% for i in rows[1] %}{{ i[0] }}={{ i[1] }};{% endfor %}", "name=Frances;age=7;"),
        (
            "{% for i in (1..9) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 4 %}{% break %}{% endif %}{{ i }}{% endfor %}!",
            "13!",
        ),
        (
            "{% for i in (1..2) %}{% for j in (1..2) %}{{ i }}{{ j }}{{ forloop.first }} {% endfor %}{{ forloop.length }} {% endfor %}",
            "11true 12false 2 21true 22false 2 ",
        ),
        ("{% assign i = 'x' %}{% for i in (1..1) %}{{ i }}{% endfor %}{{ i }}", "1x"),
        ("a{% break %}b", "a"),
    ]);
}

#[test]
fn locals_are_assigned_captured_and_counted() {
    assert_all(&[
        ("{% assign x = list | first | upcase %}{{ x }}", "B"),
        ("{% assign list = list | sort %}{{ list[0] }}{{ list.size }}", "C3"),
        (
            "{% assign n = 1 %}{% for i in (1..3) %}{% assign n = n | plus: i %}{% endfor %}{{ n }}",
            "7",
        ),
        ("{% assign c = 1 == 1 %}{% if c %}yes{% endif %}", "yes"),
        ("{% capture x %}a{{ 1 }}{% endcapture %}[{{ x }}]", "[a1]"),
        ("{% capture 'x' %}{% if true %}b{% endif %}{% endcapture %}{{ x | size }}", "1"),
        (
            "{% for i in (1..3) %}{% capture c %}{{ i }}{% break %}{% endcapture %}{% endfor %}{{ c }}",
            "1",
        ),
        ("{% increment n %}{% increment n %}{% decrement n %}{{ n }}", "0111"),
        (
            "{% for i in (1..4) %}{% cycle 'a', 'b' %}{% cycle 'g': 1, 2, 3 %}{% endfor %}",
            "a1b2a3b1",
        ),
    ]);
}

#[test]
fn comments_and_raw_parts_are_left_alone() {
    assert_all(&[
        ("a{% comment %}{% nothing %}{{ x }}{% endcomment %}b", "ab"),
        ("{% raw %}{{ x }}{% if %}{% endraw %}!", "{{ x }}{% if %}!"),
        ("a {%- raw -%} b {%- endraw -%} c", "a b c"),
        ("{% raw %}{% endraw %}{{- 1 }}", "1"),
    ]);
}

#[test]
fn whitespace_control_takes_blanks() {
    assert_all(&[
        ("a \n {{- 1 -}} \t b {{ 2 }} c", "a1b 2 c"),
        ("a {%- if true -%} b {%- endif %} c", "ab c"),
        ("{{-1-}}", "1"),
        (" {{- 'x' }} {{ 'y' -}} ", "x y"),
    ]);
}

#[test]
fn a_single_output_keeps_its_type() {
    assert_eq!(value("{{ flow.data.visits }}"), json!(3));
    assert_eq!(value("{{- object.l -}}"), json!([1, "a", null]));
    assert_eq!(value(" {{- rows[1] -}} "), json!({"name": "Frances", "age": 7}));
    assert_eq!(value("{{ nowhere }}"), Json::Null);
    assert_eq!(value("{{ 1 == 1 }}"), json!(true));
    assert_eq!(value("{{ empty }}"), json!(""));
    assert_eq!(value(" {{ flow.data.visits }}"), json!(" 3"));
    assert_eq!(value("x"), json!("x"));
    assert_eq!(value(""), json!(""));
}

#[test]
fn a_template_without_outputs_and_tags_is_literal() {
    let literal = |text| Template::parse(text).unwrap().is_literal().map(str::to_owned);
    assert_eq!(literal("plain { text }").as_deref(), Some("plain { text }"));
    assert_eq!(literal("a{% comment %}x{% endcomment %}b").as_deref(), Some("ab"));
    assert_eq!(literal("").as_deref(), Some(""));
    assert_eq!(literal("{{ x }}"), None);
}

#[test]
fn paths_are_those_read_from_the_scope() {
    let template = "{{ flow.data['first-name'] | default: flow.data.x.y | date: f, timezone: z }}\
        {% assign a = a.b %}{{ a.c }}{% capture k %}{{ m[0][-1].n }}{% endcapture %}{{ k }}\
        {% for i in rows limit: n.o %}{{ i.name }}{{ forloop.index }}{{ p }}{% else %}{{ i.q }}\
        {% endfor %}{% if r == s and 'x'[t] contains (u..v) %}{% endif %}{{ w[x.y].z }}\
        {% case aa %}{% when bb %}{{ cc }}{% endcase %}{% cycle dd: ee, 'f' %}{% increment gg %}\
        {{ gg }}{{ flow.data.first-name }}{{ ['hh'].ii }}{{ [jj] }}{{ forloop.kk }}";
    let paths: Vec<String> =
        Template::parse(template).unwrap().paths().iter().map(|path| path.join("/")).collect();
    assert_eq!(
        paths,
        [
            "flow/data/first-name",
            "flow/data/x/y",
            "f",
            "z",
            "a/b",
            "m/0/-1/n",
            "rows",
            "n/o",
            "p",
            "i/q",
            "r",
            "s",
            "t",
            "u",
            "v",
            "x/y",
            "w",
            "aa",
            "bb",
            "cc",
            "dd",
            "ee",
            "hh/ii",
            "jj",
            "forloop/kk",
        ]
    );
}
