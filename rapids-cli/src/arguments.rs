//! The command line as a whole.
//!
//! Each command declares its own options; those of the connection are in `rapids-views`.

use std::ffi::OsString;

use clap::{ColorChoice, Parser};
use rapids_client::printable;
use rapids_views::ConnectionOptions;

use crate::commands::Command;
use crate::exit::EXIT_CODES;
use crate::screen::Screen;

/// Watch the rapids, publish packets, and explain how rivers judge them
///
/// Data goes to standard output, messages to standard error. The server is that of the NATS_*
/// variables or of the selected context of the nats CLI, unless an option names another. No
/// command creates the stream: the first service that starts does.
#[derive(Debug, Parser)]
#[command(name = "rapids", version, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// When to use colours; `auto` uses them on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", default_value_t = ColorChoice::Auto)]
    pub(crate) color: ColorChoice,

    #[command(flatten)]
    pub(crate) connection: ConnectionOptions,
}

impl Arguments {
    /// Reads the arguments of this process. Exits if they are wrong, or ask for help.
    pub(crate) fn read() -> Self {
        Self::try_parse().unwrap_or_else(|error| {
            let shown = |text: OsString| printable(&text.to_string_lossy()).to_string();
            // The error quotes arguments, which may contain control characters of somebody else's id.
            // So the error is made again from the printable arguments.
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
