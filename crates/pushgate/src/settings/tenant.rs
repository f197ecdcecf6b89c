//! The keys of one tenant, wherever they come from: a file, or a request to the admin API.

use std::collections::HashSet;

use pushgate_model::TenantId;
use pushgate_upstream::{ClientIdentity, Source, TenantConfig, TenantSettings};
use secrecy::ExposeSecret as _;

use super::{answers, header, identity, origin::Origin, proxy, section::Section, upstream::TenantDefaults, url};

/// The longest subprotocol. Registered ones are a few characters.
const MAX_SUBPROTOCOL: usize = 128;

/// All keys but `id`, which the caller has read: nothing when it is wrong.
pub(super) fn read(
    section: &mut Section<'_>,
    id: Option<TenantId>,
    source: Source,
    defaults: Option<&TenantDefaults>,
) -> Option<TenantSettings> {
    let own_url = own_url(section, defaults);
    let has_bearer = section.has("bearer");
    let bearer = section.secret("bearer", header::check_token);
    let mut names = HashSet::new();
    let headers = section.secrets("headers", |name, value| {
        let first = names.insert(name.to_ascii_lowercase());
        header::check(name, value, has_bearer)?;
        if first { Ok(()) } else { Err("this header is given twice: upper and lower case are the same".to_owned()) }
    });
    let query = section.secrets("query", header::check_query);
    let subprotocol = section.text("subprotocol", check_subprotocol);
    let certificate_place = section.place_of("client_cert");
    let identity = identity::read(section);
    let proxy = section.secret("proxy", |text| proxy::parse(text).map(drop));
    let enabled = section.flag("enabled", Some(true));
    let answers = answers::read(section, defaults.map(|defaults| &defaults.answers));
    let id = id?;
    let url = url::of(&own_url.or_else(|| defaults?.url.clone())?, &id);
    check_use(section, identity.as_ref(), &url, &certificate_place);
    let config = TenantConfig {
        id,
        url,
        bearer,
        headers,
        query,
        subprotocol,
        identity,
        proxy: proxy.and_then(|proxy| proxy::parse(proxy.expose_secret()).ok()),
        enabled: enabled?,
        answers: answers?,
        source,
    };
    let mut shown = section.given();
    // It is the tenant's name, no setting of it.
    shown.remove("id");
    Some(TenantSettings { config, shown })
}

/// Reads the `id` of a tenant whose id is known before: it must be that one, or be left out.
pub(super) fn check_id(section: &mut Section<'_>, id: &str, allowed: &str) {
    section.text("id", |text| if text == id { Ok(()) } else { Err(allowed.to_owned()) });
}

fn own_url(section: &mut Section<'_>, defaults: Option<&TenantDefaults>) -> Option<String> {
    if !section.has("url") && defaults.is_some_and(|defaults| defaults.url.is_none()) {
        section.missing("url", "is missing: without upstream.url each tenant needs a WebSocket URL of its own");
    }
    section.secretive_text("url", url::template)
}

/// A token of RFC 9110, section 5.6.2, as RFC 6455, section 4.1, asks for.
fn check_subprotocol(text: &str) -> Result<String, String> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if (1..=MAX_SUBPROTOCOL).contains(&text.len()) && text.bytes().all(token) {
        Ok(text.to_owned())
    } else {
        Err(format!("must be one subprotocol: 1 to {MAX_SUBPROTOCOL} of a-z, A-Z, 0-9 and !#$%&'*+-.^_`|~"))
    }
}

/// Whoever gives a certificate means a service that knows it is talked to by the right one; without TLS nobody asks.
fn check_use(section: &Section<'_>, identity: Option<&ClientIdentity>, url: &str, place: &Origin) {
    let is_plain = url.get(..3).is_some_and(|scheme| scheme.eq_ignore_ascii_case("ws:"));
    if identity.is_some() && is_plain {
        section.refuse(place, "client_cert", "needs a wss:// URL: without TLS no certificate is shown");
    }
}
