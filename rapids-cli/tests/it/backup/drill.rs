//! The drill: a backup is taken under load, everything is destroyed, and it is restored on a new server.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::jetstream;
use rapids_client::{
    Config, DeadLetters, Delivery, Filter, Outputs, Packet, Rapids, River, Service, Start, reject,
};
use rapids_test::NatsServer;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::{back_up, restored};
use crate::bench::{Bench, DEADLINE};

/// So many orders are placed before the backup begins.
const BEFORE: u64 = 400;
/// Each order of this number is refused, by `payment`.
const REFUSED: u64 = 10;
const HOUR: Duration = Duration::from_secs(3_600);

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Total {
    orders: u64,
    amount: u64,
}

fn number(packet: &Packet) -> u64 {
    packet.get("number").unwrap().unwrap_or_default()
}

/// Adds up all orders under one key, which is saved all the time.
fn add_up() -> River {
    River::new("add_up").event("order_placed").memory("totals", "'all'").react(
        |total: &mut Total, packet: &Packet| {
            total.orders += 1;
            total.amount += packet.get::<u64>("amount")?.unwrap_or_default();
            anyhow::Ok(Packet::event("added_up").with("number", number(packet)))
        },
    )
}

/// Counts each order under its own key, and sets a timer that is due at once and one that waits.
fn remember() -> River {
    River::new("remember").event("order_placed").memory("orders", "@.number").react(
        |times: &mut u64, packet: &Packet| {
            *times += 1;
            let (key, of) = (number(packet).to_string(), number(packet));
            let soon = Packet::event("order_due").with("number", of);
            let late = Packet::event("order_forgotten").with("number", of);
            let outputs = Outputs::new().later("due", &key, Duration::ZERO, soon);
            anyhow::Ok(outputs.later("forgotten", &key, HOUR, late))
        },
    )
}

/// Without a memory: whether it has answered, the rapids alone tell.
fn charge() -> River {
    River::new("charge").event("order_placed").react(|packet: Packet| async move {
        match number(&packet) {
            refused if refused % REFUSED == 0 => Err(reject("the bank is closed")),
            paid => Ok(Packet::event("order_paid").with("number", paid)),
        }
    })
}

fn mail() -> River {
    River::new("mail").event("order_placed").once().react(|packet: Packet| async move {
        anyhow::Ok(Packet::event("mail_sent").with("number", number(&packet)))
    })
}

/// The services, which run until they are aborted.
fn run_all(server: &NatsServer) -> Vec<JoinHandle<rapids_client::Result<()>>> {
    let shared = Config::new(server.url());
    let exclusive = shared.clone().delivery(Delivery::Exclusive);
    let services = [
        Service::new("totals", exclusive.clone()).river(add_up()),
        Service::new("orders", shared.clone()).concurrency(8).river(remember()),
        Service::new("payment", shared).concurrency(8).river(charge()),
        Service::new("mailer", exclusive).river(mail()),
    ];
    let run = |service: Service| tokio::spawn(service.from_beginning().run());
    services.into_iter().map(run).collect()
}

/// Places orders until it is told to stop, and returns the number of the last one that was acknowledged. Tells when
/// so many were that the backup may begin.
async fn place_orders(
    server: &NatsServer,
    stop: Arc<AtomicBool>,
) -> (oneshot::Receiver<()>, JoinHandle<u64>) {
    let jetstream = jetstream::new(async_nats::connect(server.url()).await.unwrap());
    let rapids = Rapids::open(&Config::new(server.url())).await.unwrap().unwrap();
    let (begin, begun) = oneshot::channel();
    let placing = tokio::spawn(async move {
        let mut begin = Some(begin);
        for number in 1.. {
            let order = Packet::event("order_placed").with("number", number).with("amount", number);
            if number % 3 == 0 {
                // Without an id of its own, it has that of its place in the stream.
                let body = json!({"event": "order_placed", "number": number, "amount": number});
                let sending = jetstream.publish("rapids", body.to_string().into()).await.unwrap();
                sending.await.unwrap();
            } else {
                rapids.publish(order).await.unwrap();
            }
            if number == BEFORE {
                begin.take().unwrap().send(()).unwrap();
            }
            if stop.load(Ordering::Relaxed) {
                return number;
            }
        }
        unreachable!("it is stopped")
    });
    (begun, placing)
}

/// What the stream holds: how often each number comes in packets of each name.
async fn counted(rapids: &Rapids) -> BTreeMap<String, BTreeMap<u64, u64>> {
    let mut counted: BTreeMap<String, BTreeMap<u64, u64>> = BTreeMap::new();
    let mut tail = rapids.tail(Start::Beginning).await.unwrap();
    while let Some(packet) = tail.next_stored().await.unwrap() {
        let name = packet.event_name().unwrap();
        *counted.entry(name).or_default().entry(number(&packet)).or_default() += 1;
    }
    counted
}

