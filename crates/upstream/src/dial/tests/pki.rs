use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::{
    RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
    version::TLS13,
};

use crate::ClientIdentity;

/// A certificate authority of a test.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// How a service speaks TLS.
pub(super) struct Service<'a> {
    /// Names and IP addresses of its certificate.
    pub(super) names: &'a [&'a str],
    pub(super) version: &'static SupportedProtocolVersion,
    /// Whose clients it lets in; nothing lets in all.
    pub(super) clients_of: Option<&'a Authority>,
    pub(super) expired: Expired,
}

/// Whether a certificate's time is over.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Expired {
    No,
    Yes,
}

impl Default for Service<'_> {
    fn default() -> Self {
        Self { names: &["localhost", "127.0.0.1"], version: &TLS13, clients_of: None, expired: Expired::No }
    }
}

impl Authority {
    /// Each has a name of its own, by which certificates find it.
    pub(super) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let mut params = CertificateParams::default();
        let name = format!("authority {}", COUNT.fetch_add(1, Ordering::Relaxed));
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(super) fn root(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    pub(super) fn serve(&self, service: &Service<'_>) -> ServerConfig {
        let names: Vec<_> = service.names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        if service.expired == Expired::Yes {
            params.not_after = date_time_ymd(2001, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &*self.0).unwrap();
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_protocol_versions(&[service.version]).unwrap();
        let builder = match service.clients_of {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.root()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
                builder.with_client_cert_verifier(verifier)
            }
        };
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        builder.with_single_cert(vec![certificate.der().clone()], key).unwrap()
    }

    pub(super) fn identity(&self) -> ClientIdentity {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["acme.example".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &*self.0).unwrap();
        ClientIdentity { certificate: certificate.pem().into(), key: key.serialize_pem().into() }
    }
}
