//! From the publisher to the beginning of the reaction, while there is little to do.

use std::time::Duration;

use anyhow::Result;

use super::known;
use crate::bench::arena::SyncInterval;
use crate::bench::contest::{Bench, Contest};
use crate::bench::errand::Work;
use crate::bench::figure::{Figure, Limit, Target};
use crate::bench::report::Report;
use crate::bench::side::Side;
use crate::bench::table::grouped;

const PER_SECOND: u64 = 200;

/// How many services a bundle has, of which one wants something.
const COMPANY: usize = 16;

pub(super) async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    let count = bench.packets(600);
    let within = |figure, against, times| Target { figure, against, limit: Limit::AtMost(times) };
    let contest = Contest {
        case: "hop",
        setting: format!(
            "{} packets, {PER_SECOND} per second; bundled: with {} more services",
            grouped(count),
            COMPANY - 1
        ),
        sides: &[Side::Ours, Side::Exclusive, Side::Bundled { services: COMPANY }, Side::Tuned],
        targets: Vec::new(),
        time: Duration::from_secs(60),
    };
    let measure = async |side| {
        let arena = bench.arena(SyncInterval::Default).await?;
        let measured = arena
            .send(side, Work::Hop { count, every_micros: 1_000_000 / PER_SECOND })?
            .measured()
            .await?;
        arena.close().await;
        Ok(known([
            (Figure::P50Micros, measured.p50_micros),
            (Figure::P99Micros, measured.p99_micros),
        ]))
    };
    let all = bench.run(contest, measure).await?;
    let targets =
        vec![within(Figure::P50Micros, "tuned", 1.15), within(Figure::P99Micros, "tuned", 1.3)];
    report.add(all.among(&["ours", "tuned"], targets))?;
    let targets =
        vec![within(Figure::P50Micros, "ours", 1.0), within(Figure::P99Micros, "ours", 1.0)];
    report.add(all.among(&["exclusive", "ours", "tuned"], targets))?;
    Ok(report.add(all.among(&["bundled", "ours", "tuned"], Vec::new()))?)
}
