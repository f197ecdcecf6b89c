use crate::{
    client::{get, request},
    gateway::{ADMIN_BODY, Gateway},
};

#[test]
fn every_error_is_a_problem_document() {
    let gateway = Gateway::start();
    let (public, admin) = (gateway.public, gateway.admin);
    let table = [
        (public, "GET", "/", 404, "not-found"),
        (public, "GET", "/nothing", 404, "not-found"),
        (public, "GET", "/events/", 404, "not-found"),
        (public, "GET", "/healthz", 404, "not-found"),
        (public, "GET", "/demo.js", 404, "not-found"),
        (public, "GET", "/events/nobody", 404, "unknown-tenant"),
        (public, "GET", "/events/ACME", 404, "unknown-tenant"),
        (public, "GET", "/events/a%2Fb", 404, "unknown-tenant"),
        (public, "GET", "/events/%ff", 404, "unknown-tenant"),
        (public, "GET", "/events?tenant=acme&tenant=nobody", 404, "unknown-tenant"),
        (public, "GET", "/events?tenant=acme,globex", 404, "unknown-tenant"),
        (public, "GET", "/events", 400, "no-tenant"),
        (public, "GET", "/events?tenant=a&tenant=b&tenant=c&tenant=d", 400, "too-many-tenants"),
        (public, "POST", "/events", 405, "method-not-allowed"),
        (public, "DELETE", "/events/acme", 405, "method-not-allowed"),
        (public, "PUT", "/tenants/acme/pushes", 405, "method-not-allowed"),
        (public, "GET", "/tenants/nobody/pushes", 404, "unknown-tenant"),
        (public, "GET", "/tenants/acme/pushes?after=yesterday", 400, "malformed-cursor"),
        (public, "GET", "/tenants/acme/pushes?after=other-1", 400, "unknown-epoch"),
        (public, "GET", "/tenants/acme/pushes?limit=0", 400, "invalid-limit"),
        (public, "GET", "/tenants/acme/pushes/p-1", 404, "not-found"),
        (public, "POST", "/tenants/acme/pushes//ack", 404, "not-found"),
        (admin, "GET", "/", 404, "not-found"),
        (admin, "GET", "/events/acme", 404, "not-found"),
        (admin, "POST", "/metrics", 405, "method-not-allowed"),
        (admin, "DELETE", "/api/tenants", 405, "method-not-allowed"),
        (admin, "GET", "/api/tenants/nobody", 404, "unknown-tenant"),
        (admin, "GET", "/api/tenants/No", 404, "unknown-tenant"),
        (admin, "GET", "/api/tenants?state=happy", 400, "invalid-state"),
        (admin, "GET", "/api/tenants?limit=-1", 400, "invalid-limit"),
        (admin, "GET", "/api/tenants/nobody/transitions", 404, "unknown-tenant"),
        (admin, "GET", "/api/tenants/acme/transitions?after=yesterday", 400, "invalid-after"),
        (admin, "GET", "/api/tenants/acme/transitions?limit=0", 400, "invalid-limit"),
        (admin, "GET", "/api/tenants/nobody/subscribers", 404, "unknown-tenant"),
        (admin, "GET", "/api/tenants/acme/subscribers?after=x", 400, "invalid-after"),
        (admin, "GET", "/api/tenants/acme/nothing", 404, "not-found"),
        (admin, "GET", "/api/quarantine?after=x", 400, "invalid-after"),
        (admin, "GET", "/api/quarantine?tenant=No", 400, "invalid-tenant-id"),
        (admin, "GET", "/api/quarantine?limit=0", 400, "invalid-limit"),
        (admin, "GET", "/api/quarantine/x", 404, "unknown-quarantined"),
        (admin, "GET", "/api/quarantine/18446744073709551615", 404, "unknown-quarantined"),
        (admin, "PATCH", "/api/openapi.json", 405, "method-not-allowed"),
    ];
    for (addr, method, path, status, kind) in table {
        let answer = request(addr, method, path, &[]);
        assert_eq!((answer.status, answer.problem().as_str()), (status, kind), "{method} {path}");
        assert_eq!(answer.header("allow"), (status == 405).then_some("GET, HEAD, OPTIONS"), "{method} {path}");
    }
}

#[test]
fn every_path_tells_its_methods() {
    let gateway = Gateway::start();
    let (public, admin) = (gateway.public, gateway.admin);
    let table = [
        (public, "/events/acme", "GET, HEAD, OPTIONS"),
        (public, "/tenants/acme/pushes/p-1/ack", "POST, OPTIONS"),
        (admin, "/metrics", "GET, HEAD, OPTIONS"),
        (admin, "/api/tenants/acme", "GET, HEAD, PUT, DELETE, OPTIONS"),
        (admin, "/api/tenants/acme/pause", "POST, OPTIONS"),
        (admin, "/api/quarantine/1", "GET, HEAD, DELETE, OPTIONS"),
        (admin, "/api/quarantine/1/replay", "POST, OPTIONS"),
    ];
    for (addr, path, allow) in table {
        let refused = request(addr, "PATCH", path, &[]);
        assert_eq!((refused.status, refused.problem().as_str()), (405, "method-not-allowed"), "{path}");
        assert_eq!(refused.header("allow"), Some(allow), "{path}");
        let options = request(addr, "OPTIONS", path, &[]);
        assert_eq!((options.status, options.header("allow"), options.body.as_str()), (204, Some(allow), ""), "{path}");
        assert_eq!(options.header("access-control-allow-origin"), None, "{path}");
    }
}

#[test]
fn a_head_has_no_body() {
    let gateway = Gateway::start();
    for path in ["/healthz", "/metrics", "/api/openapi.json", "/api/tenants", "/api/tenants/acme", "/api/quarantine"] {
        let answer = request(gateway.admin, "HEAD", path, &[]);
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{path}");
    }
    assert_eq!(request(gateway.admin, "HEAD", "/api/tenants/nobody", &[]).status, 404);
}

#[test]
fn a_limit_and_the_allowed_states_are_told() {
    let gateway = Gateway::start();
    let too_many = get(gateway.public, "/events?tenant=a&tenant=b&tenant=c&tenant=d", &[]).json();
    assert!(too_many["detail"].as_str().unwrap().contains('3'), "{too_many}");
    let state = get(gateway.admin, "/api/tenants?state=happy", &[]).json();
    assert!(state["detail"].as_str().unwrap().contains("rate_limited"), "{state}");
}

#[test]
fn a_body_that_is_too_large_is_refused() {
    let gateway = Gateway::start();
    for (addr, limit, setting) in [(gateway.public, 1024, true), (gateway.admin, ADMIN_BODY, false)] {
        // Declared and not sent: it is refused by what it says of itself.
        let declared = format!("Content-Length: {}", limit + 1);
        let answer = request(addr, "POST", "/events", &[&declared]);
        assert_eq!((answer.status, answer.problem().as_str()), (413, "body-too-large"));
        assert!(answer.body.contains(&limit.to_string()), "{answer:?}");
        assert_eq!(answer.body.contains("server.limits.body"), setting, "it is the public listener's");
    }
}
