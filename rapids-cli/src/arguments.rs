//! The command line as a whole.
//!
//! What a command takes stands in its file, how to reach the server in `connecting`.

use clap::{ColorChoice, Parser};

use crate::commands::Command;
use crate::connecting::ConnectionOptions;
use crate::ending::EXIT_CODES;

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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_declared_without_contradiction() {
        Arguments::command().debug_assert();
    }
}
