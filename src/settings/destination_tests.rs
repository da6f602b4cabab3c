//! What a destination may ask for, and how what it may not is told.

use std::path::Path;

use super::*;
use crate::settings::{Loaded, from_text};

const HEAD: &str = "[[hl7.destination]]\nname = \"b\"\naddress = \"localhost:1\"\n";

fn read(text: &str) -> Destination {
    load(text).settings.destinations.remove(0)
}

fn load(text: &str) -> Loaded {
    from_text(&format!("{HEAD}{text}"), Path::new("")).unwrap()
}

/// The faults, without the place that all have in common.
fn faults(text: &str) -> Vec<String> {
    let found = from_text(&format!("{HEAD}{text}"), Path::new("")).unwrap_err();
    let plain = |line: String| line.replacen("hl7.destination[0].", "", 1);
    found.iter().map(ToString::to_string).map(plain).collect()
}

#[test]
fn the_usual_forms_are_those_of_the_standard() {
    let destination = read("");
    assert_eq!(destination.confirm, Some(Template::new(Form::SiuS14)));
    assert_eq!(destination.cancel, Some(Template::new(Form::SiuS15)));
    assert_eq!(destination.request_accepted_by, Consent::Response);
}

#[test]
fn every_form_can_be_chosen_for_what_it_can_say() {
    for form in Form::ALL {
        for (key, wish) in [("confirm", WishKind::Confirm), ("cancel", WishKind::Cancel)] {
            let text = format!("{key} = \"{}\"\n", form.name());
            if form.says(wish) {
                let Destination { confirm, cancel, .. } = read(&text);
                let chosen = if wish == WishKind::Confirm { confirm } else { cancel };
                assert_eq!(chosen, Some(Template::new(form)));
            } else {
                assert_eq!(faults(&text).len(), 1, "{text}");
            }
        }
    }
    let found = faults("confirm = \"siu_s15\"\n");
    assert!(
        found[0].starts_with("text:4: confirm: \"siu_s15\" is not right; write one of \"siu_s14\"")
    );
    assert_eq!(read("confirm = \"none\"\n").confirm, None);
}

#[test]
fn values_are_set_after_the_ends_and_the_character_set() {
    let destination = read(
        "sending_application = \"OWL^1.2^ISO\"\nreceiving_facility = \"MAIN\"\ncharset = \"8859/1\"\n\
         [hl7.destination.set.cancel]\n\"SCH-25\" = \"4\"\n\"MSH-6\" = \"EAST\"\n",
    );
    let values = |template: &Option<Template>| -> Vec<String> {
        let values = template.as_ref().unwrap().values().iter();
        values.map(|(path, value)| format!("{path}={value}")).collect()
    };
    assert_eq!(values(&destination.confirm), ["MSH-3=OWL^1.2^ISO", "MSH-6=MAIN"]);
    assert_eq!(values(&destination.cancel), ["MSH-3=OWL^1.2^ISO", "MSH-6=EAST", "SCH-25=4"]);
    assert_eq!(destination.cancel.unwrap().charset_label.as_deref(), Some("8859/1"));
}

#[test]
fn nonsense_is_refused_with_line_key_and_what_to_write() {
    let found = faults(
        "confirm = \"srm_s03\"\ncharset = \"8859/1\"\nsending_facility = \"A|B\"\n\
         request_accepted_by = \"fax\"\n\
         [hl7.destination.set.confirm]\n\"SCH-25\" = \"X\"\n\"ARQ6\" = \"X\"\n\
         [hl7.destination.set.cancel]\n\"MSH-18\" = \"8859/1\"\n\"SCH-25\" = 5\n\"SCH-6\" = \"日\"\n\
         \"SCH-7\" = \"a\\nb\"\n",
    );
    let expected = [
        "text:6: sending_facility: holds | and would be two fields",
        "text:7: request_accepted_by: \"fax\" is not right; write one of \"srr\", \"ack\"",
        "text:9: set.confirm.SCH-25: cannot be set: there is no SCH in srm_s03; write ARQ",
        "text:10: set.confirm.ARQ6: is no position in a message: a hyphen and a field number are \
         missing at offset 3, as in PID-5; write one such as \"SCH-25\"",
        "text:12: set.cancel.MSH-18: cannot be set: write charset",
        "text:13: set.cancel.SCH-25: is a number; write a text",
        "text:14: set.cancel.SCH-6: holds a character that 8859/1 lacks",
        "text:15: set.cancel.SCH-7: holds a line end",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for expected in expected {
        assert!(found.iter().any(|line| line.starts_with(expected)), "{expected}\n{found:#?}");
    }
}

#[test]
fn what_is_doubtful_is_told_and_taken() {
    let loaded = load(
        "cancel = \"none\"\n[hl7.destination.set.confirm]\n\"SCH-25.1\" = \"CONF^Confirmed\"\n\
         \"SCH-6\" = \"^Bestätigt\"\n\
         [hl7.destination.set.cancel]\n\"SCH-25\" = \"4\"\n",
    );
    let found: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    let doubt = "set.confirm.SCH-25.1: ^ is sent as text here; write \"SCH-25\" for a code";
    assert!(found.iter().any(|line| line.contains(doubt)), "{found:#?}");
    let unsaid = "set.confirm.SCH-6: holds letters beyond ASCII; write charset";
    assert!(found.iter().any(|line| line.contains(unsaid)), "{found:#?}");
    let vain = "set.cancel.SCH-25: has no effect: no such message is sent";
    assert!(found.iter().any(|line| line.contains(vain)), "{found:#?}");
}
