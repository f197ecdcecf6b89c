use std::{cell::RefCell, sync::Arc, time::Duration};

use actix_codec::Framed;
use awc::{BoxedSocket, Client, Connector, http::header};
use pushgate_session::Ending;
use secrecy::ExposeSecret;
use tokio::time::timeout;

use crate::{
    ClientIdentity, ProxyConfig, TenantConfig,
    codec::GuardCodec,
    connector::{StreamConnector, StreamConnectorConfig},
    endings::ending_of,
    request_url::{Security, request_url},
    tls::ClientTls,
    upgrade::{RejectionReader, check_choices},
};

/// One dialled WebSocket.
pub(crate) type Socket = Framed<BoxedSocket, GuardCodec>;

/// Dials. It can't leave its thread, and a clone is cheap.
#[derive(Clone)]
pub(crate) struct Dialler {
    /// For `ws://`.
    plain: Client,
    /// For `wss://`.
    secure: Client,
    timeout: Duration,
    max_message: usize,
}

/// What a [`Dialler`] has to know; the same for all threads.
#[derive(Clone, Debug)]
pub(crate) struct DiallerConfig {
    /// Name, TCP, proxy, TLS and upgrade together.
    pub(crate) timeout: Duration,
    /// Silence after which the kernel gives a socket up.
    pub(crate) dead_after: Duration,
    /// Largest message, in bytes.
    pub(crate) max_message: usize,
    /// Whom to trust. A new one takes effect with the next dial.
    pub(crate) tls: Arc<ClientTls>,
}

impl DiallerConfig {
    /// Whether both make the same dialler.
    fn is(&self, other: &Self) -> bool {
        let Self { timeout, dead_after, max_message, tls } = self;
        (*timeout, *dead_after, *max_message) == (other.timeout, other.dead_after, other.max_message)
            && Arc::ptr_eq(tls, &other.tls)
    }
}

impl Dialler {
    /// The dialler for all tenants that need none of their own.
    pub(crate) fn new(config: &DiallerConfig) -> Self {
        Self::with(config, &config.tls.anonymous(), None)
    }

    /// The dialler for a tenant: this thread's common one, or one of its own if it has a certificate or a proxy. Cheap
    /// enough to be asked for at each dial, so that a changed proxy or certificate is used by the next one.
    ///
    /// # Errors
    /// The tenant's certificate or key can't be used: the tenant is misconfigured, as when a certificate is refused.
    pub(crate) fn for_tenant(config: &DiallerConfig, tenant: &TenantConfig) -> Result<Self, Ending> {
        match (&tenant.identity, &tenant.proxy) {
            (None, None) => Ok(Self::of_thread(config)),
            (identity, proxy) => Self::own(config, identity.as_ref(), proxy.as_ref()),
        }
    }

    fn own(
        config: &DiallerConfig,
        identity: Option<&ClientIdentity>,
        proxy: Option<&ProxyConfig>,
    ) -> Result<Self, Ending> {
        let tls = match identity {
            None => config.tls.anonymous(),
            Some(identity) => {
                config.tls.with_identity(identity).map_err(|error| Ending::Tls { error, certificate: true })?
            }
        };
        Ok(Self::with(config, &tls, proxy))
    }

    /// awc's client can't leave its thread, and one per thread serves all tenants there.
    fn of_thread(config: &DiallerConfig) -> Self {
        thread_local! {
            static COMMON: RefCell<Option<(DiallerConfig, Dialler)>> = const { RefCell::new(None) };
        }
        COMMON.with_borrow_mut(|common| match common {
            Some((of, dialler)) if of.is(config) => dialler.clone(),
            stale => stale.insert((config.clone(), Self::new(config))).1.clone(),
        })
    }

    fn with(config: &DiallerConfig, tls: &Arc<rustls::ClientConfig>, proxy: Option<&ProxyConfig>) -> Self {
        let client = |tls| {
            let dead_after = config.dead_after;
            client(StreamConnectorConfig { dead_after, tls, proxy: proxy.cloned() }, config.timeout)
        };
        Self {
            plain: client(None),
            secure: client(Some(Arc::clone(tls))),
            timeout: config.timeout,
            max_message: config.max_message,
        }
    }

    /// Dials once.
    ///
    /// # Errors
    /// How the dial ended. What the service says beyond the head of its answer is not read, and a redirect is not
    /// followed.
    pub(crate) async fn dial(&self, tenant: &TenantConfig) -> Result<Socket, Ending> {
        timeout(self.timeout, self.upgrade(tenant)).await.unwrap_or(Err(Ending::ConnectTimeout))
    }

    async fn upgrade(&self, tenant: &TenantConfig) -> Result<Socket, Ending> {
        let client = match Security::of(&tenant.url) {
            Security::Plain => &self.plain,
            Security::Tls => &self.secure,
        };
        let mut request = client.ws(request_url(tenant));
        if let Some(bearer) = &tenant.bearer {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", bearer.expose_secret()));
        }
        if let Some(subprotocol) = &tenant.subprotocol {
            // Not by awc's `protocols`, which panics at a value that is no header's.
            request = request.header(header::SEC_WEBSOCKET_PROTOCOL, subprotocol.as_str());
        }
        for (name, value) in &tenant.headers {
            request = request.header(name.as_str(), value.expose_secret());
        }
        let (response, framed) = request.connect().await.map_err(|error| ending_of(&error))?;
        check_choices(response.headers(), tenant.subprotocol.as_deref())?;
        Ok(framed.into_map_codec(|_| GuardCodec::new(self.max_message)))
    }
}

/// The client has no limit on connections, because its pool counts live WebSockets, and no time-outs of its own: the one
/// round the whole dial counts.
fn client(config: StreamConnectorConfig, timeout: Duration) -> Client {
    let connector = Connector::new().connector(StreamConnector::new(config)).timeout(timeout).limit(0);
    Client::builder()
        .connector(connector)
        .disable_timeout()
        .disable_redirects()
        .no_default_headers()
        .wrap(RejectionReader)
        .finish()
}

#[cfg(test)]
mod tests;
