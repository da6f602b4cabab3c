//! The text of any message, through every shipped mapping and back.

use std::sync::{Arc, OnceLock};

use appointd::core::appointment::WishKind;
use appointd::core::local_time::Zone;
use appointd::hl7::{Category, Message, batch};
use appointd::mapping::choice::AUTO;
use appointd::mapping::reverse::{Error, Form, Request, Template, build};
use appointd::mapping::{Choice, Library};

use super::{outcome, site};

/// The most messages of one text.
const MESSAGES_MAX: usize = 2;
/// A message of more bytes is read by one mapping only: what is slow for one is no finding of many.
const LONG_BYTES: usize = 8 * 1024;

/// Checks one text; its first byte chooses the site, and the mapping whose findings are shown.
pub fn check(data: &[u8]) {
    let Some((choice, text)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(text);
    for text in batch::split(&text).messages.into_iter().take(MESSAGES_MAX) {
        let Ok(msg) = Message::read(text) else { continue };
        check_message(*choice, &msg);
    }
}

fn check_message(choice: u8, msg: &Message) {
    let library = library();
    site::with(choice, |site| {
        for (number, mapping) in (0..).zip(library.iter()) {
            let is_chosen = number == choice >> 4;
            if is_chosen || msg.text().len() <= LONG_BYTES {
                outcome::check(mapping, msg, site, is_chosen);
            }
        }
        let auto = Choice::parse(AUTO, library).expect("detection is always there");
        let chosen = auto.of(msg, site.source);
        assert!(chosen.because.is_some(), "a choice has a reason");
        assert!(auto.named(chosen.mapping.name()).is_some());
    });
    for form in Form::ALL {
        check_reverse(msg, form);
    }
}

fn library() -> &'static Arc<Library> {
    static LIBRARY: OnceLock<Arc<Library>> = OnceLock::new();
    LIBRARY.get_or_init(|| Arc::new(Library::load([]).expect("shipped mappings have no fault")))
}

/// What is written back can be read, and says what it should.
fn check_reverse(msg: &Message, form: Form) {
    let request = Request {
        wish: if form.says(WishKind::Confirm) { WishKind::Confirm } else { WishKind::Cancel },
        appointment: None,
        control_id: "B^1",
        now: site::received_at(),
        zone: Zone::UTC,
    };
    let mut template = Template::new(form);
    template.set("ZAP-3.2", "a|b & c").expect("a path");
    template.set("ZAP-2", "\"\"").expect("a path");
    let built = match build(&request, &template, Some(msg)) {
        Ok(built) => built,
        Err(Error::NothingKnown) => {
            let schedules = msg.segments().filter(|segment| segment.name().as_str() == "SCH");
            assert_ne!(schedules.count(), 1, "a schedule is enough");
            return;
        }
        Err(error) => {
            assert_ne!(error.category(), Category::Bug, "{error:?}");
            return;
        }
    };
    let again = Message::read(built.text()).expect("what is written can be read");
    let header = again.header();
    assert_eq!(header.control_id, "B^1");
    assert_eq!(header.message_code, form.code());
    let before = msg.header();
    assert_eq!(header.sending_application, before.receiving_application);
    assert_eq!(header.receiving_facility, before.sending_facility);
}
