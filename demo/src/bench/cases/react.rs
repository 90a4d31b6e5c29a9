//! Handling each packet and publishing one for it.

use std::time::Duration;

use anyhow::Result;

use super::{per_packet, rate};
use crate::bench::bench_server::SyncInterval;
use crate::bench::comparison::{Bench, Comparison};
use crate::bench::outcome::Outcome;
use crate::bench::packets::{Load, Wanted};
use crate::bench::report::Report;
use crate::bench::side::Side;
use crate::bench::table::grouped;
use crate::bench::task::Work;

const SIZE: usize = 600;

pub(super) async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    for sync in SyncInterval::BOTH {
        report.add(react(bench, sync).await?)?;
    }
    Ok(())
}

async fn react(bench: &Bench, sync: SyncInterval) -> Result<Outcome> {
    let count = bench.packets(match sync {
        SyncInterval::Default => 20_000,
        SyncInterval::Always => 2_000,
    });
    let comparison = Comparison {
        case: "react",
        setting: format!(
            "{} packets of {SIZE} B, each leads to one more, sync_interval {}",
            grouped(count),
            sync.name()
        ),
        sides: &Side::USUAL,
        targets: vec![rate("tuned", 0.9), rate("plain", 5.0)],
        time: Duration::from_secs(25),
    };
    let measure = async |side| {
        let server = bench.server(sync).await?;
        server.store(&Load { count, size: SIZE, wanted: Wanted::All }).await?;
        let measured = server.start_worker(side, Work::React { count })?.measured().await?;
        server.close().await;
        Ok(per_packet(&measured, count))
    };
    bench.run(comparison, measure).await
}
