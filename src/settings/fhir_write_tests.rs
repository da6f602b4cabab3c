//! What is written to a server: kinds of request, and bodies of a site's own.

use super::super::fhir::tests::{HEAD, assert_server_faults, assert_warnings, read};
use super::*;

const BACK: &str = "write_back = \"participant\"\n";

fn write_back(text: &str) -> WriteBack {
    read(&format!("{BACK}{text}")).write_back.unwrap()
}

/// The faults of a body for confirmations, without place and key.
fn assert_body_fault(strategy: &str, body: &str, expected: &str) {
    let text =
        format!("{BACK}strategy = \"{strategy}\"\n[fhir.server.write]\nconfirm = '{body}'\n");
    let operation = "[fhir.server.operation]\nconfirm = \"Appointment/{appointment}\"\n";
    let text = if strategy == "operation" { format!("{text}{operation}") } else { text };
    assert_server_faults(&text, &[&format!("text:7: write.confirm: {expected}")]);
}

#[test]
fn a_patch_of_the_participant_is_usual() {
    let expected = WriteBack {
        target: WriteTarget::Participant,
        strategy: Strategy::JsonPatch,
        if_match: IfMatch::Send,
        patch_tests: true,
        cancel_reason: CancelReason {
            system: "http://terminology.hl7.org/CodeSystem/appointment-cancellation-reason"
                .to_owned(),
            code: "pat".to_owned(),
            text: Some("Patient".to_owned()),
        },
        confirm: WriteTemplate::default(),
        cancel: WriteTemplate::default(),
    };
    assert_eq!(write_back(""), expected);
    assert_eq!(read("write_back = \"none\"\n").write_back, None);
}

#[test]
fn every_key_is_read() {
    let back = read(
        "write_back = \"status\"\nstrategy = \"operation\"\nif_match = \"required\"\n\
         [fhir.server.cancel_reason]\nsystem = \"urn:x\"\ncode = \"0\"\ntext = \"By patient\"\n\
         [fhir.server.write]\nconfirm = '{\"start\": \"{start}\"}'\ncancel = '''\n{\"id\": \"{appointment}\",\n\"n\": {index}}'''\n\
         [fhir.server.operation]\nconfirm = \"Appointment/{appointment}/$confirm\"\ncancel = \"Appointment/$cancel\"\n",
    );
    let back = back.write_back.unwrap();
    assert_eq!((back.target, back.strategy), (WriteTarget::Status, Strategy::Operation));
    assert_eq!(back.if_match, IfMatch::Required);
    let CancelReason { system, code, text } = back.cancel_reason;
    assert_eq!(
        (system.as_str(), code.as_str(), text.as_deref()),
        ("urn:x", "0", Some("By patient"))
    );
    let confirm = WriteTemplate {
        body: Some("{\"start\": \"{start}\"}".to_owned()),
        path: Some("Appointment/{appointment}/$confirm".to_owned()),
    };
    let cancel = WriteTemplate {
        body: Some("{\"id\": \"{appointment}\",\n\"n\": {index}}".to_owned()),
        path: Some("Appointment/$cancel".to_owned()),
    };
    assert_eq!((back.confirm, back.cancel), (confirm, cancel));
    for (word, strategy) in STRATEGIES.into_iter().filter(|(word, _)| *word != "operation") {
        assert_eq!(write_back(&format!("strategy = \"{word}\"\n")).strategy, strategy);
    }
    let never = write_back("if_match = \"never\"\npatch_tests = false\n");
    assert!(never.if_match == IfMatch::Never && !never.patch_tests);
    let one =
        write_back("strategy = \"operation\"\noperation.cancel = \"Appointment/{appointment}\"\n");
    assert_eq!((one.confirm.path, one.cancel.path.is_some()), (None, true), "staff confirms");
}

#[test]
fn the_words_for_a_reason_are_of_its_code() {
    let reason =
        |text: &str| write_back(&format!("[fhir.server.cancel_reason]\n{text}")).cancel_reason;
    assert_eq!(reason("code = \"pat-fb\"\n").text, None);
    assert_eq!(reason("code = \"pat\"\n").text.as_deref(), Some("Patient"));
    assert_eq!(reason("text = \"By text\"\n").text.as_deref(), Some("By text"));
    assert_server_faults(
        "[fhir.server.cancel_reason]\nsystem = \"\"\ncode = 5\ntext = \"a\\nb\"\nreason = \"x\"\n",
        &[
            "text:5: cancel_reason.system: \"\" is not right",
            "text:6: cancel_reason.code: is a number",
            "text:7: cancel_reason.text: \"a\\nb\" is not right",
            "text:8: cancel_reason.reason: there is no such setting",
        ],
    );
}

