use std::{io, rc::Rc, sync::Arc, time::Duration};

use actix_service::Service;
use actix_tls::connect::{ConnectError, ConnectInfo, Connection};
use awc::http::Uri;
use futures_util::future::LocalBoxFuture;
use pushgate_session::Ending;

use crate::{ProxyConfig, endings::Failed, proxy, request_url::Security, stream::Stream, tcp, tls};

/// Opens what a WebSocket is spoken over: TCP, through a proxy if there is one, and TLS within if the service wants it.
///
/// TLS is done here and not by awc, which asks a certificate for an IPv6 address in its brackets, and hides which step
/// failed. So awc is given `ws://` URLs alone, and one connector is for plain or for secure services.
#[derive(Clone, Debug)]
pub(crate) struct StreamConnector(Rc<StreamConnectorConfig>);

/// What a [`StreamConnector`] has to know.
#[derive(Debug)]
pub(crate) struct StreamConnectorConfig {
    /// Silence after which the kernel gives a socket up.
    pub(crate) dead_after: Duration,
    /// For `wss://`; nothing for `ws://`.
    pub(crate) tls: Option<Arc<rustls::ClientConfig>>,
    /// Dialled instead of the service.
    pub(crate) proxy: Option<ProxyConfig>,
}

/// The service that is dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target<'a> {
    /// Its name or IP address, an IPv6 one without brackets.
    pub(crate) host: &'a str,
    pub(crate) port: u16,
}

impl StreamConnector {
    pub(crate) fn new(config: StreamConnectorConfig) -> Self {
        Self(Rc::new(config))
    }
}

impl StreamConnectorConfig {
    async fn open(&self, uri: &Uri) -> Result<Stream, Ending> {
        let security = if self.tls.is_some() { Security::Tls } else { Security::Plain };
        let target = Target::of(uri, security.default_port());
        let tcp = match &self.proxy {
            None => tcp::connect(target.host, target.port, self.dead_after).await?,
            Some(proxy) => proxy::tunnel(proxy, target, self.dead_after).await?,
        };
        match &self.tls {
            None => Ok(Stream::Plain(tcp)),
            Some(config) => tls::handshake(config, target.host, tcp).await.map(|tls| Stream::Tls(Box::new(tls))),
        }
    }
}

impl<'a> Target<'a> {
    fn of(uri: &'a Uri, default_port: u16) -> Self {
        let host = uri.host().unwrap_or_default();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        Self { host, port: uri.port_u16().unwrap_or(default_port) }
    }

    /// Host and port as one word, an IPv6 address in brackets.
    pub(crate) fn authority(self) -> String {
        let Self { host, port } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

impl Service<ConnectInfo<Uri>> for StreamConnector {
    type Response = Connection<Uri, Stream>;
    type Error = ConnectError;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Self::Error>>;

    actix_service::always_ready!();

    fn call(&self, info: ConnectInfo<Uri>) -> Self::Future {
        let config = Rc::clone(&self.0);
        Box::pin(async move {
            let uri = info.request().clone();
            match config.open(&uri).await {
                Ok(stream) => Ok(Connection::new(uri, stream)),
                Err(ending) => Err(ConnectError::Io(io::Error::other(Failed(ending)))),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_have_bare_hosts_and_ports() {
        for (url, port, host, authority) in [
            ("ws://push.example.com/ws", 443, "push.example.com", "push.example.com:443"),
            ("ws://push.example.com:7070", 80, "push.example.com", "push.example.com:7070"),
            ("ws://[::1]/", 80, "::1", "[::1]:80"),
        ] {
            let uri = url.parse().unwrap();
            let target = Target::of(&uri, port);
            assert_eq!((target.host, target.authority().as_str()), (host, authority), "{url}");
        }
    }
}
