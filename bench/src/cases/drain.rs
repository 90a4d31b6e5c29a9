//! Reading a stored stream: by a service that wants few of its packets, or none.

use std::time::Duration;

use anyhow::Result;

use super::{per_packet, rate};
use crate::bench_server::SyncInterval;
use crate::comparison::{Bench, Comparison};
use crate::figure::{Figure, Limit, Target};
use crate::outcome::Outcome;
use crate::packets::{Load, Wanted};
use crate::report::Report;
use crate::side::Side;
use crate::table::grouped;

const SIZE: usize = 600;

const ONE_IN: u64 = 20;

pub(super) const ENDS: &str = "none wanted but the first and the last";

pub(super) async fn drain(bench: &Bench, report: &mut Report) -> Result<()> {
    let load = Load { count: bench.packets(100_000), size: SIZE, wanted: Wanted::OneIn(ONE_IN) };
    let wanted = format!("one in {ONE_IN} wanted");
    let targets = vec![rate("tuned", 0.95), rate("plain", 1.8)];
    let comparison = (&Side::USUAL[..], targets);
    Ok(report.add(read(bench, "drain", load, &wanted, comparison).await?)?)
}

pub(super) async fn skip(bench: &Bench, report: &mut Report) -> Result<()> {
    let load = Load { count: bench.packets(100_000), size: SIZE, wanted: Wanted::EndsOnly };
    let target =
        Target { figure: Figure::ClientMicros, against: "tuned", limit: Limit::OnTop(0.25) };
    let comparison = (&Side::USUAL[..], vec![target]);
    Ok(report.add(read(bench, "skip", load, ENDS, comparison).await?)?)
}

pub(super) async fn catch_up(bench: &Bench, report: &mut Report) -> Result<()> {
    let load = Load { count: bench.packets(100_000), size: SIZE, wanted: Wanted::EndsOnly };
    let sides = [Side::Exclusive, Side::Ordered, Side::Unacked];
    let targets = vec![rate("ordered", 0.95), rate("unacked", 0.95)];
    Ok(report.add(read(bench, "catch-up", load, ENDS, (&sides, targets)).await?)?)
}

pub(super) async fn read(
    bench: &Bench,
    case: &'static str,
    load: Load,
    wanted: &str,
    (sides, targets): (&[Side], Vec<Target>),
) -> Result<Outcome> {
    let server = bench.server(SyncInterval::Default).await?;
    server.store(&load).await?;
    let comparison = Comparison {
        case,
        setting: format!(
            "{} packets of {} B, {wanted}",
            grouped(load.count),
            grouped(load.size as u64)
        ),
        sides,
        targets,
        time: Duration::from_secs(30),
    };
    let work = load.reading();
    let measure = async |side| {
        let measured = server.start_worker(side, work)?.measured().await?;
        Ok(per_packet(&measured, load.count))
    };
    let outcome = bench.run(comparison, measure).await?;
    server.close().await;
    Ok(outcome)
}
