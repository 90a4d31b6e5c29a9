//! The library as its README shows it.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rapids_client::{Config, Packet, Rapids, River, Service, bundle, telemetry, told_to_stop};
use tokio::sync::{Notify, mpsc};

use super::{CHECKED, Placed, order_id};
use crate::bench::errand::{Errand, Measured, Work};
use crate::bench::goal;
use crate::bench::hops::{Hops, Stamp};
use crate::bench::meter::Meter;
use crate::bench::packets::WANTED;
use crate::bench::side::Side;

pub(crate) async fn run(errand: &Errand) -> Result<Measured> {
    telemetry::init();
    match errand.work {
        Work::Publish { count, size } => publish(errand, count, size).await,
        Work::Read { count, wanted, idle_rivers } => {
            let goal = Arc::new(Goal::new(errand, wanted * errand.side.services() as u64));
            let reached = goal.clone();
            let river = River::new("read").event(WANTED).react(move |_: Packet| {
                reached.handled();
                async { Ok(()) }
            });
            let rivers = std::iter::once(river).chain((0..idle_rivers).map(idle_river)).collect();
            let services = services(errand, |_| Vec::clone(&rivers));
            Box::pin(until_acknowledged(errand, services, &goal, count)).await
        }
        Work::React { count } => {
            let goal = Arc::new(Goal::new(errand, count));
            let reached = goal.clone();
            let river = River::new("check").event(WANTED).react(move |packet: Packet| {
                reached.handled();
                on_placed(packet)
            });
            let services = services(errand, |_| vec![river.clone()]);
            Box::pin(until_acknowledged(errand, services, &goal, 2 * count)).await
        }
        Work::Hop { count, every_micros } => {
            hop(errand, count, Duration::from_micros(every_micros)).await
        }
        Work::Serve => serve(errand).await,
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

/// The services of this process, under names of their own where they are several.
fn services(errand: &Errand, rivers: impl Fn(usize) -> Vec<River>) -> Vec<Service> {
    let service = |number| {
        let name = match errand.side {
            Side::Bundled { .. } => format!("{}_{number}", errand.service),
            _ => errand.service.clone(),
        };
        let service = Service::new(name, Config::new(&errand.url)).from_beginning();
        rivers(number).into_iter().fold(service, Service::river)
    };
    (0..errand.side.services()).map(service).collect()
}

/// Runs services until everything up to this sequence is handled, and acknowledged where it is.
async fn until_acknowledged(
    errand: &Errand,
    services: Vec<Service>,
    goal: &Goal,
    last: u64,
) -> Result<Measured> {
    let measuring = async {
        let meter = goal.reached().await;
        goal::end(errand, meter, last).await
    };
    Box::pin(serve_while(errand, services, measuring)).await
}

/// Runs services for as long as this takes.
async fn serve_while<T>(
    errand: &Errand,
    services: Vec<Service>,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let done = Notify::new();
    let working = async {
        let result = work.await;
        done.notify_one();
        result
    };
    let serving = run_until(errand.side, services, done.notified());
    let (result, ()) = tokio::try_join!(working, serving)?;
    Ok(result)
}

/// Runs services the way that their side has.
async fn run_until(
    side: Side,
    services: Vec<Service>,
    shutdown: impl Future<Output = ()>,
) -> Result<()> {
    if let Side::Bundled { .. } = side {
        return Ok(Box::pin(bundle(services).run_until(shutdown)).await?);
    }
    let service = services.into_iter().next().context("there is no service to run")?;
    let service = if side == Side::Exclusive { service.exclusive() } else { service };
    Ok(Box::pin(service.run_until(shutdown)).await?)
}

/// Answers each packet until told to stop.
async fn serve(errand: &Errand) -> Result<Measured> {
    let goal = Arc::new(Goal::new(errand, u64::MAX));
    let handled = goal.clone();
    let river = River::new("check").event(WANTED).react(move |packet: Packet| {
        handled.handled();
        on_placed(packet)
    });
    run_until(errand.side, services(errand, |_| vec![river.clone()]), told_to_stop()).await?;
    Ok(Measured::default())
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
        let publish = async || {
            let Stamp { sent, .. } = Stamp::now(origin);
            rapids.publish(Packet::event(WANTED).with("sent", sent)).await
        };
        // One more, to know that the service is there.
        publish().await?;
        arrivals.recv().await.context("the river is gone")?;
        let mut clock = tokio::time::interval(every);
        for _ in 0..count {
            clock.tick().await;
            publish().await?;
        }
        for _ in 0..count {
            arrivals.recv().await.context("the river is gone")?;
        }
        Ok(())
    };
    // Beside it in its process nobody wants anything.
    let of = |number| vec![if number == 0 { river.clone() } else { idle_river(number) }];
    serve_while(errand, services(errand, of), publishing).await?;
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
