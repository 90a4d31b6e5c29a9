//! What is measured.

mod drain;
mod hop;
mod process;
mod publish;
mod react;
mod rivers;
mod services;
mod takeover;

use anyhow::Result;
use clap::ValueEnum;

use super::contest::Bench;
use super::errand::Measured;
use super::figure::{Figure, Figures, Limit, Target};
use super::report::Report;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Case {
    /// Packets are published, by `publish_all` against a window and one by one
    Publish,
    /// A service reads what is stored, and wants one packet in twenty
    Drain,
    /// A service reads what is stored, and wants nothing of it
    Skip,
    /// A service in exclusive delivery reads what is stored
    CatchUp,
    /// Each packet is handled, and leads to another one
    React,
    /// From the publisher to the reaction, at low load
    Hop,
    /// 1, 4, 16, 64 and 256 services on one stream
    Services,
    /// 64 rivers in one service, and in 64
    Rivers,
    /// Memory and start of one service
    Process,
    /// From the end of the active instance to the first packet of the next one
    Takeover,
}

impl Case {
    /// Measures, and reports each outcome at once.
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
            Self::Services => services::run(bench, report).await,
            Self::Rivers => rivers::run(bench, report).await,
            Self::Process => process::run(bench, report).await,
            Self::Takeover => takeover::run(bench, report).await,
        }
    }
}

/// The rate of so many packets, and what each of them cost.
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

/// Leaves out what the system does not tell.
fn known(figures: impl IntoIterator<Item = (Figure, Option<f64>)>) -> Figures {
    figures.into_iter().filter_map(|(figure, value)| Some((figure, value?))).collect()
}

/// A target for the rate.
fn rate(against: &'static str, times: f64) -> Target {
    Target { figure: Figure::PacketsPerSecond, against, limit: Limit::AtLeast(times) }
}
