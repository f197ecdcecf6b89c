//! Files of certificate authorities, for `jwks_url`.

use std::{io::Read as _, path::Path};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use super::regular;

/// The largest file of roots that is looked at, in bytes.
const MAX_FILE: u64 = 16 << 20;

/// All certificates of a file in PEM, each of which can be a root.
pub(super) fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let mut pem = Vec::new();
    regular::open(path)
        .and_then(|file| file.take(MAX_FILE).read_to_end(&mut pem))
        .map_err(|error| format!("must be a readable file: {error}"))?;
    let certificates = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let mut roots = RootCertStore::empty();
    let usable = |certificates: &Vec<CertificateDer<'static>>| {
        let mut added = certificates.iter().map(|certificate| roots.add(certificate.clone()));
        !certificates.is_empty() && added.all(|added| added.is_ok())
    };
    certificates.ok().filter(usable).ok_or_else(|| "must be a file with certificates in PEM".to_owned())
}
