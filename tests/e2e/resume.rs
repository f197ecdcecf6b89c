//! Breaks of any kind, and what a cursor brings back.

use pushgate_model::ConnectionState;
use pushgate_subscriber::ControlEvent;
use serde_json::json;

use crate::stack::{Service, Stack, TestGateway, json, run};

#[test]
fn a_cursor_brings_back_what_was_missed() {
    run(async {
        let stack = Stack::start().await;
        let mut stream = stack.gateway.subscribe("/events/a");
        stream.opened().await;
        // The position of `open` is a cursor too: this stream is cut before its first push.
        let cursor = stream.cursor.clone();
        drop(stream);
        let body = json!({"title": "t", "body": "b", "count": 1000});
        let ids = stack.service.command("accounts/a/pushes", &body).await["ids"].as_array().unwrap().clone();
        let mut stream = stack.gateway.subscribe_after("/events/a", Some(&cursor));
        let pushes = stream.pushes(1000).await;
        assert!(pushes.iter().map(|push| json!(push.id)).eq(ids));
        let cursor = stream.cursor.clone();
        for form in ["last_event_id", "lastEventId", "since"] {
            let behind = format!("{}-{}", cursor.split_once('-').unwrap().0, pushes[989].seq);
            let mut again = stack.gateway.subscribe(&format!("/events/a?{form}={behind}"));
            let rest = again.pushes(10).await;
            assert!(rest.iter().zip(&pushes[990..]).all(|(a, b)| a.id == b.id), "{form}");
        }
        let mut all = stack.gateway.subscribe("/events/a?since=earliest");
        assert_eq!(all.pushes(1000).await[0].id, pushes[0].id);
        stack.stop().await;
    });
}

#[test]
fn what_can_not_be_resumed_is_told() {
    run(async {
        let stack = Stack::start().await;
        stack.service.push("a", "kept");
        let mut stream = stack.gateway.subscribe("/events/a?since=earliest");
        stream.push().await;
        let cursor = stream.cursor.clone();
        let (epoch, seq) = cursor.split_once('-').unwrap();
        let ahead = format!("{epoch}-{}", seq.parse::<u64>().unwrap() + 1000);
        for (asked, expected, replays) in
            [("zzz-5", "unknown", true), (ahead.as_str(), "ahead", false), ("rub%20bish", "malformed", false)]
        {
            let mut stream = stack.gateway.subscribe(&format!("/events/a?since={asked}"));
            let ControlEvent::Gap { reason, .. } = stream.control().await else { panic!("{asked}: no gap first") };
            assert_eq!(reason, expected);
            stream.opened().await;
            if !replays {
                stack.service.push("a", "next");
            }
            let expected = if replays { "kept" } else { "next" };
            assert_eq!(stream.push().await.title, expected, "{asked}");
        }
        stack.stop().await;
    });
}

#[test]
fn streams_resume_over_a_restart_of_the_gateway() {
    run(async {
        let stack = Stack::start().await;
        let mut stream = stack.gateway.subscribe("/events?tenant=a&tenant=b");
        stream.opened().await;
        stack.service.push("a", "before");
        assert_eq!(stream.push().await.title, "before");
        let (cursor, url) = (stream.cursor.clone(), stack.service.handle.upstream_url());
        drop(stream);
        stack.gateway.stop().await;
        // Waits at the service until the gateway is back.
        let missed = stack.service.push("b", "meanwhile");
        let gateway = TestGateway::start(stack.folder.path(), &url, "").await;
        let mut stream = gateway.subscribe_after("/events?tenant=a&tenant=b", Some(&cursor));
        let push = stream.push().await;
        assert_eq!((push.tenant.as_str(), push.title.as_str()), ("b", "meanwhile"));
        stack.service.answered(&missed, "ack").await;
        // The id is known over the restart.
        stack.service.command("accounts/a/pushes", &json!({"title": "x", "body": "", "id": push.id})).await;
        gateway.stop().await;
        stack.service.stop().await;
    });
}

#[test]
fn trimmed_pushes_are_a_gap() {
    run(async {
        let stack = Stack::with("journal.retention.max_pushes_per_tenant = 10").await;
        let mut stream = stack.gateway.subscribe("/events/a");
        stream.opened().await;
        let cursor = stream.cursor.clone();
        drop(stream);
        let body = json!({"title": "t", "body": "b", "count": 100});
        stack.service.command("accounts/a/pushes", &body).await;
        crate::stack::until("the retention", || async {
            let history = json(&stack.gateway.get("/tenants/a/pushes?limit=1000").await);
            let kept = history["pushes"].as_array()?.len();
            let stored = stack.gateway.directory.get(&"a".parse().ok()?)?.pushes;
            (stored == 100 && kept == 10).then_some(())
        })
        .await;
        let mut stream = stack.gateway.subscribe_after("/events/a", Some(&cursor));
        let ControlEvent::Gap { reason, requested, oldest } = stream.control().await else { panic!("no gap") };
        assert_eq!((reason.as_str(), requested), ("expired", Some(cursor)));
        assert_eq!(stream.pushes(10).await.len(), 10);
        assert!(oldest.is_some());
        stack.stop().await;
    });
}

#[test]
fn tenants_are_told_apart() {
    run(async {
        let service = Service::start();
        let folder = tempfile::tempdir().unwrap();
        let gateway = TestGateway::start(folder.path(), &service.handle.upstream_url(), "").await;
        gateway.reaches("a", ConnectionState::Connected).await;
        assert_eq!(gateway.get("/events/nobody").await.status, 404);
        assert_eq!(gateway.get("/tenants/nobody/pushes").await.status, 404);
        let listed = json(&gateway.admin("/api/tenants").await);
        let ids: Vec<_> = listed["tenants"].as_array().unwrap().iter().map(|tenant| tenant["id"].clone()).collect();
        assert_eq!(ids, ["a", "b", "c"]);
        assert_eq!(gateway.admin("/readyz").await.status, 200);
        assert_eq!(gateway.admin("/healthz").await.status, 200);
        gateway.stop().await;
        service.stop().await;
    });
}
