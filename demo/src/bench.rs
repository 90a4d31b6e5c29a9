//! The bench: what the bus costs, beside async-nats in the same run.
//!
//! Runs the cases one after the other; each part has a file of its own.

mod bench_server;
mod cases;
mod comparison;
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
mod task;
mod worker;

use anyhow::Result;
use rapids_client::shutdown_signal;

use crate::exit::Exit;
use bench_server::SyncInterval;
use comparison::Bench;
use machine::Machine;
use report::Report;

pub(crate) use options::Options;
pub(crate) use task::Task;

/// Runs the measurements and stops every process that it started.
///
/// # Errors
/// If a measurement fails.
pub(crate) async fn run(options: &Options) -> Result<Exit> {
    let bench = Bench::new(options)?;
    tokio::select! {
        () = shutdown_signal() => Ok(Exit::Interrupted),
        exit = Box::pin(run_cases(options, &bench)) => exit,
    }
}

async fn run_cases(options: &Options, bench: &Bench) -> Result<Exit> {
    let server = bench.server(SyncInterval::Default).await?;
    let machine = Machine::this(server.version());
    server.close().await;
    let mut report = Report::new(options.output);
    let measured = Box::pin(measure(options, bench, &mut report)).await;
    // Print what was measured even if a later case failed.
    report.finish(&machine)?;
    measured.map(|()| Exit::FactsHold)
}

async fn measure(options: &Options, bench: &Bench, report: &mut Report) -> Result<()> {
    for case in options.cases() {
        Box::pin(case.run(bench, report)).await?;
    }
    Ok(())
}
