use pushgate_model::ConnectionState;
use serde_json::json;

use crate::{client::get, gateway::Gateway};

#[test]
fn the_page_is_served_under_a_strict_policy() {
    let gateway = Gateway::start_with(|config| config.public.demo_page = true);
    for (path, content_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/demo.css", "text/css; charset=utf-8"),
        ("/demo.js", "text/javascript; charset=utf-8"),
    ] {
        let answer = get(gateway.public, path, &[]);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(content_type)));
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert!(answer.body.len() > 500);
    }
}

#[test]
fn the_page_brings_nothing_that_its_policy_forbids() {
    let gateway = Gateway::start_with(|config| config.public.demo_page = true);
    let page = get(gateway.public, "/", &[]).body;
    for inline in ["<style", " style=", "onclick=", "<script>", "javascript:"] {
        assert!(!page.contains(inline), "{inline}");
    }
    let script = get(gateway.public, "/demo.js", &[]).body;
    for unsafe_sink in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
        assert!(!script.contains(unsafe_sink), "{unsafe_sink}");
    }
}

#[test]
fn the_page_knows_as_many_tenants_as_one_stream_may_carry() {
    let gateway = Gateway::start_with(|config| config.public.demo_page = true);
    gateway.put("beta", ConnectionState::Paused);
    gateway.put("zeta", ConnectionState::Paused);
    let answer = get(gateway.public, "/demo/tenants", &[]).json();
    assert_eq!(answer, json!({ "tenants": ["acme", "beta", "globex"] }));
}
