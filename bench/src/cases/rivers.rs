//! Rivers in one service, few and many; and the same rivers in a service each.

use std::fmt;
use std::time::Duration;

use anyhow::Result;

use super::services::measure;
use super::{known, per_packet};
use crate::comparison::{Bench, Comparison};
use crate::figure::Figure;
use crate::outcome::Outcome;
use crate::report::Report;
use crate::side::Side;
use crate::table::grouped;

const STEPS: [usize; 6] = [1, 16, 64, 256, 1_024, 4_096];

/// At this number the rivers are also put into a service each.
const BOTH: usize = 64;

/// How rivers are distributed over services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    OneService,
    ServiceEach,
}

impl Layout {
    /// How many packets to publish.
    fn packets(self) -> u64 {
        match self {
            Self::OneService => 20_000,
            Self::ServiceEach => 3_000,
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OneService => "one service",
            Self::ServiceEach => "a service each",
        })
    }
}

pub(super) async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    for rivers in STEPS {
        report.add(side_by_side(bench, rivers).await?)?;
    }
    Ok(())
}

async fn side_by_side(bench: &Bench, rivers: usize) -> Result<Outcome> {
    let packets = |layout: Layout| bench.packets(layout.packets());
    let both = [Layout::OneService, Layout::ServiceEach];
    let sides = if rivers == BOTH { &both[..] } else { &both[..1] };
    let each = sides.iter().map(|layout| format!("{} to {layout}", grouped(packets(*layout))));
    let each: Vec<_> = each.collect();
    let comparison = Comparison {
        case: "rivers",
        setting: format!(
            "{} of them, packets of 300 B: {}",
            grouped(rivers as u64),
            each.join(", ")
        ),
        sides,
        targets: Vec::new(),
        time: Duration::from_secs(20),
    };
    let measure = async |layout| {
        let (services, idle_rivers) = match layout {
            // One of the rivers wants the first and the last packet, so it is not idle.
            Layout::OneService => (1, rivers - 1),
            Layout::ServiceEach => (rivers, 0),
        };
        let count = packets(layout);
        let all = measure(bench, Side::Ours, services, idle_rivers, count).await?;
        let mut figures = per_packet(&all, count);
        figures.extend(known([(Figure::ResidentMebibytes, all.resident_mebibytes)]));
        Ok(figures)
    };
    Ok(bench.run(comparison, measure).await?.at(rivers))
}
