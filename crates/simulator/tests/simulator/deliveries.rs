use std::time::Duration;

use actix_http::ws::CloseCode;
use awc::http::StatusCode;
use pushgate_model::Answer;
use pushgate_simulator::SimulatorConfig;
use serde_json::json;

use crate::bed::{TestBed, answer, ending, push};

#[actix_web::test]
async fn an_answered_push_is_known_by_its_answer() {
    let bed = TestBed::start(SimulatorConfig::default());
    let mut line = bed.connect("acme").await;
    for (word, given) in [("ack", Answer::Ack), ("nack", Answer::Nack)] {
        let id = bed.push("acme").await;
        let received = push(&mut line).await;
        assert_eq!((received.id.as_str(), received.title.as_str(), received.body.as_str()), (id.as_str(), "t", "b"));
        answer(&mut line, &received, given).await;
        let status = bed.until(&format!("/control/pushes/{id}"), |push| !push["answer"].is_null()).await;
        assert_eq!(
            (&status["answer"], &status["attempts"], &status["account"]),
            (&json!(word), &json!(1), &json!("acme"))
        );
        assert!(status["sent_at"].is_string() && status["answered_at"].is_string());
    }
    let account = bed.get("/control/accounts/acme").await;
    assert_eq!((&account["connects"], &account["pending"], &account["answered"]), (&json!(1), &json!(0), &json!(2)));
    let mut export = bed.client.get(bed.url("/control/answers?account=acme&answer=ack")).send().await.unwrap();
    let lines = String::from_utf8(export.body().await.unwrap().to_vec()).unwrap();
    assert_eq!(lines.lines().count(), 1, "{lines}");
}

#[actix_web::test]
async fn an_unanswered_push_is_repeated_then_its_socket_is_cut_and_the_next_gets_it() {
    let redeliver_after = Duration::from_millis(20);
    let bed = TestBed::start(SimulatorConfig { redeliver_after, attempts: 2, ..SimulatorConfig::default() });
    let mut line = bed.connect("acme").await;
    let id = bed.push("acme").await;
    let first = push(&mut line).await;
    assert_eq!(first, push(&mut line).await);
    assert_eq!(ending(line).await, Some(CloseCode::Policy.into()));
    let mut line = bed.connect("acme").await;
    let again = push(&mut line).await;
    answer(&mut line, &again, Answer::Ack).await;
    let status = bed.until(&format!("/control/pushes/{id}"), |push| push["answer"] == "ack").await;
    assert!(status["attempts"].as_u64().unwrap() >= 3);
    let stats = bed.handle.stats();
    assert!(stats.repeats >= 2 && stats.cuts >= 1 && stats.pending == 0, "{stats:?}");
}

#[actix_web::test]
async fn pushes_wait_for_a_socket_and_come_in_order() {
    let bed = TestBed::start(SimulatorConfig::default());
    let ids = [bed.push("acme").await, bed.push("acme").await, bed.push("acme").await];
    assert_eq!(bed.get("/control/accounts/acme").await["pending"], 3);
    let mut line = bed.connect("acme").await;
    for id in ids {
        assert_eq!(push(&mut line).await.id.as_str(), id);
    }
}

#[actix_web::test]
async fn the_newest_socket_gets_the_pushes() {
    let bed = TestBed::start(SimulatorConfig::default());
    let _old = bed.connect("acme").await;
    bed.until("/control/accounts/acme", |account| account["connects"] == 1).await;
    let mut new = bed.connect("acme").await;
    bed.until("/control/accounts/acme", |account| account["sockets"].as_array().unwrap().len() == 2).await;
    let id = bed.push("acme").await;
    assert_eq!(push(&mut new).await.id.as_str(), id);
}

#[actix_web::test]
async fn a_load_goes_round_the_accounts_with_stamps_that_count() {
    let bed = TestBed::start(SimulatorConfig::default());
    let load = json!({"accounts": ["a", "b"], "per_second": 2000, "seconds": 0.05, "marker": "r1_"});
    let (status, _) = bed.post("/control/load", load).await;
    assert_eq!(status, 202);
    let done = bed.until("/control/load", |load| load["done"] == true).await;
    assert_eq!((&done["total"], &done["sent"], &done["refused"]), (&json!(100), &json!(100), &json!(0)));
    for account in ["a", "b"] {
        let mut line = bed.connect(account).await;
        for n in 0..50 {
            let body = push(&mut line).await.body;
            let stamp = body.strip_prefix("r1_t=").and_then(|rest| rest.split_once(&format!(";n={n};")));
            assert!(stamp.is_some_and(|(nanos, _)| nanos.parse::<u64>().is_ok()), "{body}");
        }
    }
}

#[actix_web::test]
async fn pushes_spread_over_time_have_their_ids_at_once_and_can_be_forgotten() {
    let bed = TestBed::start(SimulatorConfig::default());
    let spread = json!({"title": "t", "body": "b", "count": 50, "per_second": 1000});
    let (status, body) = bed.post("/control/accounts/acme/pushes", spread).await;
    assert_eq!((status, body["ids"].as_array().unwrap().len()), (StatusCode::ACCEPTED, 50));
    bed.until("/control/accounts/acme", |account| account["pending"] == 50).await;
    assert_eq!(bed.client.delete(bed.url("/control/pushes")).send().await.unwrap().status(), 204);
    assert_eq!(bed.get("/control/accounts/acme").await["pending"], 0);
    assert_eq!(bed.handle.stats().pending, 0);
}