#[test]
fn bodies_are_json_with_every_placeholder_in_its_place() {
    let all = r#"[{"op": "a", "path": "/{appointment}{patient}/{index}", "value": {"n": {index},
        "t": "{participant_status} {status} {start} {reply_id}", "e": {}, "b": "{ x } {} {é}"}}]"#;
    let text = format!("[fhir.server.write]\nconfirm = '''{all}'''\n");
    assert_eq!(write_back(&text).confirm.body.as_deref(), Some(all));
    let patch = |value: &str| format!(r#"[{{"op": "a", "path": "/b", "value": {value}}}]"#);
    let unknown = "has no placeholder {name}, only {appointment}, {patient}, {index}, {participant_status}, {status}, {start}, {reply_id}; write JSON";
    assert_body_fault("json_patch", &patch("\"{name}\""), unknown);
    assert_body_fault("json_patch", &patch("\"{Status}\""), "has no placeholder {Status}, only");
    // Text has to stand in quotes, and the number of the participant need not.
    for bare in ["appointment", "patient", "participant_status", "status", "start", "reply_id"] {
        assert_body_fault(
            "json_patch",
            &patch(&format!("{{{bare}}}")),
            "is no JSON (line 1, column",
        );
    }
    for body in ["", "[", "{op: 1}", "[] []"] {
        assert_body_fault("json_patch", body, "is no JSON (line 1, column");
    }
    let long = format!("[\"{}\"]", "a".repeat(65_536));
    assert_body_fault("json_patch", &long, "has more than 65536 bytes");
    assert_server_faults(
        "[fhir.server.write]\ncancel = 5\n",
        &["text:5: write.cancel: is a number; write JSON"],
    );
}

#[test]
fn bodies_are_what_the_strategy_sends() {
    let steps = ["[]", "{}", "[1]", "[{\"op\": \"test\"}]", "[{\"op\": 1, \"path\": \"/a\"}]"];
    for body in steps {
        assert_body_fault("json_patch", body, "is no JSON Patch: a list of steps, each with op");
    }
    for body in ["[]", "{}", "{\"resourceType\": \"Bundle\"}"] {
        assert_body_fault("fhirpath_patch", body, "is no FHIRPath Patch: a resource Parameters");
        assert_body_fault("appointment_response", body, "is no resource AppointmentResponse");
    }
    assert_body_fault("operation", "[]", "is no JSON object");
    for (strategy, kind) in
        [("fhirpath_patch", "Parameters"), ("appointment_response", "AppointmentResponse")]
    {
        let body = format!("{{\"resourceType\": \"{kind}\", \"id\": \"{{reply_id}}\"}}");
        let text = format!("strategy = \"{strategy}\"\n[fhir.server.write]\ncancel = '{body}'\n");
        assert_eq!(write_back(&text).cancel.body, Some(body));
    }
}

#[test]
fn operations_have_a_path_below_the_server_that_says_which_appointment() {
    let operation = format!("{BACK}strategy = \"operation\"\n");
    assert_server_faults(&operation, &["text:1: operation: is missing; write operation.confirm"]);
    let fault = |path: &str, problem: &str| {
        let text = format!("{operation}[fhir.server.operation]\ncancel = \"{path}\"\n");
        assert_server_faults(&text, &[&format!("text:7: operation.cancel: {problem}")]);
    };
    let outside = [
        "",
        "/Appointment/{appointment}",
        "Appointment/{appointment}/",
        "../{appointment}",
        "a/./{appointment}",
        "https://a.example/{appointment}",
        "?id={appointment}",
        "a/%2e%2e/{appointment}",
        "a b/{appointment}",
        "é/{appointment}",
        "{ appointment }",
    ];
    for path in outside {
        fault(path, &format!("{path:?} is no path below the base address; write a path"));
    }
    fault(&"a".repeat(513), "\"aaaa");
    fault("Appointment/{patient}", "has no placeholder {patient}, only {appointment}");
    fault("Appointment/$cancel", "does not say which appointment, nor does the body");
    let text = format!("{operation}[fhir.server.operation]\nconfirm = 5\n");
    assert_server_faults(&text, &["text:7: operation.confirm: is a number; write a path"]);
}

#[test]
fn what_cannot_be_said_or_has_no_effect_is_told() {
    let text = "write_back = \"status\"\nstrategy = \"appointment_response\"\n";
    assert_server_faults(text, &["text:4: write_back: \"status\" cannot be said by an"]);
    let why = "has no effect: write_back is \"none\"";
    let idle = "strategy = \"put\"\nif_match = \"send\"\npatch_tests = true\n\
                [fhir.server.cancel_reason]\ncode = \"pat\"\n";
    assert_warnings(
        &format!("{HEAD}{idle}"),
        &[
            &format!("text:4: strategy: {why}"),
            &format!("text:5: if_match: {why}"),
            &format!("text:6: patch_tests: {why}"),
            &format!("text:7: cancel_reason: {why}"),
            "text:6: patch_tests: has no effect: strategy is not \"json_patch\"",
        ],
    );
    let put = "strategy = \"put\"\n[fhir.server.write]\ncancel = '{}'\n[fhir.server.operation]\n";
    assert_warnings(
        &format!("{HEAD}{BACK}{put}"),
        &[
            "text:6: write: has no effect: strategy \"put\" sends the resource as it was read",
            "text:8: operation: has no effect: strategy is not \"operation\"",
        ],
    );
    let patch = "operation.cancel = \"Appointment/{appointment}\"\n";
    assert_warnings(
        &format!("{HEAD}{BACK}{patch}"),
        &["text:5: operation: has no effect: strategy is not \"operation\""],
    );
}
