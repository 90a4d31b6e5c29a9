//! The demo: a server, every river as its own process or all in one, orders, and a verification of
//! facts.
//!
//! Each subcommand has a module of its own; without one, the program runs `run`.

mod back_orders;
mod bundle;
mod chaos;
mod console;
mod counters;
mod delivery;
mod discovery;
mod exit;
mod flags;
mod fleet;
mod logins;
mod minutes;
mod offers;
mod open_orders;
mod options;
mod order_status;
mod orders;
mod outside;
mod overdue;
mod prices;
mod publisher;
mod rivers;
mod run;
mod scenario;
mod screen;
mod secrets;
mod server;
mod stock;
mod tracker;
mod verify;

use std::future::Future;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use exit::Exit;
use options::{Command, CommandLine};
use screen::Screen;

fn main() -> ExitCode {
    let CommandLine { command, options } = CommandLine::parse();
    match command {
        Some(Command::Chaos(options)) => in_runtime(chaos::run(&options)),
        Some(Command::Bundled) => {
            in_runtime(async { bundle::run().await.map(|()| Exit::FactsHold) })
        }
        Some(Command::Outside) => {
            in_runtime(async { outside::run().await.map(|()| Exit::FactsHold) })
        }
        Some(Command::Extra { service }) => {
            in_runtime(async { service.run().await.map(|()| Exit::FactsHold) })
        }
        None => in_runtime(async {
            let mut screen = Screen::new(options.json);
            let exit = run::run(&options, &mut screen).await;
            // Fails only if standard output is closed, which `exit` says already.
            let _ = screen.release();
            exit
        }),
    }
}

#[tokio::main]
async fn in_runtime(work: impl Future<Output = Result<Exit>>) -> ExitCode {
    match work.await {
        Ok(exit) => exit.into(),
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
