use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::{
    gateway::{Gateway, GatewayRules},
    process::Usage,
    report::Report,
    rig::Rig,
    simulator::{ServiceRules, Simulator},
    wait::{pause, until},
};

/// How long connects may take beyond what the gate needs.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a gateway without tenants settles before its memory is read, and how long its CPU is measured.
const EMPTY: Duration = Duration::from_secs(5);
/// How often it is looked whether all are connected: seldom, because who looks is served by the gateway.
const GLANCE: Duration = Duration::from_millis(100);
/// What the way to all connected may take, in parts of the number of tenants by `per_second`.
const SLOWER: f64 = 1.2;
/// Resident memory of an idle tenant, in KiB.
const MEMORY: f64 = 28.0;
/// CPU of all idle tenants, in percent of one core.
const CPU: f64 = 3.0;
/// The longest silence of a tenant at the service: a heartbeat each 20 s, jittered by 20 %, and a second for the way.
const SILENCE: Duration = Duration::from_secs(25);
/// Open files of a process beside the connections that are measured.
const OWN_FILES: u64 = 256;
/// Local ports that are left to others.
const OTHER_PORTS: u64 = 1024;
/// Where Linux says which local ports an outgoing connection may take.
const PORT_RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";

#[derive(Args)]
pub(crate) struct TenantsArgs {
    /// Tenants
    #[arg(long, default_value_t = 10_000)]
    tenants: usize,
    /// `upstream.connect.per_second`
    #[arg(long, default_value_t = 1000)]
    per_second: u32,
    /// Seconds that all are idle before memory is read
    #[arg(long, default_value_t = 30.0)]
    settle: f64,
    /// Seconds of idling in which CPU is measured, three heartbeats at least
    #[arg(long, default_value_t = 60.0)]
    idle: f64,
}

pub(crate) fn run(rig: &Rig, args: &TenantsArgs) -> Result<Report> {
    ensure!(args.tenants > 0 && args.per_second > 0, "there must be tenants, and a gate that lets them through");
    let (empty, empty_cpu) = empty(rig)?;
    let services = rig.services(services_for(args.tenants)?)?;
    // One that never pings within the run: the heartbeats are the gateway's own.
    let rules = ServiceRules { accounts: args.tenants, ping_timeout: "1h", ..ServiceRules::default() };
    let simulators: Vec<_> =
        services.iter().map(|addr| Simulator::start_at(rig, *addr, rules)).collect::<Result<_>>()?;
    let rules = GatewayRules {
        tenants: args.tenants,
        connects_per_second: args.per_second,
        services: services.clone(),
        ..GatewayRules::default()
    };
    let begin = Instant::now();
    let gateway = Gateway::start(rig, &rules)?;
    let connects = Connects::watch(&gateway, &simulators, args)?;
    let ready = connects.begin.duration_since(begin);
    let dials = gateway.metric("pushgate_upstream_dials_total")?;
    pause(Duration::from_secs_f64(args.settle))?;
    let settled = gateway.usage()?;
    pause(Duration::from_secs_f64(args.idle))?;
    let end = gateway.usage()?;
    let silence = simulators.iter().map(Simulator::longest_unheard).collect::<Result<Vec<_>>>()?;

    let mut report = Report::new("tenants");
    report.fact("tenants", args.tenants);
    report.fact("service processes", services.len());
    report.fact("connects a second, at most", args.per_second);
    report.millis("ready after its start", ready);
    connects.report(&mut report, args);
    report.equal("dials until then", dials, args.tenants as u64);
    report.none("not connected at the end, as the admin API lists them", gateway.astray()?.len());
    report.mebibytes("gateway's memory without tenants", empty.rss);
    report.mebibytes("gateway's memory, all connected", settled.rss);
    report.mebibytes("gateway's memory, at the end", end.rss);
    let memory = |usage: Usage| usage.rss.saturating_sub(empty.rss) as f64 / 1024.0 / args.tenants as f64;
    report.at_most("memory of an idle tenant, KiB", memory(settled), MEMORY);
    report.at_most("the same at the end, KiB", memory(end), MEMORY);
    report.fact("CPU without tenants, percent of a core", (empty_cpu * 10.0).round() / 10.0);
    report.at_most("CPU while idle, percent of a core", (end.cpu - settled.cpu) / args.idle * 100.0, CPU);
    let silence = silence.into_iter().max().unwrap_or_default();
    report.at_most("longest silence of a tenant at the service, s", silence.as_secs_f64(), SILENCE.as_secs_f64());
    Ok(report)
}

