//! Timers: setting many that wait, and many that are due within one second.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures::{StreamExt, TryStreamExt, stream};
use rapids_client::{Config, Packet, Rapids, Start, Timestamp};

use super::known;
use crate::bench_server::{BenchServer, SyncInterval};
use crate::comparison::{Bench, Comparison};
use crate::figure::{Figure, Figures, Limit, Target};
use crate::meter::{cpu_seconds, resident_mebibytes};
use crate::report::Report;
use crate::table::grouped;

/// How many are being set at once.
const AT_ONCE: usize = 512;

/// Long enough that none fires while it is measured.
const LONG: Duration = Duration::from_secs(3600);

/// Until the first is due, when all of them are set.
const SET: Duration = Duration::from_secs(8);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Timers {
    /// They are set, and wait.
    Waiting,
    /// They are due one after the other within a second, while so many others wait.
    Due,
}

impl fmt::Display for Timers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waiting => "waiting",
            Self::Due => "due",
        })
    }
}

pub(super) async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    let (waiting, due) = (bench.packets(100_000), bench.packets(10_000));
    let comparison = |case, timers, setting| Comparison {
        case,
        setting,
        sides: timers,
        targets: vec![Target {
            figure: Figure::P99Micros,
            against: "due",
            limit: Limit::UpTo(1_000_000.0),
        }],
        time: Duration::from_secs(60),
    };
    let setting = format!("{} timers of 300 B are set and wait", grouped(waiting));
    let set = comparison("later", &[Timers::Waiting], setting);
    let measured = bench.run(set, async |_| measure_waiting(bench, waiting).await).await?;
    report.add(measured)?;
    let setting = format!(
        "{} timers are due within one second while {} wait: how late they come",
        grouped(due),
        grouped(waiting)
    );
    let late = comparison("later", &[Timers::Due], setting);
    let measured = bench.run(late, async |_| measure_due(bench, waiting, due).await).await?;
    Ok(report.add(measured)?)
}

fn packet(number: u64) -> Packet {
    Packet::event("overdue").with("n", number).with("pad", "x".repeat(80))
}

async fn set(rapids: &Rapids, count: u64, due: impl Fn(u64) -> Timestamp) -> Result<()> {
    let setting = stream::iter(0..count).map(|n| rapids.publish_later(packet(n), due(n)));
    Ok(setting.buffer_unordered(AT_ONCE).try_for_each(|_| async { Ok(()) }).await?)
}

async fn connect(server: &BenchServer) -> Result<Rapids> {
    Ok(Rapids::connect(&Config::new(server.url())).await?)
}

async fn measure_waiting(bench: &Bench, count: u64) -> Result<Figures> {
    let server = bench.server(SyncInterval::Default).await?;
    let rapids = connect(&server).await?;
    let (before, begun) = (cpu_seconds(server.pid()), Instant::now());
    let due = Timestamp::now() + LONG;
    set(&rapids, count, |_| due).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let cpu = cpu_seconds(server.pid()).zip(before).map(|(now, before)| now - before);
    let figures = known([
        (Figure::PacketsPerSecond, Some(count as f64 / seconds)),
        (Figure::ServerMicros, cpu.map(|cpu| cpu * 1e6 / count as f64)),
        (Figure::ResidentMebibytes, resident_mebibytes(server.pid())),
    ]);
    server.close().await;
    Ok(figures)
}

async fn measure_due(bench: &Bench, waiting: u64, count: u64) -> Result<Figures> {
    let server = bench.server(SyncInterval::Default).await?;
    let rapids = connect(&server).await?;
    let long = Timestamp::now() + LONG;
    set(&rapids, waiting, |_| long).await?;
    let first = Timestamp::now() + SET;
    let due = |n: u64| first + Duration::from_secs(1).mul_f64(n as f64 / count as f64);
    set(&rapids, count, due).await?;
    anyhow::ensure!(Timestamp::now() < first, "setting them took longer than {SET:?}");
    let mut tail = rapids.tail(Start::Beginning).await?;
    let mut late = Vec::new();
    while late.len() < usize::try_from(count)? {
        let came =
            tokio::time::timeout(SET + LONG / 60, tail.next()).await.context("none comes")??;
        let stored = came.arrival().context("it has none")?.stored;
        let n: u64 = came.get("n")?.context("it has no number")?;
        late.push(Duration::try_from(stored.duration_since(due(n))).context("it came early")?);
    }
    server.close().await;
    late.sort();
    let micros = |share: f64| late[((late.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
    Ok(Figures::from([(Figure::P50Micros, micros(0.5)), (Figure::P99Micros, micros(0.99))]))
}
