//! Dials for the HTTP library, so that what it reads goes through a [`Transport`].
//!
//! The library would speak TLS over what it is given here, and a response's head can't be seen in that. So it is kept
//! from knowing: a request to an https URL reaches it under another scheme, by which it takes the connection as it is.

use std::{io, rc::Rc, sync::Arc};

use actix_http::RequestHeadType;
use actix_service::{Service, forward_ready};
use actix_tls::connect::{ConnectError, ConnectInfo, Connection, Connector, ConnectorService};
use awc::{
    ConnectRequest,
    http::{Uri, uri::Authority},
    middleware::Transform,
};
use futures_util::future::LocalBoxFuture;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio_rustls::TlsConnector;

use crate::transport::Transport;

/// In the place of `https`. It is also put in the place of the user, so that the library, which tells idle connections
/// apart by host and port alone, never takes a plain one for one of these.
const SECURE: &str = "pushgate-tls";
const HTTPS_PORT: u16 = 443;

/// Connects to a host, by TLS where the URL asks for it.
#[derive(Clone)]
pub(crate) struct Dial {
    tcp: ConnectorService,
    /// Without it nothing is asked for by [`Secured`].
    tls: Option<TlsConnector>,
}

impl Dial {
    pub(crate) fn new(tls: Option<Arc<ClientConfig>>) -> Self {
        Self { tcp: Connector::default().service(), tls: tls.map(TlsConnector::from) }
    }
}

impl Service<ConnectInfo<Uri>> for Dial {
    type Response = Connection<Uri, Transport>;
    type Error = ConnectError;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Self::Error>>;

    actix_service::always_ready!();

    fn call(&self, target: ConnectInfo<Uri>) -> Self::Future {
        let (tcp, tls) = (self.tcp.call(target), self.tls.clone());
        Box::pin(async move {
            let (tcp, uri) = tcp.await?.into_parts();
            let transport = match tls.filter(|_| uri.scheme_str() == Some(SECURE)) {
                None => Transport::plain(tcp),
                Some(tls) => {
                    let tls = tls.connect(server_name(&uri)?, tcp).await;
                    Transport::secure(tls.map_err(ConnectError::Io)?)
                }
            };
            Ok(Connection::new(uri, transport))
        })
    }
}

/// The name for which a server shows its certificate.
fn server_name(uri: &Uri) -> Result<ServerName<'static>, ConnectError> {
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(host.to_owned())
        .map_err(|error| ConnectError::Io(io::Error::new(io::ErrorKind::InvalidInput, error)))
}

/// Hands requests to https URLs on to [`Dial`]: goes round the library's own connector, below its redirects.
pub(crate) struct Secured;

impl<S: Service<ConnectRequest>> Transform<S, ConnectRequest> for Secured {
    type Transform = SecuredService<S>;

    fn new_transform(self, service: S) -> Self::Transform {
        SecuredService { service }
    }
}

pub(crate) struct SecuredService<S> {
    service: S,
}

impl<S: Service<ConnectRequest>> Service<ConnectRequest> for SecuredService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    forward_ready!(service);

    fn call(&self, mut request: ConnectRequest) -> Self::Future {
        let uri = match &mut request {
            ConnectRequest::Client(RequestHeadType::Owned(head), ..) | ConnectRequest::Tunnel(head, _) => &mut head.uri,
            ConnectRequest::Client(RequestHeadType::Rc(head, _), ..) => &mut Rc::make_mut(head).uri,
        };
        if let Some(secured) = secured(uri) {
            *uri = secured;
        }
        self.service.call(request)
    }
}

