//! What operators do while the gateway runs.

use pushgate_model::ConnectionState;
use pushgate_subscriber::{ControlEvent, HttpClient, HttpConfig, Response};
use serde_json::{Value, json};

use crate::stack::{Service, Stack, TestGateway, json, run, until};

impl TestGateway {
    fn api(&self, path: &str) -> String {
        format!("http://{}/api/{path}", self.admin)
    }

    async fn put(&self, path: &str, body: &Value) -> Response {
        let client = HttpClient::new(HttpConfig::default());
        client.put_json(&self.api(path), body).await.expect("the gateway answers")
    }

    async fn post(&self, path: &str) -> u16 {
        let client = HttpClient::new(HttpConfig::default());
        client.post_json(&self.api(path), &json!({})).await.expect("the gateway answers").status
    }

    async fn delete(&self, path: &str) -> u16 {
        let client = HttpClient::new(HttpConfig::default());
        client.delete(&self.api(path)).await.expect("the gateway answers").status
    }

    async fn shows(&self, path: &str) -> Value {
        json(&self.admin(&format!("/api/{path}")).await)
    }
}

/// How often an account was connected to.
async fn connects(service: &Service, account: &str) -> u64 {
    service.control(&format!("accounts/{account}")).await["connects"].as_u64().unwrap_or(0)
}

#[test]
fn a_tenant_of_the_api_lives_as_one_of_the_files() {
    run(async {
        let stack = Stack::start().await;
        let put = stack.gateway.put("tenants/new", &json!({ "bearer": "s3cret" })).await;
        assert_eq!(put.status, 201, "{}", put.text());
        stack.gateway.reaches("new", ConnectionState::Connected).await;
        let mut stream = stack.gateway.subscribe("/events/new");
        stream.opened().await;
        let id = stack.service.push("new", "x");
        assert_eq!(stream.push().await.id, id);
        stack.service.answered(&id, "ack").await;
        let shown = stack.gateway.admin("/api/tenants/new").await;
        assert!(!shown.text().contains("s3cret"));
        let shown = json(&shown);
        assert_eq!((&shown["source"], &shown["settings"]["bearer"]), (&json!("api"), &json!("***")));
        // It is there again after a restart, with its secret.
        let Stack { folder, service, gateway } = stack;
        gateway.stop().await;
        let gateway = TestGateway::start(folder.path(), &service.handle.upstream_url(), "").await;
        gateway.reaches("new", ConnectionState::Connected).await;
        gateway.stop().await;
        service.stop().await;
    });
}

#[test]
fn a_changed_credential_is_used_at_once_and_nobody_else_notices() {
    run(async {
        let stack = Stack::start().await;
        stack.gateway.put("tenants/new", &json!({ "bearer": "old" })).await;
        stack.gateway.reaches("new", ConnectionState::Connected).await;
        stack.service.faults("new", &json!({ "refuse": { "status": 401 } })).await;
        stack.service.command("accounts/new/cut", &json!({})).await;
        stack.gateway.reaches("new", ConnectionState::AuthFailed).await;
        stack.service.faults("new", &json!({})).await;
        // Its next attempt would come in five minutes.
        let put = stack.gateway.put("tenants/new", &json!({ "bearer": "new" })).await;
        assert_eq!(put.status, 200, "{}", put.text());
        stack.gateway.reaches("new", ConnectionState::Connected).await;
        // What changes nothing about the dial leaves the socket alone.
        let before = connects(&stack.service, "new").await;
        stack.gateway.put("tenants/new", &json!({ "bearer": "***", "ack": "confirmed" })).await;
        let id = stack.service.push("new", "x");
        until("a stored push", || async {
            let history = json(&stack.gateway.get("/tenants/new/pushes").await);
            history["pushes"].as_array()?.iter().any(|push| push["id"] == *id).then_some(())
        })
        .await;
        assert_eq!(connects(&stack.service, "new").await, before);
        for tenant in ["a", "b", "c"] {
            assert_eq!(connects(&stack.service, tenant).await, 1);
        }
        stack.stop().await;
    });
}

