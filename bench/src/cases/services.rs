//! Many services on one stream, each in a process of its own or all in one process. The publisher
//! publishes as fast as the server takes it.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::{at_most, known, per_packet};
use crate::bench_server::{BenchServer, SyncInterval};
use crate::comparison::{Bench, Comparison};
use crate::figure::{Figure, Figures, Target};
use crate::meter::cpu_seconds;
use crate::packets::{Load, Wanted};
use crate::report::Report;
use crate::side::Side;
use crate::table::grouped;
use crate::task::{Measured, Work};
use crate::worker::Worker;

const SIZE: usize = 300;

/// The number of services, and how many packets to publish where each is acknowledged.
const STEPS: [(usize, u64); 5] = [(1, 40_000), (4, 20_000), (16, 10_000), (64, 3_000), (256, 500)];

/// Without acknowledgements packets cost less, so this many times as many are published ...
const UNACKNOWLEDGED: u64 = 4;
/// ... but at most this many. A bundle always gets this many.
const MOST: u64 = 40_000;

/// How packets reach the services.
#[derive(Debug, Clone, Copy)]
struct Delivery(Side);

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0 == Side::Ours { "shared" } else { self.0.name() })
    }
}

impl Delivery {
    /// How many packets to publish.
    fn packets(self, acknowledged: u64) -> u64 {
        match self.0 {
            Side::Bundled { .. } => MOST,
            side if side.acknowledges() => acknowledged,
            _ => (acknowledged * UNACKNOWLEDGED).min(MOST),
        }
    }
}

pub(super) async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    for (services, acknowledged) in STEPS {
        side_by_side(bench, report, services, acknowledged).await?;
    }
    Ok(())
}

async fn side_by_side(
    bench: &Bench,
    report: &mut Report,
    services: usize,
    acknowledged: u64,
) -> Result<()> {
    let packets = |delivery: Delivery| bench.packets(delivery.packets(acknowledged));
    let [shared, exclusive, bundled, tuned, live] =
        [Side::Ours, Side::Exclusive, Side::Bundled { services }, Side::Tuned, Side::Live]
            .map(Delivery);
    let alone = alone(bench, packets(bundled)).await?;
    let comparison = Comparison {
        case: "services",
        setting: format!(
            "{services} on one stream, {} packets of {SIZE} B ({} exclusive and live, {} bundled), \
             none wanted but the first and the last, publishing alone {:.1} us of the server",
            grouped(packets(shared)),
            grouped(packets(exclusive)),
            grouped(packets(bundled)),
            alone.unwrap_or_default()
        ),
        sides: &[shared, exclusive, bundled, tuned, live],
        targets: Vec::new(),
        time: Duration::from_secs(15),
    };
    let measure = async |delivery: Delivery| {
        let all = measure(bench, delivery.0, services, 0, packets(delivery)).await?;
        Ok(figures(&all, services, packets(delivery), alone))
    };
    let all = bench.run(comparison, measure).await?.at(services);
    let targets = |all: Vec<(usize, Target)>| {
        let due = all.into_iter().filter(|(from, _)| services >= *from);
        due.map(|(_, target)| target).collect()
    };
    report.add(all.among(&["shared", "tuned"], Vec::new()))?;
    report.add(all.among(&["exclusive", "shared", "live"], targets(exclusive_targets())))?;
    let bundled = vec![(16, at_most(Figure::ServerMicrosPerDelivery, "shared", 0.05))];
    Ok(report.add(all.among(&["bundled", "shared", "exclusive"], targets(bundled)))?)
}

/// Each with the number of services from which it says something: with few of them, publishing is
/// most of the cost.
fn exclusive_targets() -> Vec<(usize, Target)> {
    vec![
        (16, at_most(Figure::ServerMicrosPerDelivery, "shared", 0.3)),
        (64, at_most(Figure::ClientMicrosPerDelivery, "live", 1.2)),
        (256, at_most(Figure::ServerMicrosPerDelivery, "live", 1.5)),
    ]
}

/// The server's CPU time for storing one packet without any reader, in microseconds.
async fn alone(bench: &Bench, count: u64) -> Result<Option<f64>> {
    let server = bench.server(SyncInterval::Default).await?;
    let before = cpu_seconds(server.pid());
    server.store(&Load { count, size: SIZE, wanted: Wanted::EndsOnly }).await?;
    let after = cpu_seconds(server.pid());
    server.close().await;
    Ok(before.zip(after).map(|(before, after)| (after - before) * 1e6 / count as f64))
}

fn figures(all: &Measured, services: usize, count: u64, alone: Option<f64>) -> Figures {
    let each = services as f64;
    let mut figures = per_packet(all, count);
    let server = figures.get(&Figure::ServerMicros).copied();
    let client = figures.remove(&Figure::ClientMicros);
    let busy = |cpu: f64| cpu / all.seconds;
    figures.extend(known([
        (Figure::DeliveriesPerSecond, Some(count as f64 / all.seconds * each)),
        (Figure::ServerCapacity, server.map(|micros| 1e6 / micros)),
        (Figure::ServerCores, all.server_cpu_seconds.map(busy)),
        (Figure::ClientCores, all.client_cpu_seconds.map(busy)),
        (Figure::ServerMicrosPerService, server.map(|micros| micros / each)),
        (
            Figure::ServerMicrosPerDelivery,
            server.zip(alone).map(|(micros, alone)| (micros - alone) / each),
        ),
        (Figure::ClientMicrosPerDelivery, client.map(|micros| micros / each)),
        (Figure::ResidentMebibytesPerService, all.resident_mebibytes.map(|all| all / each)),
    ]));
    figures
}

/// Publishes packets to services of this kind, and measures until all of them have handled the last
/// packet, and acknowledged it if they acknowledge.
pub(super) async fn measure(
    bench: &Bench,
    side: Side,
    services: usize,
    idle_rivers: usize,
    count: u64,
) -> Result<Measured> {
    let load = Load { count, size: SIZE, wanted: Wanted::EndsOnly };
    let work = Work::Read { count, size: SIZE, wanted: load.wanted(), idle_rivers };
    let server = bench.server(SyncInterval::Default).await?;
    let processes = (0..services / side.services()).map(|_| server.start_worker(side, work));
    let mut processes = processes.collect::<Result<Vec<_>>>()?;
    wait_until_ready(&server, side, &mut processes).await?;
    let (begun, before) = (Instant::now(), cpu_seconds(server.pid()));
    server.store(&load).await?;
    for process in &mut processes {
        process.last().await?;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let after = cpu_seconds(server.pid());
    let mut each = Vec::new();
    for process in processes {
        each.push(process.measured().await?);
    }
    server.close().await;
    Ok(Measured {
        seconds,
        client_cpu_seconds: each.iter().map(|one| one.client_cpu_seconds).sum(),
        server_cpu_seconds: before.zip(after).map(|(before, after)| after - before),
        resident_mebibytes: each.iter().map(|one| one.resident_mebibytes).sum(),
        ..Measured::default()
    })
}

/// Waits until every process will receive what is published from now on.
async fn wait_until_ready(
    server: &BenchServer,
    side: Side,
    processes: &mut [Worker],
) -> Result<()> {
    match side {
        Side::Exclusive | Side::Bundled { .. } => {
            server.wait_until_live(processes.len() * side.services()).await
        }
        Side::Live => {
            for process in processes {
                process.first().await.context("a subscriber does not start")?;
            }
            Ok(())
        }
        _ => server.wait_for_consumers(processes.len()).await,
    }
}
