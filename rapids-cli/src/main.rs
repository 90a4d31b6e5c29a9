//! `rapids`: what the nats CLI cannot do with the rapids.
//!
//! Filters packets by expressions, publishes packets, explains how a river judges a packet, and shows
//! which services run. Data goes to standard output, messages to standard error. Each command has a
//! file of its own in `commands`.

mod access_file;
mod accounts;
mod announced;
mod arguments;
mod author;
mod certificates;
mod commands;
mod confirm;
mod exit;
mod explanation;
mod filter;
mod interrupt;
mod key_folder;
mod line;
mod logging;
mod observing;
mod pace;
mod packet_argument;
mod packet_line;
mod palette;
mod screen;
mod secret_file;
mod service_line;
mod session;
mod shorten;
mod table;
mod times;
mod transfer;
mod working;

use std::process::ExitCode;

use arguments::Arguments;
use exit::Answer;
use interrupt::Interrupt;
use screen::Screen;
use session::Session;

fn main() -> ExitCode {
    let arguments = Arguments::read();
    let screen = Screen::new(arguments.color);
    let screen =
        if arguments.command.changes() { screen.surviving_closed_output() } else { screen };
    let outcome = in_runtime(arguments, screen.clone());
    let outcome = outcome.and_then(|answer| screen.finish().map(|()| answer));
    if let Err(error) = &outcome
        && exit::is_worth_reporting(error)
    {
        screen.error(error);
    }
    ExitCode::from(exit::exit_code(&outcome))
}

fn in_runtime(arguments: Arguments, screen: Screen) -> anyhow::Result<Answer> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        logging::init();
        let session = Session::new(arguments.connection, screen, Interrupt::listen());
        Box::pin(commands::run(arguments.command, &session)).await
    });
    // A task may still be reading standard input.
    runtime.shutdown_background();
    outcome
}
