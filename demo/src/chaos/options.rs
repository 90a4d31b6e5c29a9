//! The command line of `demo chaos`.

use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use clap::builder::RangedU64ValueParser;

use crate::way::Way;

/// Runs the shop while a monkey kills, pauses and doubles its services and kills the server, and
/// while packets come that are malformed, poisonous, endless or there already; then verifies that
/// nothing was lost and nothing happened twice.
///
/// What is published and what the monkey does follow from the seed; when exactly it happens does
/// not. The exit code is 0 only if all facts hold. If one does not, the histories of what it is
/// about, the logs of all processes and the server's store are kept in a folder that is named.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// How many orders to place
    #[arg(long, value_name = "N", default_value_t = 200,
          value_parser = RangedU64ValueParser::<usize>::new().range(1..=100_000))]
    pub(crate) orders: usize,

    /// How many processes to kill (kill -9), about each eighth of them the server; for each five
    /// kills there are a pause (kill -STOP) beyond the time after which packets go to others, and
    /// a second instance; a bundle is one process
    #[arg(long, value_name = "N", default_value_t = 20,
          value_parser = RangedU64ValueParser::<usize>::new().range(0..=10_000))]
    pub(crate) kills: usize,

    /// Where the random numbers begin [default: the time of day]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,

    /// How many orders to place per second at most; fewer while the services are far behind, and
    /// where the kills need more time
    #[arg(long, value_name = "N", default_value_t = 30,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) rate: u32,

    #[command(flatten)]
    pub(crate) way: Way,

    /// Print JSON only: one object with the summary
    #[arg(long)]
    pub(crate) json: bool,
}

impl Options {
    /// The seed that was given, or one from the clock.
    pub(crate) fn seed(&self) -> u64 {
        let seconds =
            || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.seed.unwrap_or_else(seconds)
    }
}
