use std::{io, time::Duration};

use actix_codec::Framed;
use awc::{
    BoxedSocket, Client, Connector,
    error::{SendRequestError, WsClientError},
};
use pushgate_session::Ending;
use secrecy::ExposeSecret;
use std::sync::Arc;
use tokio::time::timeout;

use crate::{
    TenantConfig, codec::GuardCodec, request_url::request_url, tcp::TcpConnector, upgrade::Rejected,
    upgrade::RejectionReader,
};

/// One dialled WebSocket.
pub(crate) type Socket = Framed<BoxedSocket, GuardCodec>;

/// Dials for the tenants of one thread.
#[derive(Clone)]
pub(crate) struct Dialler {
    client: Client,
    timeout: Duration,
    max_message: usize,
}

/// What a [`Dialler`] has to know; the same for all threads.
#[derive(Clone, Debug)]
pub(crate) struct DiallerConfig {
    /// Name, TCP, TLS and upgrade together.
    pub(crate) timeout: Duration,
    /// Silence after which the kernel gives a socket up.
    pub(crate) dead_after: Duration,
    /// Largest message, in bytes.
    pub(crate) max_message: usize,
    pub(crate) tls: Arc<rustls::ClientConfig>,
}

impl Dialler {
    /// The client has no limit on connections, because its pool counts live WebSockets, and no time-outs of its own:
    /// the one round the whole dial counts.
    pub(crate) fn new(config: &DiallerConfig) -> Self {
        let connector = Connector::new()
            .connector(TcpConnector { dead_after: config.dead_after })
            .rustls_0_23(Arc::clone(&config.tls))
            .timeout(config.timeout)
            .handshake_timeout(config.timeout)
            .limit(0);
        let client = Client::builder()
            .connector(connector)
            .disable_timeout()
            .disable_redirects()
            .no_default_headers()
            .wrap(RejectionReader)
            .finish();
        Self { client, timeout: config.timeout, max_message: config.max_message }
    }

    /// Dials once.
    pub(crate) async fn dial(&self, tenant: &TenantConfig) -> Result<Socket, Ending> {
        let mut request = self.client.ws(request_url(tenant));
        if let Some(bearer) = &tenant.bearer {
            request = request.header("authorization", format!("Bearer {}", bearer.expose_secret()));
        }
        for (name, value) in &tenant.headers {
            request = request.header(name.as_str(), value.expose_secret());
        }
        match timeout(self.timeout, request.connect()).await {
            Err(_) => Err(Ending::ConnectTimeout),
            Ok(Err(error)) => Err(ending_of(&error)),
            Ok(Ok((_, framed))) => Ok(framed.into_map_codec(|_| GuardCodec::new(self.max_message))),
        }
    }
}

/// What awc's many errors mean. An unknown one is an I/O error: it is tried again.
fn ending_of(error: &WsClientError) -> Ending {
    use awc::error::ConnectError;
    match error {
        WsClientError::InvalidResponseStatus(status) => Ending::Rejected { status: status.as_u16(), retry_after: None },
        WsClientError::SendRequest(SendRequestError::Custom(inner, _)) => match inner.downcast_ref::<Rejected>() {
            Some(rejected) => Ending::Rejected { status: rejected.status, retry_after: rejected.retry_after },
            None => Ending::Io(error.to_string()),
        },
        WsClientError::SendRequest(SendRequestError::Connect(connect)) => match connect {
            ConnectError::Resolver(_) | ConnectError::NoRecords | ConnectError::Unresolved => {
                Ending::Resolve(connect.to_string())
            }
            ConnectError::Timeout => Ending::ConnectTimeout,
            ConnectError::Io(io) => ending_of_io(io),
            other => Ending::Connect(other.to_string()),
        },
        WsClientError::SendRequest(SendRequestError::Timeout) => Ending::ConnectTimeout,
        WsClientError::SendRequest(SendRequestError::Response(parse)) => Ending::BadUpgrade(parse.to_string()),
        WsClientError::SendRequest(other) => Ending::Io(other.to_string()),
        WsClientError::InvalidUpgradeHeader
        | WsClientError::InvalidConnectionHeader(_)
        | WsClientError::MissingConnectionHeader
        | WsClientError::MissingWebSocketAcceptHeader
        | WsClientError::InvalidChallengeResponse(..) => Ending::BadUpgrade(error.to_string()),
        WsClientError::Protocol(protocol) => Ending::Io(protocol.to_string()),
    }
}

/// TCP and TLS both fail with an I/O error; the inner error tells them apart.
fn ending_of_io(io: &io::Error) -> Ending {
    match io.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(tls) => {
            let certificate = matches!(tls, rustls::Error::InvalidCertificate(_));
            Ending::Tls { error: tls.to_string(), certificate }
        }
        None => Ending::Connect(io.to_string()),
    }
}
