//! The demo: a server, every river as its own process or all in one, orders, and a verification of
//! facts.
//!
//! Puts things in order; each of them is left to the file that is named after it.

mod bench;
mod bundle;
mod chaos;
mod fleet;
mod ledger;
mod offers;
mod options;
mod orders;
mod placing;
mod rivers;
mod rollcall;
mod scene;
mod screen;
mod show;
mod stage;
mod stock;
mod story;
mod verify;
mod way;

use std::future::Future;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use options::{Command, CommandLine};
use screen::Screen;
use show::Ending;

/// What shells answer for a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let CommandLine { command, options } = CommandLine::parse();
    match command {
        Some(Command::Bench(options)) => ended(bench::run(&options)),
        Some(Command::Chaos(options)) => ended(chaos::run(&options)),
        Some(Command::Bundled) => ended(async { bundle::run().await.map(|()| Ending::Holds) }),
        // On a runtime of its own, which is part of what is measured.
        Some(Command::Errand { errand }) => errand.run(),
        Some(Command::Extra { service }) => {
            ended(async { service.run().await.map(|()| Ending::Holds) })
        }
        None => ended(async {
            let mut screen = Screen::new(options.json);
            let ending = show::run(&options, &mut screen).await;
            // Whoever closed the output does not want to hear of it either.
            let _ = screen.release();
            ending
        }),
    }
}

#[tokio::main]
async fn ended(work: impl Future<Output = Result<Ending>>) -> ExitCode {
    match work.await {
        Ok(Ending::Holds) => ExitCode::SUCCESS,
        Ok(Ending::Broken) => ExitCode::FAILURE,
        Ok(Ending::Interrupted) => ExitCode::from(INTERRUPTED),
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
