use std::time::Duration;

/// Limits and rhythms of the fan-out.
#[derive(Clone, Debug)]
pub struct FanoutConfig {
    /// A comment is sent on a stream that was idle for so long, moved by at most 10 % either way.
    pub heartbeat: Duration,
    /// A stream that has bytes to take and takes none for so long is given up: what it held is free, and it ends as soon
    /// as it asks again.
    pub stall_timeout: Duration,
    /// Bytes a second that one stream gets from the journal, so that one that is far behind leaves room for others;
    /// nothing is skipped. 0 is no limit.
    pub replay_rate: usize,
    /// Bytes of frames that one worker thread keeps in its tails, of all tenants together. As much again may wait in
    /// its inbox.
    pub tail_bytes: usize,
    /// Bytes of frames that one tenant's tail may keep on one worker thread; the newest frame stays whatever its size.
    pub tail_bytes_per_tenant: usize,
    /// Batches that may wait for one worker thread. Full: the thread's tails are given up and its streams read the
    /// journal.
    pub inbox: usize,
    /// Bytes that are joined into one write; a single larger frame is written alone.
    pub joined_write: usize,
    /// Bytes of frames that all pages of the journal have room for, of all threads: those that streams write, and at most
    /// half as much that is kept for others. The less is left, the smaller a page; 8 KiB for each stream are the least.
    pub replay_bytes: usize,
    /// Pushes read from the journal at a time.
    pub replay_page: usize,
    /// Bytes of text read from the journal at a time; less when many pages are held.
    pub replay_page_bytes: usize,
}

impl Default for FanoutConfig {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(15),
            stall_timeout: Duration::from_secs(30),
            replay_rate: 16 << 20,
            tail_bytes: 16 << 20,
            tail_bytes_per_tenant: 2 << 20,
            inbox: 1024,
            joined_write: 64 << 10,
            replay_bytes: 16 << 20,
            replay_page: 256,
            replay_page_bytes: 256 << 10,
        }
    }
}
