//! The library as its README shows it.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rapids_client::{Config, Packet, Rapids, River, Service, bundle, shutdown_signal, telemetry};
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc};

use super::{CHECKED, Placed, asking, order_id};
use crate::goal::{self, Goal};
use crate::hops::{Hops, Stamp};
use crate::meter::Meter;
use crate::packets::WANTED;
use crate::side::Side;
use crate::task::{Measured, Task, Work};

pub(crate) async fn run(task: &Task) -> Result<Measured> {
    telemetry::init();
    match task.work {
        Work::Publish { count, size } => publish(task, count, size).await,
        Work::Read { count, wanted, idle_rivers, .. } => {
            let goal = Arc::new(Goal::new(task, wanted * task.side.services() as u64));
            let reached = goal.clone();
            let river = River::new("read").event(WANTED).react(move |_: Packet| {
                reached.handled();
                async { Ok(()) }
            });
            let rivers = std::iter::once(river).chain((0..idle_rivers).map(idle_river)).collect();
            let services = services(task, |_| Vec::clone(&rivers));
            Box::pin(until_acknowledged(task, services, &goal, count)).await
        }
        Work::React { count } => {
            let goal = Arc::new(Goal::new(task, count));
            let reached = goal.clone();
            let river = River::new("check").event(WANTED).react(move |packet: Packet| {
                reached.handled();
                on_placed(packet)
            });
            let services = services(task, |_| vec![river.clone()]);
            Box::pin(until_acknowledged(task, services, &goal, 2 * count)).await
        }
        Work::Remember { count, by_order, bytes } => {
            let goal = Arc::new(Goal::new(task, count));
            let reached = goal.clone();
            let key = if by_order { "@.order_id" } else { "'all'" };
            let river = River::new("check").event(WANTED).memory("orders", key);
            let river = river.react(move |orders: &mut Orders, packet: &Packet| {
                reached.handled();
                orders.check(packet, bytes)
            });
            let services = services(task, |_| vec![river.clone()]);
            Box::pin(until_acknowledged(task, services, &goal, 2 * count)).await
        }
        Work::Hop { count, every_micros } => {
            hop(task, count, Duration::from_micros(every_micros)).await
        }
        Work::Ask { count, every_micros } => {
            asking::one_by_one(task, count, Duration::from_micros(every_micros)).await
        }
        Work::AskAtOnce { count } => asking::at_once(task, count).await,
        Work::Back { count, every_micros } => {
            let every = Duration::from_micros(every_micros);
            Box::pin(asking::back_to_a_service(task, count, every)).await
        }
        Work::Serve => serve(task).await,
    }
}

async fn publish(task: &Task, count: u64, size: usize) -> Result<Measured> {
    let rapids = Rapids::connect(&Config::new(&task.url)).await?;
    let bare = placed(0, "").body().len();
    let Some(room) = size.checked_sub(bare) else { bail!("a packet has at least {bare} bytes") };
    let note = "-".repeat(room);
    let meter = Meter::begin(task.server);
    rapids.publish_all((0..count).map(|number| placed(number, &note))).await?;
    Ok(goal::measured(&meter))
}

pub(super) fn placed(number: u64, note: &str) -> Packet {
    Packet::event(WANTED).with("order_id", order_id(number)).with("total", 7550).with("note", note)
}

async fn on_placed(packet: Packet) -> Result<Packet> {
    let Placed { order_id, total } = packet.parse()?;
    Ok(Packet::event(CHECKED).with("order_id", order_id).with("total", total))
}

/// What a remembering river keeps: as many bytes as are wanted, so that a step is cheap but for them.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Orders {
    count: u64,
    pad: String,
}

impl Orders {
    fn check(&mut self, packet: &Packet, bytes: usize) -> Result<Packet> {
        let Placed { order_id, total } = packet.parse()?;
        self.count += 1;
        if self.pad.is_empty() {
            self.pad = "-".repeat(bytes);
        }
        Ok(Packet::event(CHECKED).with("order_id", order_id).with("total", total))
    }
}

/// A river that wants an event which never comes.
fn idle_river(number: usize) -> River {
    let river = River::new(format!("idle-{number}")).event(format!("never_{number}"));
    river.react(|_: Packet| async { Ok(()) })
}

/// The services of this process. In a bundle each has a name of its own.
pub(super) fn services(task: &Task, rivers: impl Fn(usize) -> Vec<River>) -> Vec<Service> {
    let service = |number| {
        let name = match task.side {
            Side::Bundled { .. } => format!("{}_{number}", task.service),
            _ => task.service.clone(),
        };
        let service = Service::new(name, Config::new(&task.url)).from_beginning();
        rivers(number).into_iter().fold(service, Service::river)
    };
    (0..task.side.services()).map(service).collect()
}

/// Runs services until everything up to this sequence is handled, and acknowledged if the side
/// acknowledges.
async fn until_acknowledged(
    task: &Task,
    services: Vec<Service>,
    goal: &Goal,
    last: u64,
) -> Result<Measured> {
    let measuring = async {
        let meter = goal.reached().await;
        goal::end(task, meter, last).await
    };
    Box::pin(serve_while(task, services, measuring)).await
}

/// Runs services until the work is done.
pub(super) async fn serve_while<T>(
    task: &Task,
    services: Vec<Service>,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let done = Notify::new();
    let working = async {
        let result = work.await;
        done.notify_one();
        result
    };
    let serving = run_until(task.side, services, done.notified());
    let (result, ()) = tokio::try_join!(working, serving)?;
    Ok(result)
}

/// Runs services in the delivery of their side.
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

/// Publishes an answer to each packet until SIGTERM.
async fn serve(task: &Task) -> Result<Measured> {
    let goal = Arc::new(Goal::new(task, u64::MAX));
    let handled = goal.clone();
    let river = River::new("check").event(WANTED).react(move |packet: Packet| {
        handled.handled();
        on_placed(packet)
    });
    run_until(task.side, services(task, |_| vec![river.clone()]), shutdown_signal()).await?;
    Ok(Measured::default())
}

async fn hop(task: &Task, count: u64, every: Duration) -> Result<Measured> {
    let origin = Instant::now();
    let hops = Arc::new(Mutex::new(Hops::new(origin)));
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let noted = hops.clone();
    let river = River::new("hop").event(WANTED).react(move |packet: Packet| {
        // The lock is held only while a number is added.
        let mut hops = noted.lock().unwrap_or_else(PoisonError::into_inner);
        let now = hops.now();
        let stamp = packet.parse::<Stamp>().map(|stamp| hops.add(&stamp, now));
        // Fails only after all packets have arrived, when nobody waits any more.
        let _ = arrived.send(());
        async { Ok(stamp?) }
    });
    let rapids = Rapids::connect(&Config::new(&task.url)).await?;
    let publishing = async {
        let publish = async || {
            let Stamp { sent, .. } = Stamp::now(origin);
            rapids.publish(Packet::event(WANTED).with("sent", sent)).await
        };
        // One packet more, which shows that the service has started.
        publish().await?;
        arrivals.recv().await.context("the river has ended")?;
        let mut clock = tokio::time::interval(every);
        for _ in 0..count {
            clock.tick().await;
            publish().await?;
        }
        for _ in 0..count {
            arrivals.recv().await.context("the river has ended")?;
        }
        Ok(())
    };
    // The other services of the process want nothing.
    let of = |number| vec![if number == 0 { river.clone() } else { idle_river(number) }];
    serve_while(task, services(task, of), publishing).await?;
    let hops = hops.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(hops.measured())
}
