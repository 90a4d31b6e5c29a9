//! Handling each packet and publishing one for it.

use std::time::Duration;

use anyhow::Result;

use super::{at_most, per_packet, rate};
use crate::bench_server::SyncInterval;
use crate::comparison::{Bench, Comparison};
use crate::figure::{Figure, Target};
use crate::outcome::Outcome;
use crate::packets::{Load, Wanted};
use crate::report::Report;
use crate::side::Side;
use crate::sides::rust_stream::NAME;
use crate::table::grouped;
use crate::task::Work;

const SIZE: usize = 600;

const SIDES: [Side; 4] = [Side::Ours, Side::Tuned, Side::RustStream, Side::Plain];

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
        sides: &SIDES,
        targets: targets(),
        time: Duration::from_secs(25),
    };
    let measure = async |side| {
        let server = bench.server(sync).await?;
        server.store(&Load { count, size: SIZE, wanted: Wanted::All }).await?;
        let measured = server.start_instance(NAME, side, Work::React { count })?.measured().await?;
        server.close().await;
        Ok(per_packet(&measured, count))
    };
    bench.run(comparison, measure).await
}

/// What holds against the others, whenever the server syncs.
fn targets() -> Vec<Target> {
    vec![
        rate("tuned", 0.9),
        at_most(Figure::ClientMicros, "tuned", 1.1),
        at_most(Figure::ServerMicros, "tuned", 1.05),
        rate("ruststream", 1.5),
        at_most(Figure::ClientMicros, "ruststream", 0.55),
        rate("plain", 5.0),
    ]
}
