//! Texts between daemon and carrier when either fails the other: the daemon, its store and its sockets
//! are real, the carrier is the stand-in, and the clock stands still until it is moved.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

use std::time::Duration;

use appointd::clock::{Clock, Timestamp};
use appointd::core::phone::PhoneNumber;
use appointd::engine::view::{Filter, Subject};
use appointd::inbound::poll::Poller;
use appointd::outbound::twilio::{self, Auth, Reach, Twilio, http_client};
use appointd::sim::ehr::{SimAppointment, SimPatient};
use appointd::sim::phone::{Answer, Callbacks, Direction, Fate, Fault, Text};
use appointd::sim::world::{ACCOUNT_SID, AUTH_TOKEN, PRACTICE_NUMBER, Plan, World};
use appointd::sms::Secret;
use appointd::sms::request::Sender;
use appointd::sms::sid::AccountSid;
use chrono::TimeDelta;
use serde_json::Value;

/// Far more than anything here takes: what hangs fails.
const WITHIN: Duration = Duration::from_secs(60);
/// Ten in the morning in Los Angeles.
const NOW: &str = "2026-12-01T18:00:00Z";
const JANE: &str = "+14155550123";
const JOHN: &str = "+14155550124";

struct House {
    world: World,
    clock: Clock,
}

fn phone(number: &str) -> PhoneNumber {
    PhoneNumber::parse_e164(number).unwrap()
}

fn utc(text: &str) -> Timestamp {
    text.parse().unwrap()
}

impl House {
    async fn start() -> Self {
        let clock = Clock::manual(utc(NOW));
        let world = World::start(Plan::at(clock.clone())).await.unwrap();
        Self { world, clock }
    }

    /// Books a visit in five days.
    async fn book(&self, id: &str, number: &str) {
        let own = str::to_owned;
        let visit = SimAppointment {
            id: own(id),
            patient: SimPatient {
                mrn: format!("M{number}"),
                given: own("Jane"),
                family: own("Doe"),
                phone: own(number),
            },
            start: "2026-12-06T14:00:00".parse().unwrap(),
            location: own("EAST"),
            status: own("Booked"),
        };
        let answer = tokio::time::timeout(WITHIN, self.world.ehr.book(visit)).await.unwrap();
        assert_eq!(answer, "AA");
    }

    fn rows(&self, subject: Subject) -> Vec<Value> {
        let filter = Filter { limit: 100, ..Filter::default() };
        self.world.daemon.handle.view().query(subject, &filter).unwrap()
    }

    /// The states of the texts, oldest first.
    fn states(&self) -> Vec<String> {
        let rows = self.rows(Subject::Outbox);
        rows.iter().rev().map(|row| row["state"].as_str().unwrap().to_owned()).collect()
    }

    async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let look = async {
            while !holds(self) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if tokio::time::timeout(WITHIN, look).await.is_err() {
            panic!("not seen: {what}: {:?}", self.rows(Subject::Outbox));
        }
    }

    async fn until_states(&self, states: &[&str]) {
        self.until(&format!("{states:?}"), |house| house.states() == states).await;
    }

    /// Waits until the only text was refused with this code.
    async fn until_refused(&self, code: &str) {
        self.until(code, |house| {
            house.rows(Subject::Outbox).first().is_some_and(|row| row["error"] == code)
        })
        .await;
    }

    fn texts(&self, number: &str) -> Vec<Text> {
        let mut texts = self.world.carrier.texts(&phone(number));
        texts.retain(|text| text.direction == Direction::OutboundApi);
        texts
    }

    async fn readiness(&self) -> Value {
        let wait = Duration::from_secs(30);
        let http = http_client(Reach::PlainLoopback, wait, wait).unwrap();
        let url = format!("http://{}/readyz", self.world.daemon.http);
        let answer = http.get(url).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    }

    async fn stop(self) {
        self.world.stop().await.unwrap();
    }
}

const ANSWERS: [Answer; 4] =
    [Answer::ServerError, Answer::GatewayHtml, Answer::Garbage, Answer::Closed];

#[tokio::test]
async fn a_text_that_was_taken_is_found_in_the_list_and_not_sent_again() {
    for answer in ANSWERS {
        let house = House::start().await;
        house.world.carrier.set_callbacks(Callbacks::Lost);
        house.world.carrier.fail_next(1, Fault::after_accept(answer));
        house.book("1", JANE).await;
        house.until_states(&["in_doubt"]).await;
        house.clock.advance(TimeDelta::seconds(61));
        house.until_states(&["accepted"]).await;
        let texts = house.texts(JANE);
        assert_eq!(texts.len(), 1, "{answer:?}");
        assert_eq!(house.rows(Subject::Outbox)[0]["provider_id"], texts[0].sid.as_str());
        house.stop().await;
    }
}

