//! The library as its README shows it.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rapids_client::{Config, Packet, Rapids, River, Service, telemetry};
use tokio::sync::{Notify, mpsc};

use super::{CHECKED, Placed, order_id};
use crate::bench::errand::{Errand, Measured, Work};
use crate::bench::goal;
use crate::bench::hops::{Hops, Stamp};
use crate::bench::meter::Meter;
use crate::bench::packets::WANTED;

pub(crate) async fn run(errand: &Errand) -> Result<Measured> {
    telemetry::init();
    match errand.work {
        Work::Publish { count, size } => publish(errand, count, size).await,
        Work::Read { count, wanted, idle_rivers } => {
            let goal = Arc::new(Goal::new(errand, wanted));
            let reached = goal.clone();
            let river = River::new("read").event(WANTED).react(move |_: Packet| {
                reached.handled();
                async { Ok(()) }
            });
            let rivers = std::iter::once(river).chain((0..idle_rivers).map(idle_river));
            Box::pin(until_acknowledged(errand, rivers, &goal, count)).await
        }
        Work::React { count } => {
            let goal = Arc::new(Goal::new(errand, count));
            let reached = goal.clone();
            let river = River::new("check").event(WANTED).react(move |packet: Packet| {
                reached.handled();
                on_placed(packet)
            });
            Box::pin(until_acknowledged(errand, [river], &goal, 2 * count)).await
        }
        Work::Hop { count, every_micros } => {
            hop(errand, count, Duration::from_micros(every_micros)).await
        }
    }
}

async fn publish(errand: &Errand, count: u64, size: usize) -> Result<Measured> {
    let rapids = Rapids::connect(&Config::new(&errand.url)).await?;
    let bare = placed(0, "").body().len();
    let Some(room) = size.checked_sub(bare) else { bail!("a packet has at least {bare} bytes") };
    let note = "-".repeat(room);
    let meter = Meter::begin(errand.server);
    rapids.publish_all((0..count).map(|number| placed(number, &note))).await?;
    Ok(goal::measured(&meter))
}

fn placed(number: u64, note: &str) -> Packet {
    Packet::event(WANTED).with("order_id", order_id(number)).with("total", 7550).with("note", note)
}

async fn on_placed(packet: Packet) -> Result<Packet> {
    let Placed { order_id, total } = packet.parse()?;
    Ok(Packet::event(CHECKED).with("order_id", order_id).with("total", total))
}

/// Wants what never happens.
fn idle_river(number: usize) -> River {
    let river = River::new(format!("idle-{number}")).event(format!("never_{number}"));
    river.react(|_: Packet| async { Ok(()) })
}

/// Runs a service until everything up to this sequence is acknowledged.
async fn until_acknowledged(
    errand: &Errand,
    rivers: impl IntoIterator<Item = River>,
    goal: &Goal,
    last: u64,
) -> Result<Measured> {
    let measuring = async {
        let meter = goal.reached().await;
        goal::end(errand, meter, last).await
    };
    serve_while(errand, rivers, measuring).await
}

/// Runs a service for as long as this takes.
async fn serve_while<T>(
    errand: &Errand,
    rivers: impl IntoIterator<Item = River>,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let service = Service::new(&errand.service, Config::new(&errand.url)).from_beginning();
    let service = rivers.into_iter().fold(service, Service::river);
    let done = Notify::new();
    let working = async {
        let result = work.await;
        done.notify_one();
        result
    };
    let serving = async { Ok(service.run_until(done.notified()).await?) };
    let (result, ()) = tokio::try_join!(working, serving)?;
    Ok(result)
}

async fn hop(errand: &Errand, count: u64, every: Duration) -> Result<Measured> {
    let origin = Instant::now();
    let hops = Arc::new(Mutex::new(Hops::new(origin)));
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let noted = hops.clone();
    let river = River::new("hop").event(WANTED).react(move |packet: Packet| {
        // Held for no longer than it takes to note a number.
        let mut hops = noted.lock().unwrap_or_else(PoisonError::into_inner);
        let now = hops.now();
        let stamp = packet.parse::<Stamp>().map(|stamp| hops.add(&stamp, now));
        // Nobody waits once all have arrived.
        let _ = arrived.send(());
        async { Ok(stamp?) }
    });
    let rapids = Rapids::connect(&Config::new(&errand.url)).await?;
    let publishing = async {
        let mut clock = tokio::time::interval(every);
        for _ in 0..count {
            clock.tick().await;
            let Stamp { sent, .. } = Stamp::now(origin);
            rapids.publish(Packet::event(WANTED).with("sent", sent)).await?;
        }
        for _ in 0..count {
            arrivals.recv().await.context("the river is gone")?;
        }
        Ok(())
    };
    serve_while(errand, [river], publishing).await?;
    let hops = hops.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(hops.measured())
}

/// Counts what a river handled, from its first packet to its last.
#[derive(Debug)]
struct Goal {
    errand: Errand,
    wanted: u64,
    handled: AtomicU64,
    meter: OnceLock<Meter>,
    is_reached: Notify,
}

impl Goal {
    fn new(errand: &Errand, wanted: u64) -> Self {
        Self {
            errand: errand.clone(),
            wanted,
            handled: AtomicU64::new(0),
            meter: OnceLock::new(),
            is_reached: Notify::new(),
        }
    }

    fn handled(&self) {
        self.meter.get_or_init(|| goal::begin(&self.errand));
        if self.handled.fetch_add(1, Ordering::Relaxed) + 1 == self.wanted {
            self.is_reached.notify_one();
        }
    }

    /// Waits until all that is wanted was handled.
    async fn reached(&self) -> &Meter {
        self.is_reached.notified().await;
        self.meter.get_or_init(|| goal::begin(&self.errand))
    }
}
