use std::time::Duration;

use crate::Event;

const BOM: &[u8] = "\u{feff}".as_bytes();

/// Reads Server-Sent Events from bytes that come in any pieces (HTML standard, section 9.2.6).
///
/// It accepts every input. Its memory is bounded: a line or an event over the limit is read past and reported as
/// [`ParsedItem::Oversized`]; its id counts all the same, so that a reader that resumes is not sent it again.
#[derive(Debug)]
pub struct Parser {
    limit: usize,
    /// How many bytes of a BOM at the very beginning have been seen; nothing once that is decided.
    bom: Option<usize>,
    /// The last byte was a CR, so an LF now belongs to it.
    after_cr: bool,
    line: Vec<u8>,
    line_oversized: bool,
    event: String,
    /// The data lines, each with an LF: so one empty line differs from none.
    data: String,
    /// Something of the current event was over the limit.
    oversized: bool,
    id: String,
    last_event_id: String,
}

/// What a parser found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParsedItem {
    /// A complete event.
    Event(Event),
    /// A comment, without its colon: what keeps an idle stream alive.
    Comment(String),
    /// How long the server wants a reader to wait before it connects again.
    Retry(Duration),
    /// An event, or a line, was larger than the limit and was left out.
    Oversized,
}

impl Parser {
    /// A parser at the beginning of a stream, for lines and events of up to `limit` bytes. `last_event_id` is where
    /// the last stream ended: it stays the id until the server gives another one, as in browsers.
    pub fn new(limit: usize, last_event_id: &str) -> Self {
        Self {
            limit,
            bom: Some(0),
            after_cr: false,
            line: Vec::new(),
            line_oversized: false,
            event: String::new(),
            data: String::new(),
            oversized: false,
            id: last_event_id.to_owned(),
            last_event_id: last_event_id.to_owned(),
        }
    }

    /// Takes bytes off the front of `input` up to the end of the next item; nothing when all of it was taken and no
    /// item is complete.
    pub fn next(&mut self, input: &mut &[u8]) -> Option<ParsedItem> {
        self.skip_bom(input);
        while !input.is_empty() {
            if std::mem::take(&mut self.after_cr) && input[0] == b'\n' {
                *input = &input[1..];
                continue;
            }
            let Some(end) = input.iter().position(|b| matches!(b, b'\n' | b'\r')) else {
                self.extend_line(input);
                *input = &[];
                return None;
            };
            self.extend_line(&input[..end]);
            self.after_cr = input[end] == b'\r';
            *input = &input[end + 1..];
            if let Some(item) = self.end_line() {
                return Some(item);
            }
        }
        None
    }

    /// The id to resume from: the last one that a blank line made valid.
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    fn skip_bom(&mut self, input: &mut &[u8]) {
        while let (Some(seen), Some(byte)) = (self.bom, input.first()) {
            if *byte == BOM[seen] {
                *input = &input[1..];
                self.bom = Some(seen + 1).filter(|seen| *seen < BOM.len());
            } else {
                // No BOM after all: what looked like its beginning is part of the first line.
                self.bom = None;
                self.extend_line(&BOM[..seen]);
            }
        }
    }

    fn extend_line(&mut self, bytes: &[u8]) {
        let room = self.limit.saturating_sub(self.line.len());
        self.line_oversized |= bytes.len() > room;
        self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn end_line(&mut self) -> Option<ParsedItem> {
        let line = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&line);
        let item = if std::mem::take(&mut self.line_oversized) {
            self.oversized_line(&text)
        } else if text.is_empty() {
            self.dispatch()
        } else {
            match text.split_once(':') {
                Some(("", comment)) => Some(ParsedItem::Comment(comment.to_owned())),
                Some((field, value)) => self.field(field, value.strip_prefix(' ').unwrap_or(value)),
                None => self.field(&text, ""),
            }
        };
        self.line = line;
        self.line.clear();
        // One large event must not hold its memory for the life of the stream.
        self.line.shrink_to(64 * 1024);
        item
    }

    fn oversized_line(&mut self, beginning: &str) -> Option<ParsedItem> {
        if beginning.starts_with(':') {
            return Some(ParsedItem::Oversized);
        }
        self.oversized = true;
        None
    }

    fn field(&mut self, field: &str, value: &str) -> Option<ParsedItem> {
        match field {
            "event" => value.clone_into(&mut self.event),
            "data" if self.data.len() + value.len() < self.limit => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            "data" => self.oversized = true,
            "id" if !value.contains('\0') => value.clone_into(&mut self.id),
            "retry" if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) => {
                return Some(ParsedItem::Retry(Duration::from_millis(value.parse().unwrap_or(u64::MAX))));
            }
            _ => {}
        }
        None
    }

    fn dispatch(&mut self) -> Option<ParsedItem> {
        self.last_event_id.clone_from(&self.id);
        let event = std::mem::take(&mut self.event);
        let mut data = std::mem::take(&mut self.data);
        if std::mem::take(&mut self.oversized) {
            return Some(ParsedItem::Oversized);
        }
        data.pop()?;
        let event = if event.is_empty() { Event::MESSAGE.to_owned() } else { event };
        Some(ParsedItem::Event(Event { event, data, id: self.last_event_id.clone() }))
    }
}

#[cfg(test)]
mod tests;
