//! Reading packets of several sizes, of which none is wanted.

use anyhow::Result;

use super::drain::{ENDS, read};
use crate::comparison::Bench;
use crate::packets::{Load, Wanted};
use crate::report::Report;
use crate::side::Side;

/// The sizes, and how many packets of each: some megabytes.
const STEPS: [(usize, u64); 5] =
    [(300, 100_000), (1_000, 50_000), (10_000, 10_000), (100_000, 2_000), (500_000, 400)];

pub(super) async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    for (size, count) in STEPS {
        let load = Load { count: bench.packets(count), size, wanted: Wanted::EndsOnly };
        let comparison = (&[Side::Ours, Side::Tuned][..], Vec::new());
        let outcome = read(bench, "size", load, ENDS, comparison).await?;
        report.add(outcome.at(size))?;
    }
    Ok(())
}