/// Waits until all services have handled everything, and nothing more comes.
async fn at_rest(rapids: &Rapids) {
    let at_rest = async {
        let mut before = 0;
        loop {
            let end = rapids.contents().await.unwrap().unwrap().last_sequence;
            let positions = rapids.positions().await.unwrap();
            let is_done = |at: &rapids_client::Position| at.acknowledged >= end;
            if positions.len() == 4 && positions.iter().all(is_done) && end == before {
                return;
            }
            before = end;
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(DEADLINE * 2, at_rest).await.expect("everything is handled");
}

/// The numbers of the orders about which there are letters, each once.
async fn refused(server: &NatsServer) -> Vec<u64> {
    let letters = DeadLetters::open(&Config::new(server.url())).await.unwrap().unwrap();
    let mut listing = letters.list(&Filter::new()).await.unwrap();
    let mut numbers = Vec::new();
    while let Some(stored) = listing.next().await.unwrap() {
        // A listing leaves out bodies.
        let stored = letters.get(&stored.letter.id).await.unwrap().unwrap();
        numbers.push(number(&stored.packet().unwrap()));
    }
    numbers.sort_unstable();
    numbers
}

async fn waiting_timers(rapids: &Rapids) -> usize {
    let mut listing = rapids.timers(Some("orders")).await.unwrap();
    let mut count = 0;
    while listing.next().await.unwrap().is_some() {
        count += 1;
    }
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_there_when_a_backup_was_begun_is_there_after_everything_was_destroyed() {
    let bench = Bench::start().await;
    let folder = tempfile::tempdir().unwrap();
    let running = run_all(&bench.server);
    let stop = Arc::new(AtomicBool::new(false));
    let (begun, placing) = place_orders(&bench.server, Arc::clone(&stop)).await;
    begun.await.unwrap();
    let fired = counted(&bench.rapids).await.remove("order_due").unwrap_or_default();
    assert!(!fired.is_empty());
    let backed_up = tokio::task::block_in_place(|| back_up(&bench, folder.path()));
    stop.store(true, Ordering::Relaxed);
    let last = placing.await.unwrap();
    let lines = backed_up.lines();
    assert!(lines[0].starts_with("KV_RAPIDS_POSITIONS: "), "{lines:?}");
    assert!(lines[lines.len() - 2].starts_with("RAPIDS: "), "{lines:?}");
    assert!(lines[lines.len() - 1].starts_with("complete: packets up to sequence "), "{lines:?}");
    // Everything is destroyed.
    running.into_iter().for_each(|service| service.abort());
    drop(bench);

    let (bench, said) = restored(folder.path()).await;
    let told = said.lines();
    let end = told[told.len() - 1];
    assert!(end.starts_with("packets end with sequence ") && end.contains("is not in the backup"));
    for service in ["mailer", "orders", "payment", "totals"] {
        let goes_on = format!("{service} goes on behind sequence ");
        assert!(told.iter().any(|line| line.starts_with(&goes_on)), "{goes_on} in {told:?}");
    }
    let before = counted(&bench.rapids).await;
    let orders: BTreeSet<u64> = before["order_placed"].keys().copied().collect();
    let kept = *orders.last().unwrap();
    assert!((BEFORE..=last).contains(&kept), "{kept} of {last}");
    assert_eq!(orders, (1..=kept).collect(), "every acknowledged order is there");

    let running = run_all(&bench.server);
    at_rest(&bench.rapids).await;
    let after = counted(&bench.rapids).await;
    let once = |numbers: &BTreeSet<u64>| -> BTreeMap<u64, u64> {
        numbers.iter().map(|number| (*number, 1)).collect()
    };
    let refusals: BTreeSet<u64> = orders.iter().copied().filter(|it| it % REFUSED == 0).collect();
    assert_eq!(after["order_placed"], once(&orders));
    assert_eq!(after["order_paid"], once(&(&orders - &refusals)), "handled, and published once");
    assert_eq!(after["mail_sent"], once(&orders));
    assert_eq!(after["added_up"], once(&orders));
    assert_eq!(refused(&bench.server).await, refusals.into_iter().collect::<Vec<_>>());
    // Memories are what a fold of the stream gives.
    let total = bench.rapids.memory::<Total>("totals", "totals").get("all").await.unwrap();
    let amount = orders.iter().sum();
    assert_eq!(total, Some(Total { orders: kept, amount }));
    let remembered = bench.rapids.memory::<u64>("orders", "orders").all().await.unwrap();
    let wrong: Vec<_> = remembered.iter().filter(|(_, times)| **times != 1).collect();
    assert_eq!((u64::try_from(remembered.len()).unwrap(), wrong), (kept, vec![]));
    // Timers have fired, and wait.
    let twice = fired.keys().filter(|number| after["order_due"][number] > 1);
    assert_eq!(twice.count(), 0, "what has fired before the backup does not fire again");
    assert_eq!(after["order_due"].keys().copied().collect::<BTreeSet<_>>(), orders);
    assert_eq!(u64::try_from(waiting_timers(&bench.rapids).await).unwrap(), kept);
    assert!(running.iter().all(|service| !service.is_finished()));
    running.into_iter().for_each(|service| service.abort());
}
