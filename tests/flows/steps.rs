//! Events that come late, twice, or from elsewhere, and runs that go beyond a bound.

use appointd::core::flow::{ANSWERS_MAX, Act, End, Fit, Happened, HttpAnswer, Program, Wait, fits};
use appointd::phi::Phi;
use chrono::TimeDelta;
use serde_json::{Map, json};

use crate::player::Player;
use crate::{program, tools};

fn started(name: &str) -> Player {
    let mut player = Player::new(program(name), Map::new(), None);
    player.take(&Happened::Begun);
    player
}

fn heard(player: &Player, words: &str) -> Happened {
    Happened::Heard(player.inbound(words))
}

#[test]
fn what_does_not_concern_a_run_leaves_it_as_it_is() {
    let answer = HttpAnswer { status: 200, content_type: String::new(), body: Phi::default() };
    let mut player = started("send");
    let elsewhere = |player: &Player| {
        vec![
            Happened::Begun,
            heard(player, "yes"),
            Happened::TimeUp,
            Happened::Called(answer.clone()),
            Happened::NotCalled { status: None },
        ]
    };
    // A text is on its way; then the flow is at its end.
    for _ in 0..2 {
        for happened in elsewhere(&player) {
            let before = player.run.clone();
            let stepped = player.take(&happened);
            assert_eq!((stepped.run, stepped.act), (before, None), "{happened:?}");
        }
        player.take(&Happened::Sent { sid: None });
        player.take(&Happened::Sent { sid: None });
        assert_eq!(player.run.wait, Wait::End(End::Completed));
        let before = player.run.clone();
        assert_eq!(player.take(&Happened::Sent { sid: None }).run, before);
    }
}

#[test]
fn a_reply_may_come_before_the_report_of_its_text() {
    let mut player = started("ask");
    assert_eq!(player.run.wait, Wait::Delivery { asks: true });
    let happened = heard(&player, "yes");
    let Some(Act::Text { state, .. }) = player.take(&happened).act else { panic!() };
    assert_eq!(state, "yes");
}

#[test]
fn time_is_up_only_when_it_is() {
    let mut player = started("ask");
    player.take(&Happened::Sent { sid: None });
    let Wait::Reply { until, .. } = player.run.wait else { panic!() };
    player.now = until - TimeDelta::seconds(1);
    assert_eq!(player.take(&Happened::TimeUp).act, None);
    player.now = until;
    let Some(Act::Text { state, .. }) = player.take(&Happened::TimeUp).act else { panic!() };
    assert_eq!(state, "late");
}

#[test]
fn a_text_that_is_lost_after_all_takes_its_way() {
    let mut player = started("ask");
    player.take(&Happened::Sent { sid: None });
    player.take(&Happened::NotSent { code: "30003".to_owned() });
    assert_eq!(player.run.wait, Wait::End(End::Completed));
    assert_eq!(player.run.frames[0].state, "lost");
}

#[test]
fn fits_says_what_a_reply_would_be() {
    let mut player = started("ask");
    player.take(&Happened::Sent { sid: None });
    let fit = |player: &Player, words: &str| {
        fits(&player.program, &player.run, &player.inbound(words), player.around())
    };
    assert_eq!(fit(&player, "yes"), Fit::Answer);
    assert_eq!(fit(&player, "10"), Fit::Answer);
    assert_eq!(fit(&player, "maybe"), Fit::Nothing);
    let before = player.run.clone();
    let _fit = fit(&player, "yes");
    assert_eq!(player.run, before);
    let mut pain = started("post-procedure");
    assert_eq!(fit(&pain, "about seven"), Fit::Answer);
    assert_eq!(fit(&pain, "7 or 8"), Fit::Nothing);
    // No split looks at it.
    let mut called = started("subflow");
    called.take(&Happened::Sent { sid: None });
    assert_eq!(fit(&called, "blue"), Fit::Words);
    assert_eq!(fit(&started("send"), "yes"), Fit::NotAsked);
    pain.run.wait = Wait::End(End::Completed);
    assert_eq!(fit(&pain, "7"), Fit::NotAsked);
}

