use pushgate_model::Timestamp;

/// Whether the journal can write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// The last commit, or the last trial, succeeded.
    Writable,
    /// It can't: appends are refused until a trial succeeds. Reading goes on.
    Failing {
        /// Since when.
        since: Timestamp,
        /// What the engine said, such as `database or disk is full`.
        error: String,
    },
}
