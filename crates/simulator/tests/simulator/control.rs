use actix_http::ws::CloseCode;
use pushgate_simulator::{AccountConfig, Simulator, SimulatorConfig};
use serde_json::{Value, json};

use crate::bed::{TestBed, ending};

#[actix_web::test]
async fn wrong_requests_are_problems() {
    let bed = TestBed::start(SimulatorConfig::default());
    bed.connect("acme").await;
    for (path, body, expected) in [
        ("/control/accounts/acme/pushes", json!({"title": "t"}), 422),
        ("/control/accounts/acme/pushes", json!({"title": "t", "body": "b", "count": 0}), 422),
        ("/control/accounts/acme/pushes", json!({"title": "t", "body": "b", "count": 100_001}), 422),
        ("/control/accounts/acme/cut", json!({"close": 5}), 422),
        ("/control/load", json!({"per_second": 0, "seconds": 1}), 422),
        ("/control/accounts/nobody/cut", json!({}), 404),
        ("/control/stats", json!({}), 405),
        ("/nowhere", json!({}), 404),
    ] {
        let mut response = bed.client.post(bed.url(path)).send_json(&body).await.unwrap();
        assert_eq!(response.status(), expected, "{path} {body}");
        assert_eq!(response.headers().get("content-type").unwrap(), "application/problem+json", "{path}");
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["status"], expected);
    }
}

#[actix_web::test]
async fn accounts_come_in_pages() {
    let bed = TestBed::start(SimulatorConfig { accounts: AccountConfig::numbered(5), ..SimulatorConfig::default() });
    let (mut ids, mut after) = (Vec::new(), String::new());
    loop {
        let page = bed.get(&format!("/control/accounts?limit=2&after={after}")).await;
        ids.extend(
            page["accounts"].as_array().unwrap().iter().map(|account| account["id"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut after),
            None => break,
        }
    }
    assert_eq!(ids, ["t0", "t1", "t2", "t3", "t4"]);
}

#[actix_web::test]
async fn a_stop_closes_sockets_and_frees_the_port() {
    let bed = TestBed::start(SimulatorConfig::default());
    let line = bed.connect("acme").await;
    bed.until("/control/stats", |stats| stats["sockets"] == 1).await;
    let (code, ()) = tokio::join!(ending(line), bed.handle.stop());
    assert_eq!(code, Some(CloseCode::Away.into()));
    let again = SimulatorConfig { bind: bed.handle.addr(), ..SimulatorConfig::default() };
    assert!(Simulator::bind(again).is_ok());
}

#[actix_web::test]
async fn an_address_in_use_is_named() {
    let bed = TestBed::start(SimulatorConfig::default());
    let taken = SimulatorConfig { bind: bed.handle.addr(), ..SimulatorConfig::default() };
    let error = Simulator::bind(taken).err().unwrap();
    assert!(error.to_string().contains(&bed.handle.addr().to_string()));
}

#[actix_web::test]
async fn the_documentation_names_every_fault_frame_and_kind_of_chaos() {
    const DOCS: &str = include_str!("../../../../docs/simulator.md");
    let bed = TestBed::start(SimulatorConfig::default());
    let put = bed.client.put(bed.url("/control/faults")).send_json(&json!({"?": 1})).await;
    let faults: Value = put.unwrap().json().await.unwrap();
    let refuse = bed.client.put(bed.url("/control/faults")).send_json(&json!({"refuse": {"?": 1}})).await;
    let refuse: Value = refuse.unwrap().json().await.unwrap();
    let (_, frames) = bed.post("/control/accounts/acme/frames", json!({"frame": "?"})).await;
    let (_, kinds) = bed.post("/control/chaos", json!({"per_second": 1, "seconds": 1, "kinds": ["?"]})).await;
    for (problem, least) in [(faults, 16), (refuse, 6), (frames, 17), (kinds, 17)] {
        let expected = problem["detail"].as_str().unwrap().split_once("expected one of ").unwrap().1;
        // What is between back-quotes.
        let names: Vec<_> = expected.split('`').skip(1).step_by(2).collect();
        assert!(names.len() >= least, "{names:?}");
        for name in names {
            let documented = DOCS.contains(&format!("`{name}`")) || DOCS.contains(&format!("\"{name}\":"));
            assert!(documented, "{name}");
        }
    }
}

#[actix_web::test]
async fn a_stop_ends_silent_sockets_too() {
    let bed = TestBed::start(SimulatorConfig::default());
    let line = bed.connect("acme").await;
    bed.sockets("acme", 1).await;
    bed.faults("acme", json!({"silent": true})).await;
    let (code, ()) = tokio::join!(ending(line), bed.handle.stop());
    assert_eq!(code, Some(CloseCode::Away.into()));
}
