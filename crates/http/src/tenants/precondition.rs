//! `If-Match` and `If-None-Match` of a change (RFC 9110, sections 13.1.1 and 13.1.2).

use std::borrow::Cow;

use actix_web::http::header::{self, HeaderMap, HeaderName};
use pushgate_upstream::Precondition;

use crate::problem::Problem;

/// Which version of the settings a put is meant for.
///
/// # Errors
/// A header can't be read.
pub(super) fn of_put(headers: &HeaderMap) -> Result<Precondition, Problem> {
    let malformed =
        Problem::MalformedPrecondition { header: "If-None-Match", allowed: "*, without If-Match beside it" };
    match (joined(headers, header::IF_NONE_MATCH), headers.contains_key(header::IF_MATCH)) {
        (None, _) => if_match(headers),
        (Some(text), false) if text.trim() == "*" => Ok(Precondition::Absent),
        (Some(_), _) => Err(malformed),
    }
}

/// Which version of the settings a delete is meant for.
///
/// # Errors
/// A header can't be read.
pub(super) fn of_delete(headers: &HeaderMap) -> Result<Precondition, Problem> {
    if headers.contains_key(header::IF_NONE_MATCH) {
        return Err(Problem::MalformedPrecondition { header: "If-None-Match", allowed: "left out here" });
    }
    if_match(headers)
}

fn if_match(headers: &HeaderMap) -> Result<Precondition, Problem> {
    let malformed =
        || Problem::MalformedPrecondition { header: "If-Match", allowed: "* or entity tags, such as \"v1\"" };
    match joined(headers, header::IF_MATCH) {
        None => Ok(Precondition::None),
        Some(text) if text.trim() == "*" => Ok(Precondition::Exists),
        Some(text) => strong_tags(&text).map(Precondition::OneOf).ok_or_else(malformed),
    }
}

/// The lines of a header as one list (RFC 9110, section 5.3).
fn joined(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let lines: Vec<Cow<'_, str>> =
        headers.get_all(name).map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    (!lines.is_empty()).then(|| lines.join(","))
}

/// The entity tags of a list, without their quotes; nothing when it is none. Weak ones never match (RFC 9110, section
/// 8.8.3.2) and are left out.
fn strong_tags(list: &str) -> Option<Vec<String>> {
    let mut tags = Vec::new();
    let mut rest = skip_separators(list);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (weak, quoted) = rest.strip_prefix("W/").map_or((false, rest), |quoted| (true, quoted));
        let (tag, behind) = quoted.strip_prefix('"')?.split_once('"')?;
        if tag.contains(|c: char| c.is_ascii_control() || c == ' ') {
            return None;
        }
        if !weak {
            tags.push(tag.to_owned());
        }
        rest = skip_separators(behind);
        let between = &behind[..behind.len() - rest.len()];
        if !rest.is_empty() && !between.contains(',') {
            return None;
        }
    }
    Some(tags)
}

fn skip_separators(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', ','])
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut request = TestRequest::default();
        for pair in pairs {
            request = request.append_header(*pair);
        }
        request.to_http_request().headers().clone()
    }

    fn one_of(tags: &[&str]) -> Precondition {
        Precondition::OneOf(tags.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_put_says_which_version_it_means() {
        let table: [(&[(&str, &str)], Precondition); 8] = [
            (&[], Precondition::None),
            (&[("if-match", "*")], Precondition::Exists),
            (&[("if-match", "\"a\"")], one_of(&["a"])),
            (&[("if-match", " \"a\" , \"b,c\",\"\"")], one_of(&["a", "b,c", ""])),
            (&[("if-match", "\"a\""), ("if-match", "\"b\"")], one_of(&["a", "b"])),
            (&[("if-match", "W/\"a\", \"b\"")], one_of(&["b"])),
            (&[("if-match", "W/\"a\"")], one_of(&[])),
            (&[("if-none-match", "*")], Precondition::Absent),
        ];
        for (pairs, expected) in table {
            assert_eq!(of_put(&headers(pairs)).unwrap(), expected, "{pairs:?}");
        }
    }

    #[test]
    fn what_can_not_be_read_is_never_ignored() {
        for bad in ["", ",", "a", "\"a", "a\"", "\"a\"b", "\"a\"\"b\"", "\"a\" \"b\"", "*,\"a\"", "w/\"a\"", "\"a b\""]
        {
            assert!(if_match(&headers(&[("if-match", bad)])).is_err(), "{bad}");
        }
        for bad in ["\"a\"", "", "*,*"] {
            assert!(of_put(&headers(&[("if-none-match", bad)])).is_err(), "{bad}");
        }
        assert!(of_put(&headers(&[("if-none-match", "*"), ("if-match", "*")])).is_err());
        assert!(of_delete(&headers(&[("if-none-match", "*")])).is_err());
    }
}
