//! From an upstream push to every subscriber.

use std::time::Duration;

use pushgate_model::ConnectionState;
use pushgate_subscriber::{ControlEvent, StreamItem};
use serde_json::json;

use crate::stack::{Service, Stack, TestGateway, json, run, until};

#[test]
fn a_push_is_stored_answered_and_reaches_every_subscriber() {
    run(async {
        let stack = Stack::start().await;
        let mut first = stack.gateway.subscribe("/events/a");
        let mut second = stack.gateway.subscribe("/events?tenant=b&tenant=a");
        first.opened().await;
        second.opened().await;
        let created = "2026-01-02T03:04:05+06:00";
        let body = json!({"title": "Grüße\r\n", "body": "data: x\n\n", "created_at": created, "id": "ID-1"});
        stack.service.command("accounts/a/pushes", &body).await;
        for stream in [&mut first, &mut second] {
            let push = stream.push().await;
            assert_eq!((push.tenant.as_str(), push.id.as_str()), ("a", "ID-1"));
            assert_eq!((push.title.as_str(), push.body.as_str()), ("Grüße\r\n", "data: x\n\n"));
            assert_eq!(push.created_at, created);
            assert!(push.received_at.ends_with('Z'));
            assert!(stream.cursor.ends_with(&format!("-{}", push.seq)));
        }
        stack.service.answered("ID-1", "ack").await;
        let history = json(&stack.gateway.get("/tenants/a/pushes").await);
        assert_eq!(history["pushes"][0]["id"], "ID-1");
        assert_eq!(history["pushes"][0]["answer"], "ack");
        assert_eq!(history["pushes"][0]["cursor"], first.cursor);
        assert_eq!(history["next"], json!(null));
        stack.stop().await;
    });
}

#[test]
fn a_repeat_is_answered_again_and_not_delivered_again() {
    run(async {
        let stack = Stack::start().await;
        let mut stream = stack.gateway.subscribe("/events/a");
        stream.opened().await;
        stack.service.command("accounts/a/pushes", &json!({"title": "one", "body": "", "id": "same"})).await;
        assert_eq!(stream.push().await.id, "same");
        stack.service.answered("same", "ack").await;
        // A service that lost its memory sends it again; so it must be answered again.
        stack.service.command("accounts/a/pushes", &json!({"title": "two", "body": "", "id": "same"})).await;
        stack.service.answered("same", "ack").await;
        let tenant = "a".parse().unwrap();
        until("a counted repeat", || async {
            let snapshot = stack.gateway.directory.get(&tenant)?;
            (snapshot.duplicates == 1 && snapshot.answers == 2).then_some(())
        })
        .await;
        stack.service.push("a", "next");
        assert_eq!(stream.push().await.title, "next");
        stack.stop().await;
    });
}

#[test]
fn streams_of_several_tenants_are_in_the_order_of_seq() {
    run(async {
        let stack = Stack::start().await;
        let mut stream = stack.gateway.subscribe("/events?tenant=a&tenant=b&tenant=c");
        stream.opened().await;
        for tenant in ["a", "b", "c"] {
            let body = json!({"title": "t", "body": "b", "count": 300});
            stack.service.command(&format!("accounts/{tenant}/pushes"), &body).await;
        }
        let pushes = stream.pushes(900).await;
        assert!(pushes.windows(2).all(|pair| pair[0].seq < pair[1].seq));
        for tenant in ["a", "b", "c"] {
            assert_eq!(pushes.iter().filter(|push| push.tenant == tenant).count(), 300);
        }
        stack.stop().await;
    });
}

#[test]
fn subscribers_learn_how_their_tenant_is() {
    run(async {
        let stack = Stack::start().await;
        let mut stream = stack.gateway.subscribe("/events/a");
        let ControlEvent::Open { tenants, newest, .. } = stream.opened().await else { unreachable!() };
        assert_eq!(tenants["a"].state, "connected");
        assert_eq!(newest, None);
        stack.service.faults("a", &json!({"refuse": {"status": 503}})).await;
        stack.service.command("accounts/a/cut", &json!({"close": 1012})).await;
        loop {
            if let ControlEvent::Upstream { tenant, state } = stream.control().await {
                assert_eq!(tenant, "a");
                if state.reason.as_deref() == Some("http_503") {
                    break;
                }
            }
        }
        stack.service.faults("a", &json!({})).await;
        loop {
            if let ControlEvent::Upstream { state, .. } = stream.control().await
                && state.state == "connected"
            {
                break;
            }
        }
        stack.stop().await;
    });
}

#[test]
fn idle_streams_get_comments() {
    run(async {
        let stack = Stack::with("server.heartbeat = \"100ms\"").await;
        let mut stream = stack.gateway.subscribe("/events/a");
        stream.opened().await;
        let mut comments = 0;
        while comments < 3 {
            if let StreamItem::Comment(_) = stream.item().await {
                comments += 1;
            }
        }
        stack.stop().await;
    });
}

