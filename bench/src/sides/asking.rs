//! Asking: a packet is published, a service in another process answers, and the answer comes back. The
//! clock is that of one process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rapids_client::{Answer, Config, Packet, Rapids, River};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::ours::{placed, serve_while, services};
use super::{CHECKED, Placed, order_id};
use crate::goal;
use crate::hops::Hops;
use crate::meter::{self, Meter};
use crate::task::{Measured, Task};

/// Longer than any answer takes.
const DEADLINE: Duration = Duration::from_secs(60);

/// Asks `count` times at this interval.
pub(super) async fn one_by_one(task: &Task, count: u64, every: Duration) -> Result<Measured> {
    let rapids = Rapids::connect(&Config::new(&task.url)).await?;
    // One more, which opens the subscription.
    ask(&rapids, count).await?;
    let mut hops = Hops::new(Instant::now());
    let mut asks = JoinSet::new();
    let mut clock = tokio::time::interval(every);
    for number in 0..count {
        clock.tick().await;
        let rapids = rapids.clone();
        asks.spawn(async move { ask(&rapids, number).await });
    }
    for took in asks.join_all().await {
        hops.took(took?);
    }
    Ok(hops.measured())
}

/// Asks `count` times at once.
pub(super) async fn at_once(task: &Task, count: u64) -> Result<Measured> {
    let rapids = Rapids::connect(&Config::new(&task.url)).await?;
    ask(&rapids, count).await?;
    let meter = Meter::begin(task.server);
    let mut asks = JoinSet::new();
    for number in 0..count {
        let rapids = rapids.clone();
        asks.spawn(async move { ask(&rapids, number).await });
    }
    let mut hops = Hops::new(Instant::now());
    for took in asks.join_all().await {
        hops.took(took?);
    }
    let resident_mebibytes = meter::resident_mebibytes(std::process::id());
    let Measured { seconds, client_cpu_seconds, server_cpu_seconds, .. } = goal::measured(&meter);
    let Measured { p50_micros, p99_micros, .. } = hops.measured();
    Ok(Measured {
        seconds,
        client_cpu_seconds,
        server_cpu_seconds,
        resident_mebibytes,
        p50_micros,
        p99_micros,
    })
}

async fn ask(rapids: &Rapids, number: u64) -> Result<Duration> {
    let begun = Instant::now();
    match rapids.ask(placed(number, "")).until_event(CHECKED).within(DEADLINE).await? {
        Answer::Came(_) => Ok(begun.elapsed()),
        Answer::TimedOut(_) => bail!("an answer is missing"),
    }
}

/// Publishes `count` packets at this interval, and takes the answers with a service.
pub(super) async fn back_to_a_service(
    task: &Task,
    count: u64,
    every: Duration,
) -> Result<Measured> {
    let (back, mut answers) = mpsc::unbounded_channel();
    let river = River::new("back").event(CHECKED).react(move |packet: Packet| {
        let now = Instant::now();
        let id = packet.parse::<Placed>().map(|placed| placed.order_id);
        // Fails only after all answers have come, when nobody waits any more.
        let _ = id.as_ref().map(|id| back.send((id.clone(), now)));
        async { Ok(id.map(|_| ())?) }
    });
    let rapids = Rapids::connect(&Config::new(&task.url)).await?;
    // The lock is held only while a time is added.
    let sent = Arc::new(Mutex::new(HashMap::new()));
    let publishing = async {
        let publish = async |number| {
            let begun = Instant::now();
            sent.lock().unwrap_or_else(PoisonError::into_inner).insert(order_id(number), begun);
            rapids.publish(placed(number, "")).await
        };
        // One packet more, which shows that the service has started.
        publish(count).await?;
        answers.recv().await.context("the river has ended")?;
        let mut clock = tokio::time::interval(every);
        for number in 0..count {
            clock.tick().await;
            publish(number).await?;
        }
        let mut hops = Hops::new(Instant::now());
        for _ in 0..count {
            let (id, came) = answers.recv().await.context("the river has ended")?;
            let sent = sent.lock().unwrap_or_else(PoisonError::into_inner);
            hops.took(came - *sent.get(&id).context("an answer to nothing")?);
        }
        Ok(hops.measured())
    };
    serve_while(task, services(task, |_| vec![river.clone()]), publishing).await
}
