//! The command line of `demo bench`.

use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};

use super::cases::Case;

/// Measures what the bus costs, beside async-nats as a careful user would write it (`tuned`) and
/// as a first-time user would (`plain`).
///
/// The sides take turns, round by round, each as a process of its own against a server of its
/// own. Shown are medians, the least and the most, and the ratio of ours to each of the others:
/// the median of the rounds' ratios. Build with `--release`; let nothing else run.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Measure this only; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) case: Vec<Case>,

    /// How many rounds to run, however long they take [default: 5, or as many as fit in 6 minutes
    /// for all cases]
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=1000))]
    pub(crate) rounds: Option<usize>,

    /// How to print the figures; on standard error it is told what is going on
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub(crate) output: Output,

    /// Run one round of a tenth of the packets: to see that it works, not how fast
    #[arg(long)]
    pub(crate) quick: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Table,
    Json,
}

impl Options {
    /// The cases to measure, each once, in the order of their declaration.
    pub(crate) fn cases(&self) -> Vec<Case> {
        let wanted = |case: &&Case| self.case.is_empty() || self.case.contains(case);
        Case::value_variants().iter().filter(wanted).copied().collect()
    }
}
