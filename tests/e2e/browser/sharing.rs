//! Many tabs, one connection.

use serde_json::{Value, json};

use crate::{
    browser::{
        driver::{Browser, browse},
        page::Page,
    },
    stack::{Stack, json, until},
};

/// Streams that the gateway has open for tenant `a`.
pub(super) async fn connections(stack: &Stack) -> u64 {
    json(&stack.gateway.admin("/api/tenants/a").await)["subscribers"].as_u64().expect("a number")
}

/// Sends so many pushes to tenant `a`; their ids.
pub(super) async fn send(stack: &Stack, count: usize) -> Vec<String> {
    let body = json!({"title": "t", "body": "b", "count": count});
    let sent = stack.service.command("accounts/a/pushes", &body).await;
    serde_json::from_value(sent["ids"].clone()).expect("a list of ids")
}

async fn tabs<'a>(stack: &Stack, browser: &'a Browser, count: usize, options: &Value) -> Vec<Page<'a>> {
    let mut pages = vec![browser.first(stack.gateway.public).await];
    while pages.len() < count {
        pages.push(browser.tab(stack.gateway.public).await);
    }
    for page in &pages {
        page.follow(options.clone()).await;
    }
    pages
}

#[test]
fn ten_tabs_share_one_connection() {
    browse(async |browser| {
        let stack = Stack::start().await;
        let mut pages = tabs(&stack, browser, 10, &json!({})).await;
        assert_eq!(connections(&stack).await, 1);
        let mut sent = send(&stack, 50).await;
        for page in &pages {
            assert_eq!(page.pushes(50).await, sent);
        }
        // Whoever came first may go: the others keep what they have.
        pages.remove(0).close().await;
        pages[0].front().await;
        sent.extend(send(&stack, 50).await);
        for page in &pages {
            assert_eq!(page.pushes(100).await, sent);
        }
        assert_eq!(connections(&stack).await, 1);
        let opens = pages[0].heard("open").await;
        assert_eq!(opens.len(), 1, "one connection all the time: {opens:?}");
        stack.stop().await;
    });
}

#[test]
fn without_a_worker_one_tab_connects_for_all() {
    browse(async |browser| {
        let stack = Stack::start().await;
        let mut pages = tabs(&stack, browser, 4, &json!({"worker": false})).await;
        assert_eq!(connections(&stack).await, 1);
        let mut sent = send(&stack, 50).await;
        for page in &pages {
            assert_eq!(page.pushes(50).await, sent);
        }
        // The tab that connects goes, amid pushes; another takes over.
        let body = json!({"title": "t", "body": "b", "count": 200, "per_second": 1000});
        let amid = stack.service.command("accounts/a/pushes", &body).await["ids"].clone();
        pages.remove(0).close().await;
        pages[0].front().await;
        sent.extend(serde_json::from_value::<Vec<String>>(amid).unwrap());
        for page in &pages {
            assert_eq!(page.pushes(250).await, sent);
        }
        until("one connection", || async { (connections(&stack).await == 1).then_some(()) }).await;
        stack.stop().await;
    });
}

#[test]
fn streams_of_other_tenants_or_scopes_have_connections_of_their_own() {
    browse(async |browser| {
        let stack = Stack::start().await;
        let page = browser.first(stack.gateway.public).await;
        for (name, options) in [
            ("one", json!({"tenants": ["a"]})),
            ("same", json!({"tenants": ["a", "a"]})),
            ("more", json!({"tenants": ["b", "a"]})),
            ("more_again", json!({"tenants": ["a", "b"]})),
            ("scoped", json!({"tenants": ["a"], "scope": "somebody"})),
        ] {
            let mut options = options;
            options["name"] = json!(name);
            page.connect(options).await;
            page.comes_to(&format!("{name}.heard.some(([event]) => event === 'open')")).await;
        }
        assert_eq!(connections(&stack).await, 3);
        stack.stop().await;
    });
}

#[test]
fn a_tab_that_comes_late_gets_what_came_after_its_own_cursor() {
    browse(async |browser| {
        let stack = Stack::start().await;
        let early = browser.first(stack.gateway.public).await;
        early.follow(json!({})).await;
        let start = early.run("return stream.stream.cursor", Value::Null).await;
        // More than is kept for those who come late.
        let mut sent = send(&stack, 1500).await;
        assert_eq!(early.pushes(1500).await, sent);
        let middle =
            early.run("return stream.heard.filter(([name]) => name === 'push')[1399][1].cursor", Value::Null).await;
        let behind = browser.tab(stack.gateway.public).await;
        behind.follow(json!({"since": start})).await;
        let near = browser.tab(stack.gateway.public).await;
        near.follow(json!({"since": middle})).await;
        let live = browser.tab(stack.gateway.public).await;
        live.follow(json!({})).await;
        let all = browser.tab(stack.gateway.public).await;
        all.follow(json!({"since": "earliest"})).await;
        sent.extend(send(&stack, 20).await);
        for (page, from) in [(&early, 0), (&behind, 0), (&near, 1400), (&live, 1500), (&all, 0)] {
            assert_eq!(page.pushes(1520 - from).await, sent[from..]);
        }
        until("one connection", || async { (connections(&stack).await == 1).then_some(()) }).await;
        stack.stop().await;
    });
}
