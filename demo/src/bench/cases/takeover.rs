//! What happens when the active instance of a service in exclusive delivery ends while packets come.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use tokio::sync::watch;

use crate::bench::arena::{Arena, SyncInterval};
use crate::bench::contest::{Bench, Contest};
use crate::bench::errand::Work;
use crate::bench::figure::{Figure, Figures, Limit, Target};
use crate::bench::packets::{Load, Wanted};
use crate::bench::report::Report;
use crate::bench::side::Side;
use crate::bench::sides::CHECKED;

/// Between two packets.
const PACE: Duration = Duration::from_millis(2);

/// So many come before the active instance ends, at least, and after the next one has begun.
const AROUND: u64 = 250;

/// More than ever come meanwhile.
const MOST: u64 = 20_000;

const PATIENCE: Duration = Duration::from_secs(20);

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
        let contest = Contest {
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
        report.add(bench.run(contest, async |end| measure(bench, end).await).await?)?;
    }
    Ok(())
}

async fn measure(bench: &Bench, end: End) -> Result<Figures> {
    let arena = bench.arena(SyncInterval::Default).await?;
    let mut active = arena.send_as("bench", Side::Exclusive, Work::Serve)?;
    arena.until_live(1).await?;
    let mut standby = arena.send_as("bench", Side::Exclusive, Work::Serve)?;
    standby.until_said("stands by").await?;

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
        stop.send(true).context("nobody publishes")?;
        anyhow::Ok(took)
    };
    let (took, ()) = tokio::try_join!(ending, publish(&arena, &published, stopped))?;
    let published = *published.borrow();
    until_answered(&arena, published).await?;
    // It answers nothing more once it has ended.
    standby.stop().await;
    standby.measured().await?;
    let (lost, doubled) = answers(&arena, published).await?;
    arena.close().await;
    Ok(Figures::from([
        (Figure::TakeoverMillis, took.as_secs_f64() * 1e3),
        (Figure::Lost, lost as f64),
        (Figure::Doubled, doubled as f64),
    ]))
}

/// Publishes one packet after the other until told to stop.
async fn publish(
    arena: &Arena<'_>,
    published: &watch::Sender<u64>,
    stopped: watch::Receiver<bool>,
) -> Result<()> {
    let load = Load { count: MOST, size: 300, wanted: Wanted::All };
    let mut clock = tokio::time::interval(PACE);
    for (id, body) in load.packets() {
        clock.tick().await;
        if *stopped.borrow() {
            return Ok(());
        }
        arena.publish(&id, body).await?;
        published.send_modify(|count| *count += 1);
    }
    bail!("nobody took over")
}

/// Waits for as many answers as there are packets, or for as long as they may take.
async fn until_answered(arena: &Arena<'_>, published: u64) -> Result<()> {
    let begun = Instant::now();
    while arena.stored().await? < 2 * published && begun.elapsed() < PATIENCE {
        tokio::time::sleep(PACE).await;
    }
    Ok(())
}

/// How many packets have no answer, and how many answers there are beyond one for each.
async fn answers(arena: &Arena<'_>, published: u64) -> Result<(u64, u64)> {
    #[derive(Deserialize)]
    struct Answer {
        event: String,
        order_id: String,
    }
    let mut answers = HashMap::new();
    for body in arena.bodies().await? {
        let Answer { event, order_id } = serde_json::from_slice(&body)?;
        if event == CHECKED {
            *answers.entry(order_id).or_insert(0) += 1;
        }
    }
    let doubled = answers.values().map(|count| count - 1).sum();
    Ok((published - answers.len() as u64, doubled))
}
