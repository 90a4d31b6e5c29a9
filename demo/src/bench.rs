//! The bench: what the bus costs, beside async-nats in the same run.
//!
//! Puts things in order; each of them is left to the file that is named after it.

mod arena;
mod cases;
mod contest;
mod contestant;
mod errand;
mod figure;
mod goal;
mod hops;
mod machine;
mod meter;
mod options;
mod outcome;
mod packets;
mod report;
mod samples;
mod side;
mod sides;
mod table;

use anyhow::Result;
use rapids_client::told_to_stop;

use crate::show::Ending;
use arena::SyncInterval;
use contest::Bench;
use machine::Machine;
use report::Report;

pub(crate) use errand::Errand;
pub(crate) use options::Options;

/// Measures, and leaves nothing running.
///
/// # Errors
/// If a measurement fails.
pub(crate) async fn run(options: &Options) -> Result<Ending> {
    let bench = Bench::new(options)?;
    tokio::select! {
        () = told_to_stop() => Ok(Ending::Interrupted),
        ending = Box::pin(perform(options, &bench)) => ending,
    }
}

async fn perform(options: &Options, bench: &Bench) -> Result<Ending> {
    let arena = bench.arena(SyncInterval::Default).await?;
    let machine = Machine::this(arena.version());
    arena.close().await;
    let mut report = Report::new(options.output);
    let measured = Box::pin(measure(options, bench, &mut report)).await;
    // What was measured before something failed is worth being seen.
    report.finish(&machine)?;
    measured.map(|()| Ending::Holds)
}

async fn measure(options: &Options, bench: &Bench, report: &mut Report) -> Result<()> {
    for case in options.cases() {
        Box::pin(case.run(bench, report)).await?;
    }
    Ok(())
}
