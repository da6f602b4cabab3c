//! What patients' texts do: consent, which appointment, what is meant, and the way to the EHR.

#[expect(dead_code, reason = "each suite uses a part of what is shared")]
mod support;

use appointd::core::appointment::{Disposition, WishKind, WishState};
use appointd::core::contact::ConsentCause;
use appointd::core::effect::TaskKind;
use appointd::core::event::Handled;
use appointd::core::ids::DestinationName;
use appointd::core::reason::Reason;
use appointd::core::reply::{Intent, read};
use support::{
    JANE, NEXT_TUESDAY, OTHER, World, booked, canceled, english_words, for_rick, hours, key,
    minutes, modified, phone, rescheduled, with,
};

const LATER: &str = "2026-12-10T10:00:00";

fn world_with_booking() -> World {
    let mut world = World::new();
    world.tell(booked("1", NEXT_TUESDAY));
    world
}

/// Two appointments, the text about the first too old to decide which one a reply means.
fn world_with_two() -> World {
    let mut world = world_with_booking();
    world.tell(booked("2", LATER));
    world.pass(hours(73));
    world
}

fn wish(world: &World, id: &str) -> Option<(WishKind, WishState)> {
    world.appointment(id).wish.as_ref().map(|wish| (wish.kind, wish.state.clone()))
}

fn tasks(world: &World) -> Vec<TaskKind> {
    world.tasks.iter().map(|task| task.kind).collect()
}

fn acknowledged() -> WishState {
    WishState::Acknowledged(DestinationName::new("ehr"))
}

#[test]
fn carriers_opt_out_words_are_understood_whatever_the_lists_say() {
    let bare = appointd::core::reply::Words::default();
    for word in ["STOP", "StopAll", "unsubscribe", "END", "quit", "Revoke", "optout"] {
        assert_eq!(read(word, &bare), Intent::Stop, "{word}");
    }
    assert_eq!(read(" Cancel. ", &bare), Intent::CancelOrStop);
    assert_eq!(read("CANCEL APPT", &bare), Intent::Cancel);
    assert_eq!(read("confirm appt", &bare), Intent::Confirm);
}

#[test]
fn a_wish_for_another_time_is_answered_with_the_number_and_a_task() {
    let mut world = world_with_booking();
    world.reply(JANE, "reschedule please");
    assert_eq!(world.kinds(), ["booked", "reschedule_noted"]);
    assert!(world.last().body.contains("415-555-0100"));
    assert_eq!(tasks(&world), [TaskKind::Reschedule]);
    assert_eq!(world.tasks[0].appointment, Some(key("1")));
    assert!(world.written.is_empty() && wish(&world, "1").is_none());
}

#[test]
fn numbers_without_a_question_stand_for_the_choices() {
    for (text, kind) in [
        ("1", "confirm_noted"),
        ("2", "reschedule_noted"),
        ("3", "cancel_noted"),
        ("#1", "confirm_noted"),
    ] {
        let mut world = world_with_booking();
        world.reply(JANE, text);
        assert_eq!(world.last().kind.name(), kind, "{text}");
    }
    for text in ["0", "4", "255", "256", "99999999999999999999"] {
        let mut world = world_with_booking();
        world.reply(JANE, text);
        assert_eq!(world.last().kind.name(), "not_understood", "{text}");
    }
}

#[test]
fn the_only_open_appointment_is_meant() {
    let mut world = world_with_two();
    world.tell(canceled("1", NEXT_TUESDAY));
    world.pass(minutes(3));
    // It may be about the cancellation, of which the last text told.
    assert_eq!(world.reply(JANE, "C"), [Reason::AskedWhich]);
    world.reply(JANE, "1");
    assert_eq!(wish(&world, "2"), Some((WishKind::Confirm, acknowledged())));
    assert_eq!(wish(&world, "1"), None);
}

#[test]
fn the_one_last_texted_about_is_meant() {
    let mut world = world_with_booking();
    world.pass(hours(1));
    world.tell(booked("2", LATER));
    world.reply(JANE, "C");
    assert!(wish(&world, "1").is_none() && wish(&world, "2").is_some());
}

#[test]
fn the_last_text_decides_for_the_reply_window_only() {
    let mut world = world_with_booking();
    world.tell(booked("2", LATER));
    world.pass(hours(72) + minutes(1));
    assert_eq!(world.reply(JANE, "C"), [Reason::AskedWhich]);
}

#[test]
fn several_appointments_are_asked_about_once_and_picked_by_number() {
    let mut world = world_with_two();
    assert_eq!(world.reply(JANE, "X"), [Reason::AskedWhich]);
    let body = world.last().body.clone();
    assert!(body.contains("1: Tue, Dec 8 at 2:00 PM; 2: Thu, Dec 10 at "), "{body}");
    assert_eq!(world.reply(JANE, "2"), [Reason::Understood(Intent::Cancel)]);
    assert_eq!(wish(&world, "2"), Some((WishKind::Cancel, acknowledged())));
    assert_eq!(wish(&world, "1"), None);
    assert!(world.contact(JANE).question.is_none());
}

