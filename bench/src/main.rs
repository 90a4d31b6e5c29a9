//! The bench: what the bus costs, beside async-nats and RustStream in the same run.
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
mod plot;
mod report;
mod samples;
mod side;
mod sides;
mod table;
mod task;
mod worker;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use rapids_client::shutdown_signal;

use bench_server::SyncInterval;
use comparison::Bench;
use machine::Machine;
use options::{Command, CommandLine, Options};
use report::Report;

/// What shells return for a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let CommandLine { command, options } = CommandLine::parse();
    let exit = match command {
        // It creates a runtime of its own, which is part of what is measured.
        Some(Command::Task { task }) => task.run(),
        Some(Command::Plot(options)) => plot::run(&options).map(|()| ExitCode::SUCCESS),
        None => run(&options),
    };
    exit.unwrap_or_else(|error| {
        let _ = writeln!(io::stderr(), "error: {error:#}");
        ExitCode::FAILURE
    })
}

/// Runs the measurements and stops every process that it started.
#[tokio::main]
async fn run(options: &Options) -> Result<ExitCode> {
    tokio::select! {
        () = shutdown_signal() => Ok(ExitCode::from(INTERRUPTED)),
        exit = Box::pin(run_cases(options)) => exit,
    }
}

async fn run_cases(options: &Options) -> Result<ExitCode> {
    let bench = Bench::new(options);
    let server = bench.server(SyncInterval::Default).await?;
    let machine = Machine::this(server.version());
    server.close().await;
    let mut report = Report::new(options.output);
    let measured = Box::pin(measure(options, &bench, &mut report)).await;
    // Print what was measured even if a later case failed.
    report.finish(&machine)?;
    measured.map(|()| ExitCode::SUCCESS)
}

async fn measure(options: &Options, bench: &Bench, report: &mut Report) -> Result<()> {
    for case in options.cases() {
        Box::pin(case.run(bench, report)).await?;
    }
    Ok(())
}
