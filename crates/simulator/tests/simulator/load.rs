use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use actix_codec::Framed;
use actix_http::ws::Message;
use awc::{BoxedSocket, ws::Codec};
use futures_util::SinkExt as _;
use pushgate_model::Answer;
use pushgate_protocol::encode_answer;
use pushgate_simulator::{AccountConfig, SimulatorConfig};
use serde_json::json;

use crate::bed::{TestBed, push};

/// Answers the next push, and answers its body.
async fn settle(line: &mut Framed<BoxedSocket, Codec>) -> String {
    let next = push(line).await;
    line.send(Message::Binary(encode_answer(&next.id, Answer::Ack))).await.unwrap();
    next.body
}

fn numbered(count: usize) -> SimulatorConfig {
    SimulatorConfig { accounts: AccountConfig::numbered(count), ..SimulatorConfig::default() }
}

#[actix_web::test]
async fn an_answer_makes_the_next_push_of_its_account() {
    let bed = TestBed::start(numbered(2));
    let mut line = bed.connect("t0").await;
    let load = json!({"accounts": 2, "in_flight": 3, "marker": "m"});
    assert_eq!(bed.post("/control/load", load).await.0, 202);
    bed.until("/control/load", |load| load["sent"] == 6).await;
    for n in 0..10 {
        assert!(settle(&mut line).await.contains(&format!(";n={n};")));
    }
    let load = bed.until("/control/load", |load| load["answered"] == 10).await;
    assert_eq!((&load["sent"], &load["total"], &load["done"]), (&json!(16), &json!(null), &json!(false)));
    assert_eq!(bed.get("/control/accounts/t0").await["pending"], 3);
    assert_eq!(bed.delete("/control/load").await, 204);
    settle(&mut line).await;
    let load = bed.until("/control/load", |load| load["answered"] == 11).await;
    assert_eq!((&load["sent"], &load["done"]), (&json!(16), &json!(true)));
}

#[actix_web::test]
async fn a_load_ends_after_its_pushes_and_after_its_time() {
    let bed = TestBed::start(SimulatorConfig::default());
    bed.post("/control/load", json!({"accounts": ["a"], "in_flight": 100, "pushes": 7})).await;
    let load = bed.until("/control/load", |load| load["done"] == true).await;
    assert_eq!((&load["total"], &load["sent"]), (&json!(7), &json!(7)));
    let timed = json!({"accounts": ["b"], "in_flight": 1, "seconds": 0.02});
    assert_eq!(bed.post("/control/load", timed).await.0, 202);
    let load = bed.until("/control/load", |load| load["done"] == true).await;
    assert_eq!(load["sent"], 1);
}

#[actix_web::test]
async fn a_rate_waits_for_accounts_with_room_in_flight() {
    let bed = TestBed::start(SimulatorConfig::default());
    let mut line = bed.connect("a").await;
    let load = json!({"accounts": ["a"], "per_second": 100_000, "pushes": 9, "in_flight": 4});
    assert_eq!(bed.post("/control/load", load).await.0, 202);
    bed.until("/control/load", |load| load["sent"] == 4).await;
    for _ in 0..9 {
        settle(&mut line).await;
    }
    let load = bed.until("/control/load", |load| load["answered"] == 9).await;
    assert_eq!((&load["sent"], &load["refused"], &load["done"]), (&json!(9), &json!(0), &json!(true)));
}

#[actix_web::test]
async fn credit_is_taken_line_by_line_while_its_request_goes_on() {
    let bed = TestBed::start(numbered(2));
    let mut lines = [bed.connect("t0").await, bed.connect("t1").await];
    assert_eq!(bed.post("/control/load", json!({"credit": 2})).await.0, 202);
    for line in &mut lines {
        assert!(settle(line).await.contains(";n=0;"));
    }
    let mut request = TcpStream::connect(bed.handle.addr()).unwrap();
    request.write_all(b"POST /control/load/credit HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
    request.write_all(b"5\r\n2\n1 t\r\n").unwrap();
    for line in &mut lines {
        assert!(settle(line).await.contains(";n=1;"));
    }
    request.write_all(b"2\r\n1\n\r\n").unwrap();
    assert!(settle(&mut lines[1]).await.contains(";n=2;"));
    request.write_all(b"0\r\n\r\n").unwrap();
    let mut status = [0; 12];
    request.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    assert_eq!(bed.get("/control/load").await["sent"], 5);
}

#[actix_web::test]
async fn credit_that_can_not_be_given_is_a_problem() {
    let bed = TestBed::start(numbered(1));
    let credit = async |body: &'static str| {
        bed.client.post(bed.url("/control/load/credit")).send_body(body).await.unwrap().status().as_u16()
    };
    assert_eq!(credit("1").await, 409);
    bed.post("/control/load", json!({"accounts": 1, "in_flight": 1})).await;
    assert_eq!(credit("1").await, 409);
    bed.delete("/control/load").await;
    bed.post("/control/load", json!({"accounts": 1, "credit": 0})).await;
    for (body, status) in [("0", 422), ("100001", 422), ("many", 422), ("1 nobody", 404), ("1 t0", 200), ("\n\n", 200)]
    {
        assert_eq!(credit(body).await, status, "{body}");
    }
    let long = "1".repeat(1000);
    assert_eq!(credit(Box::leak(long.into_boxed_str())).await, 422);
    assert_eq!(bed.get("/control/load").await["sent"], 1);
}

#[actix_web::test]
async fn what_has_no_room_is_refused_or_waits() {
    let config = numbered(1);
    let limits = pushgate_simulator::Limits { pending: 3, ..config.limits };
    let bed = TestBed::start(SimulatorConfig { limits, ..config });
    assert_eq!(bed.post("/control/load", json!({"accounts": 1, "in_flight": 4})).await.0, 422);
    bed.post("/control/load", json!({"accounts": 1, "credit": 5})).await;
    let load = bed.get("/control/load").await;
    assert_eq!((&load["sent"], &load["refused"]), (&json!(3), &json!(2)));
}

#[actix_web::test]
async fn a_load_from_the_start_waits_for_all_sockets() {
    let load = r#"{"in_flight":1,"pushes":2}"#.parse().unwrap();
    let bed = TestBed::start(SimulatorConfig { load: Some(load), ..numbered(2) });
    let mut first = bed.connect("t0").await;
    bed.sockets("t0", 1).await;
    assert_eq!(bed.get("/control/load").await["sent"], 0);
    let mut second = bed.connect("t1").await;
    for line in [&mut first, &mut second] {
        let next = actix_rt::time::timeout(Duration::from_secs(20), settle(line)).await.unwrap();
        assert!(next.contains(";n=0;"), "{next}");
    }
}

#[test]
fn a_load_from_the_start_needs_accounts() {
    let load = r#"{"in_flight":1}"#.parse().unwrap();
    let config = SimulatorConfig { bind: ([127, 0, 0, 1], 0).into(), load: Some(load), ..SimulatorConfig::default() };
    assert!(pushgate_simulator::Simulator::bind(config).is_err());
}