#[test]
fn a_deleted_tenant_ends_its_streams_and_its_socket() {
    run(async {
        let stack = Stack::start().await;
        stack.gateway.put("tenants/new", &json!({})).await;
        stack.gateway.reaches("new", ConnectionState::Connected).await;
        let mut alone = stack.gateway.subscribe("/events/new");
        let mut several = stack.gateway.subscribe("/events?tenant=new&tenant=a");
        alone.opened().await;
        several.opened().await;
        let pushed = stack.service.push("new", "kept");
        assert_eq!(alone.push().await.id, pushed);
        stack.service.answered(&pushed, "ack").await;
        assert_eq!(stack.gateway.delete("tenants/new").await, 204);
        for stream in [&mut alone, &mut several] {
            loop {
                if let ControlEvent::TenantRemoved(_) = stream.control().await {
                    break;
                }
            }
        }
        let sockets = stack.service.control("accounts/new").await["sockets"].as_array().map(Vec::len);
        assert_eq!(sockets, Some(0), "it was closed before the answer");
        assert_eq!(stack.gateway.get("/events/new").await.status, 204);
        assert_eq!(stack.gateway.delete("tenants/new").await, 404);
        let id = stack.service.push("a", "goes on");
        assert_eq!(several.push().await.id, id);
        // The name returns, and finds its pushes.
        assert_eq!(stack.gateway.put("tenants/new", &json!({})).await.status, 201);
        let mut again = stack.gateway.subscribe("/events/new?since=earliest");
        assert_eq!(again.push().await.id, pushed);
        assert_eq!(
            HttpClient::new(HttpConfig::default())
                .delete(&stack.gateway.api("tenants/new?purge=true"))
                .await
                .unwrap()
                .status,
            204
        );
        stack.gateway.put("tenants/new", &json!({})).await;
        let history = json(&stack.gateway.get("/tenants/new/pushes").await);
        assert_eq!(history["pushes"], json!([]), "erased");
        stack.stop().await;
    });
}

#[test]
fn tenants_of_the_files_are_changed_there() {
    run(async {
        let stack = Stack::start().await;
        assert_eq!(stack.gateway.put("tenants/a", &json!({})).await.status, 409);
        assert_eq!(stack.gateway.delete("tenants/a").await, 409);
        let wrong = stack.gateway.put("tenants/new", &json!({ "urll": "ws://x", "bearer": 7 })).await;
        assert_eq!(wrong.status, 422);
        let keys: Vec<_> =
            json(&wrong)["errors"].as_array().unwrap().iter().map(|error| error["key"].clone()).collect();
        assert!(keys.contains(&json!("urll")) && keys.contains(&json!("bearer")), "{keys:?}");
        stack.stop().await;
    });
}

#[test]
fn a_paused_tenant_is_apart_until_it_is_resumed_also_across_a_restart() {
    run(async {
        let stack = Stack::start().await;
        for _ in 0..2 {
            assert_eq!(stack.gateway.post("tenants/a/pause").await, 202);
        }
        stack.gateway.reaches("a", ConnectionState::Paused).await;
        until("no socket", || async {
            let account = stack.service.control("accounts/a").await;
            account["sockets"].as_array()?.is_empty().then_some(())
        })
        .await;
        assert_eq!(stack.gateway.post("tenants/a/reconnect").await, 202, "and does nothing");
        assert_eq!(stack.gateway.shows("tenants/a").await["reason"], "operator");
        let Stack { folder, service, gateway } = stack;
        gateway.stop().await;
        let gateway = TestGateway::start(folder.path(), &service.handle.upstream_url(), "").await;
        gateway.reaches("b", ConnectionState::Connected).await;
        assert_eq!(gateway.shows("tenants/a").await["state"], "paused");
        assert_eq!(connects(&service, "a").await, 1);
        assert_eq!(gateway.post("tenants/a/resume").await, 202);
        gateway.reaches("a", ConnectionState::Connected).await;
        assert_eq!(gateway.post("tenants/nobody/resume").await, 404);
        gateway.stop().await;
        service.stop().await;
    });
}

