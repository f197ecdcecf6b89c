use std::time::Duration;

use actix_http::ws::{CloseCode, Frame, Message};
use awc::http::StatusCode;
use futures_util::SinkExt;
use pushgate_simulator::SimulatorConfig;
use serde_json::json;

use crate::bed::{TestBed, ending, frame, push};

#[actix_web::test]
async fn a_cut_comes_with_and_without_a_close_frame() {
    let bed = TestBed::start(SimulatorConfig::default());
    for (body, code) in [(json!({"close": 1012}), Some(1012)), (json!({}), None)] {
        let line = bed.connect("acme").await;
        bed.until("/control/accounts/acme", |account| account["sockets"].as_array().unwrap().len() == 1).await;
        let (status, cut) = bed.post("/control/accounts/acme/cut", body).await;
        assert_eq!((status, cut), (StatusCode::OK, json!({"sockets": 1})));
        assert_eq!(ending(line).await, code);
        bed.until("/control/stats", |stats| stats["sockets"] == 0).await;
    }
}

#[actix_web::test]
async fn a_socket_without_ping_or_pong_is_pinged_and_cut() {
    let ping_timeout = Duration::from_millis(60);
    let bed = TestBed::start(SimulatorConfig { ping_timeout, ..SimulatorConfig::default() });
    let mut line = bed.connect("acme").await;
    assert!(matches!(frame(&mut line).await, Some(Frame::Ping(_))));
    assert_eq!(ending(line).await, Some(CloseCode::Policy.into()));
}