#[test]
fn family_members_are_listed_by_first_name() {
    let mut world = world_with_booking();
    world.tell(for_rick(booked("2", LATER)));
    world.pass(hours(73));
    world.reply(JANE, "C");
    let body = &world.last().body;
    assert!(body.contains(" PM Jane; 2: ") && body.contains("M Rick. Reply"), "{body}");
}

#[test]
fn a_number_beyond_the_list_is_not_understood() {
    for text in ["0", "3", "9"] {
        let mut world = world_with_two();
        world.reply(JANE, "C");
        assert_eq!(world.reply(JANE, text), [Reason::NotUnderstood]);
        assert!(world.written.is_empty());
        world.reply(JANE, "1");
        assert!(wish(&world, "1").is_some(), "the question still stands");
    }
}

#[test]
fn a_picked_appointment_that_was_canceled_meanwhile_is_not_acted_on() {
    let mut world = world_with_two();
    world.reply(JANE, "C");
    world.tell(canceled("2", LATER));
    assert_eq!(world.reply(JANE, "2"), [Reason::ChangedMeanwhile]);
    assert!(world.written.is_empty());
    assert_eq!(wish(&world, "2"), None);
}

#[test]
fn another_text_ends_the_question() {
    let mut world = world_with_two();
    world.reply(JANE, "X");
    world.tell(rescheduled("1", "2026-12-09T10:00:00"));
    assert_eq!(world.reply(JANE, "1"), [Reason::Understood(Intent::Confirm)]);
    assert!(wish(&world, "1").is_some(), "1 is a choice again, for the appointment just moved");
}

#[test]
fn a_question_lists_nine_at_most() {
    let mut world = World::new();
    for id in 0..20 {
        world.tell(booked(&format!("{id}"), &format!("2026-12-{:02}T10:00:00", 8 + id)));
    }
    world.pass(hours(73));
    world.reply(JANE, "C");
    assert_eq!(world.contact(JANE).question.unwrap().options.len(), 9);
}

#[test]
fn not_understood_twice_goes_to_staff() {
    let mut world = world_with_booking();
    assert_eq!(world.reply(JANE, "is parking free?"), [Reason::NotUnderstood]);
    assert!(world.tasks.is_empty());
    assert_eq!(world.reply(JANE, "hello??"), [Reason::HandedToStaff]);
    assert_eq!(tasks(&world), [TaskKind::Unclear]);
    assert!(world.last().body.contains("415-555-0100"));
    world.reply(JANE, "anyone?");
    assert_eq!(world.kinds(), ["booked", "not_understood", "handed_to_staff"]);
    assert_eq!(tasks(&world), [TaskKind::Unclear, TaskKind::Unclear]);
}

#[test]
fn being_understood_starts_the_count_again() {
    let mut world = world_with_booking();
    world.reply(JANE, "is parking free?");
    world.reply(JANE, "C");
    assert_eq!(world.reply(JANE, "is parking free?"), [Reason::NotUnderstood]);
}

#[test]
fn a_stranger_is_answered_once_a_day() {
    let mut world = World::new();
    assert_eq!(world.reply(OTHER, "C"), [Reason::NothingOpen]);
    assert_eq!(world.reply(OTHER, "who is this"), [Reason::NothingOpen]);
    world.pass(hours(24));
    world.reply(OTHER, "2");
    assert_eq!(world.kinds(), ["nothing_open", "nothing_open"]);
    assert!(world.tasks.is_empty());
}

#[test]
fn the_same_text_twice_is_one() {
    let mut world = world_with_booking();
    world.reply_as("SM7", JANE, "X", None);
    assert_eq!(world.reply_as("SM7", JANE, "X", None), [Reason::Repeated]);
    assert_eq!(world.written.len(), 1);
    assert_eq!(world.kinds(), ["booked", "cancel_noted"]);
}

#[test]
fn stop_opts_out_without_an_answer_of_ours() {
    let mut world = world_with_booking();
    world.reply(JANE, "STOP");
    let consent = world.contact(JANE).consent;
    assert_eq!((consent.opted_out, consent.by), (true, Some(ConsentCause::Keyword)));
    assert_eq!(consent.since, Some(world.now));
    assert_eq!(world.kinds(), ["booked"]);
    assert!(world.tasks.is_empty());
}

#[test]
fn what_the_provider_has_handled_is_not_read_again() {
    let mut world = world_with_booking();
    world.reply_as("SM1", JANE, "ARRET", Some(Handled::Stop));
    let consent = world.contact(JANE).consent;
    assert_eq!((consent.opted_out, consent.by), (true, Some(ConsentCause::Provider)));
    world.reply_as("SM2", JANE, "whatever", Some(Handled::Start));
    assert!(!world.contact(JANE).consent.opted_out);
    world.reply_as("SM3", JANE, "AIDE", Some(Handled::Help));
    assert_eq!(world.kinds(), ["booked"], "the provider has answered");
}

