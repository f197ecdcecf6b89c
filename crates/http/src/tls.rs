//! TLS of the public listener: which certificate it shows, and how another one takes its place while connections go on.

use std::{
    fmt,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;
use rustls::{
    Error, InconsistentKeys, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject as _},
    },
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use crate::validity;

/// Bytes of a file with a certificate or a key. A long chain has some ten thousand.
const FILE_BYTES: u64 = 1 << 20;

/// What the public listener speaks TLS with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// The certificate and its chain, PEM. It is read at the start and at each reload.
    pub cert: PathBuf,
    /// Its private key, PEM: PKCS #8, PKCS #1 or SEC 1, without a passphrase.
    pub key: PathBuf,
}

/// Why a certificate can't be used.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {what}")]
pub struct TlsError {
    /// Which file.
    pub path: String,
    /// What is wrong with it.
    pub what: String,
}

/// A certificate that can be shown, with its key.
#[derive(Clone)]
pub struct LoadedCertificate {
    key: Arc<CertifiedKey>,
    /// In seconds since 1970.
    expires: Option<u64>,
}

/// The certificate in force. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Certificate(Arc<ArcSwap<LoadedCertificate>>);

impl TlsConfig {
    /// Reads both files and checks that they belong together. One that has expired is loaded and complained about in the log:
    /// the clients decide about it, and some may still accept it.
    ///
    /// # Errors
    /// A file can't be read, holds nothing that can be used, or the key is that of another certificate.
    pub fn load(&self) -> Result<LoadedCertificate, TlsError> {
        let of = |path: &Path| {
            let path = path.display().to_string();
            move |what: String| TlsError { path, what }
        };
        let text = read(&self.cert).map_err(of(&self.cert))?;
        let chain = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|error| of(&self.cert)(no_pem(&error, "certificate")))?;
        let Some(first) = chain.first() else {
            return Err(of(&self.cert)(no_pem(&pem::Error::NoItemsFound, "certificate")));
        };
        let expires = validity::not_after(first);
        let text = read(&self.key).map_err(of(&self.key))?;
        let key = PrivateKeyDer::from_pem_slice(&text);
        let key = key.map_err(|error| of(&self.key)(no_pem(&error, "private key without a passphrase")))?;
        let key = CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                of(&self.key)(format!("this is not the key of the certificate in {}", self.cert.display()))
            }
            Error::InvalidCertificate(_) => of(&self.cert)("its first certificate can't be read".to_owned()),
            // What the library says of a key may not be repeated: it could hold some of it.
            _ => {
                of(&self.key)("this kind of private key can't be used: RSA, ECDSA (P-256, P-384) or Ed25519".to_owned())
            }
        })?;
        let loaded = LoadedCertificate { key: Arc::new(key), expires };
        if loaded.has_expired() {
            tracing::warn!(path = %self.cert.display(), "the certificate has expired");
        }
        Ok(loaded)
    }
}

impl LoadedCertificate {
    fn has_expired(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.expires.is_some_and(|expires| expires < now)
    }
}

impl fmt::Debug for LoadedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadedCertificate").field("expires", &self.expires).finish_non_exhaustive()
    }
}

impl Certificate {
    pub(crate) fn new(loaded: LoadedCertificate) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(loaded)))
    }

    /// Shows another one to those who come from now on.
    pub(crate) fn set(&self, loaded: LoadedCertificate) {
        self.0.store(Arc::new(loaded));
    }

    /// When the one in force expires, in seconds since 1970.
    pub(crate) fn expires(&self) -> Option<u64> {
        self.0.load().expires
    }

    /// TLS 1.2 and 1.3, and above it HTTP/2 or 1.1, HTTP/2 first (ALPN, RFC 7301).
    pub(crate) fn server_config(&self) -> ServerConfig {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("ring has what TLS 1.2 and 1.3 need")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(self.clone()));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // After a restart or a break everybody comes back at once: most of them without a signature, and without a memory
        // of them here. Without tickets they come all the same.
        match ring::Ticketer::new() {
            Ok(ticketer) => config.ticketer = ticketer,
            Err(error) => tracing::warn!(%error, "tls sessions can not be resumed"),
        }
        config
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.load().key))
    }
}

/// The one that the whole gateway uses, named here so that no other one can become the default of the process.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?.take(FILE_BYTES + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) if bytes.len() as u64 > FILE_BYTES => Err(format!("it has more than {FILE_BYTES} bytes")),
        Ok(bytes) => Ok(bytes),
        Err(error) => Err(error.to_string()),
    }
}

fn no_pem(error: &pem::Error, what: &str) -> String {
    match error {
        pem::Error::NoItemsFound => format!("there is no {what} in it (PEM)"),
        _ => "it is no valid PEM".to_owned(),
    }
}