#[tokio::test]
async fn a_notice_that_was_not_taken_is_sent_again_when_the_list_shows_none() {
    for answer in ANSWERS {
        let house = House::start().await;
        house.world.carrier.fail_next(1, Fault::before_accept(answer));
        house.book("1", JANE).await;
        house.until_states(&["in_doubt"]).await;
        house.clock.advance(TimeDelta::seconds(61));
        house.until_states(&["ready"]).await;
        assert!(house.texts(JANE).is_empty());
        house.clock.advance(TimeDelta::seconds(61));
        house.until_states(&["delivered"]).await;
        assert_eq!(house.texts(JANE).len(), 1, "{answer:?}");
        house.stop().await;
    }
}

#[tokio::test]
async fn a_callback_with_our_id_settles_a_text_in_doubt_by_itself() {
    let house = House::start().await;
    house.world.carrier.fail_next(1, Fault::after_accept(Answer::Closed));
    house.book("1", JANE).await;
    house.until_states(&["delivered"]).await;
    assert_eq!(house.texts(JANE).len(), 1);
    house.stop().await;
}

#[tokio::test]
async fn two_texts_with_the_same_words_do_not_both_take_one_message_for_theirs() {
    let house = House::start().await;
    house.world.carrier.set_callbacks(Callbacks::Lost);
    // Whichever is sent first is taken, the other is not; neither learns it.
    house.world.carrier.fail_next(1, Fault::before_accept(Answer::Closed));
    house.world.carrier.fail_next(1, Fault::after_accept(Answer::Closed));
    house.book("1", JANE).await;
    house.book("2", JANE).await;
    house.until_states(&["in_doubt", "in_doubt"]).await;
    let words: Vec<_> = house.rows(Subject::Outbox).iter().map(|row| row["body"].clone()).collect();
    assert_eq!(words[0], words[1]);
    house.clock.advance(TimeDelta::seconds(61));
    house
        .until("one found, one free", |house| {
            let mut states = house.states();
            states.sort();
            states == ["accepted", "ready"]
        })
        .await;
    house.clock.advance(TimeDelta::seconds(61));
    house.until_states(&["accepted", "accepted"]).await;
    let ids: Vec<_> =
        house.rows(Subject::Outbox).iter().map(|row| row["provider_id"].clone()).collect();
    assert_ne!(ids[0], ids[1]);
    assert_eq!(house.texts(JANE).len(), 2);
    house.stop().await;
}

#[tokio::test]
async fn an_answer_that_comes_late_is_an_answer() {
    let house = House::start().await;
    house.world.carrier.set_callbacks(Callbacks::Lost);
    house.world.carrier.fail_next(1, Fault::after_accept(Answer::Late(300)));
    house.book("1", JANE).await;
    house.until_states(&["accepted"]).await;
    assert_eq!(house.texts(JANE).len(), 1);
    house.stop().await;
}

#[tokio::test]
async fn a_throttled_text_goes_a_moment_later() {
    let house = House::start().await;
    house.world.carrier.fail_next(1, Fault::before_accept(Answer::Throttled));
    house.book("1", JANE).await;
    house.until_refused("20429").await;
    house.clock.advance(TimeDelta::milliseconds(150));
    house.until_states(&["delivered"]).await;
    house.stop().await;
}

#[tokio::test]
async fn when_the_days_texts_are_used_up_all_wait_and_readiness_says_until_when() {
    let house = House::start().await;
    assert_eq!(house.readiness().await["parts"]["sms"], "up");
    house.world.carrier.set_fate(&phone(JANE), Fate::Undelivered(30023));
    house.book("1", JANE).await;
    house.until_refused("30023").await;
    assert_eq!(house.states(), ["ready"]);
    house.world.carrier.set_fate(&phone(JANE), Fate::Delivered);
    let ready = house.readiness().await;
    assert_eq!(ready["parts"]["sms"], "impaired: held until 2026-12-02T08:00:00Z");
    assert_eq!(ready["ready"], true);
    house.book("2", JOHN).await;
    house.clock.advance_to(utc("2026-12-02T07:59:59Z"));
    house.until("John's row", |house| house.states().len() == 2).await;
    assert!(house.texts(JOHN).is_empty());
    // Midnight in Los Angeles is no hour for texts.
    house.clock.advance_to(utc("2026-12-02T17:00:00Z"));
    house.until_states(&["delivered", "delivered"]).await;
    assert_eq!((house.texts(JANE).len(), house.texts(JOHN).len()), (2, 1));
    assert_eq!(house.readiness().await["parts"]["sms"], "up");
    house.stop().await;
}