#[test]
fn a_service_that_comes_back_finds_all_its_accounts_again() {
    run(async {
        let stack = Stack::start().await;
        let addr = stack.service.handle.addr();
        let mut stream = stack.gateway.subscribe("/events?tenant=a&tenant=b&tenant=c");
        stream.opened().await;
        stack.service.stop().await;
        stack.gateway.reaches("a", ConnectionState::Backoff).await;
        let service = Service::with(|config| config.bind = addr);
        for tenant in ["a", "b", "c"] {
            service.push(tenant, tenant);
        }
        let mut titles: Vec<_> = stream.pushes(3).await.into_iter().map(|push| push.title).collect();
        titles.sort();
        assert_eq!(titles, ["a", "b", "c"]);
        stack.gateway.stop().await;
        service.stop().await;
    });
}

#[test]
fn broken_pushes_are_answered_nack_and_keep_nobody_waiting() {
    run(async {
        let stack = Stack::start().await;
        let mut stream = stack.gateway.subscribe("/events/a");
        stream.opened().await;
        for frame in ["broken_push", "missing_id", "unknown_variant", "text", "empty"] {
            stack.service.command("accounts/a/frames", &json!({"frame": frame})).await;
        }
        stack.service.command("accounts/a/frames", &json!({"frame": "garbage", "bytes": 5_000_000})).await;
        stack.service.push("a", "behind the rubbish");
        assert_eq!(stream.push().await.title, "behind the rubbish");
        let tenant = "a".parse().unwrap();
        let snapshot = stack.gateway.directory.get(&tenant).expect("still there");
        assert_eq!(snapshot.status.state, ConnectionState::Connected, "one socket all the time");
        assert_eq!(stack.service.control("accounts/a").await["connects"], 1);
        stack.stop().await;
    });
}

#[test]
fn a_second_gateway_on_the_same_journal_is_refused() {
    run(async {
        let stack = Stack::start().await;
        let url = stack.service.handle.upstream_url();
        let error = TestGateway::try_start(stack.folder.path(), &url, "").await.err().expect("refused");
        assert!(error.to_string().contains("in use by another process"), "{error}");
        stack.stop().await;
    });
}

#[test]
fn dead_upstream_is_noticed_by_silence() {
    run(async {
        let more = "upstream.heartbeat = { every = \"100ms\", dead_after = \"400ms\" }";
        let stack = Stack::with(more).await;
        stack.service.faults("a", &json!({"silent": true})).await;
        let tenant = "a".parse().unwrap();
        until("a dead peer", || async {
            let snapshot = stack.gateway.directory.get(&tenant)?;
            (snapshot.status.reason.as_deref() == Some("dead_peer")).then_some(())
        })
        .await;
        stack.service.faults("a", &json!({})).await;
        stack.gateway.reaches("a", ConnectionState::Connected).await;
        stack.stop().await;
    });
}

#[test]
fn sockets_that_end_amid_pushes_leave_nothing_in_flight() {
    run(async {
        let stack = Stack::with("upstream.in_flight.pushes = 4").await;
        let mut ids = Vec::new();
        for round in 0..20 {
            let body = json!({"title": round.to_string(), "body": "b", "count": 10});
            let sent = stack.service.command("accounts/a/pushes", &body).await;
            ids.extend(sent["ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()));
            let cut = if round % 2 == 0 { json!({"close": 1001}) } else { json!({}) };
            stack.service.command("accounts/a/cut", &cut).await;
            stack.gateway.reaches("a", ConnectionState::Connected).await;
        }
        for id in &ids {
            stack.service.answered(id, "ack").await;
        }
        // A drain waits for what is in flight: whatever had leaked would keep it to its limit.
        let (service, gateway) = (stack.service, stack.gateway);
        let drained = tokio::time::timeout(Duration::from_secs(3), gateway.stop()).await;
        assert!(drained.is_ok(), "something is in flight for ever");
        service.stop().await;
    });
}

#[test]
fn a_drain_says_goodbye_to_subscribers_and_the_service() {
    run(async {
        let stack = Stack::start().await;
        let mut stream = stack.gateway.subscribe("/events/a");
        stream.opened().await;
        let (service, gateway) = (stack.service, stack.gateway);
        let stopping = tokio::time::timeout(Duration::from_secs(10), gateway.stop());
        let watching = async {
            loop {
                if let ControlEvent::Shutdown(_) = stream.control().await {
                    break;
                }
            }
        };
        let (stopped, ()) = tokio::join!(stopping, watching);
        stopped.expect("a drain takes no longer than 10 s");
        service.stop().await;
    });
}
