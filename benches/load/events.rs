use std::io::BufRead;

/// What a stream says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Item<'a> {
    /// A push: its `id:` and its `data:`.
    Push { id: &'a [u8], data: &'a [u8] },
    /// An event with a name, and its `id:` if it has one.
    Control { name: &'a [u8], id: Option<&'a [u8]> },
    /// How long a browser waits before it connects again, in milliseconds.
    Retry(u64),
    /// A comment.
    Comment,
}

#[derive(Default)]
struct Fields<'a> {
    id: Option<&'a [u8]>,
    name: Option<&'a [u8]>,
    data: Option<&'a [u8]>,
    retry: Option<u64>,
}

/// Gives out the complete events of `text` and answers how many bytes they were; the rest needs more bytes.
///
/// It knows what the gateway writes (LF ends lines, one `data:` line an event), not all that a browser would take: it
/// has to read hundreds of thousands of events a second on half a core.
pub(crate) fn scan<'a>(text: &'a [u8], mut give: impl FnMut(Item<'a>)) -> usize {
    let mut fields = Fields::default();
    let (mut at, mut consumed) = (0, 0);
    while let Some(line) = next_line(&text[at..]) {
        at += line.len() + 1;
        match line.first() {
            None => {
                if let Some(item) = std::mem::take(&mut fields).item() {
                    give(item);
                }
                consumed = at;
            }
            // A comment stands on its own, so it never has to be read twice.
            Some(b':') => {
                give(Item::Comment);
                if fields.is_empty() {
                    consumed = at;
                }
            }
            Some(_) => fields.take(line),
        }
    }
    consumed
}

/// The line without its end; nothing without one.
fn next_line(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text;
    // The one search for a byte in the standard library that uses the machine's vector instructions.
    let length = rest.skip_until(b'\n').expect("memory can be read");
    text[..length].strip_suffix(b"\n")
}

impl<'a> Fields<'a> {
    fn is_empty(&self) -> bool {
        self.id.is_none() && self.name.is_none() && self.data.is_none() && self.retry.is_none()
    }

    fn take(&mut self, line: &'a [u8]) {
        if let Some(data) = line.strip_prefix(b"data: ") {
            self.data = Some(data);
        } else if let Some(id) = line.strip_prefix(b"id: ") {
            self.id = Some(id);
        } else if let Some(name) = line.strip_prefix(b"event: ") {
            self.name = Some(name);
        } else if let Some(retry) = line.strip_prefix(b"retry: ") {
            self.retry = std::str::from_utf8(retry).ok().and_then(|digits| digits.parse().ok());
        }
    }

    fn item(self) -> Option<Item<'a>> {
        match (self.name, self.id, self.data) {
            (Some(name), id, Some(_)) => Some(Item::Control { name, id }),
            (None, Some(id), Some(data)) => Some(Item::Push { id, data }),
            _ => self.retry.map(Item::Retry),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b":ok\nretry: 1234\n\nid: e-0\nevent: open\ndata: {}\n\nid: e-1\ndata: {\"a\":1}\n\n:\n\n\
        event: shutdown\ndata: {}\n\nid: e-2\ndata: {}\n\nid: e-3\nda";

    fn all() -> Vec<Item<'static>> {
        vec![
            Item::Comment,
            Item::Retry(1234),
            Item::Control { name: b"open", id: Some(b"e-0") },
            Item::Push { id: b"e-1", data: b"{\"a\":1}" },
            Item::Comment,
            Item::Control { name: b"shutdown", id: None },
            Item::Push { id: b"e-2", data: b"{}" },
        ]
    }

    #[test]
    fn complete_events_are_given_out_and_the_rest_waits() {
        let mut items = Vec::new();
        let consumed = scan(TEXT, |item| items.push(item));
        assert_eq!((items, &TEXT[consumed..]), (all(), &b"id: e-3\nda"[..]));
    }

    #[test]
    fn events_are_the_same_wherever_they_are_cut() {
        for step in 1..TEXT.len() {
            let (mut carry, mut items) = (Vec::new(), Vec::new());
            for part in TEXT.chunks(step) {
                carry.extend_from_slice(part);
                let consumed = scan(&carry, |item| items.push(format!("{item:?}")));
                carry.drain(..consumed);
            }
            assert_eq!(items, all().iter().map(|item| format!("{item:?}")).collect::<Vec<_>>(), "{step}");
        }
    }
}
