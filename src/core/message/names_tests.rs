//! Names that are found, and names that are let pass.

use super::*;

fn found(template: &str) -> Vec<(usize, String)> {
    let plain = |fault: Fault| {
        let name = fault.problem.trim_start_matches("unknown variable ");
        (fault.line, name.split([';', ':']).next().unwrap_or_default().to_owned())
    };
    faults(template).into_iter().map(plain).collect()
}

#[test]
fn an_unknown_name_is_found_with_its_line_also_in_loops() {
    let table = [
        ("{{ nothing }}", 1, "nothing"),
        ("a\n{{ appointment.color }}", 2, "appointment.color"),
        ("{% for a in appointments %}\n{{ a.color }}{% endfor %}", 2, "appointment.color"),
        ("{{ appointments[0].color }}", 1, "appointment.color"),
        ("{% set p = patient %}{{ p.color }}", 1, "patient.color"),
        ("{{ practice[\"color\"] }}", 1, "practice.color"),
        ("{% if not\nappointment.color %}{% endif %}", 2, "appointment.color"),
        ("{# x #}\n{{ 'a' ~ color }}", 2, "color"),
        ("{{ loop.color }}", 1, "loop.color"),
    ];
    for (template, line, name) in table {
        assert_eq!(found(template), [(line, name.to_owned())], "{template}");
    }
}

#[test]
fn what_texts_must_not_carry_is_told_as_that() {
    let table = [
        "{{ patient.family }}",
        "{{ patient.last_name }}",
        "{{ patient.mrn }}",
        "{{ appointment.id }}",
        "{{ appointment.reason }}",
        "{{ diagnosis }}",
        "{{ patient.birth_date }}",
        "{{ patient.DOB }}",
        "{{ appointment.visit_type }}",
        "{{ patient.phone }}",
        "{% for a in appointments %}{{ a.visit_type }}{% endfor %}",
        "{{ patient[\"family\"] }}",
        "{{ patient | attr('family') }}",
        "{{ appointments | map(attribute='mrn') | join }}",
    ];
    for template in table {
        let faults = faults(template);
        assert_eq!(faults.len(), 1, "{template}: {faults:?}");
        assert!(faults[0].problem.contains("must not carry"), "{template}: {faults:?}");
    }
}

#[test]
fn sound_templates_pass() {
    let table = [
        "{{ practice.name | upper }} {{ practice.callback_phone }}",
        "{% for a in appointments if a.time %}{{ loop.index }}: {{ a.when }}{% endfor %}",
        "{% for i in range(3) %}{{ i }}{% endfor %}",
        "{{ appointments | map(attribute=\"location\") | unique | list | length }}",
        "{% if appointment is defined and appointment.status == \"canceled\" %}x{% endif %}",
        "{% set n = appointments | length %}{% if n > 1 %}{{ n }}{% endif %}",
        "{% set first = appointments[0] %}{{ first.day }}",
        "{{ appointment.time or \"any id, phone or reason\" }}",
        "{% if not loop.last %}, {% endif %}{% if appointment.location is not none %}{% endif %}",
        "{%- if patient.given -%} x {%- endif -%}",
        "family phone reason {# patient.family #}",
    ];
    for template in table {
        assert_eq!(found(template), [], "{template}");
    }
}

#[test]
fn words_outside_tags_and_in_quotes_are_what_may_be_said() {
    let words = literals("Reply{% if a %} C{% else %} X{% endif %} {# END #}{{ t or 'QUIT' }}.");
    assert_eq!(words.split_whitespace().collect::<Vec<_>>(), ["Reply", "C", "X", "QUIT", "."]);
    assert_eq!(literals("open {{ 'x"), "open  x ");
}

#[test]
fn whatever_is_read_ends() {
    for hostile in ["{{", "{%", "{#", "{{ '", "{% for", "{% set", "{{ a[", "{{ a.", "}}{{", "{{{{"]
    {
        let _faults = faults(hostile);
        let _words = literals(hostile);
    }
    let long = "{{ a".repeat(20_000);
    assert!(faults(&long).len() <= 60_000);
}
