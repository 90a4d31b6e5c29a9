//! Takeover in exclusive delivery: the active instance ends while packets arrive.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use tokio::sync::watch;

use crate::bench_server::{BenchServer, SyncInterval};
use crate::comparison::{Bench, Comparison};
use crate::figure::{Figure, Figures, Limit, Target};
use crate::packets::{Load, Wanted};
use crate::report::Report;
use crate::side::Side;
use crate::sides::CHECKED;
use crate::task::Work;

/// The time between two packets.
const INTERVAL: Duration = Duration::from_millis(2);

/// At least this many packets are published before the active instance ends, and as many after the
/// next one has begun.
const AROUND: u64 = 250;

/// More packets than a takeover can take.
const MOST: u64 = 20_000;

const TIMEOUT: Duration = Duration::from_secs(20);

/// How the active instance ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Killed,
    Stopped,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Killed => "killed",
            Self::Stopped => "stopped",
        })
    }
}

pub(super) async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    for (end, against, millis) in
        [(End::Killed, "killed", 4_000.0), (End::Stopped, "stopped", 100.0)]
    {
        let upto = |figure, bound| Target { figure, against, limit: Limit::UpTo(bound) };
        let comparison = Comparison {
            case: "takeover",
            setting: "the active instance ends, one stands by, 500 packets per second, each is \
                      answered"
                .to_owned(),
            sides: &[end],
            targets: vec![
                upto(Figure::TakeoverMillis, millis),
                upto(Figure::Lost, 0.0),
                upto(Figure::Doubled, 0.0),
            ],
            time: Duration::from_secs(30),
        };
        report.add(bench.run(comparison, async |end| measure(bench, end).await).await?)?;
    }
    Ok(())
}

async fn measure(bench: &Bench, end: End) -> Result<Figures> {
    let server = bench.server(SyncInterval::Default).await?;
    let mut active = server.start_instance("bench", Side::Exclusive, Work::Serve)?;
    server.wait_until_live(1).await?;
    let mut standby = server.start_instance("bench", Side::Exclusive, Work::Serve)?;
    standby.wait_for_log("stands by").await?;

    let (published, mut count) = watch::channel(0);
    let (stop, stopped) = watch::channel(false);
    let ending = async {
        active.first().await?;
        count.wait_for(|count| *count >= AROUND).await?;
        let ended = Instant::now();
        match end {
            End::Killed => active.kill()?,
            End::Stopped => active.stop().await,
        }
        standby.first().await?;
        let took = ended.elapsed();
        let now = *count.borrow();
        count.wait_for(|count| *count >= now + AROUND).await?;
        stop.send(true).context("the publisher has ended")?;
        anyhow::Ok(took)
    };
    let (took, ()) = tokio::try_join!(ending, publish(&server, &published, stopped))?;
    let published = *published.borrow();
    wait_for_answers(&server, published).await?;
    // Count the answers only after it has ended, when no more can come.
    standby.stop().await;
    standby.measured().await?;
    let (lost, doubled) = answers(&server, published).await?;
    server.close().await;
    Ok(Figures::from([
        (Figure::TakeoverMillis, took.as_secs_f64() * 1e3),
        (Figure::Lost, lost as f64),
        (Figure::Doubled, doubled as f64),
    ]))
}

/// Publishes one packet after the other until `stopped` is true.
async fn publish(
    server: &BenchServer,
    published: &watch::Sender<u64>,
    stopped: watch::Receiver<bool>,
) -> Result<()> {
    let load = Load { count: MOST, size: 300, wanted: Wanted::All };
    let mut clock = tokio::time::interval(INTERVAL);
    for (id, body) in load.packets() {
        clock.tick().await;
        if *stopped.borrow() {
            return Ok(());
        }
        server.publish(&id, body).await?;
        published.send_modify(|count| *count += 1);
    }
    bail!("no instance took over")
}

/// Waits until there are as many answers as packets, or the time-out is over.
async fn wait_for_answers(server: &BenchServer, published: u64) -> Result<()> {
    let begun = Instant::now();
    while server.stored().await? < 2 * published && begun.elapsed() < TIMEOUT {
        tokio::time::sleep(INTERVAL).await;
    }
    Ok(())
}

/// The number of packets without an answer, and the number of answers beyond one per packet.
async fn answers(server: &BenchServer, published: u64) -> Result<(u64, u64)> {
    #[derive(Deserialize)]
    struct Answer {
        event: String,
        order_id: String,
    }
    let mut answers = HashMap::new();
    for body in server.bodies().await? {
        let Answer { event, order_id } = serde_json::from_slice(&body)?;
        if event == CHECKED {
            *answers.entry(order_id).or_insert(0) += 1;
        }
    }
    let doubled = answers.values().map(|count| count - 1).sum();
    Ok((published - answers.len() as u64, doubled))
}
