//! Gateways that are killed, and networks that die.

use serde_json::{Value, json};

use crate::{
    browser::{
        driver::browse,
        gateway::{Killable, jwt, token},
        network::Network,
    },
    stack::Stack,
};

#[test]
fn a_killed_gateway_costs_no_tab_a_push() {
    browse(async |browser| {
        let mut gateway = Killable::start(|_| jwt()).await;
        let first = browser.first(gateway.public).await;
        first.follow(json!({"login": token("a")})).await;
        let second = browser.tab(gateway.public).await;
        second.follow(json!({"login": token("a")})).await;
        let mut sent = gateway.kill_amid_pushes().await;
        sent.sort();
        let kept = gateway.kept(300).await;
        for page in [&first, &second] {
            assert_eq!(page.pushes(300).await, kept, "each once, in order");
        }
        let mut sorted = kept.clone();
        sorted.sort();
        assert_eq!(sorted, sent, "all of them");
        // A ticket is for one connect, and this gateway forgets them when it dies; any of the tabs may have been asked for the next.
        let mut asked = 0;
        for page in [&first, &second] {
            asked += page.run("return stream.asked.length", Value::Null).await.as_u64().unwrap();
        }
        assert!(asked >= 2, "{asked}");
        gateway.service.stop().await;
    });
}

#[test]
fn a_plain_event_source_resumes_after_a_kill() {
    browse(async |browser| {
        let mut gateway = Killable::start(|_| String::new()).await;
        let page = browser.first(gateway.public).await;
        let script = "
            const source = new EventSource('/events/a');
            const heard = [];
            source.onmessage = ({ data }) => heard.push(['push', JSON.parse(data)]);
            window.stream = { heard };
            return new Promise((resolve) => source.addEventListener('open', ({ data }) => data && resolve()));";
        page.run(script, Value::Null).await;
        gateway.kill_amid_pushes().await;
        let kept = gateway.kept(300).await;
        assert_eq!(page.pushes(300).await, kept, "each once, in order");
        gateway.service.stop().await;
    });
}

#[test]
fn a_line_that_died_without_a_word_is_noticed_and_replaced() {
    browse(async |browser| {
        let stack = Stack::with("server.heartbeat = \"200ms\"").await;
        let network = Network::to(stack.gateway.public).await;
        let page = browser.first(network.addr).await;
        page.follow(json!({"idleTimeout": 1500})).await;
        network.die();
        let missed = stack.service.push("a", "missed");
        stack.service.answered(&missed, "ack").await;
        page.comes_to("stream.heard.some(([name, { reason }]) => name === 'status' && reason === 'silent')").await;
        assert_eq!(page.ids().await.len(), 0);
        network.heal();
        assert_eq!(page.pushes(1).await, [missed]);
        let next = stack.service.push("a", "next");
        assert_eq!(page.pushes(2).await[1], next);
        stack.stop().await;
    });
}
