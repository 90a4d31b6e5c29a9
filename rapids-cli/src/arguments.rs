//! The command line as a whole.
//!
//! What a command takes stands in its file, how to reach the server in `connecting`.

use std::ffi::OsString;

use clap::{ColorChoice, Parser};
use rapids_client::printable;

use crate::commands::Command;
use crate::connecting::ConnectionOptions;
use crate::ending::EXIT_CODES;
use crate::screen::Screen;

/// Watches the rapids, publishes to them, and tells what rivers make of packets.
///
/// Data goes to standard output, words to standard error. The server is that of the NATS_*
/// variables or of the selected context of the nats CLI, unless an option names another. No
/// command creates the stream: the first service that starts does.
#[derive(Debug, Parser)]
#[command(name = "rapids", version, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// When to use colours; `auto` is on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", default_value_t = ColorChoice::Auto)]
    pub(crate) color: ColorChoice,

    #[command(flatten)]
    pub(crate) connection: ConnectionOptions,
}

impl Arguments {
    /// Those of this process; ends it where they are wrong, or ask for help.
    pub(crate) fn read() -> Self {
        Self::try_parse().unwrap_or_else(|error| {
            let shown = |text: OsString| printable(&text.to_string_lossy()).to_string();
            // An error quotes what others may have made, such as an id; so that of the same
            // arguments as they are printed is told.
            match Self::try_parse_from(std::env::args_os().map(shown)) {
                Err(printed) => printed.exit(),
                Ok(_) => {
                    Screen::new(ColorChoice::Never).note(error.to_string().trim_end());
                    std::process::exit(error.exit_code())
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_declared_without_contradiction() {
        Arguments::command().debug_assert();
    }
}