#[actix_web::test]
async fn pongs_keep_a_socket_alive_unless_they_are_ignored() {
    let ping_timeout = Duration::from_millis(300);
    let bed = TestBed::start(SimulatorConfig { ping_timeout, ..SimulatorConfig::default() });
    let mut line = bed.connect("acme").await;
    let faults = bed.url("/control/accounts/acme/faults");
    // Five pings take longer than the timeout.
    for _ in 0..5 {
        let Some(Frame::Ping(payload)) = frame(&mut line).await else { panic!("no ping") };
        line.send(Message::Pong(payload)).await.unwrap();
    }
    bed.client.put(&faults).send_json(&json!({"ignore_pongs": true})).await.unwrap();
    let code = loop {
        match frame(&mut line).await {
            Some(Frame::Ping(payload)) => line.send(Message::Pong(payload)).await.unwrap(),
            Some(Frame::Close(reason)) => break reason.map(|reason| reason.code),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(code, Some(CloseCode::Policy));
}

#[actix_web::test]
async fn a_silent_account_says_nothing_and_then_goes_on() {
    let bed = TestBed::start(SimulatorConfig::default());
    let mut line = bed.connect("acme").await;
    let faults = bed.url("/control/accounts/acme/faults");
    bed.client.put(&faults).send_json(&json!({"silent": true})).await.unwrap();
    let id = bed.push("acme").await;
    line.send(Message::Ping("unheard".into())).await.unwrap();
    line.send(Message::Text("shows that the ping was read".into())).await.unwrap();
    bed.until("/control/stats", |stats| stats["undecodable"] == 1).await;
    assert_eq!(bed.handle.stats().sent, 0);
    bed.client.delete(&faults).send().await.unwrap();
    assert_eq!(push(&mut line).await.id.as_str(), id);
}

#[actix_web::test]
async fn a_socket_is_cut_at_once_or_after_some_time() {
    let redeliver_after = Duration::from_millis(40);
    let bed = TestBed::start(SimulatorConfig { redeliver_after, ..SimulatorConfig::default() });
    for (cut_after, code) in [
        (json!({"ms": 0, "close": 1011}), Some(1011)),
        (json!({"ms": 0}), None),
        (json!({"ms": 20, "close": 4000}), Some(4000)),
        (json!({"ms": 20}), None),
    ] {
        assert_eq!(bed.faults("acme", json!({"cut_after": cut_after})).await, StatusCode::OK);
        assert_eq!(ending(bed.connect("acme").await).await, code, "{cut_after}");
    }
    assert_eq!(bed.handle.stats().cuts, 4);
}

#[actix_web::test]
async fn a_socket_is_cut_after_so_many_pushes() {
    let bed = TestBed::start(SimulatorConfig::default());
    bed.faults("acme", json!({"cut_after": {"pushes": 2, "close": 1012}})).await;
    let ids = [bed.push("acme").await, bed.push("acme").await, bed.push("acme").await];
    for _ in 0..2 {
        let mut line = bed.connect("acme").await;
        for id in &ids[..2] {
            assert_eq!(push(&mut line).await.id.as_str(), id);
        }
        let Some(Frame::Close(Some(reason))) = frame(&mut line).await else { panic!("no close") };
        assert_eq!(reason.code, CloseCode::Restart);
    }
    assert_eq!(bed.handle.stats().sent, 4);
}

#[actix_web::test]
async fn a_socket_that_had_its_pushes_before_the_fault_is_cut_too() {
    let redeliver_after = Duration::from_secs(1);
    let bed = TestBed::start(SimulatorConfig { redeliver_after, ..SimulatorConfig::default() });
    let mut line = bed.connect("acme").await;
    bed.push("acme").await;
    push(&mut line).await;
    bed.faults("acme", json!({"cut_after": {"pushes": 1, "close": 4000}})).await;
    assert_eq!(ending(line).await, Some(4000));
}

#[actix_web::test]
async fn a_newer_socket_ends_the_older_one() {
    let bed = TestBed::start(SimulatorConfig::default());
    bed.faults("acme", json!({"kick_older": {"close": 4409}})).await;
    let old = bed.connect("acme").await;
    bed.sockets("acme", 1).await;
    let mut new = bed.connect("acme").await;
    assert_eq!(ending(old).await, Some(4409));
    let id = bed.push("acme").await;
    assert_eq!(push(&mut new).await.id.as_str(), id);
}

#[actix_web::test]
async fn sockets_that_overlap_are_remembered() {
    let bed = TestBed::start(SimulatorConfig::default());
    let lines = [bed.connect("a").await, bed.connect("a").await, bed.connect("b").await];
    bed.until("/control/stats", |stats| stats["sockets"] == 3).await;
    drop(lines);
    let stats = bed.until("/control/stats", |stats| stats["sockets"] == 0).await;
    assert_eq!((&stats["most_sockets"], &stats["most_sockets_of_one_account"]), (&json!(3), &json!(2)));
    assert_eq!(bed.get("/control/accounts/a").await["most_sockets"], 2);
}

#[actix_web::test]
async fn a_close_is_not_answered_by_an_account_that_ignores_it_or_is_silent() {
    let bed = TestBed::start(SimulatorConfig::default());
    let mut open = Vec::new();
    for (n, faults) in [json!({"ignore_close": true}), json!({"silent": true})].into_iter().enumerate() {
        let account = format!("acme{n}");
        let mut line = bed.connect(&account).await;
        bed.faults(&account, faults).await;
        line.send(Message::Close(None)).await.unwrap();
        // What comes after the Close is still read, so the socket is open.
        line.send(Message::Text("after the close".into())).await.unwrap();
        bed.until("/control/stats", |stats| stats["undecodable"] == n + 1).await;
        assert_eq!(bed.handle.stats().sockets, n as u64 + 1);
        open.push(line);
    }
}

#[actix_web::test]
async fn pings_flood_a_socket() {
    let redeliver_after = Duration::from_millis(40);
    let bed = TestBed::start(SimulatorConfig { redeliver_after, ..SimulatorConfig::default() });
    let mut line = bed.connect("acme").await;
    bed.faults("acme", json!({"ping_flood": 10_000})).await;
    for _ in 0..500 {
        assert!(matches!(frame(&mut line).await, Some(Frame::Ping(_))));
    }
}

#[actix_web::test]
async fn all_sockets_are_cut_at_once() {
    let bed = TestBed::start(SimulatorConfig::default());
    let lines = [bed.connect("a").await, bed.connect("b").await];
    bed.until("/control/stats", |stats| stats["sockets"] == 2).await;
    let (status, cut) = bed.post("/control/cut", json!({"close": 1001})).await;
    assert_eq!((status, cut), (StatusCode::OK, json!({"sockets": 2})));
    for line in lines {
        assert_eq!(ending(line).await, Some(1001));
    }
}
