use super::{stamps::Stamps, window::Window};

/// A measured phase: what was published in it, known by its marker.
#[derive(Debug)]
pub(crate) struct Phase {
    /// What the stamps of its pushes begin with.
    pub(crate) marker: String,
    /// Tenants that are published to in turn.
    pub(crate) tenants: u64,
    /// Its pushes under way.
    pub(crate) window: Window,
    /// Finds its stamps.
    pub(crate) stamps: Stamps,
}

impl Phase {
    /// One of so many tenants with so many subscribers each, and so many pushes under way.
    pub(crate) fn new(tenants: u64, subscribers: u32, window: u64) -> Self {
        let marker = format!("r{:08x}_", fastrand::u32(..));
        Self { stamps: Stamps::new(&marker), marker, tenants, window: Window::new(window, subscribers) }
    }

    /// The number of a tenant's push among all of the phase.
    pub(crate) fn number(&self, tenant: u64, counter: u32) -> u64 {
        u64::from(counter) * self.tenants + tenant
    }
}
