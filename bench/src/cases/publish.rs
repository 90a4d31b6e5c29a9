//! Publishing many packets: with `publish_all`, with a window of publishes, and one by one.

use std::time::Duration;

use anyhow::Result;

use super::{at_most, per_packet, rate};
use crate::bench_server::SyncInterval;
use crate::comparison::{Bench, Comparison};
use crate::figure::Figure;
use crate::outcome::Outcome;
use crate::report::Report;
use crate::side::Side;
use crate::table::grouped;
use crate::task::Work;

const SIZE: usize = 300;

/// The side that publishes one by one gets a tenth of the packets, because it is that much slower.
const ONE_BY_ONE: u64 = 10;

pub(super) async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    for sync in SyncInterval::BOTH {
        report.add(publish(bench, sync).await?)?;
    }
    Ok(())
}

async fn publish(bench: &Bench, sync: SyncInterval) -> Result<Outcome> {
    let (count, least) = match sync {
        SyncInterval::Default => (bench.packets(100_000), 1.0),
        SyncInterval::Always => (bench.packets(10_000), 4.0),
    };
    let comparison = Comparison {
        case: "publish",
        setting: format!(
            "{} packets of {SIZE} B (plain: {}), sync_interval {}",
            grouped(count),
            grouped(count / ONE_BY_ONE),
            sync.name()
        ),
        sides: &Side::USUAL,
        targets: vec![rate("tuned", least), at_most(Figure::ClientMicros, "tuned", 1.0)],
        time: Duration::from_secs(20),
    };
    let measure = async |side| {
        let count = if side == Side::Plain { count / ONE_BY_ONE } else { count };
        let server = bench.server(sync).await?;
        let measured =
            server.start_worker(side, Work::Publish { count, size: SIZE })?.measured().await?;
        server.close().await;
        Ok(per_packet(&measured, count))
    };
    bench.run(comparison, measure).await
}
