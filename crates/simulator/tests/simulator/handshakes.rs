use std::time::{Duration, Instant};

use awc::http::StatusCode;
use pushgate_simulator::{AccountConfig, SimulatorConfig};
use serde_json::{Value, json};

use crate::{bed::TestBed, raw::RawLine};

#[actix_web::test]
async fn only_configured_accounts_exist_and_tokens_are_checked() {
    let accounts = vec![AccountConfig { id: "acme".into(), token: Some("right".into()) }];
    let bed = TestBed::start(SimulatorConfig { accounts, ..SimulatorConfig::default() });
    let status = async |account: &str, token: &str| {
        let request = bed.client.ws(bed.url(&format!("/ws/{account}"))).bearer_auth(token);
        match request.connect().await {
            Ok(_) => 101,
            Err(awc::error::WsClientError::InvalidResponseStatus(status)) => status.as_u16(),
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(
        (status("acme", "right").await, status("acme", "wrong").await, status("nobody", "right").await),
        (101, 401, 404)
    );
    assert_eq!(bed.handle.stats().refused, 2);
}

#[actix_web::test]
async fn a_refused_handshake_has_the_status_and_retry_after() {
    let bed = TestBed::start(SimulatorConfig::default());
    let faults = bed.url("/control/accounts/acme/faults");
    let refuse = json!({"refuse": {"status": 503, "retry_after": 7}});
    assert_eq!(bed.client.put(&faults).send_json(&refuse).await.unwrap().status(), 200);
    let response = bed.client.get(bed.url("/ws/acme")).send().await.unwrap();
    assert_eq!(
        (response.status(), response.headers().get("retry-after").unwrap().as_bytes()),
        (StatusCode::SERVICE_UNAVAILABLE, &b"7"[..])
    );
    assert_eq!(response.headers().get("content-type").unwrap(), "application/problem+json");
    assert_eq!(bed.client.delete(&faults).send().await.unwrap().status(), 204);
    bed.connect("acme").await;
}

#[actix_web::test]
async fn a_refusal_may_redirect_and_may_have_a_date_or_any_text() {
    let bed = TestBed::start(SimulatorConfig::default());
    for (refuse, name, wanted) in [
        (json!({"status": 302, "location": "wss://elsewhere/ws"}), "location", "wss://elsewhere/ws"),
        (json!({"status": 503, "retry_after": "soon"}), "retry-after", "soon"),
        (json!({"status": 429, "retry_after_date": 3600}), "retry-after", " GMT"),
        (json!({"status": 200}), "content-type", "application/problem+json"),
    ] {
        assert_eq!(bed.faults("acme", json!({"refuse": refuse.clone()})).await, StatusCode::OK);
        let client = awc::Client::builder().disable_redirects().finish();
        let response = client.get(bed.url("/ws/acme")).send().await.unwrap();
        assert_eq!(json!(response.status().as_u16()), refuse["status"]);
        let value = response.headers().get(name).unwrap().to_str().unwrap();
        assert!(value.ends_with(wanted), "{refuse}: {value}");
    }
}

#[actix_web::test]
async fn a_refusal_may_be_for_the_next_handshakes_only_and_all_are_counted_by_the_second() {
    let bed = TestBed::start(SimulatorConfig::default());
    bed.faults("acme", json!({"refuse": {"status": 503, "times": 2}})).await;
    let seen = [bed.dial("acme").await, bed.dial("acme").await, bed.dial("acme").await];
    assert_eq!(seen, [503, 503, 101]);
    let account = bed.until("/control/accounts/acme", |account| account["connects"] == 1).await;
    assert_eq!(account["refused"], 2);
    let stats = bed.handle.stats();
    assert_eq!((stats.attempts, stats.refused, stats.connects), (3, 2, 1));
    let by_second = [&stats.attempts_per_second, &stats.refused_per_second, &stats.connects_per_second];
    assert_eq!(by_second.map(|counts| (counts.len(), counts.iter().sum())), [(600, 3), (600, 2), (600, 1)]);
}

#[actix_web::test]
async fn a_stalled_handshake_waits_until_the_fault_ends() {
    let bed = TestBed::start(SimulatorConfig::default());
    bed.faults("acme", json!({"stall": true})).await;
    let mut line = RawLine::ask(&bed, "acme");
    bed.until("/control/accounts/acme", |account| account["held"] == 1).await;
    assert_eq!(bed.handle.stats().connects, 0);
    assert_eq!(bed.delete("/control/accounts/acme/faults").await, StatusCode::NO_CONTENT);
    bed.sockets("acme", 1).await;
    assert_eq!(line.read(12), b"HTTP/1.1 101");
}

#[actix_web::test]
async fn a_stalled_handshake_is_gone_with_its_gateway() {
    let bed = TestBed::start(SimulatorConfig::default());
    bed.faults("acme", json!({"stall": true})).await;
    let line = RawLine::ask(&bed, "acme");
    bed.until("/control/accounts/acme", |account| account["held"] == 1).await;
    drop(line);
    bed.until("/control/accounts/acme", |account| account["held"] == 0).await;
}

#[actix_web::test]
async fn a_stop_lets_stalled_handshakes_go() {
    let bed = TestBed::start(SimulatorConfig::default());
    bed.faults("acme", json!({"stall": true})).await;
    let mut line = RawLine::ask(&bed, "acme");
    bed.until("/control/accounts/acme", |account| account["held"] == 1).await;
    bed.handle.stop().await;
    assert_eq!(line.read(12), b"HTTP/1.1 503");
}

#[actix_web::test]
async fn a_slow_upgrade_comes_late() {
    let bed = TestBed::start(SimulatorConfig::default());
    bed.faults("acme", json!({"upgrade_delay_ms": 100})).await;
    let asked = Instant::now();
    bed.connect("acme").await;
    assert!(asked.elapsed() >= Duration::from_millis(100));
}

#[actix_web::test]
async fn faults_of_all_hold_for_accounts_to_come() {
    let bed = TestBed::start(SimulatorConfig::default());
    assert_eq!(bed.dial("old").await, 101);
    let refuse: Value = json!({"refuse": {"status": 502}});
    let all = bed.url("/control/faults");
    assert_eq!(bed.client.put(&all).send_json(&refuse).await.unwrap().status(), 200);
    assert_eq!((bed.dial("old").await, bed.dial("new").await, bed.get("/control/faults").await), (502, 502, refuse));
    assert_eq!(bed.delete("/control/faults").await, 204);
    assert_eq!((bed.dial("old").await, bed.dial("new").await), (101, 101));
}

#[actix_web::test]
async fn configured_faults_hold_from_the_start() {
    let faults = [r#"{"refuse":{"status":502}}"#, r#"acme={"refuse":{"status":401}}"#, "good={}"];
    let faults = faults.iter().map(|text| text.parse().unwrap()).collect();
    let bed = TestBed::start(SimulatorConfig { faults, ..SimulatorConfig::default() });
    assert_eq!((bed.dial("acme").await, bed.dial("good").await, bed.dial("other").await), (401, 101, 502));
}
