//! `rapids access`: who may do what.

mod certificates;
mod check;
mod keys;
mod render;

use std::path::PathBuf;

use anyhow::Result;
pub(super) use check::of_service;
use clap::{Args, Subcommand};

use crate::exit::Answer;
use crate::session::Session;

/// Give each service a login that can do its own and nothing else
///
/// A file declares services, people, and programs from outside. From it come the keys with which they log
/// in, and what nats-server includes: an account for each. No server is needed for that.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids access check
  rapids access keys --dir keys
  rapids access render --keys keys --out access.conf
  rapids access keys --dir keys --rotate payment
  rapids access certificates --rotate client

The file:
  [services.payment]
  delivery = \"shared\"          # or \"exclusive\"
  start = \"now\"                # or \"beginning\", for a new position
  memories = [\"paid\"]          # the names of its memories
  once = true                  # has reactions that run once
  timers = true                # sets timers
  reads = [\"open_orders\"]      # services whose memories it reads
  answers = [\"payment.fee\"]    # where it answers requests that are no packets
  requests = [\"catalogue.price\"] # where it asks others so
  [operators.ada]
  role = \"operator\"            # or \"viewer\"
  [publishers.web]             # a program from outside: it publishes
  asks = true                  # and waits for what comes of that
  reads = [\"open_orders\"]
  requests = [\"catalogue.price\"]")]
pub(crate) struct Access {
    #[command(subcommand)]
    command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Check),
    Keys(keys::Keys),
    Render(render::Render),
    Certificates(certificates::Certificates),
}

/// The file that declares it all.
#[derive(Debug, Args)]
struct Declared {
    /// The file that declares who may do what
    #[arg(long, value_name = "FILE", default_value = "access.toml")]
    file: PathBuf,
}

impl Access {
    pub(crate) fn changes(&self) -> bool {
        !matches!(self.command, Command::Check(_))
    }

    pub(crate) fn run(self, session: &Session) -> Result<Answer> {
        match self.command {
            Command::Check(check) => check.run(session),
            Command::Keys(keys) => keys.run(session),
            Command::Render(render) => render.run(session),
            Command::Certificates(certificates) => certificates.run(session),
        }
    }
}
