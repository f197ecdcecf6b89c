use actix_web::{
    HttpRequest,
    cookie::{Cookie, SameSite as CookieSameSite, time::Duration as CookieDuration},
    http::header,
};

use super::{CookieName, SameSite, keyring::Way};

/// The cookie that a redeemed ticket sets. Its value is the token itself: so it outlives a restart of the gateway, which has
/// no key of its own to sign anything else with, and is worth no more than what its owner has anyway.
pub(super) const NAME: &str = "pushgate_ticket";

/// Cookies of one request that are tried: the same name may come several times, of several paths.
const COOKIES_TRIED: usize = 4;

/// What every browser keeps of a cookie, name, value and attributes together (RFC 6265, section 6.1).
const COOKIE_BYTES: usize = 4096;

/// The tokens that a request's cookies hold, in the order of the browser, which puts the longest path first.
pub(super) fn tokens<'a>(request: &'a HttpRequest, configured: Option<&'a CookieName>) -> Vec<(&'a str, Way)> {
    let way = |name: &str| {
        if name == NAME {
            Some(Way::Own)
        } else {
            configured.filter(|configured| configured.as_str() == name).map(|_| Way::Cookie)
        }
    };
    let pairs = request.headers().get_all(header::COOKIE).filter_map(|line| line.to_str().ok());
    pairs
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.split_once('='))
        .filter_map(|(name, value)| Some((unquoted(value.trim()), way(name.trim())?)))
        .filter(|(token, _)| !token.is_empty())
        .take(COOKIES_TRIED)
        .collect()
}

/// A value may stand in quotes (RFC 6265, section 4.1.1).
fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value)
}

/// What the cookie of a redeemed ticket is to be like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    /// As configured.
    pub(super) same_site: SameSite,
    /// How long its token still counts.
    pub(super) seconds: u64,
    /// Whether the browser came by https.
    pub(super) https: bool,
}

/// The cookie by which the browser's own reconnect, which repeats the URL and its used ticket, gets in. Nothing when the
/// token is too long for a cookie.
pub(super) fn set(token: &str, path: &str, setting: Setting) -> Option<Cookie<'static>> {
    let Setting { same_site, seconds, https } = setting;
    let same_site = match same_site {
        SameSite::Strict => CookieSameSite::Strict,
        SameSite::Lax => CookieSameSite::Lax,
        SameSite::None => CookieSameSite::None,
    };
    let cookie = Cookie::build(NAME, token.to_owned())
        .path(path.to_owned())
        .max_age(CookieDuration::seconds(seconds.try_into().unwrap_or(i64::MAX)))
        .http_only(true)
        .same_site(same_site)
        // Browsers take SameSite=None only together with it.
        .secure(https || same_site == CookieSameSite::None)
        .finish();
    (cookie.to_string().len() <= COOKIE_BYTES).then_some(cookie)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn found(lines: &[&'static str]) -> Vec<(String, Way)> {
        let configured = CookieName::new("session").unwrap();
        let mut request = TestRequest::default();
        for line in lines {
            request = request.append_header(("cookie", *line));
        }
        let request = request.to_http_request();
        tokens(&request, Some(&configured)).into_iter().map(|(token, way)| (token.to_owned(), way)).collect()
    }

    #[test]
    fn cookies_are_found_by_their_whole_name() {
        let own = |token: &str| (token.to_owned(), Way::Own);
        let configured = |token: &str| (token.to_owned(), Way::Cookie);
        assert_eq!(found(&["pushgate_ticket=a.b.c"]), [own("a.b.c")]);
        assert_eq!(found(&["x=1; session=\"s\" ;pushgate_ticket = t=1"]), [configured("s"), own("t=1")]);
        assert_eq!(found(&["session=1", "a=b", "pushgate_ticket=2"]), [configured("1"), own("2")]);
        assert_eq!(found(&["Session=1; xsession=2; session; session=; pushgate_ticket=\"\""]), []);
        assert_eq!(found(&["session=1; session=2; session=3; session=4; session=5"]).len(), COOKIES_TRIED);
        assert_eq!(found(&[]), []);
    }

    #[test]
    fn a_cookie_is_bound_to_its_path_and_time() {
        let setting = Setting { same_site: SameSite::Strict, seconds: 90, https: false };
        let text = |setting| set("a.b.c", "/push/events/acme", setting).unwrap().to_string();
        assert_eq!(
            text(setting),
            "pushgate_ticket=a.b.c; HttpOnly; SameSite=Strict; Path=/push/events/acme; Max-Age=90"
        );
        assert!(text(Setting { https: true, ..setting }).contains("; Secure"));
        let none = text(Setting { same_site: SameSite::None, ..setting });
        assert!(none.contains("SameSite=None") && none.contains("; Secure"), "{none}");
        assert!(text(Setting { same_site: SameSite::Lax, ..setting }).contains("SameSite=Lax"));
    }

    #[test]
    fn a_token_that_no_browser_would_keep_is_no_cookie() {
        let setting = Setting { same_site: SameSite::Strict, seconds: 90, https: false };
        assert!(set(&"x".repeat(3900), "/events/acme", setting).is_some());
        assert!(set(&"x".repeat(4080), "/events/acme", setting).is_none());
    }
}
