//! Many services on one stream, each a process with a connection of its own, while a publisher is
//! as fast as they let it be.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{known, per_packet};
use crate::bench::arena::SyncInterval;
use crate::bench::contest::{Bench, Contest};
use crate::bench::errand::{Measured, Work};
use crate::bench::figure::{Figure, Figures};
use crate::bench::meter::cpu_seconds;
use crate::bench::outcome::Outcome;
use crate::bench::packets::{Load, Wanted};
use crate::bench::report::Report;
use crate::bench::side::Side;
use crate::bench::table::grouped;

const SIZE: usize = 300;

/// How many services, and how many packets to show what they cost.
const STEPS: [(usize, u64); 4] = [(1, 40_000), (4, 20_000), (16, 10_000), (64, 3_000)];

pub(super) async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    for (services, count) in STEPS {
        report.add(side_by_side(bench, services, bench.packets(count)).await?)?;
    }
    Ok(())
}

async fn side_by_side(bench: &Bench, services: usize, count: u64) -> Result<Outcome> {
    let contest = Contest {
        case: "services",
        setting: format!(
            "{services} on one stream, {} packets of {SIZE} B, none wanted but the first and the \
             last",
            grouped(count)
        ),
        sides: &[Side::Ours, Side::Tuned],
        targets: Vec::new(),
        time: Duration::from_secs(15),
    };
    bench.run(contest, async |side| measure(bench, side, services, 0, count).await).await
}

/// Publishes packets to so many services of this kind, and measures until all are acknowledged.
pub(super) async fn measure(
    bench: &Bench,
    side: Side,
    services: usize,
    idle_rivers: usize,
    count: u64,
) -> Result<Figures> {
    let load = Load { count, size: SIZE, wanted: Wanted::EndsOnly };
    let work = Work::Read { count, wanted: load.wanted(), idle_rivers };
    let arena = bench.arena(SyncInterval::Default).await?;
    let processes = (0..services).map(|_| arena.send(side, work)).collect::<Result<Vec<_>>>()?;
    arena.until_there(services).await?;
    let (begun, before) = (Instant::now(), cpu_seconds(arena.server()));
    arena.store(&load).await?;
    let mut each = Vec::new();
    for process in processes {
        each.push(process.measured().await?);
    }
    let after = cpu_seconds(arena.server());
    let all = Measured {
        seconds: begun.elapsed().as_secs_f64(),
        client_cpu_seconds: each.iter().map(|one| one.client_cpu_seconds).sum(),
        server_cpu_seconds: before.zip(after).map(|(before, after)| after - before),
        resident_mebibytes: each.iter().map(|one| one.resident_mebibytes).sum(),
        ..Measured::default()
    };
    arena.close().await;
    let mut figures = per_packet(&all, count);
    let server = figures.get(&Figure::ServerMicros).copied();
    figures.extend(known([
        (Figure::ServerMicrosPerService, server.map(|micros| micros / services as f64)),
        (Figure::ResidentMebibytes, all.resident_mebibytes),
    ]));
    Ok(figures)
}
