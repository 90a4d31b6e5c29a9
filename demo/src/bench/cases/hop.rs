//! From the publisher to the beginning of the reaction, while there is little to do.

use std::time::Duration;

use anyhow::Result;

use super::known;
use crate::bench::arena::SyncInterval;
use crate::bench::contest::{Bench, Contest};
use crate::bench::errand::Work;
use crate::bench::figure::{Figure, Limit, Target};
use crate::bench::outcome::Outcome;
use crate::bench::side::Side;
use crate::bench::table::number;

const EVERY: Duration = Duration::from_millis(5);

pub(super) async fn run(bench: &Bench) -> Result<Vec<Outcome>> {
    let count = bench.packets(600);
    let within = |figure, times| Target { figure, against: "tuned", limit: Limit::AtMost(times) };
    let contest = Contest {
        case: "hop",
        setting: format!(
            "{} packets, {} per second",
            number(count as f64),
            number(EVERY.as_secs_f64().recip())
        ),
        sides: &[Side::Ours, Side::Tuned],
        targets: vec![
            within(Figure::HalfWithinMicros, 1.15),
            within(Figure::MostWithinMicros, 1.3),
        ],
        time: Duration::from_secs(35),
    };
    let every_micros = u64::try_from(EVERY.as_micros())?;
    let measure = async |side| {
        let arena = bench.arena(SyncInterval::Default).await?;
        let measured = arena.send(side, Work::Hop { count, every_micros })?.measured().await?;
        arena.close().await;
        Ok(known([
            (Figure::HalfWithinMicros, measured.half_within_micros),
            (Figure::MostWithinMicros, measured.most_within_micros),
        ]))
    };
    Ok(vec![bench.run(contest, measure).await?])
}
