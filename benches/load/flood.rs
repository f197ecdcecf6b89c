use anyhow::Result;

use crate::{
    acks::{AcksArgs, Bench, Cost},
    answered::AnswerTimes,
    report::{Report, in_millis},
};

/// The tenant that floods.
const FLOODING: usize = 0;
/// What the others' p99 may be beside the flood, against the load alone and against as many pushes that are spread evenly: so
/// many times as long, and so many milliseconds.
const SLOWER: (f64, f64) = (2.0, 10.0);

/// One phase, as it was for the one that floods and for the others.
struct Phase {
    cost: Cost,
    flooding: AnswerTimes,
    others: AnswerTimes,
}

/// A load over all tenants three times: alone, with as many more pushes as the flood has, spread evenly, and beside the
/// flood. What the last has against the second is what the flood does beside being load.
pub(crate) fn run(bench: &Bench<'_>, args: &AcksArgs) -> Result<Report> {
    let each = args.each_per_second;
    let without = phase(bench, args, each, 0.0)?;
    eprintln!("acks: without the flood: {}", without.cost.text());
    let even = phase(bench, args, each + args.flood_per_second / args.tenants as f64, 0.0)?;
    eprintln!("acks: as many, spread evenly: {}", even.cost.text());
    let with = phase(bench, args, each, args.flood_per_second)?;
    eprintln!("acks: with the flood: {}", with.cost.text());

    let mut report = Report::new("acks");
    report.fact("tenants", args.tenants);
    report.fact("pushes a second of each", args.each_per_second);
    report.fact("pushes a second of the one that floods", args.flood_per_second);
    report.fact("without the flood", without.cost.text());
    report.fact("as many, spread evenly", even.cost.text());
    report.fact("with it", with.cost.text());
    for (when, phase) in [("without", &without), ("evenly", &even), ("with it", &with)] {
        report.millis(format!("others, {when}: p50"), phase.others.times.percentile(50));
    }
    let usual = in_millis(even.others.times.percentile(99));
    report.millis("others, without: p99", without.others.times.percentile(99));
    report.millis("others, evenly: p99", even.others.times.percentile(99));
    let limit = usual * SLOWER.0 + SLOWER.1;
    let found = in_millis(with.others.times.percentile(99));
    report.at_most("others, with it: p99, ms", found, limit);
    let alone = in_millis(without.others.times.percentile(99)) * SLOWER.0 + SLOWER.1;
    report.at_most("the same against the load alone, ms", found, alone);
    report.millis("others, with it: max", with.others.times.max());
    report.none("others' pushes sent again by the service", without.others.repeated + with.others.repeated);
    report.millis("the one that floods: p50", with.flooding.times.percentile(50));
    report.millis("the one that floods: p99", with.flooding.times.percentile(99));
    bench.report(&mut report)?;
    Ok(report)
}

fn phase(bench: &Bench<'_>, args: &AcksArgs, each: f64, flood: f64) -> Result<Phase> {
    let from = bench.simulator.stats()?.answers();
    if flood > 0.0 {
        bench.simulator.flood(FLOODING, flood, args.seconds)?;
    }
    let mut cost = bench.load(each * args.tenants as f64, args.seconds)?;
    cost.asked += flood;
    let (mut flooding, mut others) = (AnswerTimes::default(), AnswerTimes::default());
    bench.simulator.answers(from, |answered| {
        let times = if answered.account()? == FLOODING { &mut flooding } else { &mut others };
        times.add(&answered)
    })?;
    Ok(Phase { cost, flooding, others })
}