#[test]
fn a_reconnect_dials_at_once_also_out_of_a_long_pause() {
    run(async {
        let stack = Stack::start().await;
        stack.service.faults("a", &json!({ "refuse": { "status": 404 } })).await;
        stack.service.command("accounts/a/cut", &json!({})).await;
        stack.gateway.reaches("a", ConnectionState::Misconfigured).await;
        stack.service.faults("a", &json!({})).await;
        assert_eq!(stack.gateway.post("tenants/a/reconnect").await, 202);
        stack.gateway.reaches("a", ConnectionState::Connected).await;
        assert_eq!(stack.gateway.post("tenants/a/reconnect").await, 202);
        until("a third socket", || async { (connects(&stack.service, "a").await == 3).then_some(()) }).await;
        stack.gateway.reaches("a", ConnectionState::Connected).await;
        let transitions = stack.gateway.shows("tenants/a/transitions").await["transitions"].clone();
        let states: Vec<_> = transitions.as_array().unwrap().iter().map(|t| t["state"].as_str().unwrap()).collect();
        assert!(states.contains(&"misconfigured") && states.contains(&"connected"), "{states:?}");
        stack.stop().await;
    });
}

#[test]
fn a_service_that_says_goodbye_is_shown_with_its_words() {
    run(async {
        let stack = Stack::start().await;
        stack.service.command("accounts/a/cut", &json!({ "close": 4321 })).await;
        let shown = until("what the close said", || async {
            let shown = stack.gateway.shows("tenants/a").await;
            shown["last_close"].is_object().then_some(shown)
        })
        .await;
        assert_eq!(shown["last_close"]["code"], 4321);
        stack.stop().await;
    });
}

#[test]
fn what_was_quarantined_is_listed_replayed_and_erased() {
    run(async {
        let stack = Stack::start().await;
        for frame in ["broken_push", "missing_id", "missing_id"] {
            stack.service.command("accounts/a/frames", &json!({ "frame": frame })).await;
        }
        let entries = until("both entries", || async {
            let entries = stack.gateway.shows("quarantine?tenant=a").await["entries"].clone();
            let counts: Vec<_> = entries.as_array()?.iter().map(|entry| entry["count"].as_u64()).collect();
            (counts == [Some(1), Some(2)]).then_some(entries)
        })
        .await;
        assert_eq!((&entries[0]["reason"], &entries[1]["reason"]), (&json!("malformed"), &json!("missing_id")));
        let id = entries[0]["id"].as_u64().unwrap();
        let one = stack.gateway.shows(&format!("quarantine/{id}")).await;
        assert!(one["raw"].as_str().is_some_and(|raw| !raw.is_empty()));
        assert_eq!(stack.gateway.post(&format!("quarantine/{id}/replay")).await, 422, "it is still broken");
        assert_eq!(stack.gateway.delete(&format!("quarantine/{id}")).await, 204);
        assert_eq!(stack.gateway.delete(&format!("quarantine/{id}")).await, 404);
        assert_eq!(stack.gateway.shows("quarantine?tenant=b").await["entries"], json!([]));
        stack.stop().await;
    });
}

#[test]
fn a_message_that_was_too_long_becomes_a_push_once_the_limit_allows_it() {
    run(async {
        let stack = Stack::with("upstream.max_message = \"1KiB\"").await;
        let body = json!({ "title": "long", "body": "x".repeat(2000), "id": "long" });
        stack.service.command("accounts/a/pushes", &body).await;
        stack.service.answered("long", "nack").await;
        let Stack { folder, service, gateway } = stack;
        gateway.stop().await;
        let gateway = TestGateway::start(folder.path(), &service.handle.upstream_url(), "").await;
        let mut stream = gateway.subscribe("/events/a");
        stream.opened().await;
        let entry = gateway.shows("quarantine").await["entries"][0].clone();
        assert_eq!(gateway.post(&format!("quarantine/{}/replay", entry["id"])).await, 200);
        assert_eq!(stream.push().await.id, "long");
        assert_eq!(gateway.shows("quarantine").await["entries"], json!([]));
        gateway.stop().await;
        service.stop().await;
    });
}
