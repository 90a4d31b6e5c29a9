//! Publishing many packets: `publish_all`, a window of acknowledgements, one after the other.

use std::time::Duration;

use anyhow::Result;

use super::{per_packet, rate};
use crate::bench::arena::SyncInterval;
use crate::bench::contest::{Bench, Contest};
use crate::bench::errand::Work;
use crate::bench::outcome::Outcome;
use crate::bench::report::Report;
use crate::bench::side::Side;
use crate::bench::table::grouped;

const SIZE: usize = 300;

/// Who publishes one by one is slower by as much, and needs no more packets to show it.
const ONE_BY_ONE: u64 = 10;

pub(super) async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    for sync in SyncInterval::BOTH {
        report.add(publish(bench, sync).await?)?;
    }
    Ok(())
}

async fn publish(bench: &Bench, sync: SyncInterval) -> Result<Outcome> {
    let (count, target) = match sync {
        SyncInterval::Default => (bench.packets(100_000), rate("tuned", 0.95)),
        SyncInterval::Always => (bench.packets(10_000), rate("tuned", 4.0)),
    };
    let contest = Contest {
        case: "publish",
        setting: format!(
            "{} packets of {SIZE} B (plain: {}), sync_interval {}",
            grouped(count),
            grouped(count / ONE_BY_ONE),
            sync.name()
        ),
        sides: &Side::USUAL,
        targets: vec![target],
        time: Duration::from_secs(20),
    };
    let measure = async |side| {
        let count = if side == Side::Plain { count / ONE_BY_ONE } else { count };
        let arena = bench.arena(sync).await?;
        let measured = arena.send(side, Work::Publish { count, size: SIZE })?.measured().await?;
        arena.close().await;
        Ok(per_packet(&measured, count))
    };
    bench.run(contest, measure).await
}
