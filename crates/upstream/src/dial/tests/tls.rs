use rustls::version::{TLS12, TLS13};
use tokio::{io::AsyncWriteExt, net::TcpListener};

use super::{
    peer::{Peer, Then},
    pki::{Authority, Expired, Service},
    *,
};

fn secure(host: &str, peer: &Peer) -> TenantConfig {
    tenant(format!("wss://{host}:{}/ws", peer.address.port()))
}

/// The certificate is to blame.
fn certificate(ending: &Ending) -> bool {
    matches!(ending, Ending::Tls { certificate: true, .. })
}

#[tokio::test]
async fn trusted_services_are_dialled_by_name_and_address() {
    let authority = Authority::new();
    let config = config(AMPLE, &[authority.root()]);
    let names = Service { names: &["localhost", "127.0.0.1", "::1"], ..Service::default() };
    let mut peer = Peer::start_tls(authority.serve(&names)).await;
    for host in ["localhost", "127.0.0.1"] {
        dial(&config, &secure(host, &peer)).await.unwrap();
        let port = peer.address.port();
        let request = peer.request().await.to_ascii_lowercase();
        assert!(request.contains(&format!("host: {host}:{port}\r\n")), "{request}");
    }
    let v6 = Peer::start_at("[::1]:0", Some(authority.serve(&names)), Then::Upgrade("", b"")).await;
    dial(&config, &secure("[::1]", &v6)).await.unwrap();
}

#[tokio::test]
async fn certificates_that_prove_nothing_are_to_blame() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let config = config(AMPLE, &[authority.root()]);
    let other_name = Service { names: &["push.example.com"], ..Service::default() };
    let expired = Service { expired: Expired::Yes, ..Service::default() };
    for (who, tls) in [
        ("a stranger's", stranger.serve(&Service::default())),
        ("another name's", authority.serve(&other_name)),
        ("an expired one", authority.serve(&expired)),
    ] {
        let peer = Peer::start_tls(tls).await;
        let ending = ending_with(&config, &secure("localhost", &peer)).await;
        assert!(certificate(&ending), "{who}: {ending:?}");
        assert_eq!(peer.unseen(), 0, "{who}: nothing was sent");
    }
}

#[tokio::test]
async fn a_certificate_for_another_ipv6_address_is_refused() {
    let authority = Authority::new();
    let tls = authority.serve(&Service { names: &["::2"], ..Service::default() });
    let peer = Peer::start_at("[::1]:0", Some(tls), Then::Upgrade("", b"")).await;
    let ending = ending_with(&config(AMPLE, &[authority.root()]), &secure("[::1]", &peer)).await;
    assert!(certificate(&ending), "{ending:?}");
}

#[tokio::test]
async fn a_failed_handshake_is_not_the_certificates_fault() {
    for said in ["", "HTTP/1.1 400 Bad Request\r\n\r\n"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tenant = tenant(format!("wss://{}/ws", listener.local_addr().unwrap()));
        let answer = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(said.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            stream
        };
        let (ended, _stream) = tokio::join!(ending(AMPLE, &tenant), answer);
        assert!(matches!(ended, Ending::Tls { certificate: false, .. }), "{said:?}: {ended:?}");
    }
}

#[tokio::test]
async fn a_service_may_want_a_client_certificate() {
    let (authority, clients, strangers) = (Authority::new(), Authority::new(), Authority::new());
    let config = config(AMPLE, &[authority.root()]);
    for version in [&TLS12, &TLS13] {
        let wants = Service { clients_of: Some(&clients), version, ..Service::default() };
        let mut peer = Peer::start_tls(authority.serve(&wants)).await;
        let mut tenant = secure("localhost", &peer);
        let none = ending_with(&config, &tenant).await;
        assert!(certificate(&none), "{version:?}: {none:?}");
        tenant.identity = Some(strangers.identity());
        let strange = ending_with(&config, &tenant).await;
        assert!(certificate(&strange), "{version:?}: {strange:?}");
        assert_eq!(peer.unseen(), 0);
        tenant.identity = Some(clients.identity());
        dial(&config, &tenant).await.unwrap();
        peer.request().await;
    }
}

#[tokio::test]
async fn an_identity_that_cannot_be_used_ends_the_dial() {
    let mut tenant = tenant("wss://localhost:1/");
    let mut identity = Authority::new().identity();
    identity.key = Authority::new().identity().key;
    tenant.identity = Some(identity);
    assert!(certificate(&ending(AMPLE, &tenant).await));
}

#[tokio::test]
async fn new_roots_take_effect_with_the_next_dial() {
    let authority = Authority::new();
    let peer = Peer::start_tls(authority.serve(&Service::default())).await;
    let tenant = secure("localhost", &peer);
    assert!(certificate(&ending(AMPLE, &tenant).await));
    dial(&config(AMPLE, &[authority.root()]), &tenant).await.unwrap();
}
