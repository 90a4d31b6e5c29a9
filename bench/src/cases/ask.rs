//! How long asking takes: a packet out, a reaction, and the answer in. Beside it, the same two hops with
//! services in exclusive delivery at both ends.

use std::fmt;
use std::time::Duration;

use anyhow::Result;

use super::{at_most, known};
use crate::bench_server::SyncInterval;
use crate::comparison::{Bench, Comparison};
use crate::figure::{Figure, Figures};
use crate::report::Report;
use crate::side::Side;
use crate::table::grouped;
use crate::task::Work;

const PER_SECOND: u64 = 200;
const EVERY_MICROS: u64 = 1_000_000 / PER_SECOND;

/// How the answer comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Asked,
    TwoHops,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Asked => "ask",
            Self::TwoHops => "two hops",
        })
    }
}

pub(super) async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    let count = bench.packets(1_000);
    let comparison = Comparison {
        case: "ask",
        setting: format!(
            "{} packets, {PER_SECOND} per second, each answered by a service in exclusive delivery",
            grouped(count)
        ),
        sides: &[Way::Asked, Way::TwoHops],
        targets: vec![at_most(Figure::P99Micros, "two hops", 1.3)],
        time: Duration::from_secs(60),
    };
    let measure = async |way| {
        let work = match way {
            Way::Asked => Work::Ask { count, every_micros: EVERY_MICROS },
            Way::TwoHops => Work::Back { count, every_micros: EVERY_MICROS },
        };
        answered(bench, work, |_| None).await
    };
    report.add(bench.run(comparison, measure).await?)?;

    let count = bench.packets(10_000);
    let comparison = Comparison {
        case: "ask",
        setting: format!("{} asks at once", grouped(count)),
        sides: &[Way::Asked],
        targets: Vec::new(),
        time: Duration::from_secs(30),
    };
    let rate = |seconds| Some(count as f64 / seconds);
    let measure = async |_| answered(bench, Work::AskAtOnce { count }, rate).await;
    Ok(report.add(bench.run(comparison, measure).await?)?)
}

/// Measures beside a service that answers.
async fn answered(bench: &Bench, work: Work, rate: impl Fn(f64) -> Option<f64>) -> Result<Figures> {
    let server = bench.server(SyncInterval::Default).await?;
    let answering = server.start_instance("answering", Side::Exclusive, Work::Serve)?;
    server.wait_until_live(1).await?;
    let measured = server.start_worker(Side::Exclusive, work)?.measured().await?;
    answering.stop().await;
    answering.measured().await?;
    server.close().await;
    Ok(known([
        (Figure::PacketsPerSecond, rate(measured.seconds)),
        (Figure::P50Micros, measured.p50_micros),
        (Figure::P99Micros, measured.p99_micros),
        (Figure::ResidentMebibytes, measured.resident_mebibytes),
    ]))
}
