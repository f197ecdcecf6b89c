use super::{
    peer::{Peer, Then},
    pki::{Authority, Service},
    *,
};

fn through(proxy: SocketAddr, mut tenant: TenantConfig) -> TenantConfig {
    tenant.proxy = Some(ProxyConfig { host: proxy.ip().to_string(), port: proxy.port(), credentials: None });
    tenant
}

async fn proxy_to(service: &Peer) -> Peer {
    Peer::start(Then::Tunnel("HTTP/1.1 200 Connection established\r\n\r\n", service.address)).await
}

#[tokio::test]
async fn the_proxy_resolves_the_services_name() {
    let mut service = Peer::start(Then::Upgrade("", b"")).await;
    let mut proxy = proxy_to(&service).await;
    let tenant = through(proxy.address, tenant("ws://push.invalid/ws"));
    dial(&config(AMPLE, &[]), &tenant).await.unwrap();
    let connect = proxy.request().await;
    assert_eq!(connect, "CONNECT push.invalid:80 HTTP/1.1\r\nHost: push.invalid:80\r\n\r\n");
    let upgrade = service.request().await.to_ascii_lowercase();
    assert!(upgrade.contains("host: push.invalid\r\n") && !upgrade.contains("proxy-"), "{upgrade}");
}

#[tokio::test]
async fn credentials_go_to_the_proxy_alone_and_tls_runs_inside() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let wants = Service { names: &["push.invalid"], clients_of: Some(&clients), ..Service::default() };
    let mut service = Peer::start_tls(authority.serve(&wants)).await;
    let mut proxy = proxy_to(&service).await;
    let mut tenant = through(proxy.address, tenant("wss://push.invalid/ws"));
    tenant.identity = Some(clients.identity());
    tenant.bearer = Some("b3arer".into());
    tenant.proxy.as_mut().unwrap().credentials = Some(("Aladdin".to_owned(), "open sesame".into()));
    dial(&config(AMPLE, &[authority.root()]), &tenant).await.unwrap();
    let connect = proxy.request().await;
    assert!(connect.starts_with("CONNECT push.invalid:443 HTTP/1.1\r\n"), "{connect}");
    assert!(connect.contains("\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"), "{connect}");
    assert!(!connect.contains("b3arer"), "{connect}");
    let upgrade = service.request().await.to_ascii_lowercase();
    assert!(upgrade.contains("authorization: bearer b3arer\r\n") && !upgrade.contains("basic"), "{upgrade}");
}

#[tokio::test]
async fn a_services_certificate_is_checked_through_the_proxy() {
    let service = Peer::start_tls(Authority::new().serve(&Service::default())).await;
    let proxy = proxy_to(&service).await;
    let ended = ending(AMPLE, &through(proxy.address, tenant("wss://localhost/ws"))).await;
    assert!(matches!(ended, Ending::Tls { certificate: true, .. }), "{ended:?}");
}

#[tokio::test]
async fn interim_answers_are_passed_over() {
    let service = Peer::start(Then::Upgrade("", b"")).await;
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\n\r\n";
    let proxy = Peer::start(Then::Tunnel(interim, service.address)).await;
    dial(&config(AMPLE, &[]), &through(proxy.address, plain(service.address))).await.unwrap();
}

#[tokio::test]
async fn a_refusal_carries_its_status() {
    for status in [302, 403, 407, 502] {
        // A body may follow and is not read.
        let answer = format!("HTTP/1.1 {status} No\r\nContent-Length: 1000\r\n\r\nsorry");
        let proxy = Peer::start(Then::Say(answer)).await;
        let ended = ending(AMPLE, &through(proxy.address, tenant("wss://push.invalid/"))).await;
        assert!(matches!(ended, Ending::Proxy { status: Some(named), .. } if named == status), "{ended:?}");
    }
}

#[tokio::test]
async fn what_is_no_answer_ends_the_dial() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(9000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: x\r\n".repeat(100));
    for (what, then) in [
        ("garbage", Then::Say("SSH-2.0-OpenSSH_9.9\r\n".to_owned())),
        ("a huge head", Then::Say(long)),
        ("an endless head", Then::Say("HTTP/1.1 200 OK\r\nX: ".to_owned() + &"x".repeat(100_000))),
        ("many headers", Then::Say(many)),
        ("more than an answer", Then::Say("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101 Switching\r\n\r\n".to_owned())),
        ("half an answer", Then::SayAndEnd("HTTP/1.1 200".to_owned())),
        ("nothing", Then::SayAndEnd(String::new())),
        ("a reset", Then::Reset),
    ] {
        let proxy = Peer::start(then).await;
        let ended = ending(AMPLE, &through(proxy.address, tenant("ws://push.invalid/"))).await;
        assert!(matches!(ended, Ending::Proxy { status: None, .. }), "{what}: {ended:?}");
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_there_or_silent_ends_the_dial() {
    let there = through(Peer::nobody().await, tenant("ws://push.invalid/"));
    let ended = ending(AMPLE, &there).await;
    assert!(matches!(ended, Ending::Proxy { status: None, .. }), "{ended:?}");
    let silent = Peer::start(Then::Nothing).await;
    let ended = ending(SHORT, &through(silent.address, tenant("ws://push.invalid/"))).await;
    assert_eq!(ended, Ending::ConnectTimeout);
}
