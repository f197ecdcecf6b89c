use std::{io::Write, net::SocketAddr};

use anyhow::Result;

use super::{line::Line, phase::Phase, source::EVENT};
use crate::clock::monotonic_nanos;

/// Connections to publish on. All pushes of a tenant take the same one, so that their order is kept.
const LINES: u64 = 16;

/// How a server takes pushes by HTTP.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) addr: SocketAddr,
    /// What is posted to, but for the tenant's number.
    pub(crate) path: &'static str,
    /// Bytes of an event beside what is posted.
    pub(crate) frame: usize,
}

/// Publishes to a server that takes pushes by HTTP: a request for each.
pub(crate) struct Posts {
    target: Target,
    lines: Vec<Line>,
    body: Vec<u8>,
}

impl Posts {
    pub(crate) fn connect(target: Target, tenants: u64) -> Result<Self> {
        let lines = (0..LINES.min(tenants)).map(|_| Line::connect(target.addr)).collect::<Result<_>>()?;
        Ok(Self { target, lines, body: Vec::new() })
    }

    pub(crate) fn push(&mut self, push: u64, phase: &Phase) {
        let (tenant, counter) = (push % phase.tenants, push / phase.tenants);
        let body = &mut self.body;
        body.clear();
        write!(body, "{}t={};n={counter}; ", phase.marker, monotonic_nanos()).expect("memory can be written");
        body.resize((EVENT - self.target.frame).max(body.len()), b'x');
        let line = (tenant % self.lines.len() as u64) as usize;
        self.lines[line].post(format_args!("{}{tenant}", self.target.path), &self.body);
    }

    pub(crate) fn flush(&mut self) -> Result<()> {
        self.lines.iter_mut().try_for_each(Line::flush)
    }

    pub(crate) fn drain(&mut self) -> Result<()> {
        self.lines.iter_mut().try_for_each(Line::drain)
    }
}