#[test]
fn a_loop_is_stopped_and_told() {
    let mut player = Player::new(program("loop"), Map::new(), None);
    let stepped = player.take(&Happened::Begun);
    assert_eq!(stepped.run.wait, Wait::End(End::Runaway));
    assert_eq!((stepped.act, stepped.notes.len()), (None, 1));
    assert!(stepped.notes[0].text.expose().contains("1000 states"));
}

#[test]
fn a_flow_that_asks_on_and_on_ends() {
    let mut player = started("doubts");
    for _ in 0..=ANSWERS_MAX {
        // It contains nothing, and so takes noMatch: the flow ends there, unless it is led back.
        player.run.wait = Wait::Delivery { asks: true };
        player.run.frames[0].state = "ask".to_owned();
        let happened = heard(&player, "again");
        player.take(&happened);
    }
    assert_eq!(player.run.wait, Wait::End(End::Runaway));
    assert_eq!(player.run.answers.len(), ANSWERS_MAX);
}

#[test]
fn a_run_of_another_program_ends_without_harm() {
    let mut player = started("ask");
    player.program = program("send");
    let stepped = player.take(&Happened::Sent { sid: None });
    assert_eq!(stepped.run.wait, Wait::End(End::Runaway));
}

#[test]
fn texts_are_never_longer_than_twilio_takes() {
    let flow = json!({"initial_state": "T", "states": [
        {"name": "T", "type": "trigger", "transitions": [{"event": "incomingRequest", "next": "a"}]},
        {"name": "a", "type": "send-message", "properties": {"body": "{{flow.data.long}}"},
         "transitions": [{"event": "sent"}, {"event": "failed", "next": "b"}]},
        {"name": "b", "type": "send-message", "properties": {"body": "short"}, "transitions": []},
    ]});
    let files = [("flow".to_owned(), flow.to_string())].into();
    let program = Program::read("flow", &files, &tools()).unwrap();
    let data = Map::from_iter([("long".to_owned(), json!("é".repeat(1_601)))]);
    let mut player = Player::new(program, data, None);
    let Some(Act::Text { state, .. }) = player.take(&Happened::Begun).act else { panic!() };
    assert_eq!(state, "b");
}

#[test]
fn memory_of_a_run_is_bounded() {
    let double = "{{flow.variables.x}}{{flow.variables.x}}a";
    let flow = json!({"initial_state": "T", "states": [
        {"name": "T", "type": "trigger", "transitions": [{"event": "incomingRequest", "next": "a"}]},
        {"name": "a", "type": "set-variables", "properties": {"variables": [{"key": "x", "value": double}]},
         "transitions": [{"event": "next", "next": "a"}]},
    ]});
    let files = [("flow".to_owned(), flow.to_string())].into();
    let mut player =
        Player::new(Program::read("flow", &files, &tools()).unwrap(), Map::new(), None);
    assert_eq!(player.take(&Happened::Begun).run.wait, Wait::End(End::Runaway));
    assert!(serde_json::to_string(&player.run).unwrap().len() < 2_000);
}

#[test]
fn a_text_from_the_phone_may_begin_a_flow() {
    let flow = json!({"initial_state": "T", "states": [
        {"name": "T", "type": "trigger", "transitions": [{"event": "incomingMessage", "next": "a"}]},
        {"name": "a", "type": "send-message", "properties": {"body": "You said {{trigger.message.Body}} from {{trigger.message.From}}"}, "transitions": []},
    ]});
    let files = [("flow".to_owned(), flow.to_string())].into();
    let data = Map::from_iter([("Body".to_owned(), json!("hello"))]);
    let mut player = Player::new(Program::read("flow", &files, &tools()).unwrap(), data, None);
    player.run.trigger.kind = appointd::core::flow::TriggerKind::Message;
    let Some(Act::Text { body, .. }) = player.take(&Happened::Begun).act else { panic!() };
    assert_eq!(body.expose(), "You said hello from +12025550123");
}