#[tokio::test]
async fn an_account_that_is_refused_keeps_its_texts_and_is_shown() {
    let house = House::start().await;
    // 30034: the number is not registered with the carriers.
    house.world.carrier.set_fate(&phone(JANE), Fate::Failed(30034));
    house.book("1", JANE).await;
    house.until_refused("30034").await;
    assert_eq!(house.states(), ["ready"]);
    let part = house.readiness().await["parts"]["sms"].clone();
    assert_eq!(part, "impaired: Twilio refuses all texts of this sender, code 30034");
    assert!(house.rows(Subject::Tasks).is_empty());
    house.stop().await;
}

#[tokio::test]
async fn a_landline_is_a_task_for_staff_and_gets_no_second_text() {
    let house = House::start().await;
    house.world.carrier.set_fate(&phone(JANE), Fate::Undelivered(30006));
    house.world.carrier.set_callbacks(Callbacks::Reversed);
    house.book("1", JANE).await;
    house.until_states(&["failed"]).await;
    let tasks = house.rows(Subject::Tasks);
    assert_eq!((tasks.len(), &tasks[0]["kind"]), (1, &Value::from("bad_number")));
    house.book("2", JANE).await;
    assert_eq!(house.states(), ["failed"], "nothing is queued for it");
    house.stop().await;
}

#[tokio::test]
async fn a_blocked_phone_is_suppressed_here_too() {
    let house = House::start().await;
    house.book("1", JANE).await;
    house.until_states(&["delivered"]).await;
    house.world.carrier.lose_inbound(1);
    house.world.carrier.reply(&phone(JANE), "STOP").await.unwrap();
    house.book("2", JANE).await;
    house.until_states(&["delivered", "failed"]).await;
    house.book("3", JANE).await;
    assert_eq!(house.states(), ["delivered", "failed"], "nothing is queued for it");
    assert_eq!(house.texts(JANE).len(), 1);
    house.stop().await;
}

#[tokio::test]
async fn replies_whose_webhooks_were_lost_are_found_in_their_order_and_once() {
    let house = House::start().await;
    house.book("1", JANE).await;
    house.until_states(&["delivered"]).await;
    house.world.carrier.lose_inbound(2);
    house.world.carrier.reply(&phone(JANE), "C").await.unwrap();
    house.clock.advance(TimeDelta::minutes(10));
    house.world.carrier.reply(&phone(JOHN), "hello").await.unwrap();
    let replies = |house: &House| {
        let all = house.rows(Subject::History);
        all.into_iter().filter(|row| row.to_string().contains("\"reply\"")).count()
    };
    assert_eq!(replies(&house), 0);

    let any = "127.0.0.1:0".parse().unwrap();
    let address = house.world.serve(any, house.world.carrier.router()).await.unwrap();
    let account = AccountSid::parse(ACCOUNT_SID).unwrap();
    let sender = Sender::parse(PRACTICE_NUMBER).unwrap();
    let settings = twilio::Settings::new(account, Auth::Token(Secret::new(AUTH_TOKEN)), sender);
    let base_url = format!("http://{address}");
    let client = Twilio::new(twilio::Settings { base_url, ..settings }).unwrap();
    let handle = house.world.daemon.handle.clone();
    let since = utc("2026-11-30T18:00:00Z");
    let poller = Poller::new(client, WITHIN, handle, house.clock.clone());
    assert!(poller.look(since, TimeDelta::hours(1)).await);
    assert_eq!(replies(&house), 0, "their webhooks may be under way");
    assert!(poller.look(since, TimeDelta::zero()).await);
    let appointments = house.rows(Subject::Appointments);
    assert!(appointments[0]["wish"].to_string().contains("confirm"), "{appointments:?}");
    let found = replies(&house);
    assert!(found >= 2, "{found}");
    let before = house.rows(Subject::Outbox).len();
    assert!(poller.look(since, TimeDelta::zero()).await);
    assert_eq!(house.rows(Subject::Outbox).len(), before, "what is known is known");
    house.stop().await;
}
