//! Streams through real proxies, each on its very recipe of `docs/proxies`, where only ports, paths and times are others.

mod curl;
mod recipe;
mod rig;

use std::time::{Duration, Instant};

use crate::{
    clients::streams,
    stack::{run, until},
};
use curl::Curl;
use recipe::{Proxy, Route};
use rig::Rig;

/// What the contract allows from the commit to the subscriber.
const LIVE: Duration = Duration::from_secs(1);
/// How long a stream may be listed whose subscriber hung up: not until the next comment, which would find that out too.
const GONE: Duration = Duration::from_millis(1200);
/// Comments of an idle stream, one every 1.5 s, moved by at most 10 %: longer than the proxies wait for a byte.
const IDLE_COMMENTS: usize = 3;
/// Until when every health check has found the gateway gone: two in a row, 0.2 s apart, and room for a slow machine.
const NOTICED: Duration = Duration::from_secs(1);

#[test]
fn nginx_passes_streams_and_brings_them_back() {
    passes_streams_and_brings_them_back(Proxy::Nginx);
}

#[test]
fn caddy_passes_streams_and_brings_them_back() {
    passes_streams_and_brings_them_back(Proxy::Caddy);
}

#[test]
fn haproxy_passes_streams_and_brings_them_back() {
    passes_streams_and_brings_them_back(Proxy::Haproxy);
}

#[test]
fn every_proxy_can_pass_a_base_path_alone() {
    run(async {
        for proxy in [Proxy::Nginx, Proxy::Caddy, Proxy::Haproxy] {
            let rig = Rig::start(proxy, Route::BasePath).await;
            let stream = Curl::subscribe(&rig, &[], &[]);
            stream.opened().await;
            rig.push("below").await;
            stream.has_pushes(1).await;
            // All else is the proxy's own, or of others behind it.
            let mut other = Curl::get(&rig, "/other");
            assert!(!other.whole().await.concat().contains("urn:problem-type:pushgate"), "{proxy:?}");
            rig.stop().await;
        }
    });
}

fn passes_streams_and_brings_them_back(proxy: Proxy) {
    run(async {
        let mut rig = Rig::start(proxy, Route::Everything).await;
        let [newer, older] = pass_untouched(&rig).await;
        tell_where_they_come_from(&rig).await;
        stay_while_idle(&rig, [&newer, &older]).await;
        end_with_the_subscriber(&rig, older).await;
        let newer = resume_after_a_reload(&rig, newer).await;
        resume_after_a_restart(&mut rig, newer).await;
        keep_tickets_to_themselves(&rig).await;
        rig.stop().await;
    });
}

/// By HTTP/2 and HTTP/1.1, from somebody who would take it compressed.
async fn pass_untouched(rig: &Rig) -> [Curl; 2] {
    let forged = ["X-Forwarded-For: 203.0.113.9", "Forwarded: for=203.0.113.9", "Accept-Encoding: gzip, br"];
    let both = ["--http2", "--http1.1"].map(|version| Curl::subscribe(rig, &[version], &forged));
    for curl in &both {
        curl.opened().await;
    }
    assert_eq!(both.each_ref().map(Curl::status_line), ["HTTP/2 200", "HTTP/1.1 200 OK"]);
    for curl in &both {
        assert_eq!(curl.header("content-type").as_deref(), Some("text/event-stream"));
        assert_eq!(curl.header("cache-control").as_deref(), Some("no-store, no-transform"));
        assert_eq!(curl.header("x-content-type-options").as_deref(), Some("nosniff"));
        assert_eq!(curl.header("content-encoding"), None);
    }
    let sent = Instant::now();
    rig.push("live").await;
    for curl in &both {
        curl.has_pushes(1).await;
    }
    assert!(sent.elapsed() < LIVE, "{:?}", sent.elapsed());
    both
}

/// The gateway sees the subscriber's address, whatever he says himself.
async fn tell_where_they_come_from(rig: &Rig) {
    let listed = rig.admin("/api/tenants/a/subscribers").await;
    let subscribers = listed["subscribers"].as_array().expect("a list");
    let addresses: Vec<_> = subscribers.iter().map(|subscriber| &subscriber["address"]).collect();
    assert_eq!(addresses, [curl::ADDRESS; 2]);
}

