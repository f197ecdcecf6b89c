//! When a push is answered: once it is stored, once it was written to a subscriber, or as a subscriber says.

use std::time::Duration;

use pushgate_model::ConnectionState;
use pushgate_subscriber::post_json;
use serde_json::{Value, json};

use crate::stack::{Stack, TestGateway, json, run, until};

impl TestGateway {
    /// A subscriber's word; the status that it gets.
    async fn word(&self, tenant: &str, push_id: &str, word: &str) -> u16 {
        self.say(tenant, push_id, &json!({ "status": word })).await
    }

    async fn say(&self, tenant: &str, push_id: &str, body: &Value) -> u16 {
        let url = format!("http://{}/tenants/{tenant}/pushes/{push_id}/ack", self.public);
        post_json(&url, body).await.expect("the gateway answers").status
    }

    /// The answer that the history shows for a push.
    async fn recorded(&self, tenant: &str, push_id: &str) -> Value {
        let history = json(&self.get(&format!("/tenants/{tenant}/pushes")).await);
        let pushes = history["pushes"].as_array().expect("a page").clone();
        let found = pushes.into_iter().find(|push| push["id"] == push_id);
        found.expect("the push is stored")["answer"].clone()
    }

    /// Waits until a push is stored.
    async fn stores(&self, tenant: &str, push_id: &str) {
        until("a stored push", || async {
            let history = json(&self.get(&format!("/tenants/{tenant}/pushes")).await);
            let stored = history["pushes"].as_array()?.iter().any(|push| push["id"] == push_id);
            stored.then_some(())
        })
        .await;
    }
}

impl Stack {
    async fn attempts(&self, push_id: &str) -> u64 {
        self.service.control(&format!("pushes/{push_id}")).await["attempts"].as_u64().unwrap_or(0)
    }

    async fn unanswered(&self, push_id: &str) -> bool {
        self.service.control(&format!("pushes/{push_id}")).await["answer"] == Value::Null
    }
}

const CONFIRMED: &str = "upstream.ack = \"confirmed\"";
const DELIVERED: &str = "upstream.ack = \"delivered\"";

#[test]
fn a_confirmed_push_is_answered_as_the_first_subscriber_says() {
    run(async {
        let stack = Stack::with(CONFIRMED).await;
        let (mut one, mut other) = (stack.gateway.subscribe("/events/a"), stack.gateway.subscribe("/events/a"));
        one.opened().await;
        other.opened().await;
        for word in ["ack", "nack"] {
            let id = stack.service.push("a", word);
            assert_eq!(one.push().await.id, id);
            assert_eq!(other.push().await.id, id);
            assert!(stack.unanswered(&id).await, "nobody said anything");
            assert_eq!(stack.gateway.recorded("a", &id).await, Value::Null);
            let both = tokio::join!(stack.gateway.word("a", &id, word), stack.gateway.word("a", &id, word));
            assert!(matches!(both, (204, 409) | (409, 204)), "{both:?}: the first word counts");
            stack.service.answered(&id, word).await;
            assert_eq!(stack.gateway.recorded("a", &id).await, word);
        }
        stack.stop().await;
    });
}

#[test]
fn a_word_that_can_not_be_taken_is_refused() {
    run(async {
        let stack = Stack::with(CONFIRMED).await;
        let id = stack.service.push("a", "x");
        stack.gateway.stores("a", &id).await;
        let gateway = &stack.gateway;
        assert_eq!(gateway.word("a", "no-such-push", "ack").await, 404);
        assert_eq!(gateway.word("nobody", &id, "ack").await, 404);
        assert_eq!(gateway.word("b", &id, "ack").await, 404, "it is another tenant's push");
        for body in [json!({}), json!({ "status": "maybe" }), json!({ "status": "ack", "more": 1 }), json!([])] {
            assert_eq!(gateway.say("a", &id, &body).await, 422, "{body}");
        }
        assert_eq!(gateway.word("a", &id, "ack").await, 204);
        stack.stop().await;
    });
}

#[test]
fn a_push_that_is_acked_when_stored_needs_no_word() {
    run(async {
        let stack = Stack::start().await;
        let id = stack.service.push("a", "x");
        stack.service.answered(&id, "ack").await;
        assert_eq!(stack.gateway.word("a", &id, "nack").await, 409);
        stack.stop().await;
    });
}

