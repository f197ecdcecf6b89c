//! The words of the domain: tenants, pushes, positions in the log, states of a connection.
//!
//! Every other crate speaks with these types. There is no I/O here, no clock, no actor and no sibling crate. Begin
//! reading at [`push`](Push) and [`cursor`](Cursor).

mod answer;
mod cursor;
mod push;
mod status;
mod tenant;
mod timestamp;

pub use answer::Answer;
pub use cursor::{Cursor, CursorError, Epoch, EpochError, Seq};
pub use push::{Push, PushData, PushId, StoredPush};
pub use status::{ConnectionState, TenantStatus};
pub use tenant::{TenantId, TenantIdError};
pub use timestamp::{Timestamp, TimestampError};
