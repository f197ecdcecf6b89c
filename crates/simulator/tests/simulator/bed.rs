use std::time::Duration;

use actix_http::ws::{Frame, Message};
use awc::{Client, http::StatusCode, ws::Codec};
use futures_util::{SinkExt, StreamExt};
use pushgate_model::{Answer, Push};
use pushgate_protocol::{ServerFrame, decode_server, encode_answer};
use pushgate_simulator::{Simulator, SimulatorConfig, SimulatorHandle};
use serde_json::{Value, json};

pub(crate) const LONG: Duration = Duration::from_secs(20);

pub(crate) type Line = actix_codec::Framed<awc::BoxedSocket, Codec>;

pub(crate) struct TestBed {
    pub(crate) handle: SimulatorHandle,
    pub(crate) client: Client,
}

impl TestBed {
    pub(crate) fn start(config: SimulatorConfig) -> Self {
        let config = SimulatorConfig { bind: ([127, 0, 0, 1], 0).into(), workers: 1, ..config };
        let simulator = Simulator::bind(config).unwrap();
        let handle = simulator.handle();
        actix_rt::spawn(async move { simulator.run().await.unwrap() });
        Self { handle, client: Client::builder().timeout(LONG).finish() }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.handle.addr())
    }

    pub(crate) async fn connect(&self, account: &str) -> Line {
        self.client.ws(self.url(&format!("/ws/{account}"))).connect().await.unwrap().1
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let mut response = self.client.get(self.url(path)).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        let mut response = self.client.post(self.url(path)).send_json(&body).await.unwrap();
        (response.status(), response.json().await.unwrap_or_default())
    }

    /// Sets the faults of an account, and answers the status.
    pub(crate) async fn faults(&self, account: &str, faults: Value) -> StatusCode {
        let path = self.url(&format!("/control/accounts/{account}/faults"));
        self.client.put(path).send_json(&faults).await.unwrap().status()
    }

    pub(crate) async fn delete(&self, path: &str) -> StatusCode {
        self.client.delete(self.url(path)).send().await.unwrap().status()
    }

    /// The status of a handshake.
    pub(crate) async fn dial(&self, account: &str) -> u16 {
        match self.client.ws(self.url(&format!("/ws/{account}"))).connect().await {
            Ok(_) => 101,
            Err(awc::error::WsClientError::InvalidResponseStatus(status)) => status.as_u16(),
            Err(error) => panic!("{error}"),
        }
    }

    /// Waits until the account has so many sockets.
    pub(crate) async fn sockets(&self, account: &str, count: usize) {
        let path = format!("/control/accounts/{account}");
        self.until(&path, |account| account["sockets"].as_array().is_some_and(|open| open.len() == count)).await;
    }

    /// Sends a push and answers its id.
    pub(crate) async fn push(&self, account: &str) -> String {
        let path = format!("/control/accounts/{account}/pushes");
        let (status, body) = self.post(&path, json!({"title": "t", "body": "b"})).await;
        assert_eq!(status, 202);
        body["ids"][0].as_str().unwrap().to_owned()
    }

    /// Asks until the answer is as wanted.
    pub(crate) async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
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

pub(crate) async fn frame(line: &mut Line) -> Option<Frame> {
    let frame = actix_rt::time::timeout(LONG, line.next()).await.expect("a frame comes");
    frame.and_then(Result::ok)
}

/// The next push; pings are answered on the way.
pub(crate) async fn push(line: &mut Line) -> Push {
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

pub(crate) async fn answer(line: &mut Line, push: &Push, answer: Answer) {
    line.send(Message::Binary(encode_answer(&push.id, answer))).await.unwrap();
}

/// How the other side ended the line: its close code, or nothing.
pub(crate) async fn ending(mut line: Line) -> Option<u16> {
    loop {
        match frame(&mut line).await {
            Some(Frame::Close(reason)) => return reason.map(|reason| reason.code.into()),
            Some(_) => {}
            None => return None,
        }
    }
}