#[test]
fn without_a_word_the_deadline_decides_and_a_repeat_opens_a_new_wait() {
    run(async {
        let stack = Stack::with(&format!("{CONFIRMED}\nupstream.ack_timeout = \"100ms\"")).await;
        let id = stack.service.push("a", "x");
        stack.service.answered(&id, "nack").await;
        assert_eq!(stack.gateway.recorded("a", &id).await, "nack");
        assert_eq!(stack.gateway.word("a", &id, "ack").await, 409, "it came too late");
        // The service sends it again, as it may after a NACK.
        stack.service.command("accounts/a/pushes", &json!({ "title": "x", "body": "", "id": id })).await;
        until("a new wait", || async { (stack.gateway.word("a", &id, "ack").await == 204).then_some(()) }).await;
        stack.service.answered(&id, "ack").await;
        assert_eq!(stack.gateway.recorded("a", &id).await, "ack");
        // What a subscriber said stands: a repeat gets it again, and opens no wait.
        stack.service.command("accounts/a/pushes", &json!({ "title": "x", "body": "", "id": id })).await;
        stack.service.answered(&id, "ack").await;
        assert_eq!(stack.gateway.word("a", &id, "nack").await, 409);
        stack.stop().await;
    });
}

#[test]
fn a_deadline_may_also_ack_or_say_nothing() {
    run(async {
        let deadline =
            |word: &str| format!("{CONFIRMED}\nupstream.ack_timeout = \"100ms\"\nupstream.ack_on_timeout = {word:?}");
        let stack = Stack::with(&deadline("ack")).await;
        let id = stack.service.push("a", "x");
        stack.service.answered(&id, "ack").await;
        stack.stop().await;
        let stack = Stack::with(&deadline("none")).await;
        let id = stack.service.push("a", "x");
        until("a second attempt", || async { (stack.attempts(&id).await > 1).then_some(()) }).await;
        assert!(stack.unanswered(&id).await);
        assert_eq!(stack.gateway.word("a", &id, "ack").await, 204);
        stack.service.answered(&id, "ack").await;
        stack.stop().await;
    });
}

#[test]
fn a_redelivery_joins_the_wait() {
    run(async {
        let stack = Stack::with(CONFIRMED).await;
        let mut stream = stack.gateway.subscribe("/events/a");
        stream.opened().await;
        let id = stack.service.push("a", "x");
        assert_eq!(stream.push().await.id, id);
        until("a second attempt", || async { (stack.attempts(&id).await > 1).then_some(()) }).await;
        assert_eq!(stack.gateway.word("a", &id, "ack").await, 204);
        stack.service.answered(&id, "ack").await;
        let next = stack.service.push("a", "next");
        assert_eq!(stream.push().await.id, next, "the repeat was not passed on");
        stack.stop().await;
    });
}

#[test]
fn a_word_goes_to_the_socket_by_which_the_push_came_last() {
    run(async {
        let stack = Stack::with(CONFIRMED).await;
        let id = stack.service.push("a", "x");
        stack.gateway.stores("a", &id).await;
        stack.service.command("accounts/a/cut", &json!({})).await;
        until("the push on the next socket", || async {
            let account = stack.service.control("accounts/a").await;
            let back = account["connects"] == 2 && account["sockets"].as_array()?.len() == 1;
            (back && stack.attempts(&id).await > 1).then_some(())
        })
        .await;
        assert_eq!(stack.gateway.word("a", &id, "ack").await, 204);
        stack.service.answered(&id, "ack").await;
        stack.stop().await;
    });
}

#[test]
fn a_word_while_the_service_is_away_is_its_answer_when_it_is_back() {
    run(async {
        let stack = Stack::with(CONFIRMED).await;
        let id = stack.service.push("a", "x");
        stack.gateway.stores("a", &id).await;
        stack.service.faults("a", &json!({ "refuse": { "status": 503 } })).await;
        stack.service.command("accounts/a/cut", &json!({})).await;
        stack.gateway.reaches("a", ConnectionState::Backoff).await;
        assert_eq!(stack.gateway.word("a", &id, "nack").await, 204);
        assert!(stack.unanswered(&id).await);
        stack.service.faults("a", &json!({})).await;
        stack.service.answered(&id, "nack").await;
        stack.stop().await;
    });
}

#[test]
fn a_wait_survives_a_restart_of_the_gateway() {
    run(async {
        let stack = Stack::with(CONFIRMED).await;
        let (before, after) = (stack.service.push("a", "word before"), stack.service.push("a", "word after"));
        stack.gateway.stores("a", &after).await;
        let Stack { folder, service, gateway } = stack;
        gateway.stop().await;
        service.faults("a", &json!({ "refuse": { "status": 503 } })).await;
        let gateway = TestGateway::start(folder.path(), &service.handle.upstream_url(), CONFIRMED).await;
        gateway.reaches("a", ConnectionState::Backoff).await;
        assert_eq!(gateway.word("a", &before, "nack").await, 204, "nothing waits yet, and the word is kept");
        service.faults("a", &json!({})).await;
        service.answered(&before, "nack").await;
        until("the wait of the other", || async {
            let push = service.control(&format!("pushes/{after}")).await;
            (push["attempts"].as_u64()? > 1).then_some(())
        })
        .await;
        assert_eq!(gateway.word("a", &after, "ack").await, 204);
        service.answered(&after, "ack").await;
        gateway.stop().await;
        service.stop().await;
    });
}

