use std::{path::Path, sync::Arc};

use actix_rt::net::TcpStream;
use pushgate_session::Ending;
use rustls::{
    ClientConfig, RootCertStore,
    client::Resumption,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use secrecy::ExposeSecret;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{ClientIdentity, UpstreamError, endings::ending_of_handshake};

/// Services whose TLS sessions a configuration for one tenant remembers: it has one.
const SERVICES_OF_ONE: usize = 1;

/// TLS towards the service: whom to trust, and what is made of that.
#[derive(Debug)]
pub(crate) struct ClientTls {
    provider: Arc<CryptoProvider>,
    roots: Arc<RootCertStore>,
    anonymous: Arc<ClientConfig>,
}

/// Trusts the system's roots and those of `ca_file`. The ring provider is named explicitly, so that no process-wide
/// default is needed.
///
/// # Errors
/// `ca_file` can't be read or holds no certificate.
pub(crate) fn client_config(ca_file: Option<&Path>) -> Result<Arc<ClientTls>, UpstreamError> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(native.certs);
    if let Some(path) = ca_file {
        add_file(&mut roots, path)?;
    }
    if roots.is_empty() {
        tracing::warn!("no trusted root certificates found: wss:// connections will be refused");
    }
    Ok(Arc::new(ClientTls::new(roots)))
}

/// Whether a client certificate and its key can be used.
///
/// # Errors
/// What is wrong with them, without a word of what they hold.
pub fn check_identity(identity: &ClientIdentity) -> Result<(), String> {
    ClientTls::new(RootCertStore::empty()).with_identity(identity).map(|_| ())
}

impl ClientTls {
    fn new(roots: RootCertStore) -> Self {
        let (provider, roots) = (Arc::new(ring::default_provider()), Arc::new(roots));
        let anonymous = Arc::new(only_http_1_1(builder(&provider, &roots).with_no_client_auth()));
        Self { provider, roots, anonymous }
    }

    /// For all tenants that show no certificate.
    pub(crate) fn anonymous(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.anonymous)
    }

    /// For a tenant that shows this one. It shares no session with others: a session that is resumed keeps the
    /// certificate that it was begun with.
    ///
    /// # Errors
    /// The certificate or its key can't be used; the text holds nothing of either.
    pub(crate) fn with_identity(&self, identity: &ClientIdentity) -> Result<Arc<ClientConfig>, String> {
        // The libraries' own errors quote lines of what they read, which here may be a key.
        let certificates = CertificateDer::pem_slice_iter(identity.certificate.expose_secret().as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| "the client certificate is not valid PEM")?;
        if certificates.is_empty() {
            return Err("the client certificate holds no certificate in PEM".to_owned());
        }
        let key = PrivateKeyDer::from_pem_slice(identity.key.expose_secret().as_bytes())
            .map_err(|_| "the client key holds no private key in PEM (an encrypted one can't be used)")?;
        let config = builder(&self.provider, &self.roots).with_client_auth_cert(certificates, key);
        let mut config = config.map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => "the client key does not belong to the client certificate",
            rustls::Error::InvalidCertificate(_) => "the client certificate can't be read",
            _ => "the client key is of a kind that can't be used",
        })?;
        config.resumption = Resumption::in_memory_sessions(SERVICES_OF_ONE);
        Ok(Arc::new(only_http_1_1(config)))
    }
}

fn builder(
    provider: &Arc<CryptoProvider>,
    roots: &Arc<RootCertStore>,
) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
    ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .expect("ring supports the default protocol versions")
        .with_root_certificates(Arc::clone(roots))
}

/// A service that picks h2 would refuse the upgrade.
fn only_http_1_1(mut config: ClientConfig) -> ClientConfig {
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), UpstreamError> {
    let fail = |error: String| UpstreamError::CaFile { path: path.to_owned(), error };
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| fail(error.to_string()))?;
    if certificates.is_empty() {
        return Err(fail("holds no certificate in PEM".to_owned()));
    }
    for certificate in certificates {
        roots.add(certificate).map_err(|error| fail(error.to_string()))?;
    }
    Ok(())
}

/// Speaks TLS on a TCP connection. `host` is a name or an IP address, an IPv6 one without brackets.
///
/// # Errors
/// [`Ending::Tls`]
pub(crate) async fn handshake(
    config: &Arc<ClientConfig>,
    host: &str,
    tcp: TcpStream,
) -> Result<TlsStream<TcpStream>, Ending> {
    let name = ServerName::try_from(host)
        // No certificate can be for such a name.
        .map_err(|_| Ending::Tls {
            error: "the host is no name that a certificate can hold".to_owned(),
            certificate: true,
        })?
        .to_owned();
    TlsConnector::from(Arc::clone(config)).connect(name, tcp).await.map_err(|error| ending_of_handshake(&error))
}

#[cfg(test)]
pub(crate) mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    impl ClientTls {
        /// Trusts these alone.
        pub(crate) fn trusting(roots: &[CertificateDer<'static>]) -> Arc<Self> {
            let mut store = RootCertStore::empty();
            for root in roots {
                store.add(root.clone()).unwrap();
            }
            Arc::new(Self::new(store))
        }
    }

    #[test]
    fn a_ca_file_without_certificates_is_named() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        for path in [path.as_path(), Path::new("/nonexistent/ca.pem")] {
            match client_config(Some(path)) {
                Err(UpstreamError::CaFile { path: named, .. }) => assert_eq!(named, path),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn an_identity_is_checked_without_a_word_of_its_key() {
        let certificate = |key: &KeyPair| CertificateParams::default().self_signed(key).unwrap().pem();
        let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let check = |certificate: &str, key: &str| {
            check_identity(&ClientIdentity { certificate: certificate.into(), key: key.into() })
        };
        let (good, pem) = (certificate(&key), key.serialize_pem());
        assert_eq!(check(&good, &pem), Ok(()));
        let cut = &pem[..pem.len() / 2];
        let encrypted = pem.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        let not_der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let secret = pem.lines().nth(1).unwrap();
        for (certificate, key) in [
            ("", pem.as_str()),
            (pem.as_str(), good.as_str()),
            (not_der, &pem),
            (&good, ""),
            (&good, cut),
            (&good, &encrypted),
            (&good, &other.serialize_pem()),
            (&format!("-----BEGIN {secret}\n"), &pem),
        ] {
            let error = check(certificate, key).unwrap_err();
            assert!(!error.contains(&secret[..8]), "{error}");
        }
    }

    #[test]
    fn offers_only_http_1_1_with_and_without_an_identity() {
        let tls = ClientTls::trusting(&[]);
        assert_eq!(tls.anonymous().alpn_protocols, [b"http/1.1".to_vec()]);
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::default().self_signed(&key).unwrap().pem();
        let identity = ClientIdentity { certificate: certificate.into(), key: key.serialize_pem().into() };
        assert_eq!(tls.with_identity(&identity).unwrap().alpn_protocols, [b"http/1.1".to_vec()]);
    }
}
