//! One process: its memory, and the time until it handles its first packet.

use std::time::Duration;

use anyhow::Result;

use super::{at_most, known};
use crate::bench_server::SyncInterval;
use crate::comparison::{Bench, Comparison};
use crate::figure::Figure;
use crate::packets::{Load, Wanted};
use crate::report::Report;
use crate::side::Side;
use crate::table::grouped;

const SIZE: usize = 600;

/// Few packets: with many, the figure would be the size of the buffered batch.
const COUNT: u64 = 1_000;

pub(super) async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    let load = Load { count: COUNT, size: SIZE, wanted: Wanted::OneIn(20) };
    let server = bench.server(SyncInterval::Default).await?;
    server.store(&load).await?;
    let comparison = Comparison {
        case: "process",
        setting: format!(
            "memory after {} packets of {SIZE} B, one in 20 wanted",
            grouped(load.count)
        ),
        sides: &Side::USUAL,
        targets: vec![
            at_most(Figure::StartMillis, "tuned", 1.3),
            at_most(Figure::ResidentMebibytes, "tuned", 1.3),
        ],
        time: Duration::from_secs(10),
    };
    let work = load.reading();
    let measure = async |side| {
        let mut process = server.start_worker(side, work)?;
        let first = process.first().await?;
        let measured = process.measured().await?;
        Ok(known([
            (Figure::StartMillis, Some(first.as_secs_f64() * 1e3)),
            (Figure::ResidentMebibytes, measured.resident_mebibytes),
        ]))
    };
    let outcome = bench.run(comparison, measure).await?;
    server.close().await;
    Ok(report.add(outcome)?)
}
