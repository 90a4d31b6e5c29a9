//! How long a packet takes from the publisher to the beginning of the reaction, at low load.

use std::time::Duration;

use anyhow::Result;

use super::{at_most, known};
use crate::bench_server::SyncInterval;
use crate::comparison::{Bench, Comparison};
use crate::figure::Figure;
use crate::report::Report;
use crate::side::Side;
use crate::table::grouped;
use crate::task::Work;

const PER_SECOND: u64 = 200;

/// How many services the bundle has; only one of them wants the packets.
const BUNDLED: usize = 16;

pub(super) async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    let count = bench.packets(600);
    let comparison = Comparison {
        case: "hop",
        setting: format!(
            "{} packets, {PER_SECOND} per second; bundled: with {} more services",
            grouped(count),
            BUNDLED - 1
        ),
        sides: &[Side::Ours, Side::Exclusive, Side::Bundled { services: BUNDLED }, Side::Tuned],
        targets: Vec::new(),
        time: Duration::from_secs(60),
    };
    let measure = async |side| {
        let server = bench.server(SyncInterval::Default).await?;
        let measured = server
            .start_worker(side, Work::Hop { count, every_micros: 1_000_000 / PER_SECOND })?
            .measured()
            .await?;
        server.close().await;
        Ok(known([
            (Figure::P50Micros, measured.p50_micros),
            (Figure::P99Micros, measured.p99_micros),
        ]))
    };
    let all = bench.run(comparison, measure).await?;
    let targets =
        vec![at_most(Figure::P50Micros, "tuned", 1.1), at_most(Figure::P99Micros, "tuned", 1.2)];
    report.add(all.among(&["ours", "tuned"], targets))?;
    let targets =
        vec![at_most(Figure::P50Micros, "ours", 1.0), at_most(Figure::P99Micros, "ours", 1.0)];
    report.add(all.among(&["exclusive", "ours", "tuned"], targets))?;
    Ok(report.add(all.among(&["bundled", "ours", "tuned"], Vec::new()))?)
}
