//! `client_cert` and `client_key`: what a tenant shows to a service that asks for a certificate.

use pushgate_upstream::{ClientIdentity, check_identity};

use super::section::Section;

/// Reads both, and looks at them: what can't be used would keep the tenant from ever connecting.
pub(super) fn read(section: &mut Section<'_>) -> Option<ClientIdentity> {
    let (has_certificate, has_key) = (section.has("client_cert"), section.has("client_key"));
    let place = section.place_of("client_key");
    let certificate = section.secret("client_cert", check_certificate);
    let key = section.secret("client_key", check_key);
    match (has_certificate, has_key) {
        (true, false) => section.missing("client_key", "is missing: client_cert is of no use without its private key"),
        (false, true) => section.missing("client_cert", "is missing: client_key is of no use without its certificate"),
        _ => {}
    }
    let identity = ClientIdentity { certificate: certificate?, key: key? };
    if let Err(what) = check_identity(&identity) {
        section.refuse(&place, "client_key", format!("can't be used with client_cert: {what}"));
        return None;
    }
    Some(identity)
}

fn check_certificate(pem: &str) -> Result<(), String> {
    holds(pem, "CERTIFICATE-----").ok_or_else(|| "must be a certificate in PEM".to_owned())
}

fn check_key(pem: &str) -> Result<(), String> {
    if holds(pem, "ENCRYPTED PRIVATE KEY-----").is_some() {
        return Err("must be a private key without a passphrase: nobody is there to type it".to_owned());
    }
    holds(pem, "PRIVATE KEY-----").ok_or_else(|| "must be a private key in PEM".to_owned())
}

/// Whether a section of PEM begins whose label ends like this.
fn holds(pem: &str, label: &str) -> Option<()> {
    pem.lines().any(|line| line.starts_with("-----BEGIN ") && line.trim_end().ends_with(label)).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pem_of_the_right_kind_is_taken() {
        let pem = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
        assert_eq!(check_certificate(&pem("CERTIFICATE")), Ok(()));
        for good in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"] {
            assert_eq!(check_key(&pem(good)), Ok(()), "{good}");
            assert_eq!(check_key(&format!("{}{}", pem("EC PARAMETERS"), pem(good))), Ok(()), "{good}");
        }
        for bad in ["CERTIFICATE", "PUBLIC KEY", "ENCRYPTED PRIVATE KEY"] {
            assert!(check_key(&pem(bad)).is_err(), "{bad}");
        }
        for bad in ["", "AAAA", "/etc/ssl/client.pem", &pem("PRIVATE KEY"), "-----BEGIN CERTIFICATE"] {
            assert!(check_certificate(bad).is_err(), "{bad}");
        }
    }
}
