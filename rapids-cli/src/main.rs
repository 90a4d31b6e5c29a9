//! `rapids`: what the nats CLI cannot do with the rapids.
//!
//! Watches packets through expressions, publishes packets, explains what a river makes of one, and
//! tells who is up. Data goes to standard output, words to standard error. What each command does
//! is left to the file in `commands` that is named after it.

mod arguments;
mod commands;
mod connecting;
mod ending;
mod filter;
mod interrupt;
mod logging;
mod packet_line;
mod palette;
mod screen;
mod session;
mod since;

use std::process::ExitCode;

use clap::Parser;

use arguments::Arguments;
use interrupt::Interrupt;
use screen::Screen;
use session::Session;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let screen = Screen::new(arguments.color);
    logging::init(&screen);
    let session = Session::new(arguments.connection, screen, Interrupt::listen());
    let outcome = Box::pin(commands::run(arguments.command, &session)).await;
    if let Err(error) = &outcome
        && ending::is_worth_words(error)
    {
        session.screen.error(error);
    }
    ExitCode::from(ending::code(&outcome))
}
