//! The patient's side: opt-out words, replies that get lost, news of texts, the demo page.

use super::*;

#[tokio::test]
async fn stop_blocks_until_start() {
    let mut bench = Bench::start_with(|settings| settings.opt_out = OptOut::Advanced).await;
    let client = bench.client();
    let words = [
        ("Cancel", Some(OptOutType::Stop), true, 1),
        ("STOP", Some(OptOutType::Stop), true, 0),
        ("HELP", Some(OptOutType::Help), true, 1),
        ("stop that please", None, true, 0),
        ("START", Some(OptOutType::Start), false, 1),
        ("STOP", Some(OptOutType::Stop), true, 1),
        ("yes", None, false, 1),
        ("yes", None, false, 0),
    ];
    for (word, opt_out_type, is_blocked, answers) in words {
        let before = bench.carrier.texts(&phone(JANE)).len();
        bench.carrier.reply(&phone(JANE), word).await.unwrap();
        let hook = bench.next_hook().await;
        assert!(hook.is_signed());
        let inbound = InboundSms::parse(hook.form).unwrap();
        assert_eq!((inbound.body.expose().as_str(), inbound.opt_out_type), (word, opt_out_type));
        assert_eq!(bench.carrier.texts(&phone(JANE)).len(), before + 1 + answers, "{word}");
        assert_eq!(bench.carrier.is_opted_out(&phone(JANE)), is_blocked, "{word}");
        let fault = Fault::before_accept(Answer::Throttled);
        if is_blocked {
            let outcome = client.create(&text(JANE, "Hello")).await;
            assert!(refused_with(&outcome, Class::OptedOut, 21610), "{word} {outcome:?}");
        } else {
            bench.carrier.fail_next(1, fault);
            let outcome = client.create(&text(JANE, "Hello")).await;
            assert!(refused_with(&outcome, Class::ThrottleNow, 20429), "{word} {outcome:?}");
        }
    }
    bench.stop().await;
}

#[tokio::test]
async fn a_reply_is_tried_again_as_set_and_found_in_the_list_when_lost() {
    let all = Retry { count: 2, on: RetryOn::All };
    let mut bench = Bench::start_with(|settings| settings.retry = all).await;
    bench.answers.lock().unwrap().extend([StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE]);
    let replied = bench.carrier.reply(&phone(JANE), "C").await.unwrap();
    assert_eq!((replied.http_status, replied.attempts), (Some(200), 2));
    let (first, second) = (bench.next_hook().await, bench.next_hook().await);
    let idempotency = |hook: &Hook| hook.headers["i-twilio-idempotency-token"].clone();
    assert_eq!(idempotency(&first), idempotency(&second));
    assert_eq!(first.form, second.form);

    bench.carrier.lose_inbound(1);
    let lost = bench.carrier.reply(&phone(JANE), "3").await.unwrap();
    assert_eq!((lost.http_status, lost.attempts), (None, 0));
    let filter = Filter { to: Some(phone(OURS)), from: None };
    let rows = bench.client().list_recent(&filter, 10).await.unwrap();
    let found = InboundSms::from_row(&rows[0]).unwrap();
    assert_eq!((found.message_sid, found.body.expose().as_str()), (lost.sid, "3"));
    bench.stop().await;
}

#[tokio::test]
async fn by_default_an_error_answer_loses_the_reply() {
    let bench = Bench::start().await;
    bench.answers.lock().unwrap().push(StatusCode::INTERNAL_SERVER_ERROR);
    let replied = bench.carrier.reply(&phone(JANE), "C").await.unwrap();
    assert_eq!((replied.http_status, replied.attempts), (Some(500), 1));
    bench.carrier.set_inbound_url("http://127.0.0.1:1/");
    let replied = bench.carrier.reply(&phone(JANE), "C").await.unwrap();
    assert_eq!((replied.http_status, replied.attempts), (None, 2));
    bench.stop().await;
}

#[tokio::test]
async fn news_may_be_bad_late_doubled_or_out_of_order() {
    let mut bench = Bench::start().await;
    let client = bench.client();
    let cases = [
        (Callbacks::InOrder, Fate::Undelivered(30003), vec!["sent", "undelivered"]),
        (Callbacks::InOrder, Fate::Failed(30007), vec!["failed"]),
        (Callbacks::Repeated, Fate::SentOnly, vec!["sent", "sent"]),
        (Callbacks::Reversed, Fate::Delivered, vec!["delivered", "sent"]),
    ];
    for (callbacks, fate, statuses) in cases {
        bench.carrier.set_callbacks(callbacks);
        bench.carrier.set_fate(&phone(JANE), fate);
        accepted(client.create(&text(JANE, "Hello")).await);
        for status in statuses {
            let callback = bench.next_status().await;
            assert_eq!(callback.status.as_str(), status);
            let code = match fate {
                Fate::Undelivered(code) | Fate::Failed(code) if status != "sent" => Some(code),
                Fate::Undelivered(_) | Fate::Failed(_) | Fate::SentOnly | Fate::Delivered => None,
            };
            assert_eq!(callback.error_code, code);
        }
    }
    bench.carrier.set_callbacks(Callbacks::Lost);
    accepted(client.create(&text(JANE, "Last")).await);
    let is_done = |texts: &[Text]| texts.last().is_some_and(|text| text.status.is_final());
    in_time(bench.carrier.wait_for(is_done)).await;
    assert!(bench.hooks.is_empty());
    bench.stop().await;
}

#[tokio::test]
async fn the_demo_page_sees_phones_and_writes_back() {
    let mut bench = Bench::start().await;
    accepted(bench.client().create(&text(JANE, "Reply C to confirm")).await);
    let (http, phones) = (&bench.carrier.core.http, format!("{}/sim/phones", bench.base_url));
    let reply = |phone: &str, body: &'static str| {
        let request = http.post(format!("{phones}/{phone}/reply"));
        request.header("content-type", "application/json").body(body).send()
    };
    let replied: Value =
        reply("+14155550123", r#"{"text":"C"}"#).await.unwrap().json().await.unwrap();
    assert_eq!(replied["http_status"], 204);
    assert_eq!(reply("12", r#"{"text":"C"}"#).await.unwrap().status(), StatusCode::BAD_REQUEST);
    assert!(reply(JANE, "{\"text\":7}").await.unwrap().status().is_client_error());
    let form = http.post(format!("{phones}/{JANE}/reply")).form(&[("text", "C")]).send().await;
    assert_eq!(form.unwrap().status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let listed: Value = http.get(&phones).send().await.unwrap().json().await.unwrap();
    let bubbles = listed["phones"][0]["bubbles"].as_array().unwrap();
    let sides: Vec<_> = bubbles.iter().map(|bubble| bubble["side"].as_str().unwrap()).collect();
    assert_eq!(sides, ["practice", "patient"]);
    bench.next_hook().await;
    bench.stop().await;
}
