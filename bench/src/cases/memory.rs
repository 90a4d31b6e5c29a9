//! A service that remembers: each packet moves a memory one step, and leads to one more packet.
//!
//! The packets are stored before it starts, so that they wait for one another.

use std::time::Duration;

use anyhow::Result;

use super::per_packet;
use crate::bench_server::SyncInterval;
use crate::comparison::{Bench, Comparison};
use crate::outcome::Outcome;
use crate::packets::{Load, Wanted};
use crate::report::Report;
use crate::side::Side;
use crate::table::grouped;
use crate::task::Work;

const SIZE: usize = 600;

/// The keys where each order has its own.
const KEYS: u64 = 10_000;

pub(super) async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    report.add(remember(bench, 30_000, None, 1_000).await?)?;
    report.add(remember(bench, 3_000, None, 500_000).await?)?;
    report.add(remember(bench, 3 * KEYS, Some(KEYS), 1_000).await?)?;
    Ok(())
}

async fn remember(bench: &Bench, count: u64, keys: Option<u64>, bytes: usize) -> Result<Outcome> {
    let rounds = count / keys.unwrap_or(count);
    let at_once = bench.packets(keys.unwrap_or(count));
    let count = rounds * at_once;
    let by_order = keys.is_some();
    let comparison = Comparison {
        case: "memory",
        setting: format!(
            "{} steps on {}, records of {} B and more, each leads to a packet",
            grouped(count),
            if by_order { format!("{} keys", grouped(at_once)) } else { "one key".to_owned() },
            grouped(bytes as u64),
        ),
        sides: &[Side::Ours, Side::Exclusive],
        targets: Vec::new(),
        time: Duration::from_secs(30),
    };
    let measure = async |side| {
        let server = bench.server(SyncInterval::Default).await?;
        for _ in 0..rounds {
            server.store(&Load { count: at_once, size: SIZE, wanted: Wanted::All }).await?;
        }
        let work = Work::Remember { count, by_order, bytes };
        let measured = server.start_worker(side, work)?.measured().await?;
        server.close().await;
        Ok(per_packet(&measured, count))
    };
    bench.run(comparison, measure).await
}