#[test]
fn where_we_answer_keywords_ourselves_help_and_start_are_answered() {
    let mut world = world_with_booking();
    world.rules.replies.provider_answers_keywords = false;
    world.reply(JANE, "HELP");
    world.reply(JANE, "START");
    world.reply(JANE, "STOP");
    world.reply(JANE, "HELP");
    world.reply(JANE, "START");
    // HELP of an opted-out phone is not answered: only that texts have ended is.
    assert_eq!(world.kinds(), ["booked", "help", "opted_out", "opted_in"]);
}

#[test]
fn bare_cancel_opts_out_and_raises_a_task() {
    let mut world = world_with_booking();
    world.reply(JANE, "Cancel");
    assert!(world.contact(JANE).consent.opted_out);
    assert_eq!(tasks(&world), [TaskKind::CancelOrOptOut]);
    assert_eq!(world.tasks[0].appointment, Some(key("1")));
    assert_eq!(world.kinds(), ["booked"]);
    assert!(wish(&world, "1").is_none(), "what was meant is for a person to find out");
}

#[test]
fn bare_cancel_of_a_stranger_is_an_opt_out_only() {
    let mut world = World::new();
    world.reply(OTHER, "cancel");
    assert!(world.contact(OTHER).consent.opted_out && world.tasks.is_empty());
}

#[test]
fn consent_goes_by_phone() {
    let mut world = world_with_booking();
    world.tell(for_rick(booked("2", LATER)));
    world.reply(JANE, "STOP");
    assert_eq!(world.appointment("1").disposition, Disposition::OptedOut);
    assert_eq!(world.appointment("2").disposition, Disposition::OptedOut);
    world.reply(JANE, "START");
    assert_eq!(world.appointment("2").disposition, Disposition::Queued);
}

#[test]
fn replies_count_until_the_visit_is_over() {
    for (after_start, reason) in
        [(minutes(30), Reason::Understood(Intent::Confirm)), (minutes(60), Reason::NothingOpen)]
    {
        let mut world = world_with_booking();
        world.advance_to(support::utc("2026-12-08T19:00:00Z") + after_start);
        assert_eq!(world.reply(JANE, "C"), [reason]);
    }
}

#[test]
fn replies_can_count_longer_by_setting() {
    let mut world = world_with_booking();
    world.rules.replies.answer_until_after_end = hours(2);
    world.advance_to(support::utc("2026-12-08T21:59:00Z"));
    assert_eq!(world.reply(JANE, "C"), [Reason::Understood(Intent::Confirm)]);
}

#[test]
fn the_old_phone_of_a_patient_is_a_stranger() {
    let mut world = world_with_booking();
    world.tell(with(modified("1", NEXT_TUESDAY), |c| {
        c.patient.phone = appointd::core::field::Field::Value(phone(OTHER));
    }));
    assert_eq!(world.reply(JANE, "X"), [Reason::NothingOpen]);
    assert_eq!(wish(&world, "1"), None);
    assert_eq!(world.reply(OTHER, "X"), [Reason::Understood(Intent::Cancel)]);
}

#[test]
fn hostile_texts_change_nothing() {
    let long = "C ".repeat(50_000);
    for text in ["", " ", "\u{0}", "STOP or go", "C; DROP TABLE", "{{ practice }}", long.as_str()] {
        let mut world = world_with_booking();
        world.reply(JANE, text);
        assert_eq!(wish(&world, "1"), None);
        assert!(!world.contact(JANE).consent.opted_out);
        assert!(world.written.is_empty());
    }
}

#[test]
fn a_thousand_texts_are_not_kept_in_the_contact() {
    let mut world = world_with_booking();
    for _ in 0..1_000 {
        world.reply(JANE, "hm");
    }
    assert!(world.contact(JANE).heard.len() <= 128);
    assert_eq!(world.kinds(), ["booked", "not_understood", "handed_to_staff"]);
}
#[test]
fn every_word_of_the_lists_is_understood_with_and_without_courtesy() {
    let words = english_words();
    let lists = [
        (&words.confirm, Intent::Confirm),
        (&words.cancel, Intent::Cancel),
        (&words.reschedule, Intent::Reschedule),
    ];
    for (list, intent) in lists {
        for word in list {
            for text in [
                word.clone(),
                word.to_uppercase(),
                format!("  {word}!! "),
                format!("{word}, thank you"),
                format!("Hi, {word} please."),
            ] {
                assert_eq!(read(&text, &words), intent, "{text}");
            }
        }
    }
}

#[test]
fn bare_cancel_raises_a_task_although_the_provider_has_handled_it() {
    let mut world = world_with_booking();
    world.reply_as("SM1", JANE, "CANCEL", Some(Handled::Stop));
    assert!(world.contact(JANE).consent.opted_out);
    assert_eq!(tasks(&world), [TaskKind::CancelOrOptOut]);
}

#[test]
fn keycaps_are_numbers_and_a_novel_is_unclear() {
    assert_eq!(read("2\u{fe0f}\u{20e3}", &english_words()), Intent::Number(2));
    let hidden = format!("yes{}but I can not come", " ".repeat(400));
    assert_eq!(read(&hidden, &english_words()), Intent::Unclear);
    assert_eq!(read(&format!("STOP{}", "\n".repeat(1_000)), &english_words()), Intent::Stop);
}
