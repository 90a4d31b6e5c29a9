//! The same rivers in one service and in a service each.

use std::fmt;
use std::time::Duration;

use anyhow::Result;

use super::services::measure;
use super::{known, per_packet};
use crate::bench::comparison::{Bench, Comparison};
use crate::bench::figure::Figure;
use crate::bench::report::Report;
use crate::bench::side::Side;
use crate::bench::table::grouped;

const RIVERS: usize = 64;

/// How rivers are distributed over services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    OneService,
    ServiceEach,
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneService => write!(f, "1 service"),
            Self::ServiceEach => write!(f, "{RIVERS} services"),
        }
    }
}

pub(super) async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    let count = bench.packets(3_000);
    let comparison = Comparison {
        case: "rivers",
        setting: format!("{RIVERS} rivers, {} packets of 300 B", grouped(count)),
        sides: &[Layout::OneService, Layout::ServiceEach],
        targets: Vec::new(),
        time: Duration::from_secs(20),
    };
    let measure = async |layout| {
        let (services, idle_rivers) = match layout {
            // One of the rivers wants the first and the last packet, so it is not idle.
            Layout::OneService => (1, RIVERS - 1),
            Layout::ServiceEach => (RIVERS, 0),
        };
        let all = measure(bench, Side::Ours, services, idle_rivers, count).await?;
        let mut figures = per_packet(&all, count);
        figures.extend(known([(Figure::ResidentMebibytes, all.resident_mebibytes)]));
        Ok(figures)
    };
    Ok(report.add(bench.run(comparison, measure).await?)?)
}
