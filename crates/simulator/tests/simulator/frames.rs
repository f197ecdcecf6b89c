use actix_http::ws::{Frame, Item};
use awc::http::StatusCode;
use pushgate_model::Answer;
use pushgate_protocol::{ServerFrame, decode_server};
use pushgate_simulator::SimulatorConfig;
use serde_json::{Value, json};

use crate::{
    bed::{TestBed, answer, frame, push},
    raw::RawLine,
};

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
async fn hostile_frames_go_out_byte_by_byte() {
    let bed = TestBed::start(SimulatorConfig::default());
    let mut line = RawLine::open(&bed, "acme").await;
    bed.sockets("acme", 1).await;
    for (body, expected) in [
        (json!({"frame": "raw", "hex": "8a 02 68 69"}), &b"\x8a\x02hi"[..]),
        (json!({"frame": "empty"}), b"\x82\x00"),
        (json!({"frame": "text"}), b"\x81\x04text"),
        (json!({"frame": "zeros", "bytes": 3}), b"\x82\x03\0\0\0"),
        (json!({"frame": "declared_huge", "declared": 1_u64 << 40, "bytes": 1}), b"\x82\x7f\0\0\x01\0\0\0\0\0\0"),
        (json!({"frame": "endless_fragments", "count": 2}), b"\x02\x01\0\x00\x01\0"),
        (json!({"frame": "empty_continuations", "count": 2}), b"\x02\x01\x7a\0\0\0\0\x80\x06\x05\x0a\x03new"),
        (json!({"frame": "stray_continuation"}), b"\x80\x05stray"),
        (json!({"frame": "long_ping", "bytes": 126}), &[&[0x89, 126, 0, 126][..], &[0; 126]].concat()),
        (json!({"frame": "pings", "count": 2}), b"\x89\0\x89\0"),
        (json!({"frame": "broken_push"}), b"\x82\x0f\x0a\x0d\x0a\x06broken\x1a\x7fcut"),
        (json!({"frame": "missing_id"}), b"\x82\x09\x0a\x07\x1a\x05title"),
        (json!({"frame": "invalid_utf8"}), b"\x82\x14\x0a\x12\x0a\x0cinvalid-utf8\x1a\x02\xff\xfe"),
    ] {
        let (status, _) = bed.post("/control/accounts/acme/frames", body.clone()).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{body}");
        assert_eq!(line.read(expected.len()), expected, "{body}");
    }
    bed.post("/control/accounts/acme/frames", json!({"frame": "masked"})).await;
    let masked = line.read(2 + 4 + 7);
    let unmasked: Vec<u8> = masked[6..].iter().zip(masked[2..6].iter().cycle()).map(|(byte, key)| byte ^ key).collect();
    assert_eq!((&masked[..2], &unmasked[..]), (&[0x82, 0x87][..], &b"\x7a\x05\x0a\x03new"[..]));
}

#[actix_web::test]
async fn a_frame_that_can_not_be_is_a_problem_and_one_without_a_socket_a_conflict() {
    let bed = TestBed::start(SimulatorConfig::default());
    for (body, status) in [
        (json!({"frame": "zeros", "bytes": 0}), 422),
        (json!({"frame": "text", "bytes": 1}), 422),
        (json!({"frame": "raw", "hex": "8"}), 422),
        (json!({"frame": "oblong"}), 422),
        (json!({"frame": "text"}), 409),
    ] {
        assert_eq!(bed.post("/control/accounts/acme/frames", body.clone()).await.0, status, "{body}");
    }
}

#[actix_web::test]
async fn a_push_with_an_unknown_field_is_a_push() {
    let bed = TestBed::start(SimulatorConfig::default());
    let mut line = bed.connect("acme").await;
    bed.sockets("acme", 1).await;
    bed.post("/control/accounts/acme/frames", json!({"frame": "unknown_field"})).await;
    let untracked = push(&mut line).await;
    assert!(!untracked.id.as_str().is_empty());
    assert_eq!(bed.get("/control/accounts/acme").await["pending"], 0);
    bed.faults("acme", json!({"unknown_field": true})).await;
    let id = bed.push("acme").await;
    assert_eq!(push(&mut line).await.id.as_str(), id);
}

#[actix_web::test]
async fn a_redelivered_push_comes_so_many_times_and_is_answered_once() {
    let bed = TestBed::start(SimulatorConfig::default());
    let mut line = bed.connect("acme").await;
    bed.faults("acme", json!({"redeliver": 3, "other_bytes": true})).await;
    let id = bed.push("acme").await;
    let mut bodies = Vec::new();
    for _ in 0..3 {
        let copy = push(&mut line).await;
        assert_eq!(copy.id.as_str(), id);
        answer(&mut line, &copy, Answer::Ack).await;
        bodies.push(copy.body);
    }
    assert!(bodies[0] == "b" && bodies[1] != bodies[0] && bodies[2] != bodies[1], "{bodies:?}");
    let stats = bed.until("/control/stats", |stats| stats["unmatched_answers"] == 2).await;
    assert_eq!((&stats["acks"], &stats["sent"], &stats["repeats"]), (&json!(1), &json!(3), &json!(2)));
}

#[actix_web::test]
async fn frames_come_between_the_pushes() {
    let bed = TestBed::start(SimulatorConfig::default());
    let mut line = bed.connect("acme").await;
    let frames: Value = json!([{"frame": "text"}, {"frame": "empty"}]);
    assert_eq!(bed.faults("acme", json!({"intersperse": {"every": 2, "frames": frames}})).await, StatusCode::OK);
    for _ in 0..4 {
        bed.push("acme").await;
    }
    let mut seen = String::new();
    for _ in 0..6 {
        seen.push(match frame(&mut line).await.unwrap() {
            Frame::Binary(bytes) if bytes.is_empty() => 'e',
            Frame::Binary(_) => 'p',
            Frame::Text(_) => 't',
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(seen, "pptppe");
}
