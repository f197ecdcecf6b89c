//! The simulator as a gateway and a tester meet it: over real sockets, on a free port.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use actix_http::ws::{CloseCode, Frame, Item, Message};
use awc::{Client, http::StatusCode, ws::Codec};
use futures_util::{SinkExt, StreamExt};
use pushgate_model::{Answer, Push};
use pushgate_protocol::{ServerFrame, decode_server, encode_answer};
use pushgate_simulator::{AccountConfig, Simulator, SimulatorConfig, SimulatorHandle};
use serde_json::{Value, json};

const LONG: Duration = Duration::from_secs(20);

type Line = actix_codec::Framed<awc::BoxedSocket, Codec>;

struct TestBed {
    handle: SimulatorHandle,
    client: Client,
}

impl TestBed {
    fn start(config: SimulatorConfig) -> Self {
        let config = SimulatorConfig { bind: ([127, 0, 0, 1], 0).into(), workers: 1, ..config };
        let simulator = Simulator::bind(config).unwrap();
        let handle = simulator.handle();
        actix_rt::spawn(async move { simulator.run().await.unwrap() });
        Self { handle, client: Client::builder().timeout(LONG).finish() }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.handle.addr())
    }

    async fn connect(&self, account: &str) -> Line {
        self.client.ws(self.url(&format!("/ws/{account}"))).connect().await.unwrap().1
    }

    async fn get(&self, path: &str) -> Value {
        let mut response = self.client.get(self.url(path)).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        let mut response = self.client.post(self.url(path)).send_json(&body).await.unwrap();
        (response.status(), response.json().await.unwrap_or_default())
    }

    async fn push(&self, account: &str) -> String {
        let path = format!("/control/accounts/{account}/pushes");
        let (status, body) = self.post(&path, json!({"title": "t", "body": "b"})).await;
        assert_eq!(status, 202);
        body["ids"][0].as_str().unwrap().to_owned()
    }

    /// Asks until the answer is as wanted.
    async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let asked = async {
            loop {
                let value = self.get(path).await;
                if wanted(&value) {
                    return value;
                }
                actix_rt::time::sleep(Duration::from_millis(5)).await;
            }
        };
        actix_rt::time::timeout(LONG, asked).await.expect("it becomes as wanted")
    }
}

async fn frame(line: &mut Line) -> Option<Frame> {
    let frame = actix_rt::time::timeout(LONG, line.next()).await.expect("a frame comes");
    frame.and_then(Result::ok)
}

/// The next push; pings are answered on the way.
async fn push(line: &mut Line) -> Push {
    loop {
        match frame(line).await.expect("the line is open") {
            Frame::Binary(bytes) => match decode_server(&bytes, usize::MAX).unwrap() {
                ServerFrame::Push(push) => return push,
                ServerFrame::Unknown => panic!("unknown variant"),
            },
            Frame::Ping(payload) => line.send(Message::Pong(payload)).await.unwrap(),
            other => panic!("{other:?}"),
        }
    }
}

async fn answer(line: &mut Line, push: &Push, answer: Answer) {
    line.send(Message::Binary(encode_answer(&push.id, answer))).await.unwrap();
}

/// How the other side ended the line: its close code, or nothing.
async fn ending(mut line: Line) -> Option<u16> {
    loop {
        match frame(&mut line).await {
            Some(Frame::Close(reason)) => return reason.map(|reason| reason.code.into()),
            Some(_) => {}
            None => return None,
        }
    }
}

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
async fn fragments_join_to_the_push_and_raw_frames_arrive() {
    let bed = TestBed::start(SimulatorConfig::default());
    let mut line = bed.connect("acme").await;
    bed.until("/control/accounts/acme", |account| account["connects"] == 1).await;
    let (status, _) = bed.post("/control/accounts/acme/frames", json!({"frame": "unknown_variant"})).await;
    assert_eq!(status, 202);
    let Some(Frame::Binary(bytes)) = frame(&mut line).await else { panic!("no frame") };
    assert_eq!(decode_server(&bytes, usize::MAX).unwrap(), ServerFrame::Unknown);
    let faults = bed.url("/control/accounts/acme/faults");
    bed.client.put(&faults).send_json(&json!({"fragments": 3})).await.unwrap();
    let id = bed.push("acme").await;
    let mut joined = Vec::new();
    loop {
        match frame(&mut line).await.unwrap() {
            Frame::Continuation(Item::FirstBinary(piece) | Item::Continue(piece)) => joined.extend_from_slice(&piece),
            Frame::Continuation(Item::Last(piece)) => {
                joined.extend_from_slice(&piece);
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    let ServerFrame::Push(push) = decode_server(&joined, usize::MAX).unwrap() else { panic!("no push") };
    assert_eq!(push.id.as_str(), id);
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
