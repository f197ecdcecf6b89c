//! What a gateway tells of its connections, and what it must never tell.

use std::collections::BTreeSet;

use pushgate_subscriber::{EventStream, StreamConfig, post_json};
use serde_json::json;

use crate::{
    process::{Process, free_addresses, ready, write_config},
    stack::{Service, Stack, run, until},
    stream::TestStream,
};

#[test]
fn the_end_of_a_connection_is_summed_up_and_no_line_holds_a_push_or_a_secret() {
    run(async {
        const SECRETS: [&str; 4] = ["s3cret-bearer", "s3cret-header", "s3cret-query", "s3cret-admin"];
        const TEXTS: [&str; 2] = ["a title for nobody else", "a body for nobody else"];
        let folder = tempfile::tempdir().unwrap();
        let service = Service::start();
        let addresses = free_addresses();
        let tenant = format!(
            "[[tenants]]\nid = \"d\"\nbearer = \"{}\"\nheaders = {{ X-Key = \"{}\" }}\nquery = {{ key = \"{}\" }}\n",
            SECRETS[0], SECRETS[1], SECRETS[2]
        );
        let more = format!("admin.token = \"{}\"\n{tenant}", SECRETS[3]);
        let config = write_config(folder.path(), &service.handle.upstream_url(), addresses, &more);
        // Everything of our own, at the finest.
        let finest = "debug,pushgate=trace,pushgate_upstream=trace,pushgate_session=trace,pushgate_journal=trace,\
                      pushgate_fanout=trace,pushgate_http=trace";
        let (mut process, mut log) = Process::serve_logging(&config, finest);
        ready(addresses[1]).await;
        let stream = StreamConfig::new(format!("http://{}/events/d", addresses[0]));
        let mut stream = TestStream::new(EventStream::connect(stream).unwrap());
        stream.opened().await;
        let push = json!({ "title": TEXTS[0], "body": TEXTS[1], "id": "p-1" });
        service.command("accounts/d/pushes", &push).await;
        stream.push().await;
        service.answered("p-1", "ack").await;
        // The same again is a repeat, and what is broken goes to the quarantine.
        service.command("accounts/d/pushes", &push).await;
        service.answered("p-1", "ack").await;
        service.command("accounts/d/frames", &json!({ "frame": "broken_push" })).await;
        service.command("accounts/d/cut", &json!({ "close": 4321 })).await;
        let ended = loop {
            let ended = log.says("connection ended").await;
            if ended["tenant"] == "d" {
                break ended;
            }
        };
        assert_eq!(
            (&ended["level"], &ended["class"], &ended["reason"]),
            (&json!("WARN"), &json!("backoff"), &json!("closed_4321"))
        );
        assert_eq!(ended["close_code"], 4321);
        assert!(ended["lived_ms"].as_u64().is_some_and(|lived| lived < 60_000), "{ended}");
        assert_eq!((&ended["stored"], &ended["duplicates"]), (&json!(1), &json!(1)), "{ended}");
        assert!(ended["pushes"].as_u64() >= Some(2) && ended["acks"].as_u64() >= Some(2), "{ended}");
        // What was asked for is told as no trouble.
        process.signal("TERM");
        let drained = log.says("connection ended").await;
        assert_eq!((&drained["level"], &drained["class"]), (&json!("INFO"), &json!("at_once")), "{drained}");
        assert_eq!(process.ended().await.code(), Some(0));
        let all = log.rest().await;
        assert!(all.contains("pushgate_upstream"), "it logged");
        for never in SECRETS.into_iter().chain(TEXTS) {
            let line = all.lines().find(|line| line.contains(never));
            assert_eq!(line, None, "{never}");
        }
        service.stop().await;
    });
}

#[test]
fn no_label_of_a_metric_is_a_tenant() {
    run(async {
        let stack = Stack::with("[[tenants]]\nid = \"a-tenant-of-its-own\"\nack = \"confirmed\"").await;
        let own = "a-tenant-of-its-own";
        let mut stream = stack.gateway.subscribe(&format!("/events?tenant={own}&tenant=a&tenant=b&tenant=c"));
        stream.opened().await;
        // Traffic of every kind: answers, words, repeats, the quarantine, endings, refusals, requests that fail.
        for tenant in ["a", "b", "c", own] {
            let id = stack.service.push(tenant, "x");
            stream.push().await;
            if tenant == own {
                let url = format!("http://{}/tenants/{tenant}/pushes/{id}/ack", stack.gateway.public);
                until("a word that is taken", || async {
                    let word = post_json(&url, &json!({ "status": "nack" })).await.ok()?;
                    (word.status == 204).then_some(())
                })
                .await;
            }
            stack.service.command(&format!("accounts/{tenant}/frames"), &json!({ "frame": "broken_push" })).await;
            stack.service.command(&format!("accounts/{tenant}/frames"), &json!({ "frame": "text" })).await;
            stack.service.faults(tenant, &json!({ "refuse": { "status": 503, "times": 1 } })).await;
            stack.service.command(&format!("accounts/{tenant}/cut"), &json!({ "close": 4000 })).await;
            stack.gateway.get(&format!("/events/{tenant}-not")).await;
            stack.gateway.admin(&format!("/api/tenants/{tenant}")).await;
        }
        let metrics = until("the traffic in the metrics", || async {
            let metrics = stack.gateway.admin("/metrics").await.text();
            let refused = metrics
                .lines()
                .find(|line| line.starts_with("pushgate_upstream_endings") && line.contains("http_503"))?;
            refused.ends_with(" 4").then_some(metrics)
        })
        .await;
        let samples = metrics.lines().filter(|line| !line.starts_with('#'));
        let values: BTreeSet<_> = samples.flat_map(|line| line.split('"').skip(1).step_by(2)).collect();
        assert!(values.contains("connected") && values.contains("http_503"), "{values:?}");
        for tenant in ["a", "b", "c", own] {
            assert!(!values.contains(tenant), "{tenant} in {values:?}");
        }
        assert!(!metrics.contains(own), "{metrics}");
        stack.stop().await;
    });
}
