use serde_json::Value;

/// One dispatched event, as a browser would see it.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) name: String,
    pub(super) id: Option<String>,
    pub(super) data: Value,
}

impl Event {
    /// The seq of its id.
    pub(super) fn seq(&self) -> u64 {
        let (_, seq) = self.id.as_deref().and_then(|id| id.split_once('-')).unwrap();
        seq.parse().unwrap()
    }

    pub(super) fn is_push(&self) -> bool {
        self.name == "message"
    }
}

/// The events in a piece, which must be whole; comments are left out.
pub(super) fn parse(piece: &[u8]) -> Vec<Event> {
    let text = std::str::from_utf8(piece).unwrap();
    assert!(text.ends_with("\n\n"), "only whole events are written: {text:?}");
    text.split_terminator("\n\n").filter_map(block).collect()
}

fn block(text: &str) -> Option<Event> {
    let (mut name, mut id, mut data) = ("message".to_owned(), None, None);
    for line in text.lines() {
        match line.split_once(": ") {
            Some(("event", value)) => value.clone_into(&mut name),
            Some(("id", value)) => id = Some(value.to_owned()),
            Some(("data", value)) => data = Some(serde_json::from_str(value).unwrap()),
            Some(("retry", value)) => assert!(value.parse::<u32>().is_ok()),
            _ => assert!(line.starts_with(':'), "an unexpected line {line:?}"),
        }
    }
    data.map(|data| Event { name, id, data })
}
