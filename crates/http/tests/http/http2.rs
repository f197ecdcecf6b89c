//! Clients that speak HTTP/2 as others do not.

use std::time::Duration;

use actix_web::{
    rt::{spawn, time::timeout},
    web::Bytes,
};
use h2::Reason;

use crate::{
    gateway::Gateway,
    tls::{DEADLINE, Events, Pki, ask, connect_h2, request, run, secure},
};

#[test]
fn a_body_that_does_not_come_is_given_up() {
    let (pki, certificate) = Pki::new();
    let gateway = Gateway::start_with(|config| {
        config.public.tls = Some(pki.config.clone());
        config.public.head_timeout = Duration::from_secs(1);
    });
    run(async {
        let requests = connect_h2(gateway.public, &certificate).await;
        let word = request("POST", "/tenants/acme/pushes/p-1/ack").body(()).unwrap();
        let mut ready = requests.clone().ready().await.unwrap();
        let (response, mut body) = ready.send_request(word, false).unwrap();
        body.send_data(Bytes::from_static(b"{"), false).unwrap();
        let answer = timeout(DEADLINE, response).await.unwrap().unwrap();
        assert_eq!(answer.status().as_u16(), 408);
        // Nobody waits for the rest of it, which the client is told.
        let reset = std::future::poll_fn(|cx| body.poll_reset(cx));
        assert_eq!(timeout(DEADLINE, reset).await.unwrap().unwrap(), Reason::NO_ERROR);
        assert_eq!(ask(&requests, request("GET", "/nothing").body(()).unwrap(), b"").await.0, 404);
    });
}

#[test]
fn targets_without_a_path_are_no_paths() {
    let (gateway, _pki, certificate) = secure();
    run(async {
        let requests = connect_h2(gateway.public, &certificate).await;
        let connect = http::Request::builder().method("CONNECT").uri("push.example.com:443").body(()).unwrap();
        let mut ready = requests.clone().ready().await.unwrap();
        let (response, _) = ready.send_request(connect, false).unwrap();
        assert_eq!(timeout(DEADLINE, response).await.unwrap().unwrap().status().as_u16(), 404);
        let options = http::Request::builder().method("OPTIONS").uri("*").body(()).unwrap();
        assert_eq!(ask(&requests, options, b"").await.0, 404);
    });
}

#[test]
fn as_large_a_head_as_may_be_allowed_is_taken() {
    let (pki, certificate) = Pki::new();
    let gateway = Gateway::start_with(|config| {
        config.public.tls = Some(pki.config.clone());
        config.policy.limits.url = 64 << 10;
        config.policy.limits.headers = 64 << 10;
    });
    run(async {
        let requests = connect_h2(gateway.public, &certificate).await;
        let ask_with = |url: usize, header: usize| {
            let request = request("GET", &format!("/tenants/acme/pushes?x={}", "x".repeat(url)));
            ask(&requests, request.header("x-large", "x".repeat(header)).body(()).unwrap(), b"")
        };
        assert_eq!(ask_with(64_000, 64_000).await.0, 200);
        let (status, headers, _) = ask_with(0, 66_000).await;
        assert_eq!((status, &headers["content-type"]), (431, &"application/problem+json".parse().unwrap()));
    });
}

#[test]
fn pages_of_other_origins_are_told_the_same_over_http_2() {
    let (pki, certificate) = Pki::new();
    let gateway = Gateway::start_with(|config| {
        config.public.tls = Some(pki.config.clone());
        config.policy.cors_origins = ["https://app.example.com".to_owned()].into();
    });
    run(async {
        let requests = connect_h2(gateway.public, &certificate).await;
        let preflight = request("OPTIONS", "/tickets")
            .header("origin", "https://app.example.com")
            .header("access-control-request-method", "POST");
        let (status, headers, _) = ask(&requests, preflight.body(()).unwrap(), b"").await;
        assert_eq!(
            (status, &headers["access-control-allow-origin"]),
            (204, &"https://app.example.com".parse().unwrap())
        );
        let foreign = request("GET", "/nothing").header("origin", "https://evil.example.com");
        let (status, headers, _) = ask(&requests, foreign.body(()).unwrap(), b"").await;
        assert_eq!((status, headers.get("access-control-allow-origin")), (404, None));
    });
}

#[test]
fn requests_that_are_taken_back_at_once_cost_nobody_else_anything() {
    let (gateway, _pki, certificate) = secure();
    run(async {
        let mut others = connect_h2(gateway.public, &certificate).await;
        let (mut stream, _) = Events::open(&mut others, "/events/acme").await;
        stream.until("event: open").await;
        // Either all are taken or, being an attack (CVE-2023-44487), their connection ends.
        let requests = connect_h2(gateway.public, &certificate).await;
        for _ in 0..2_000 {
            let Ok(mut ready) = requests.clone().ready().await else { break };
            let Ok((response, _)) = ready.send_request(request("GET", "/events/acme").body(()).unwrap(), true) else {
                break;
            };
            drop(response);
            actix_web::rt::task::yield_now().await;
        }
        gateway.wait_for_subscribers("acme", 1);
        gateway.commit("acme", "p-1", None);
        stream.until("p-1").await;
    });
}

#[test]
fn a_client_that_reads_nothing_is_given_up_however_wide_its_window_is() {
    let (pki, certificate) = Pki::new();
    let gateway = Gateway::start_with(|config| {
        config.public.tls = Some(pki.config.clone());
        config.public.stall_timeout = Duration::from_secs(1);
    });
    for n in 0..40 {
        gateway.commit_text("acme", &format!("p-{n}"), None, &"x".repeat(200_000));
    }
    run(async {
        let socket = crate::tls::connect(gateway.public, &certificate, b"h2").await.unwrap();
        let mut client = h2::client::Builder::new();
        client.initial_window_size(1 << 30).initial_connection_window_size(1 << 30);
        let (requests, connection) = client.handshake::<_, Bytes>(socket).await.unwrap();
        let connection = spawn(connection);
        let (stream, _) = Events::open(&mut requests.clone(), "/events/acme?since=earliest").await;
        gateway.wait_for_subscribers("acme", 1);
        // Nothing else runs on this thread meanwhile, so nobody reads.
        gateway.wait_for_subscribers("acme", 0);
        drop(stream);
        connection.abort();
    });
}
