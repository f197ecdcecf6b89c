//! `[auth]`: who may subscribe.
//!
//! With mode "none" each key is looked at by itself only, so that a configuration may say how tokens are checked and
//! leave it to a later layer to switch that on. Which keys need or exclude each other is asked with mode "jwt".

use std::{io::Read as _, path::Path, time::Duration};

use pushgate_http::{AuthConfig, AuthMode, CookieName, JwtConfig, Keys, SameSite, VerifyKey};
use rustls::pki_types::CertificateDer;
use secrecy::{ExposeSecret as _, SecretString};

use super::{authorities, origin::Origin, quantity::Span, regular, section::Section, url};

/// The largest JWKS, in bytes, from a file or a URL: some hundred keys.
pub(crate) const MAX_JWKS: usize = 256 << 10;

/// A ticket is fetched right before the stream that redeems it, and may leak into logs of proxies.
const TICKET: Span = Span { min: Duration::from_secs(1), max: Duration::from_secs(600), words: "1s to 10m" };

/// The keys that say what tokens are signed with; exactly one of them counts.
const SOURCES: [&str; 3] = ["key", "jwks_file", "jwks_url"];

/// `[auth]`, read.
pub(super) struct Auth {
    pub(super) config: AuthConfig,
    pub(super) allow_insecure: bool,
    pub(super) tokens: TokenSettings,
}

/// What others than the public listener do with `[auth]`: tokens are minted by it, keys are fetched, changes are seen.
#[derive(Clone, Debug, Default)]
pub struct TokenSettings {
    /// The algorithm of `key`, one of [`VerifyKey::ALGORITHMS`].
    pub algorithm: Option<&'static str>,
    /// The secret of HS256, or a public key in PEM.
    pub key: Option<SecretString>,
    /// The text of `jwks_file`, which may hold secrets.
    pub jwks: Option<SecretString>,
    /// Certificate authorities beside those of the system, for `jwks_url`.
    pub authorities: Vec<CertificateDer<'static>>,
    /// The `iss` that tokens must have.
    pub issuer: Option<String>,
    /// What their `aud` must name.
    pub audience: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    None,
    Jwt,
}

pub(super) fn read(section: &mut Section<'_>) -> Option<Auth> {
    let mode = section.choice("mode", &[("none", Mode::None), ("jwt", Mode::Jwt)]);
    let allow_insecure = section.flag("allow_insecure", None);
    let (keys, tokens) = keys(section, mode);
    for key in ["issuer", "audience", "cookie"] {
        section.show_unset(key);
    }
    let given = [section.has("issuer"), section.has("audience"), section.has("cookie")];
    let issuer = section.text("issuer", name);
    let audience = section.text("audience", name);
    let cookie = section.text("cookie", CookieName::new);
    let same_sites = [("strict", SameSite::Strict), ("lax", SameSite::Lax), ("none", SameSite::None)];
    let cookie_same_site = section.choice("cookie_same_site", &same_sites);
    let ticket_expiry = section.duration("ticket_expiry", TICKET);
    if given != [issuer.is_some(), audience.is_some(), cookie.is_some()] {
        return None;
    }
    let tokens = TokenSettings { issuer: issuer.clone(), audience: audience.clone(), ..tokens };
    let mode = match mode? {
        Mode::None => AuthMode::None,
        Mode::Jwt => AuthMode::Jwt(JwtConfig { keys: keys?, issuer, audience, cookie }),
    };
    let config = AuthConfig { mode, ticket_expiry: ticket_expiry?, cookie_same_site: cookie_same_site? };
    Some(Auth { config, allow_insecure: allow_insecure?, tokens })
}

/// What tokens are signed with: the keys when they are right and there, and what they were read from.
fn keys(section: &mut Section<'_>, mode: Option<Mode>) -> (Option<Keys>, TokenSettings) {
    for key in ["algorithm", "key", "jwks_file", "jwks_url", "ca_file"] {
        section.show_unset(key);
    }
    if mode == Some(Mode::Jwt) {
        check_together(section);
    }
    let algorithm = section.choice("algorithm", &VerifyKey::ALGORITHMS.map(|algorithm| (algorithm, algorithm)));
    let key = section.secret("key", |text| match algorithm {
        Some(algorithm) => VerifyKey::new(algorithm, text).map(drop).map_err(|error| error.to_string()),
        None => Ok(()),
    });
    let jwks = section.text("jwks_file", jwks_file);
    let url = section.secretive_text("jwks_url", url::of_keys);
    let authorities = section.text("ca_file", |path| authorities::read(Path::new(path)));
    let known = algorithm.zip(key.as_ref()).and_then(|(algorithm, key)| {
        let key = VerifyKey::new(algorithm, key.expose_secret());
        Some(vec![key.ok()?])
    });
    let (jwks, of_file) = jwks.unzip();
    let keys = known.or(of_file).map(Keys::Known).or(url.map(|url| Keys::Remote { url }));
    let tokens = TokenSettings {
        algorithm,
        key,
        jwks,
        authorities: authorities.unwrap_or_default(),
        ..TokenSettings::default()
    };
    (keys, tokens)
}

/// Lists what is missing for mode "jwt", and what would not count.
fn check_together(section: &Section<'_>) {
    let sources: Vec<_> = SOURCES.into_iter().filter(|key| section.has(key)).collect();
    match sources[..] {
        [] => section.missing("key", "mode \"jwt\" needs one of key, jwks_file and jwks_url"),
        [_] => {}
        [first, .., last] => section.refuse(
            &section.place_of(last),
            last,
            format!("must not stand beside {first}: one of key, jwks_file and jwks_url counts"),
        ),
    }
    match (section.has("algorithm"), section.has("key")) {
        (false, true) => section.missing("algorithm", &format!("is missing: key needs it, {}", algorithms())),
        (true, false) if !sources.is_empty() => {
            let place: Origin = section.place_of("algorithm");
            section.refuse(&place, "algorithm", "counts only with key: the keys of a JWKS each say their own");
        }
        _ => {}
    }
    if section.has("ca_file") && !section.has("jwks_url") {
        section.refuse(&section.place_of("ca_file"), "ca_file", "counts only with jwks_url");
    }
}

fn algorithms() -> String {
    VerifyKey::ALGORITHMS.map(|algorithm| format!("{algorithm:?}")).join(" or ")
}

/// The keys that can be used, and the text they were read from. Nothing of it is repeated: it may hold secrets.
fn jwks_file(path: &str) -> Result<(SecretString, Vec<VerifyKey>), String> {
    let mut bytes = Vec::new();
    let read = regular::open(Path::new(path)).and_then(|file| file.take(MAX_JWKS as u64 + 1).read_to_end(&mut bytes));
    read.map_err(|error| format!("must be a readable file: {error}"))?;
    if bytes.len() > MAX_JWKS {
        return Err(format!("must be a file of at most {MAX_JWKS} bytes"));
    }
    let text = String::from_utf8(bytes).map_err(|_| "must be a JWKS, which is UTF-8".to_owned())?;
    let keys = VerifyKey::set(&text).map_err(|error| format!("must be a JWKS with a key that can be used: {error}"))?;
    Ok((text.into(), keys))
}

/// What a claim must be equal to.
fn name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains(char::is_control) {
        return Err("must be a text that is not empty and has no control characters".to_owned());
    }
    Ok(text.to_owned())
}
