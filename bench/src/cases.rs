//! The cases that the bench measures.

mod ask;
mod drain;
mod hop;
mod later;
mod memory;
mod process;
mod publish;
mod query;
mod react;
mod rivers;
mod services;
mod size;
mod takeover;

use anyhow::Result;
use clap::ValueEnum;

use crate::comparison::Bench;
use crate::figure::{Figure, Figures, Limit, Target};
use crate::report::Report;
use crate::task::Measured;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Case {
    /// Publish packets: `publish_all` beside a window of publishes and beside one by one
    Publish,
    /// A service reads a stored stream and wants one packet in twenty
    Drain,
    /// A service reads a stored stream and wants nothing of it
    Skip,
    /// A service in exclusive delivery reads a stored stream
    CatchUp,
    /// A service handles each packet and publishes one for it
    React,
    /// The time from the publisher to the reaction, at low load
    Hop,
    /// The time from the publisher to the answer that it asks for
    Ask,
    /// A service moves a memory one step for each packet: one key, a large one, many keys
    Memory,
    /// Reading what a service remembers: one key, all keys, the entries that a filter selects
    Query,
    /// 1, 4, 16, 64 and 256 services on one stream
    Services,
    /// 1 to 4,096 rivers in one service, and 64 in as many services
    Rivers,
    /// A service reads packets of 300 B to 500 KB and wants none of them
    Size,
    /// Memory and start-up time of one service
    Process,
    /// Timers that wait, and timers that are due within one second
    Later,
    /// The time from the end of the active instance to the first packet of the next one
    Takeover,
}

impl Case {
    /// Measures the case and reports each outcome as soon as it is there.
    ///
    /// # Errors
    /// If a measurement fails.
    pub(crate) async fn run(self, bench: &Bench, report: &mut Report) -> Result<()> {
        match self {
            Self::Publish => publish::run(bench, report).await,
            Self::Drain => drain::drain(bench, report).await,
            Self::Skip => drain::skip(bench, report).await,
            Self::CatchUp => drain::catch_up(bench, report).await,
            Self::React => react::run(bench, report).await,
            Self::Hop => hop::run(bench, report).await,
            Self::Ask => ask::run(bench, report).await,
            Self::Memory => memory::run(bench, report).await,
            Self::Query => query::run(bench, report).await,
            Self::Services => services::run(bench, report).await,
            Self::Rivers => rivers::run(bench, report).await,
            Self::Size => size::run(bench, report).await,
            Self::Process => process::run(bench, report).await,
            Self::Later => later::run(bench, report).await,
            Self::Takeover => takeover::run(bench, report).await,
        }
    }
}

/// The rate of `count` packets, and the CPU time that each of them cost.
fn per_packet(measured: &Measured, count: u64) -> Figures {
    let count = count as f64;
    let micros = |cpu: f64| cpu * 1e6 / count;
    let figures = [
        (Figure::PacketsPerSecond, Some(count / measured.seconds)),
        (Figure::ClientMicros, measured.client_cpu_seconds.map(micros)),
        (Figure::ServerMicros, measured.server_cpu_seconds.map(micros)),
    ];
    known(figures)
}

/// Leaves out figures that the system does not provide.
fn known(figures: impl IntoIterator<Item = (Figure, Option<f64>)>) -> Figures {
    figures.into_iter().filter_map(|(figure, value)| Some((figure, value?))).collect()
}

/// A target for a cost.
fn at_most(figure: Figure, against: &'static str, times: f64) -> Target {
    Target { figure, against, limit: Limit::AtMost(times) }
}

/// A target for the rate.
fn rate(against: &'static str, times: f64) -> Target {
    Target { figure: Figure::PacketsPerSecond, against, limit: Limit::AtLeast(times) }
}
