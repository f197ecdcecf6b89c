//! Tabs that the browser puts to sleep.

use serde_json::json;

use crate::{
    browser::{
        driver::browse,
        sharing::{connections, send},
    },
    stack::{Stack, until},
};

#[test]
fn a_tab_asleep_loses_nothing_and_makes_nobody_wait() {
    browse(async |browser| {
        let stack = Stack::start().await;
        let sleeper = browser.first(stack.gateway.public).await;
        sleeper.follow(json!({})).await;
        let other = browser.tab(stack.gateway.public).await;
        other.follow(json!({})).await;
        sleeper.lifecycle("frozen").await;
        // More than it may be sent, and more than is kept for it.
        let sent = send(&stack, 2000).await;
        assert_eq!(other.pushes(2000).await, sent);
        sleeper.lifecycle("active").await;
        assert_eq!(sleeper.pushes(2000).await, sent);
        assert!(sleeper.heard("open").await.len() > 1, "it was really asleep, and had to catch up");
        until("one connection", || async { (connections(&stack).await == 1).then_some(()) }).await;
        stack.stop().await;
    });
}

#[test]
fn a_tab_that_connects_for_others_hands_over_before_it_sleeps() {
    browse(async |browser| {
        let stack = Stack::start().await;
        let leader = browser.first(stack.gateway.public).await;
        leader.follow(json!({"worker": false})).await;
        let other = browser.tab(stack.gateway.public).await;
        other.follow(json!({"worker": false})).await;
        let mut sent = send(&stack, 10).await;
        assert_eq!(other.pushes(10).await, sent);
        leader.lifecycle("frozen").await;
        sent.extend(send(&stack, 10).await);
        assert_eq!(other.pushes(20).await, sent);
        leader.lifecycle("active").await;
        assert_eq!(leader.pushes(20).await, sent);
        assert_eq!(leader.heard("open").await.len(), 2, "it came again, behind the other one");
        until("one connection", || async { (connections(&stack).await == 1).then_some(()) }).await;
        stack.stop().await;
    });
}
