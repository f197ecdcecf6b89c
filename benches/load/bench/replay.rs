use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};

use super::{
    crowd::{Crowd, Seats},
    figures::{Bound, Figures},
    phase::Phase,
    publisher::{Amount, Pace, Published, Publisher},
    server::{Kind, Server},
    sums::Sums,
};
use crate::{clock::monotonic_nanos, process::Usage, rig::Rig, wait::pause};

/// Who comes for all that is stored of the second tenant.
const SUBSCRIBERS: usize = 100;
/// Subscribers of the first tenant, live all the time, and its pushes a second.
const LIVE: (usize, f64) = (100, 50.0);
/// Pushes without an answer while the backlog is made.
const IN_FLIGHT: usize = 512;
/// How long the backlog, and the replay, may take.
const PATIENCE: Duration = Duration::from_secs(180);
/// How often it is looked whether all is there.
const LOOK: Duration = Duration::from_millis(10);
/// The part of a core above which the crowd is what is measured.
const CAPPED: f64 = 0.9;

/// A hundred subscribers that come at once for all that is stored of a tenant, beside live ones of another.
pub(crate) fn replay(rig: &Rig, pushes: u64, usual: Duration) -> Result<Figures> {
    let server = Server::start(rig, Kind::Pushgate, 2, None)?;
    let stored = backlog(&server, pushes)?;
    let live_seats = seats(rig, LIVE.0, "/events/t0");
    let live = Crowd::open(&live_seats, 1)?;
    let mut publisher = Publisher::new(server.source()?);
    let before = phase();
    live.begin(&before)?;
    publisher.publish(&before, Pace::PerSecond(LIVE.1), Amount::Time(usual))?;
    let usual = live.end()?;

    let during = phase();
    live.begin(&during)?;
    let done = AtomicBool::new(false);
    let (replayed, sent) = thread::scope(|scope| {
        let publishing = scope.spawn(|| publisher.publish(&during, Pace::PerSecond(LIVE.1), Amount::Until(&done)));
        let replayed = come(rig, &server, &stored, pushes);
        done.store(true, Relaxed);
        let sent = publishing.join().map_err(|_| anyhow!("the publisher panicked"))?;
        anyhow::Ok((replayed?, sent?))
    })?;
    Ok(fold(pushes, &replayed, sent, &usual, &live.end()?))
}

/// How the replay went.
struct Replayed {
    seconds: f64,
    sums: Sums,
    used: f64,
    most_memory: u64,
    ended: usize,
}

/// Stores the pushes of the second tenant: the phase that knows them.
fn backlog(server: &Server<'_>, pushes: u64) -> Result<Arc<Phase>> {
    // Each of them waits for as many deliveries as there will be subscribers.
    let stored = Phase::new(1, SUBSCRIBERS as u32, pushes);
    (0..pushes).for_each(|push| assert!(stored.window.enter(push), "there is a place for each"));
    let simulator = server.simulator().context("the gateway has a simulator")?;
    simulator.start_backlog("t1", pushes, IN_FLIGHT, &stored.marker)?;
    simulator.load_done(PATIENCE)?;
    simulator.all_answered(PATIENCE)?;
    Ok(Arc::new(stored))
}

fn come(rig: &Rig, server: &Server<'_>, stored: &Arc<Phase>, pushes: u64) -> Result<Replayed> {
    let (before, begin) = (server.usage()?, monotonic_nanos());
    let crowd = Crowd::open_counting(&seats(rig, SUBSCRIBERS, "/events/t1?since=earliest"), 1, stored)?;
    let end = Instant::now() + PATIENCE;
    let mut most = before;
    // What is missing then is told by the sums.
    while stored.window.completed() < pushes && Instant::now() < end {
        pause(LOOK)?;
        let now = server.usage()?;
        most = Usage { rss: most.rss.max(now.rss), ..now };
    }
    let (used, ended, sums) = (server.usage()?.cpu - before.cpu, crowd.ended(), crowd.end()?);
    let seconds = sums.last_read.saturating_sub(begin) as f64 / 1e9;
    Ok(Replayed { seconds, sums, used, most_memory: most.rss, ended })
}

fn fold(pushes: u64, replayed: &Replayed, sent: Published, usual: &Sums, during: &Sums) -> Figures {
    let mut figures = Figures::default();
    let (sums, seconds) = (&replayed.sums, replayed.seconds.max(1e-3));
    let owed = pushes * SUBSCRIBERS as u64 + sent.pushes * LIVE.0 as u64;
    let crowd = sums.cpu.as_secs_f64() / seconds;
    figures.set("replayed_per_s", sums.deliveries as f64 / seconds);
    figures.set("cpu_us", replayed.used * 1e6 / sums.deliveries.max(1) as f64);
    figures.set("cores", replayed.used / seconds);
    figures.set("crowd_cores", crowd);
    figures.set("most_memory_mib", replayed.most_memory as f64 / f64::from(1 << 20));
    figures.set("missing", owed.saturating_sub(sums.deliveries + during.deliveries) as f64);
    figures.set("duplicates", (sums.duplicates + during.duplicates) as f64);
    figures.set("reordered", (sums.reordered + during.reordered) as f64);
    figures.set("ended", replayed.ended as f64);
    let [usual, during] = [usual, during].map(|sums| sums.latency.permille(990).as_secs_f64() * 1e3);
    figures.set("usual_ms", usual);
    figures.set("live_ms", during);
    figures.set("live_slower", during / usual);
    figures.bound = if crowd > CAPPED { Bound::Generator } else { Bound::Server };
    figures
}

fn phase() -> Arc<Phase> {
    Arc::new(Phase::new(1, LIVE.0 as u32, Pace::PerSecond(LIVE.1).window()))
}

fn seats(rig: &Rig, streams: usize, path: &str) -> Seats {
    Seats { server: rig.public, streams, paths: [path.to_owned()].into() }
}