#[test]
fn a_delivered_push_is_acked_once_a_stream_has_it() {
    run(async {
        let stack = Stack::with(DELIVERED).await;
        let early = stack.service.push("a", "nobody is there");
        stack.gateway.stores("a", &early).await;
        let mut live = stack.gateway.subscribe("/events/a");
        live.opened().await;
        let id = stack.service.push("a", "somebody is there");
        assert_eq!(live.push().await.id, id);
        stack.service.answered(&id, "ack").await;
        assert!(stack.unanswered(&early).await, "no stream had this one");
        let mut replay = stack.gateway.subscribe("/events/a?since=earliest");
        assert_eq!(replay.push().await.id, early);
        stack.service.answered(&early, "ack").await;
        assert_eq!(stack.gateway.recorded("a", &early).await, "ack");
        stack.stop().await;
    });
}

#[test]
fn a_push_that_nobody_was_there_for_is_nacked_in_time() {
    run(async {
        let stack = Stack::with(&format!("{DELIVERED}\nupstream.ack_timeout = \"200ms\"")).await;
        let id = stack.service.push("a", "x");
        stack.service.answered(&id, "nack").await;
        stack.stop().await;
    });
}

#[test]
fn open_waits_do_not_keep_a_drain() {
    run(async {
        let stack = Stack::with(CONFIRMED).await;
        let id = stack.service.push("a", "x");
        stack.gateway.stores("a", &id).await;
        let drained = tokio::time::timeout(Duration::from_secs(3), stack.gateway.stop()).await;
        assert!(drained.is_ok());
        stack.service.stop().await;
    });
}

#[test]
fn each_tenant_may_have_a_policy_of_its_own() {
    run(async {
        let stack = Stack::with("[[tenants]]\nid = \"d\"\nack = \"confirmed\"").await;
        let (stored, waits) = (stack.service.push("a", "x"), stack.service.push("d", "x"));
        stack.service.answered(&stored, "ack").await;
        stack.gateway.stores("d", &waits).await;
        assert!(stack.unanswered(&waits).await);
        assert_eq!(stack.gateway.word("d", &waits, "ack").await, 204);
        stack.service.answered(&waits, "ack").await;
        stack.stop().await;
    });
}

#[test]
fn a_quarantined_push_may_be_acked() {
    run(async {
        let more = "upstream.on_quarantine = \"ack\"\nupstream.max_message = \"1KiB\"\n\
                    [[tenants]]\nid = \"d\"\non_quarantine = \"nack\"";
        let stack = Stack::with(more).await;
        // Too large, and broken behind its id.
        let large = json!({ "title": "x", "body": "x".repeat(2000), "id": "large" });
        stack.service.command("accounts/a/pushes", &large).await;
        stack.service.answered("large", "ack").await;
        let of_d = json!({ "title": "x", "body": "x".repeat(2000), "id": "large-of-d" });
        stack.service.command("accounts/d/pushes", &of_d).await;
        stack.service.answered("large-of-d", "nack").await;
        stack.service.command("accounts/b/frames", &json!({ "frame": "broken_push" })).await;
        until("an acked broken push", || async {
            let tenant = json(&stack.gateway.admin("/api/tenants/b").await);
            (tenant["answers"] == 1).then_some(())
        })
        .await;
        let metrics = stack.gateway.admin("/metrics").await.text();
        for count in ["pushgate_upstream_acks_total 2", "pushgate_upstream_nacks_total 1"] {
            assert!(metrics.lines().any(|line| line == count), "{count} is missing in: {metrics}");
        }
        // It was acked, so the service has it no more: the quarantine is where it is.
        let entries = json(&stack.gateway.admin("/api/quarantine").await)["entries"].clone();
        let reasons: Vec<_> = entries.as_array().expect("a page").iter().map(|entry| entry["reason"].clone()).collect();
        assert_eq!(reasons, ["too_large", "too_large", "malformed"]);
        let history = json(&stack.gateway.get("/tenants/a/pushes").await);
        assert_eq!(history["pushes"], json!([]));
        stack.stop().await;
    });
}
