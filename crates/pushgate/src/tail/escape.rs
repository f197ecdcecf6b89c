//! What comes from outside must not steer the terminal that shows it.

use std::fmt::Write as _;

/// A line of text for a terminal: control characters, line breaks included, and those that turn the direction of text
/// are shown as `\u{…}`. A tab stays.
pub(super) fn line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '\t' && steers(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// JSON without a line break, in which the same characters are escaped as JSON escapes them; its value is the same.
pub(super) fn json(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            // Valid only between tokens, where a space does as well.
            '\n' | '\r' | '\t' => shown.push(' '),
            c if steers(c) => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    write!(shown, "\\u{unit:04x}").expect("a string takes everything");
                }
            }
            c => shown.push(c),
        }
    }
    shown
}

/// C0, DEL and C1; line and paragraph separators; marks, embeddings, overrides and isolates of direction (Unicode
/// Standard Annex 9).
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn nothing_steers_the_terminal() {
        for (text, shown) in [
            ("plain, ä, 日本, 👩‍👩‍👧", "plain, ä, 日本, 👩‍👩‍👧"),
            ("a\tb", "a\tb"),
            ("\x1b[2Jx", "\\u{1b}[2Jx"),
            ("\u{9b}2J\u{7f}", "\\u{9b}2J\\u{7f}"),
            ("a\rb\nc\0", "a\\u{d}b\\u{a}c\\u{0}"),
            ("\u{202e}evil\u{2066}", "\\u{202e}evil\\u{2066}"),
            ("\u{2028}", "\\u{2028}"),
        ] {
            assert_eq!(line(text), shown);
        }
    }

    #[test]
    fn json_keeps_its_value_and_has_one_line() {
        let pretty = "{\n\t\"a\": \"\u{9b}2J\u{7f}\u{202e}\u{2028}\\n\\u001b\",\r\n \"b\": [1]\n}";
        let shown = json(pretty);
        assert!(!shown.contains(steers), "{shown}");
        let values = [pretty, &shown].map(|text| serde_json::from_str::<Value>(text).unwrap());
        assert_eq!(values[0], values[1]);
        assert!(shown.contains(r"\u009b2J\u007f\u202e\u2028\n\u001b"), "{shown}");
    }
}
