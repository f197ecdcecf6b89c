use crate::{
    client::{Stream, get},
    gateway::Gateway,
};

const EVENTS: &str = "Accept: text/event-stream";

fn opens(gateway: &Gateway, header: &str) -> Option<Stream> {
    let (stream, head) = Stream::events(gateway.public, "/events/acme", &["Accept: */*", header]);
    (head.status == 200).then_some(stream)
}

#[test]
fn behind_a_trusted_proxy_each_client_counts_for_itself() {
    let gateway = Gateway::start_with(|config| {
        config.policy.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        config.policy.limits.streams_per_address = 1;
    });
    let _first = opens(&gateway, "X-Forwarded-For: 203.0.113.9, 192.0.2.1").unwrap();
    let _second = opens(&gateway, "X-Forwarded-For: 192.0.2.2").unwrap();
    let _third = opens(&gateway, "Forwarded: for=\"[2001:db8::1]:4711\";proto=https").unwrap();
    let refused = |header| get(gateway.public, "/events/acme", &[header]).status;
    assert_eq!(refused("X-Forwarded-For: 203.0.113.10, 192.0.2.1"), 429);
    assert_eq!(refused("Forwarded: for=\"[2001:db8::2]\""), 429, "the same /64");

    let shown = get(gateway.admin, "/api/tenants/acme/subscribers", &[]).json();
    let addresses: Vec<_> =
        shown["subscribers"].as_array().unwrap().iter().map(|stream| stream["address"].as_str().unwrap()).collect();
    assert_eq!(addresses, ["192.0.2.1", "192.0.2.2", "2001:db8::1"]);
}

#[test]
fn whoever_is_no_trusted_proxy_is_counted_as_himself() {
    let gateway = Gateway::start_with(|config| {
        config.policy.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
        config.policy.limits.streams_per_address = 1;
    });
    let (mut first, _) = Stream::events(gateway.public, "/events/acme", &[EVENTS, "X-Forwarded-For: 192.0.2.1"]);
    first.until("event: open");
    for header in ["X-Forwarded-For: 192.0.2.2", "Forwarded: for=192.0.2.3"] {
        assert_eq!(get(gateway.public, "/events/acme", &[header]).status, 429, "{header}");
    }
    let shown = get(gateway.admin, "/api/tenants/acme/subscribers", &[]).json();
    assert_eq!(shown["subscribers"][0]["address"], "127.0.0.1");
}
