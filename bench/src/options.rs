//! The command line.

use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::cases::Case;
use crate::plot::PlotOptions;
use crate::task::Task;

/// Measure what the bus costs, beside async-nats as a careful user would write it (`tuned`) and as
/// a first-time user would (`plain`), and beside RustStream
///
/// The sides take turns, round by round. Each measurement is a process of its own. The tables show
/// the median of the rounds, the least and the most, and the ratio of ours to each other side: the
/// median of the ratios in each round. Build with `--profile dist`, on a machine that does nothing else.
#[derive(Debug, Clone, Parser)]
#[command(name = "bench", version, args_conflicts_with_subcommands = true)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    #[command(flatten)]
    pub(crate) options: Options,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Command {
    Plot(PlotOptions),
    /// Does one task of a measurement and prints what it measured
    #[command(hide = true)]
    Task {
        task: Task,
    },
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Measure only this case; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) case: Vec<Case>,

    /// How many rounds to run, however long they take [default: 5, or fewer where a case has used up
    /// its share of 6 minutes]
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=1000))]
    pub(crate) rounds: Option<usize>,

    /// How to print the figures; progress goes to standard error
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub(crate) output: Output,

    /// Run one round with a tenth of the packets, to see that it works; the figures say little
    #[arg(long)]
    pub(crate) quick: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Table,
    Json,
}

impl Options {
    /// The cases to measure, each once, in the order of declaration.
    pub(crate) fn cases(&self) -> Vec<Case> {
        let wanted = |case: &&Case| self.case.is_empty() || self.case.contains(case);
        Case::value_variants().iter().filter(wanted).copied().collect()
    }
}
