//! How long a packet takes from the publisher to the beginning of the reaction, at low load.

use std::time::Duration;

use anyhow::Result;

use super::known;
use crate::bench::bench_server::SyncInterval;
use crate::bench::comparison::{Bench, Comparison};
use crate::bench::figure::{Figure, Limit, Target};
use crate::bench::report::Report;
use crate::bench::side::Side;
use crate::bench::table::grouped;
use crate::bench::task::Work;

const PER_SECOND: u64 = 200;

/// How many services the bundle has; only one of them wants the packets.
const BUNDLED: usize = 16;

pub(super) async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    let count = bench.packets(600);
    let within = |figure, against, times| Target { figure, against, limit: Limit::AtMost(times) };
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
        vec![within(Figure::P50Micros, "tuned", 1.15), within(Figure::P99Micros, "tuned", 1.3)];
    report.add(all.among(&["ours", "tuned"], targets))?;
    let targets =
        vec![within(Figure::P50Micros, "ours", 1.0), within(Figure::P99Micros, "ours", 1.0)];
    report.add(all.among(&["exclusive", "ours", "tuned"], targets))?;
    Ok(report.add(all.among(&["bundled", "ours", "tuned"], Vec::new()))?)
}