/// What a gateway without tenants uses, and its CPU in percent of a core.
fn empty(rig: &Rig) -> Result<(Usage, f64)> {
    let gateway = Gateway::start(rig, &GatewayRules { tenants: 0, ..GatewayRules::default() })?;
    pause(EMPTY)?;
    let settled = gateway.usage()?;
    pause(EMPTY)?;
    Ok((settled, (gateway.usage()?.cpu - settled.cpu) / EMPTY.as_secs_f64() * 100.0))
}

/// How long it took until all were connected, since the gateway was ready.
struct Connects {
    begin: Instant,
    /// All sockets open at the services.
    open: Duration,
    /// All tenants `connected`, which a connection has to prove first.
    connected: Duration,
}

impl Connects {
    fn watch(gateway: &Gateway<'_>, simulators: &[Simulator], args: &TenantsArgs) -> Result<Self> {
        let begin = Instant::now();
        let longest = Duration::from_secs_f64(gate_seconds(args) * 2.0) + PATIENCE;
        let mut open = None;
        until("all connections", longest, || {
            // An interrupt ends the loop around this.
            pause(GLANCE).ok()?;
            if open.is_none() {
                let sockets: u64 = simulators.iter().filter_map(|service| Some(service.stats().ok()?.sockets)).sum();
                open = (sockets == args.tenants as u64).then(|| begin.elapsed());
            }
            (gateway.connected().ok()? == args.tenants as u64).then_some(())
        })?;
        let connected = begin.elapsed();
        Ok(Self { begin, open: open.unwrap_or(connected), connected })
    }

    fn report(&self, report: &mut Report, args: &TenantsArgs) {
        report.fact("tenants by connects a second, s", gate_seconds(args));
        report.millis("all sockets open at the service after", self.open);
        let limit = gate_seconds(args) * SLOWER;
        report.at_most("all connected after, s", self.connected.as_secs_f64(), limit);
    }
}

/// How long the gate alone makes the last tenant wait.
fn gate_seconds(args: &TenantsArgs) -> f64 {
    args.tenants as f64 / f64::from(args.per_second)
}

/// How many service processes hold so many connections: each has its own limit of open files, and each address can be
/// reached from as many local ports as there are.
fn services_for(tenants: usize) -> Result<usize> {
    let tenants = tenants as u64;
    let files = rlimit::Resource::NOFILE.get_hard().context("the limit on open files can't be read")?;
    ensure!(
        tenants + OWN_FILES <= files,
        "the gateway needs {} open files, and the hard limit is {files}: ulimit -Hn",
        tenants + OWN_FILES
    );
    let ports = fs::read_to_string(PORT_RANGE).ok().and_then(|text| ports(&text)).unwrap_or(u64::from(u16::MAX));
    Ok(split(tenants, files.saturating_sub(OWN_FILES).min(ports.saturating_sub(OTHER_PORTS))))
}

/// How many hold all when each holds so many.
fn split(all: u64, each: u64) -> usize {
    all.div_ceil(each.max(1)).max(1) as usize
}

/// How many local ports there are, as Linux writes the first and the last.
fn ports(range: &str) -> Option<u64> {
    let (first, last) = range.trim().split_once(char::is_whitespace)?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.trim().parse().ok()?);
    last.checked_sub(first).map(|ports| ports + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_more_is_started_when_one_is_full() {
        assert_eq!([0, 1, 10, 11, 21].map(|all| split(all, 10)), [1, 1, 1, 2, 3]);
    }

    #[test]
    fn local_ports_are_counted_with_both_ends() {
        assert_eq!(ports("32768\t60999\n"), Some(28_232));
        for strange in ["", "1", "9 8", "a b"] {
            assert_eq!(ports(strange), None, "{strange}");
        }
    }
}
