//! What went wrong with a dial, in the session's words: the one place that reads awc's, rustls' and our own errors.

use std::{fmt, io};

use actix_http::error::ParseError;
use awc::error::{ConnectError, SendRequestError, WsClientError};
use pushgate_session::Ending;
use rustls::AlertDescription;

use crate::upgrade::Rejected;

/// Our connector's word about a dial, on its way through awc's errors.
#[derive(Debug)]
pub(crate) struct Failed(pub(crate) Ending);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the dial failed: {:?}", self.0)
    }
}

impl std::error::Error for Failed {}

/// What awc's many errors mean. An unknown one is an I/O error: it is tried again.
pub(crate) fn ending_of(error: &WsClientError) -> Ending {
    match error {
        WsClientError::InvalidResponseStatus(status) => Ending::Rejected { status: status.as_u16(), retry_after: None },
        WsClientError::SendRequest(request) => ending_of_request(request),
        WsClientError::InvalidUpgradeHeader
        | WsClientError::InvalidConnectionHeader(_)
        | WsClientError::MissingConnectionHeader
        | WsClientError::MissingWebSocketAcceptHeader
        | WsClientError::InvalidChallengeResponse(..) => Ending::BadUpgrade(error.to_string()),
        WsClientError::Protocol(protocol) => Ending::Io(protocol.to_string()),
    }
}

fn ending_of_request(error: &SendRequestError) -> Ending {
    match error {
        SendRequestError::Custom(inner, _) => match inner.downcast_ref::<Rejected>() {
            Some(rejected) => Ending::Rejected { status: rejected.status, retry_after: rejected.retry_after },
            None => Ending::Io(error.to_string()),
        },
        SendRequestError::Timeout | SendRequestError::Connect(ConnectError::Timeout) => Ending::ConnectTimeout,
        // Awc's words for a stream that ended before the answer was whole.
        SendRequestError::Connect(ConnectError::Disconnected) | SendRequestError::Response(ParseError::Incomplete) => {
            Ending::Eof
        }
        SendRequestError::Connect(ConnectError::Io(io))
        | SendRequestError::Send(io)
        | SendRequestError::Response(ParseError::Io(io)) => ending_of_io(io),
        SendRequestError::Response(parse) => Ending::BadUpgrade(parse.to_string()),
        other => Ending::Io(other.to_string()),
    }
}

/// Our connector's own word, or TLS that failed, or I/O. TLS 1.3 tells a client that its certificate is refused only
/// after the handshake, when the first byte is read.
fn ending_of_io(io: &io::Error) -> Ending {
    let Some(inner) = io.get_ref() else { return Ending::Io(io.to_string()) };
    if let Some(Failed(ending)) = inner.downcast_ref() {
        return ending.clone();
    }
    match inner.downcast_ref() {
        Some(tls) => ending_of_tls(tls),
        None => Ending::Io(io.to_string()),
    }
}

/// The TLS handshake failed with this.
pub(crate) fn ending_of_handshake(io: &io::Error) -> Ending {
    match io.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(tls) => ending_of_tls(tls),
        None => Ending::Tls { error: io.to_string(), certificate: false },
    }
}

fn ending_of_tls(tls: &rustls::Error) -> Ending {
    let certificate = match tls {
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => true,
        rustls::Error::AlertReceived(alert) => blames_certificate(*alert),
        _ => false,
    };
    Ending::Tls { error: tls.to_string(), certificate }
}

/// Whether the service says by this that our certificate, or the lack of one, is to blame (RFC 8446, section 6.2).
fn blames_certificate(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::CertificateRequired
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn failed(inner: impl std::error::Error + Send + Sync + 'static) -> Ending {
        let io = io::Error::other(inner);
        ending_of(&WsClientError::SendRequest(SendRequestError::Connect(ConnectError::Io(io))))
    }

    #[test]
    fn the_connectors_word_comes_out_as_it_went_in() {
        let word = Ending::Proxy { error: "answered 407".to_owned(), status: Some(407) };
        assert_eq!(failed(Failed(word.clone())), word);
    }

    #[test]
    fn a_rejection_keeps_its_retry_after() {
        let rejected = Rejected { status: 429, retry_after: Some(Duration::from_secs(7)) };
        let custom = SendRequestError::Custom(Box::new(rejected), Box::new("upgrade"));
        let expected = Ending::Rejected { status: 429, retry_after: Some(Duration::from_secs(7)) };
        assert_eq!(ending_of(&WsClientError::SendRequest(custom)), expected);
    }

    #[test]
    fn alerts_about_our_certificate_are_told_from_the_others() {
        for (alert, blamed) in [
            (AlertDescription::CertificateRequired, true),
            (AlertDescription::UnknownCA, true),
            (AlertDescription::CertificateExpired, true),
            (AlertDescription::HandshakeFailure, false),
            (AlertDescription::InternalError, false),
            (AlertDescription::Unknown(255), false),
        ] {
            let ending = failed(rustls::Error::AlertReceived(alert));
            assert!(
                matches!(ending, Ending::Tls { certificate, .. } if certificate == blamed),
                "{alert:?}: {ending:?}"
            );
        }
    }

    #[test]
    fn what_is_unknown_is_io() {
        assert!(matches!(failed(io::Error::other("new")), Ending::Io(_)));
        let unknown = WsClientError::SendRequest(SendRequestError::TunnelNotSupported);
        assert!(matches!(ending_of(&unknown), Ending::Io(_)));
    }
}