/// What an https URL is called below; nothing for any other.
fn secured(uri: &Uri) -> Option<Uri> {
    if uri.scheme_str() != Some("https") {
        return None;
    }
    let (host, port) = (uri.host()?, uri.port_u16().unwrap_or(HTTPS_PORT));
    let authority: Authority = format!("{SECURE}@{host}:{port}").parse().ok()?;
    let path = uri.path_and_query()?.clone();
    Uri::builder().scheme(SECURE).authority(authority).path_and_query(path).build().ok()
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::TcpListener,
        thread,
        time::Duration,
    };

    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned, crypto::ring, pki_types::PrivateKeyDer};

    use super::*;
    use crate::{
        EventStream, HttpClient, HttpConfig, StreamConfig, StreamItem,
        raw_server::{RawServer, run},
    };

    /// A server with TLS that answers each connection in its turn and then ends it: its port, and how to reach it.
    fn secure_server<const N: usize>(answers: [&'static str; N]) -> (u16, Arc<ClientConfig>) {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let provider = Arc::new(ring::default_provider());
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
        let server =
            Arc::new(server.unwrap().with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap());
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).unwrap();
        let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let client = client.unwrap().with_root_certificates(roots).with_no_client_auth();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for answer in answers {
                let (tcp, _) = listener.accept().unwrap();
                let mut tls = StreamOwned::new(ServerConnection::new(Arc::clone(&server)).unwrap(), tcp);
                let (mut head, mut byte) = (Vec::new(), [0]);
                while !head.ends_with(b"\r\n\r\n") && tls.read(&mut byte).is_ok_and(|read| read > 0) {
                    head.extend_from_slice(&byte);
                }
                let _ = tls.write_all(answer.as_bytes());
                tls.conn.send_close_notify();
                let _ = tls.flush();
            }
        });
        (port, Arc::new(client))
    }

    #[test]
    fn the_end_of_an_encrypted_connection_ends_the_body() {
        run(async {
            let (port, tls) = secure_server(["HTTP/1.1 200 OK\r\n\r\nto the end"]);
            let client = HttpClient::new(HttpConfig { tls: Some(tls), ..HttpConfig::default() });
            let response = client.get(&format!("https://localhost:{port}/a?b=c")).await.unwrap();
            assert_eq!(response.text(), "to the end");
        });
    }

    #[test]
    fn a_redirect_from_plain_to_encrypted_is_followed() {
        run(async {
            let (port, tls) = secure_server(["HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: a\n\n"]);
            let location = format!("https://localhost:{port}/events/acme");
            let plain = format!("HTTP/1.1 307 Go\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
            let server = RawServer::start([&plain]);
            let config = StreamConfig { tls: Some(tls), ..StreamConfig::new(server.url("/")) };
            let mut stream = EventStream::connect(config).unwrap();
            let mut next = async || futures_util::StreamExt::next(&mut stream).await.unwrap().unwrap();
            assert_eq!(next().await, StreamItem::Opened);
            assert!(matches!(next().await, StreamItem::Event(event) if event.data == "a"));
            assert!(matches!(next().await, StreamItem::Closed { .. }));
        });
    }

    #[test]
    fn without_tls_settings_a_redirect_to_https_leads_nowhere() {
        run(async {
            let server =
                RawServer::start(["HTTP/1.1 307 Go\r\nLocation: https://localhost/\r\nContent-Length: 0\r\n\r\n"]);
            let mut stream = EventStream::connect(StreamConfig::new(server.url("/"))).unwrap();
            let item = futures_util::StreamExt::next(&mut stream).await.unwrap().unwrap();
            assert!(matches!(item, StreamItem::Closed { .. }), "{item:?}");
        });
    }

    #[test]
    fn a_server_whose_certificate_nobody_knows_is_not_asked() {
        run(async {
            let (port, _) = secure_server(["HTTP/1.1 200 OK\r\n\r\n"]);
            let (_, other) = secure_server([]);
            let timeout = Duration::from_secs(5);
            let client = HttpClient::new(HttpConfig { tls: Some(other), timeout, ..HttpConfig::default() });
            let error = client.get(&format!("https://localhost:{port}/")).await.unwrap_err();
            assert!(matches!(error, crate::HttpError::Unreachable(_)), "{error:?}");
        });
    }

    #[test]
    fn encrypted_connections_have_names_that_no_plain_one_has() {
        let below = |url: &str| secured(&url.parse().unwrap()).map(|uri| uri.to_string());
        assert_eq!(below("https://a/").unwrap(), "pushgate-tls://pushgate-tls@a:443/");
        assert_eq!(below("https://b:c@[::1]:8443/d?e=f").unwrap(), "pushgate-tls://pushgate-tls@[::1]:8443/d?e=f");
        assert_eq!(below("http://a:443/"), None);
        assert!(server_name(&"https://[::1]:8443/".parse().unwrap()).is_ok());
    }
}
