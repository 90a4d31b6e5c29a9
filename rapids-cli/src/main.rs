//! `rapids`: what the nats CLI cannot do with the rapids.
//!
//! Watches packets through expressions, publishes packets, explains what a river makes of one, and
//! tells who is up. Data goes to standard output, words to standard error. What each command does
//! is left to the file in `commands` that is named after it.

mod arguments;
mod clauses;
mod commands;
mod connecting;
mod ending;
mod filter;
mod fitting;
mod interrupt;
mod line;
mod logging;
mod packet_line;
mod palette;
mod screen;
mod session;
mod standing;
mod table;
mod times;

use std::process::ExitCode;

use arguments::Arguments;
use ending::Ending;
use interrupt::Interrupt;
use screen::Screen;
use session::Session;

fn main() -> ExitCode {
    let arguments = Arguments::read();
    let screen = Screen::new(arguments.color);
    let screen = if arguments.command.changes() { screen.outlived() } else { screen };
    let outcome = in_runtime(arguments, screen.clone());
    let outcome = outcome.and_then(|ending| screen.finish().map(|()| ending));
    if let Err(error) = &outcome
        && ending::is_worth_words(error)
    {
        screen.error(error);
    }
    ExitCode::from(ending::code(&outcome))
}

fn in_runtime(arguments: Arguments, screen: Screen) -> anyhow::Result<Ending> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        logging::init();
        let session = Session::new(arguments.connection, screen, Interrupt::listen());
        Box::pin(commands::run(arguments.command, &session)).await
    });
    // Somebody may still wait for standard input to end.
    runtime.shutdown_background();
    outcome
}
