/// Who is at the other end of a stream, for operators.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Where the stream comes from, as text.
    pub address: String,
    /// What the subscriber calls itself. It is kept as long as the stream: whoever takes it from a stranger cuts it.
    pub user_agent: Option<String>,
}
