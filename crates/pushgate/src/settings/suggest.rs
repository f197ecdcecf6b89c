/// The known word that is nearest to a mistyped one, when one is near enough to be meant.
pub(super) fn nearest<'a>(given: &str, known: &[&'a str]) -> Option<&'a str> {
    let allowed = (given.chars().count() / 3).clamp(1, 3);
    let scored = known.iter().map(|word| (distance(given, word), *word));
    scored.filter(|(distance, _)| *distance <= allowed).min().map(|(_, word)| word)
}

/// How many characters have to be inserted, removed or replaced, upper and lower case being the same.
fn distance(a: &str, b: &str) -> usize {
    strsim::levenshtein(&a.to_lowercase(), &b.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_near_words_are_suggested() {
        let known = ["bind", "heartbeat", "stall_timeout", "limits"];
        for (given, expected) in [
            ("bnd", Some("bind")),
            ("Bind", Some("bind")),
            ("heart_beat", Some("heartbeat")),
            ("stall_time", Some("stall_timeout")),
            ("stalltimeout", Some("stall_timeout")),
            ("tls", None),
            ("cors_origins", None),
            ("", None),
        ] {
            assert_eq!(nearest(given, &known), expected, "{given}");
        }
    }
}
