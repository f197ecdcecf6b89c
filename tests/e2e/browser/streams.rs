//! What one page hears and says.

use serde_json::{Value, json};

use crate::{
    browser::driver::browse,
    stack::{Stack, json, until},
};

#[test]
fn a_page_hears_of_pushes_and_of_connections() {
    browse(async |browser| {
        let stack = Stack::start().await;
        let page = browser.first(stack.gateway.public).await;
        page.connect(json!({"tenants": ["b", "a"]})).await;
        let open = page.hears("open").await;
        assert_eq!(open["tenants"]["a"]["state"], "connected");
        assert_eq!(open["tenants"]["b"]["state"], "connected");
        let body = json!({"title": "Grüße\r\n", "body": "data: <b>x</b>\n\n", "id": "ID-1"});
        stack.service.command("accounts/a/pushes", &body).await;
        let push = page.hears("push").await;
        assert_eq!((&push["tenant"], &push["id"]), (&json!("a"), &json!("ID-1")));
        assert_eq!((&push["title"], &push["body"]), (&json!("Grüße\r\n"), &json!("data: <b>x</b>\n\n")));
        assert_eq!(push["cursor"], page.run("return stream.stream.cursor", Value::Null).await);
        stack.service.command("accounts/b/cut", &json!({})).await;
        stack.service.faults("b", &json!({"silent": true})).await;
        stack.gateway.tenants.pause(&"b".parse().unwrap()).await.unwrap();
        page.comes_to("stream.heard.some(([name, { tenant, state }]) => name === 'upstream' && tenant === 'b' && state === 'paused')")
            .await;
        stack.stop().await;
    });
}

#[test]
fn a_page_is_told_of_a_gap_before_the_stream_goes_on() {
    browse(async |browser| {
        let stack = Stack::start().await;
        let sent = stack.service.push("a", "kept");
        stack.service.answered(&sent, "ack").await;
        let page = browser.first(stack.gateway.public).await;
        page.follow(json!({"since": "anotherlife-7"})).await;
        assert_eq!(page.pushes(1).await, [sent]);
        let names = page
            .run("return stream.heard.map(([name]) => name).filter((name) => name !== 'status')", Value::Null)
            .await;
        assert_eq!(names, json!(["gap", "open", "push"]));
        let gap = page.hears("gap").await;
        assert_eq!((&gap["reason"], &gap["requested"]), (&json!("unknown"), &json!("anotherlife-7")));
        stack.stop().await;
    });
}

#[test]
fn a_word_of_a_page_reaches_the_service() {
    browse(async |browser| {
        let stack = Stack::with("upstream.ack = \"confirmed\"").await;
        let page = browser.first(stack.gateway.public).await;
        page.follow(json!({})).await;
        let sent = stack.service.push("a", "confirm me");
        assert_eq!(page.pushes(1).await, [sent.as_str()]);
        let confirm = "return stream.stream.confirm(arguments[0], 'nack').catch(({ name, status, type }) => ({ name, status, type }))";
        let push = json!({"tenant": "a", "id": sent});
        assert_eq!(page.run(confirm, push.clone()).await, "done");
        stack.service.answered(&sent, "nack").await;
        assert_eq!(page.run(confirm, push).await, "already");
        let unknown = page.run(confirm, json!({"tenant": "a", "id": "no such/push"})).await;
        let problem = "urn:problem-type:pushgate:unknown-push";
        assert_eq!(unknown, json!({"name": "PushgateError", "status": 404, "type": problem}));
        stack.stop().await;
    });
}

#[test]
fn a_refusal_ends_the_stream_and_says_why() {
    browse(async |browser| {
        let stack = Stack::start().await;
        let page = browser.first(stack.gateway.public).await;
        page.connect(json!({"tenants": ["a", "nobody"]})).await;
        let error = page.hears("error").await;
        assert_eq!(error["status"], 404);
        assert_eq!(error["type"], "urn:problem-type:pushgate:unknown-tenant");
        page.comes_to("stream.stream.status === 'closed'").await;
        stack.stop().await;
    });
}

#[test]
fn a_reloaded_page_goes_on_where_it_was() {
    browse(async |browser| {
        let stack = Stack::start().await;
        let page = browser.first(stack.gateway.public).await;
        for storage in ["session", "local"] {
            page.follow(json!({"storage": storage})).await;
            let seen = stack.service.push("a", "seen");
            assert_eq!(page.pushes(1).await, [seen.as_str()]);
            page.run("stream.stream.close()", Value::Null).await;
            let missed = stack.service.push("a", "missed");
            stack.service.answered(&missed, "ack").await;
            page.reload().await;
            page.follow(json!({"storage": storage})).await;
            let next = stack.service.push("a", "next");
            assert_eq!(page.pushes(2).await, [missed, next]);
            page.reload().await;
        }
        stack.stop().await;
    });
}

#[test]
fn a_closed_stream_leaves_nothing_behind() {
    browse(async |browser| {
        let stack = Stack::start().await;
        let page = browser.first(stack.gateway.public).await;
        for options in [json!({}), json!({"worker": false}), json!({"share": false})] {
            page.follow(options).await;
            page.run("stream.stream.close()", Value::Null).await;
            until("no subscriber", || async {
                let tenant = json(&stack.gateway.admin("/api/tenants/a").await);
                (tenant["subscribers"] == 0).then_some(())
            })
            .await;
        }
        stack.stop().await;
    });
}
