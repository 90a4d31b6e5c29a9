//! Measures the sides of a comparison in turn, round by round.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::bench_server::{BenchServer, SyncInterval};
use crate::figure::{Figures, Target};
use crate::options::Options;
use crate::outcome::Outcome;
use crate::report::progress;

/// The number of rounds, if time allows.
const ROUNDS: usize = 5;

/// A quick run divides the number of packets by this.
const QUICK: u64 = 10;

/// The settings of the whole run.
#[derive(Debug)]
pub(crate) struct Bench {
    rounds: Option<usize>,
    is_quick: bool,
}

/// What to measure and compare.
#[derive(Debug)]
pub(crate) struct Comparison<'a, S> {
    pub(crate) case: &'static str,
    pub(crate) setting: String,
    /// The first is compared with each of the others.
    pub(crate) sides: &'a [S],
    pub(crate) targets: Vec<Target>,
    /// No further round begins after this time, unless the user asked for a number of rounds.
    pub(crate) time: Duration,
}

impl Bench {
    pub(crate) fn new(options: &Options) -> Self {
        Self { rounds: options.rounds, is_quick: options.quick }
    }

    /// This many packets, or a tenth of them in a quick run.
    pub(crate) fn packets(&self, count: u64) -> u64 {
        if self.is_quick { count / QUICK } else { count }
    }

    /// Starts a server.
    ///
    /// # Errors
    /// As [`BenchServer::start`].
    pub(crate) async fn server(&self, sync: SyncInterval) -> Result<BenchServer> {
        BenchServer::start(sync).await
    }

    /// Measures each side once per round; another side begins each round.
    ///
    /// # Errors
    /// The first error of a measurement.
    pub(crate) async fn run<S: Copy + fmt::Display>(
        &self,
        comparison: Comparison<'_, S>,
        measure: impl AsyncFn(S) -> Result<Figures>,
    ) -> Result<Outcome> {
        let Comparison { case, setting, sides, targets, time } = comparison;
        let most = self.rounds.unwrap_or(if self.is_quick { 1 } else { ROUNDS });
        let begun = Instant::now();
        let mut rounds = Vec::new();
        while rounds.len() < most
            && (rounds.is_empty() || self.rounds.is_some() || begun.elapsed() < time)
        {
            progress(&format!("{case}: {setting}, round {} of {most}", rounds.len() + 1));
            let mut round = vec![Figures::new(); sides.len()];
            for turn in 0..sides.len() {
                let place = (turn + rounds.len()) % sides.len();
                let side = sides[place];
                let measuring = measure(side).await;
                round[place] = measuring.with_context(|| format!("{case}, {side}"))?;
            }
            rounds.push(round);
        }
        let sides = sides.iter().map(S::to_string).collect();
        Ok(Outcome { case, setting, at: None, sides, rounds, targets })
    }
}
