use pushgate_model::Cursor;

/// One event of a stream, as the server wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The event's type; `message` where the server gave none, which is what a push has.
    pub event: String,
    /// The data lines, joined by LF.
    pub data: String,
    /// The last id that the stream gave, in this event or before; empty when there was none.
    pub id: String,
}

impl Event {
    /// The type of an event that the server gave none.
    pub const MESSAGE: &str = "message";

    /// The position of this event, when its id is a cursor.
    pub fn cursor(&self) -> Option<Cursor> {
        self.id.parse().ok()
    }
}
