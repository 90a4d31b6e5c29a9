//! The command line of `demo chaos`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use clap::builder::RangedU64ValueParser;

use super::servers::{FaultKind, KINDS};
use crate::delivery::DeliveryMode;

/// Run the shop while a monkey kills, pauses and doubles its services and kills the server, and
/// while malformed, poisonous, looping and duplicate packets come; then verify that nothing was lost
/// and nothing happened twice
///
/// What is published and what the monkey does follow from the seed; the exact times do not. The exit
/// code is 0 only if all facts hold. If one does not, a folder, whose name is printed, keeps the
/// histories of the packets in question, the logs of all processes and the server's store.
///
/// Every run ends. It takes the time for placing the orders (--rate), or for the kills if that is
/// more (12 seconds between two on the same process). Beside that it waits for services that are
/// behind, and for all to become idle, each for at most 3 minutes and 150 ms per order. So 10,000
/// orders with 100 kills take 6 minutes on a fast machine, and at most 62 on any:
/// `demo chaos --orders 10000 --kills 100 --seed 1 --delivery exclusive`
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// How many orders to place
    #[arg(long, value_name = "N", default_value_t = 200,
          value_parser = RangedU64ValueParser::<usize>::new().range(1..=100_000))]
    pub(crate) orders: usize,

    /// How many times to kill a process (kill -9); about every eighth time it is the server. For
    /// every five kills, the monkey also pauses a process (kill -STOP) for longer than it takes
    /// others to take over, and runs a second instance of a service. A bundle is one process
    #[arg(long, value_name = "N", default_value_t = 20,
          value_parser = RangedU64ValueParser::<usize>::new().range(0..=10_000))]
    pub(crate) kills: usize,

    /// How many servers: 1, or 3 that form a cluster, to which other things happen than to one (--faults)
    #[arg(long, value_name = "N", default_value = "1", value_parser = ["1", "3"], conflicts_with = "secure")]
    pub(crate) nodes: String,

    /// With --nodes 3, how many faults the servers have, one after the other: leaders are killed, stopped and cut
    /// off, clients are cut off, all are restarted in turn, a store is wiped, a disk is full, two of three are killed.
    /// All servers have everything again before the next
    #[arg(long, value_name = "N", default_value_t = KINDS.len(),
          value_parser = RangedU64ValueParser::<usize>::new().range(0..=1_000))]
    faults: usize,

    /// With --nodes 3, faults of this kind only; may be given several times [default: all that this machine allows]
    #[arg(long = "fault", value_name = "KIND", value_enum)]
    kinds: Vec<FaultKind>,

    /// The seed of the random numbers [default: the time of day]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,

    /// How many orders to place per second at most; fewer while services are far behind, or where
    /// the kills need more time
    #[arg(long, value_name = "N", default_value_t = 30,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) rate: u32,

    #[command(flatten)]
    pub(crate) delivery: DeliveryMode,

    /// Start the server in the secured form: TLS, a login for each program, and ids that nobody can guess
    #[arg(long, conflicts_with = "bundle")]
    pub(crate) secure: bool,

    /// Print JSON only: one object with the summary
    #[arg(long)]
    pub(crate) json: bool,
}

/// How long to wait for services: this long, and this much longer per order.
const PATIENCE: Duration = Duration::from_secs(180);
const PATIENCE_PER_ORDER: Duration = Duration::from_millis(150);
const PATIENCE_PER_FAULT: Duration = Duration::from_secs(20);

impl Options {
    /// How long the publisher may wait for services that are behind, and how long all services may
    /// take to become idle after the last packet.
    pub(crate) fn patience(&self) -> Duration {
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let faults = PATIENCE_PER_FAULT * count(self.faults().unwrap_or_default());
        PATIENCE + PATIENCE_PER_ORDER * count(self.orders) + faults
    }

    /// How many faults the servers of a cluster have; `None` with one server.
    pub(crate) fn faults(&self) -> Option<usize> {
        (self.nodes != "1").then_some(self.faults)
    }

    /// Of which kinds those are.
    pub(crate) fn kinds(&self) -> Vec<FaultKind> {
        if self.kinds.is_empty() { KINDS.to_vec() } else { self.kinds.clone() }
    }

    /// The seed that was given, or one from the clock.
    pub(crate) fn seed(&self) -> u64 {
        let seconds =
            || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.seed.unwrap_or_else(seconds)
    }
}
