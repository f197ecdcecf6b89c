use pushgate_model::{Seq, TenantId};

/// Learns which pushes were written to a subscriber.
pub trait DeliverySink: Send + Sync {
    /// All kept pushes of `tenant` above `after`, up to and with `upto`, were written to a stream; live or by replay. A push
    /// that retention had trimmed by then is not kept: it lies in the range whether it was written or not.
    ///
    /// Written means handed to the response, which then asked for more, or taken by a [`FrameSink`](crate::FrameSink). Ranges
    /// come in no order. One that streams of the same thread told within the last half second is not told again; any other
    /// may be. Called on worker threads, at most once a write and tenant: it must neither wait nor take long.
    fn delivered(&self, tenant: &TenantId, after: Seq, upto: Seq);
}

/// Nobody wants to know.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoDeliverySink;

impl DeliverySink for NoDeliverySink {
    fn delivered(&self, _: &TenantId, _: Seq, _: Seq) {}
}
