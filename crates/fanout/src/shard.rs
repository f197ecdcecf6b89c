use std::rc::Rc;

use crate::{Subscribe, Subscriber};

/// The tails and subscribers of one worker thread.
#[derive(Debug)]
pub struct Shard {}

impl Shard {
    /// A new stream. It yields its first bytes at once, without waiting for the journal.
    pub fn subscribe(self: &Rc<Self>, _request: Subscribe) -> Subscriber {
        unimplemented!()
    }
}
