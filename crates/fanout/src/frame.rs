use std::io::Write;

use bytes::Bytes;
use pushgate_model::{Epoch, Seq, StoredPush};

/// What a frame holds beside a push's own texts: `id:`, `data:`, keys, quotes, times. Only a hint for allocation.
pub(crate) const OVERHEAD: usize = 256;

/// A comment: keeps a line alive, browsers skip it.
pub(crate) const COMMENT: Bytes = Bytes::from_static(b":\n\n");

/// Writes pushes as Server-Sent Events: `id: <epoch>-<seq>`, `data: <JSON>`, an empty line. JSON escapes CR and LF, so
/// one `data:` line holds any text.
#[derive(Clone, Debug)]
pub(crate) struct Encoder {
    epoch: Epoch,
}

impl Encoder {
    pub(crate) fn new(epoch: Epoch) -> Self {
        Self { epoch }
    }

    /// Appends the frame of one push.
    pub(crate) fn push(&self, buffer: &mut Vec<u8>, push: &StoredPush) {
        buffer.reserve(push.push.size() + OVERHEAD);
        self.id(buffer, push.seq);
        buffer.extend_from_slice(b"data: ");
        serde_json::to_writer(&mut *buffer, &push.data()).expect("plain data always has a JSON form");
        buffer.extend_from_slice(b"\n\n");
    }

    /// Appends an `id:` line.
    pub(crate) fn id(&self, buffer: &mut Vec<u8>, seq: Seq) {
        writeln!(buffer, "id: {}-{seq}", self.epoch).expect("writing to memory cannot fail");
    }
}

#[cfg(test)]
mod tests {
    use pushgate_model::{Push, Timestamp};

    use super::*;

    fn frame(title: &str) -> String {
        let push = StoredPush {
            seq: Seq::new(1042).unwrap(),
            tenant: "acme".parse().unwrap(),
            push: Push { id: "p1".into(), created_at: "now".into(), title: title.into(), body: String::new() },
            received_at: Timestamp::from_millis(0),
        };
        let mut buffer = Vec::new();
        Encoder::new("5f3a".parse().unwrap()).push(&mut buffer, &push);
        String::from_utf8(buffer).unwrap()
    }

    #[test]
    fn a_push_is_an_id_line_a_data_line_and_an_empty_line() {
        assert_eq!(
            frame("hi"),
            "id: 5f3a-1042\ndata: {\"tenant\":\"acme\",\"id\":\"p1\",\"created_at\":\"now\",\"title\":\"hi\",\
             \"body\":\"\",\"received_at\":\"1970-01-01T00:00:00.000Z\",\"seq\":1042}\n\n"
        );
    }

    #[test]
    fn no_text_breaks_the_framing() {
        for text in ["a\nb", "a\rb", "a\r\n\r\nid: x-1\ndata: y", "\0", "\u{2028}\u{feff}", "\"\\", ":"] {
            let frame = frame(text);
            assert_eq!(frame.matches('\n').count(), 3, "{frame:?}");
            assert!(!frame.contains('\r'), "{frame:?}");
            let data = frame.lines().nth(1).and_then(|line| line.strip_prefix("data: ")).unwrap();
            assert_eq!(serde_json::from_str::<serde_json::Value>(data).unwrap()["title"], text);
        }
    }
}
