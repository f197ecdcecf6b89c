//! `server.base_path`: what every path of the public listener begins with.

/// Longer ones are a typing error.
const MAX_LEN: usize = 256;

/// Nothing, or segments of characters that no proxy or browser rewrites (RFC 3986, section 2.3).
pub(super) fn check(text: &str) -> Result<String, String> {
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    let is_segment = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(unreserved);
    match text.strip_prefix('/') {
        None if text.is_empty() => Ok(String::new()),
        Some(path) if path.split('/').all(is_segment) && text.len() <= MAX_LEN => Ok(text.to_owned()),
        _ => Err(format!(
            "must be empty, or a path such as \"/push\": it begins with a slash, does not end with one, has at most \
             {MAX_LEN} characters, and of these only letters, digits, -, ., _ and ~ between slashes"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stays_as_it_is_on_its_way_is_taken() {
        for good in ["", "/push", "/a/b", "/v1.0/~x_y-z", "/..."] {
            assert_eq!(check(good), Ok(good.to_owned()));
        }
        let long = format!("/{}", "a".repeat(MAX_LEN));
        for bad in ["/", "push", "/push/", "//", "/a//b", "/a/../b", "/.", "/a b", "/%61", "/ä", "/a?b", "/{x}", &long]
        {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
