//! Runs the sides in turn, round by round.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::arena::{Arena, SyncInterval};
use super::figure::{Figures, Target};
use super::options::Options;
use super::outcome::Outcome;
use super::report::progress;
use crate::fleet::Guard;

/// As many rounds as a contest has, if time allows.
const ROUNDS: usize = 5;

/// In a quick run everything is so many times less.
const QUICK: u64 = 10;

/// How much is measured, and the processes' guard.
#[derive(Debug)]
pub(crate) struct Bench {
    guard: Guard,
    rounds: Option<usize>,
    is_quick: bool,
}

/// What is about to be measured.
#[derive(Debug)]
pub(crate) struct Contest<'a, S> {
    pub(crate) case: &'static str,
    pub(crate) setting: String,
    /// The first is compared with the others.
    pub(crate) sides: &'a [S],
    pub(crate) targets: Vec<Target>,
    /// After this time no further round begins, unless their number was asked for.
    pub(crate) time: Duration,
}

impl Bench {
    /// # Errors
    /// If there is no `sh` to guard the processes.
    pub(crate) fn new(options: &Options) -> Result<Self> {
        let guard = Guard::post().context("cannot run `sh`, which guards the processes")?;
        Ok(Self { guard, rounds: options.rounds, is_quick: options.quick })
    }

    /// So many packets, or a tenth of them in a quick run.
    pub(crate) fn packets(&self, count: u64) -> u64 {
        if self.is_quick { count / QUICK } else { count }
    }

    /// Starts a server.
    ///
    /// # Errors
    /// As [`Arena::open`].
    pub(crate) async fn arena(&self, sync: SyncInterval) -> Result<Arena<'_>> {
        Arena::open(sync, &self.guard).await
    }

    /// Measures each side once per round; who begins changes from round to round.
    ///
    /// # Errors
    /// The first of a measurement.
    pub(crate) async fn run<S: Copy + fmt::Display>(
        &self,
        contest: Contest<'_, S>,
        measure: impl AsyncFn(S) -> Result<Figures>,
    ) -> Result<Outcome> {
        let Contest { case, setting, sides, targets, time } = contest;
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
        Ok(Outcome { case, setting, sides, rounds, targets })
    }
}
