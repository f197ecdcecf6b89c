//! Whose certificates are trusted.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
};

use crate::failure::Failure;

/// The system's roots, and those of a file.
pub(super) fn authorities(file: Option<&Path>) -> Result<Arc<ClientConfig>, Failure> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for certificate in file.map(certificates).transpose()?.unwrap_or_default() {
        roots.add(certificate).map_err(|error| Failure::Usage(format!("--ca-file: {error}")))?;
    }
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("ring supports the default protocol versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// The certificate at the head of this file, whatever name and issuer it has: who reads the gateway's configuration knows
/// which one is right, and asks at an address that no certificate names. The file is read again at each connect, because
/// certificates are replaced while a stream is followed; the first one counts too, until the gateway was told.
pub(super) fn only(file: &Path) -> Result<Arc<ClientConfig>, Failure> {
    let certificate = certificates(file)?.swap_remove(0);
    let provider = provider();
    let algorithms = provider.signature_verification_algorithms;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring supports the default protocol versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Only { certificate, file: file.to_owned(), algorithms }))
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// At least one certificate.
fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let fail = |what: &str| Failure::Usage(format!("{}: {what}", file.display()));
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = read.map_err(|error| fail(&error.to_string()))?;
    if certificates.is_empty() { Err(fail("holds no certificate in PEM")) } else { Ok(certificates) }
}

/// Accepts one certificate from whoever proves to have its key.
#[derive(Debug)]
struct Only {
    certificate: CertificateDer<'static>,
    file: PathBuf,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Only {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let is_now = || certificates(&self.file).is_ok_and(|now| now.first() == Some(end_entity));
        if *end_entity == self.certificate || is_now() {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use rustls::{ClientConnection, ServerConfig, ServerConnection, pki_types::PrivateKeyDer};
    use tempfile::NamedTempFile;

    use super::*;

    /// A self-signed certificate for another name than the one that is asked for, as a file and as a server.
    fn server() -> (NamedTempFile, ServerConnection) {
        let made = rcgen::generate_simple_self_signed(["push.example.com".to_owned()]).unwrap();
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(made.cert.pem().as_bytes()).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        (file, ServerConnection::new(Arc::new(config)).unwrap())
    }

    fn handshake(client: Arc<ClientConfig>, server: &mut ServerConnection) -> Result<(), rustls::Error> {
        let mut client = ClientConnection::new(client, "127.0.0.1".try_into().unwrap()).unwrap();
        while client.is_handshaking() {
            let mut bytes = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut bytes).unwrap();
            }
            server.read_tls(&mut bytes.as_slice()).unwrap();
            server.process_new_packets()?;
            let mut bytes = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut bytes).unwrap();
            }
            client.read_tls(&mut bytes.as_slice()).unwrap();
            client.process_new_packets()?;
        }
        Ok(())
    }

    #[test]
    fn the_gateways_own_certificate_is_trusted_and_no_other() {
        let (file, mut right) = server();
        assert_eq!(handshake(only(file.path()).unwrap(), &mut right), Ok(()));
        let (_, mut wrong) = server();
        assert!(handshake(only(file.path()).unwrap(), &mut wrong).is_err());
    }

    #[test]
    fn a_certificate_may_be_replaced_while_a_stream_is_followed() {
        let ((file, mut old), (other, mut new)) = (server(), server());
        let client = only(file.path()).unwrap();
        std::fs::copy(other.path(), file.path()).unwrap();
        assert_eq!(handshake(Arc::clone(&client), &mut new), Ok(()));
        assert_eq!(handshake(client, &mut old), Ok(()), "the gateway was not told yet");
    }

    #[test]
    fn authorities_are_held_to_the_name() {
        let (file, mut server) = server();
        assert!(handshake(authorities(Some(file.path())).unwrap(), &mut server).is_err());
    }
}