/// The gateway's comments are enough for a proxy that gives up after a silence of three seconds.
async fn stay_while_idle(rig: &Rig, both: [&Curl; 2]) {
    until("comments", || async { both.iter().all(|curl| curl.comments() >= IDLE_COMMENTS).then_some(()) }).await;
    rig.push("after a silence").await;
    for curl in both {
        curl.has_pushes(2).await;
    }
}

/// The proxy tells the gateway that a subscriber hung up.
async fn end_with_the_subscriber(rig: &Rig, one: Curl) {
    assert_eq!(streams(rig.admin_address()).await, Some(2));
    let comments = one.comments();
    until("a comment", || async { (one.comments() > comments).then_some(()) }).await;
    drop(one);
    let hung_up = Instant::now();
    until("one stream less", || async { (streams(rig.admin_address()).await? == 1).then_some(()) }).await;
    assert!(hung_up.elapsed() < GONE, "{:?}", hung_up.elapsed());
}

/// After a reload a stream goes on or is cut, as the proxy has it; in either case nothing is lost and nothing comes twice.
async fn resume_after_a_reload(rig: &Rig, mut stream: Curl) -> Curl {
    let before = stream.pushes().len();
    rig.reload_proxy().await;
    rig.push("after a reload").await;
    let may_go_on = !rig.proxy().cuts_after_a_reload();
    until("the end of the stream, or more of it", || {
        let settled = stream.ended() || (may_go_on && stream.pushes().len() > before);
        async move { settled.then_some(()) }
    })
    .await;
    let mut seen = stream.pushes();
    drop(stream);
    rig.push("later").await;
    let all = rig.history().await;
    let resumed = Curl::resume(rig, &seen[seen.len() - 1].0).await;
    resumed.has_pushes(all.len() - seen.len()).await;
    seen.extend(resumed.pushes());
    assert_eq!(seen, all);
    resumed
}

/// While the gateway is away the proxy keeps browsers coming back, and does not hide it from others.
async fn resume_after_a_restart(rig: &mut Rig, mut stream: Curl) {
    let before = rig.history().await.len();
    rig.kill_gateway();
    stream.whole().await;
    // At once, and also when health checks have noticed.
    let away = Instant::now();
    while away.elapsed() < NOTICED {
        come_back_to_nobody(rig).await;
    }
    let missed = rig.push_unseen("while it was away");
    rig.restart_gateway().await;
    let resumed = Curl::resume(rig, &stream.cursor()).await;
    resumed.has_pushes(1).await;
    assert_eq!(resumed.pushes()[0].1, missed);
    assert_eq!(resumed.pushes(), rig.history().await.split_off(before));
    // What the gateway refuses is refused in its words.
    let mut nobody = Curl::get(rig, "/events/nobody");
    let refusal = nobody.whole().await.concat();
    assert!(refusal.contains("urn:problem-type:pushgate:unknown-tenant"), "{refusal}");
}

async fn come_back_to_nobody(rig: &Rig) {
    let mut browser = Curl::subscribe(rig, &[], &[]);
    assert_eq!(browser.whole().await, ["retry: 3000", ""]);
    assert_eq!(browser.status_line(), "HTTP/2 200");
    assert_eq!(browser.header("content-type").as_deref(), Some("text/event-stream"));
    assert_eq!(browser.header("cache-control").as_deref(), Some("no-store"));
    let mut program = Curl::get(rig, "/tenants/a/pushes");
    program.whole().await;
    assert_eq!(program.status_line(), "HTTP/2 503");
}

/// What a browser has to put into a URL is in no log.
async fn keep_tickets_to_themselves(rig: &Rig) {
    let mut asked = Curl::get(rig, "/nothing-there?ticket=not-for-logs");
    asked.whole().await;
    until("the request in the log", || async { rig.proxy_log().contains("/nothing-there").then_some(()) }).await;
    assert!(!rig.proxy_log().contains("not-for-logs"), "{}", rig.proxy_log());
}
