//! Who may subscribe: tokens, cookies and tickets over the real listener.

mod cookies;
mod keys;
mod leases;
mod matrix;
mod tickets;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use pushgate_http::{AuthConfig, AuthMode, CookieName, HttpConfig, JwtConfig, Keys, SameSite, VerifyKey};
use serde_json::{Value, json};

use crate::{
    client::{Answer, Stream, get, send_with},
    gateway::Gateway,
};

pub(crate) const EVENTS: &str = "Accept: text/event-stream";

/// The name of the frontend's cookie.
pub(crate) const COOKIE: &str = "session";

pub(crate) const ISSUER: &str = "https://login.example";
pub(crate) const AUDIENCE: &str = "pushgate";

/// One algorithm with two pairs of keys.
#[derive(Clone, Copy)]
pub(crate) struct Signer {
    pub(crate) algorithm: Algorithm,
    pub(crate) private: &'static str,
    /// What the gateway is given.
    pub(crate) public: &'static str,
    /// Somebody else's.
    pub(crate) other: &'static str,
}

pub(crate) const SIGNERS: [Signer; 4] = [
    Signer {
        algorithm: Algorithm::HS256,
        private: "a secret of the tests, and of nobody else",
        public: "a secret of the tests, and of nobody else",
        other: "another secret that the gateway has not",
    },
    Signer {
        algorithm: Algorithm::RS256,
        private: include_str!("keys/rsa.pem"),
        public: include_str!("keys/rsa.pub.pem"),
        other: include_str!("keys/rsa-other.pem"),
    },
    Signer {
        algorithm: Algorithm::ES256,
        private: include_str!("keys/p256.pem"),
        public: include_str!("keys/p256.pub.pem"),
        other: include_str!("keys/p256-other.pem"),
    },
    Signer {
        algorithm: Algorithm::EdDSA,
        private: include_str!("keys/ed25519.pem"),
        public: include_str!("keys/ed25519.pub.pem"),
        other: include_str!("keys/ed25519-other.pem"),
    },
];

/// The one that tests use to which the algorithm is all the same.
pub(crate) const HS256: Signer = SIGNERS[0];

impl Signer {
    pub(crate) fn sign(&self, claims: &Value) -> String {
        sign(&Header::new(self.algorithm), claims, self.private)
    }

    pub(crate) fn key(&self) -> VerifyKey {
        VerifyKey::new(&format!("{:?}", self.algorithm), self.public).unwrap()
    }

    /// The settings of a gateway that takes tokens of this one.
    pub(crate) fn jwt(&self) -> JwtConfig {
        JwtConfig {
            keys: Keys::Known(vec![self.key()]),
            issuer: Some(ISSUER.to_owned()),
            audience: Some(AUDIENCE.to_owned()),
            cookie: Some(CookieName::new(COOKIE).unwrap()),
        }
    }

    pub(crate) fn gateway(&self) -> Gateway {
        Gateway::start_with(|config| config.policy.auth = auth(self.jwt()))
    }
}

pub(crate) fn auth(jwt: JwtConfig) -> AuthConfig {
    AuthConfig { mode: AuthMode::Jwt(jwt), ticket_expiry: Duration::from_secs(30), cookie_same_site: SameSite::Strict }
}

/// A gateway that takes tokens by HS256, and whatever else is changed.
pub(crate) fn gateway_with(change: impl FnOnce(&mut HttpConfig)) -> Gateway {
    Gateway::start_with(|config| {
        config.policy.auth = auth(HS256.jwt());
        change(config);
    })
}

pub(crate) fn sign(header: &Header, claims: &Value, key: &str) -> String {
    let key = match header.alg {
        Algorithm::RS256 => EncodingKey::from_rsa_pem(key.as_bytes()).unwrap(),
        Algorithm::ES256 => EncodingKey::from_ec_pem(key.as_bytes()).unwrap(),
        Algorithm::EdDSA => EncodingKey::from_ed_pem(key.as_bytes()).unwrap(),
        _ => EncodingKey::from_secret(key.as_bytes()),
    };
    encode(header, claims, &key).unwrap()
}

/// A token of parts as they are, whose signature is none.
pub(crate) fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{}", part(header), part(claims), URL_SAFE_NO_PAD.encode("signature"))
}

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Good claims for `acme`, with some changed; null takes one away.
pub(crate) fn claims(change: &Value) -> Value {
    let mut claims = json!({"iss": ISSUER, "aud": AUDIENCE, "exp": now() + 600, "tenants": ["acme"]});
    for (name, value) in change.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

/// A token by HS256 that is good for these tenants.
pub(crate) fn token_for(tenants: &[&str]) -> String {
    HS256.sign(&claims(&json!({"tenants": tenants})))
}

pub(crate) fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

pub(crate) fn cookie(name: &str, token: &str) -> String {
    format!("Cookie: {name}={token}")
}

/// Opens a stream, if it may be, and gives the head of the answer.
pub(crate) fn subscribe(gateway: &Gateway, path: &str, headers: &[&str]) -> Answer {
    let headers: Vec<_> = [EVENTS].iter().chain(headers).copied().collect();
    let (mut stream, head) = Stream::events(gateway.public, path, &headers);
    if head.status == 200 {
        stream.until("event: open");
    }
    head
}

/// Asks for a ticket.
pub(crate) fn ask_ticket(gateway: &Gateway, headers: &[&str]) -> Answer {
    send_with(gateway.public, ("POST", "/tickets"), headers, "")
}

/// A ticket for a token.
pub(crate) fn ticket(gateway: &Gateway, token: &str) -> String {
    let answer = ask_ticket(gateway, &[&bearer(token)]);
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["ticket"].as_str().unwrap().to_owned()
}

/// What a counter of the gateway shows.
pub(crate) fn counter(gateway: &Gateway, sample: &str) -> u64 {
    let metrics = get(gateway.admin, "/metrics", &[]).body;
    let line = metrics.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{sample}: {metrics}")).parse().unwrap()
}

/// How many requests were refused for a reason.
pub(crate) fn refused(gateway: &Gateway, reason: &str) -> u64 {
    counter(gateway, &format!("pushgate_auth_refused_total{{reason=\"{reason}\"}}"))
}
