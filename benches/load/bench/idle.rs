use std::{sync::Arc, time::Duration};

use anyhow::Result;

use super::{
    crowd::Crowd,
    figures::{Bound, Figures},
    nchan::Installed,
    phase::Phase,
    server::{Kind, Server},
};
use crate::{rig::Rig, wait::pause};

const STREAMS: usize = 10_000;
/// How long streams settle before memory is looked at, and CPU is measured.
const SETTLE: Duration = Duration::from_secs(3);

/// What streams cost to which nothing comes but heartbeats: memory by what the process grew, CPU over some time.
pub(crate) fn idle(rig: &Rig, kind: Kind, time: Duration, nchan: Option<&Installed>) -> Result<Figures> {
    let server = Server::start(rig, kind, 1, nchan)?;
    pause(SETTLE)?;
    let (empty, share) = (server.usage()?, server.proportional_memory()?);
    let crowd = Crowd::open(&server.seats(STREAMS), 1)?;
    pause(SETTLE)?;
    let (open, share_then) = (server.usage()?, server.proportional_memory()?);
    // Nobody publishes: only what keeps the streams alive is counted.
    crowd.begin(&Arc::new(Phase::new(1, STREAMS as u32, 1)))?;
    pause(time)?;
    let (cpu, sums) = (server.usage()?.cpu - open.cpu, crowd.end()?);
    let mut figures = Figures { bound: Bound::Rate, ..Figures::default() };
    let each = |before: u64, then: u64| then.saturating_sub(before) as f64 / STREAMS as f64;
    figures.set("streams", STREAMS as f64);
    figures.set("stream_bytes", each(empty.rss, open.rss));
    if let Some((share, share_then)) = share.zip(share_then) {
        figures.set("stream_bytes_pss", each(share, share_then));
    }
    figures.set("cores", cpu / time.as_secs_f64());
    figures.set("heartbeat_bytes", sums.bytes as f64 / STREAMS as f64);
    figures.set("ended", crowd.ended() as f64);
    Ok(figures)
}
