//! The command line.

use std::net::SocketAddr;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand};

use crate::chaos::{self, Extra};
use crate::delivery::DeliveryMode;
use crate::rivers::{self, Program};

/// Start a server and every river as its own process (or all in one: --bundle), place orders, show
/// how the services answer each other, and verify the outcome
///
/// All facts are read from the rapids. The exit code is 0 only if all of them hold.
#[derive(Debug, Clone, Parser)]
#[command(name = "demo", version, args_conflicts_with_subcommands = true)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    #[command(flatten)]
    pub(crate) options: Options,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Command {
    Chaos(chaos::Options),
    /// Runs every river in this process
    #[command(hide = true)]
    Bundled,
    /// Runs those who are outside of the shop: customers, vendors, and the desk
    #[command(hide = true)]
    Outside,
    /// Runs one of the services that exist for chaos only
    #[command(hide = true)]
    Extra {
        service: Extra,
    },
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// How many orders to place
    #[arg(long, value_name = "N", default_value_t = 30,
          value_parser = RangedU64ValueParser::<usize>::new().range(1..=100_000))]
    pub(crate) orders: usize,

    /// How many orders to place per second; 0 is as fast as possible
    #[arg(long, value_name = "N", default_value_t = 15,
          value_parser = clap::value_parser!(u32).range(..=100_000))]
    pub(crate) rate: u32,

    /// The seed of the random numbers: the same seed places the same orders
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,

    /// Server to use instead of one that the demo starts; the login comes from the environment
    /// (NATS_USER, ...)
    #[arg(long, value_name = "URL")]
    pub(crate) nats: Option<String>,

    /// Keep everything running after the verification until Ctrl-C, and print commands to try
    #[arg(long)]
    pub(crate) stay: bool,

    /// Show the shop in a browser: start the console at this address, with buttons to break and mend the
    /// payment, and go on with an order a second after the verification, until Ctrl-C
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "127.0.0.1:8080")]
    pub(crate) console: Option<SocketAddr>,

    /// Print JSON only: one object per order that has ended, and the summary last
    #[arg(long)]
    pub(crate) json: bool,

    /// Kill the process of this service (kill -9) between the orders and start it again a second
    /// later; may be repeated; `any` is each process in turn
    #[arg(long, value_name = "SERVICE")]
    pub(crate) kill: Vec<String>,

    /// Start the server in the secured form: TLS, a login for each program, and ids that nobody can guess
    #[arg(long, conflicts_with_all = ["nats", "bundle"])]
    pub(crate) secure: bool,

    #[command(flatten)]
    pub(crate) delivery: DeliveryMode,
}

impl Options {
    /// The services to kill, in order; `any` stands for one service of each process.
    ///
    /// # Errors
    /// If there is no service of that name.
    pub(crate) fn victims(&self, processes: &[Program]) -> anyhow::Result<Vec<String>> {
        let services = rivers::services(processes);
        let mut victims = Vec::new();
        for name in &self.kill {
            if name == "any" {
                victims.extend(
                    processes.iter().filter_map(|process| process.services.first()).cloned(),
                );
            } else if services.contains(name) {
                victims.push(name.clone());
            } else {
                let known = services.join(", ");
                anyhow::bail!("there is no service `{name}` to kill; there are {known}, and `any`");
            }
        }
        Ok(victims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn victims(arguments: &[&str]) -> Result<Vec<String>, String> {
        let line = CommandLine::try_parse_from([&["demo"], arguments].concat()).unwrap();
        let processes =
            line.options.delivery.processes(&["order", "payment"].map(Program::of_a_river));
        line.options.victims(&processes.unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn victims_are_killed_in_the_order_given_and_any_is_each_in_turn() {
        assert_eq!(victims(&[]).unwrap(), [""; 0]);
        let several = victims(&["--kill", "payment", "--kill", "any"]).unwrap();
        assert_eq!(several, ["payment", "order", "payment"]);
        let bundled = victims(&["--bundle", "--kill", "any", "--kill", "payment"]).unwrap();
        assert_eq!(bundled, ["order", "payment"]);
    }

    #[test]
    fn unknown_victim_is_named_with_those_that_exist() {
        assert_eq!(
            victims(&["--kill", "paymint"]).unwrap_err(),
            "there is no service `paymint` to kill; there are order, payment, and `any`"
        );
    }

    #[test]
    fn no_orders_at_all_are_refused() {
        assert!(CommandLine::try_parse_from(["demo", "--orders", "0"]).is_err());
        assert!(CommandLine::try_parse_from(["demo", "chaos", "--orders", "0"]).is_err());
    }
}
