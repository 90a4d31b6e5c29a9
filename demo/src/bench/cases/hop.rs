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

pub(super) async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    let count = bench.packets(600);
    let within = |figure, times| Target { figure, against: "tuned", limit: Limit::AtMost(times) };
    let contest = Contest {
        case: "hop",
        setting: format!("{} packets, {} per second", grouped(count), PER_SECOND),
        sides: &[Side::Ours, Side::Tuned],
        targets: vec![within(Figure::P50Micros, 1.15), within(Figure::P99Micros, 1.3)],
        time: Duration::from_secs(35),
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
    Ok(report.add(bench.run(contest, measure).await?)?)
}
