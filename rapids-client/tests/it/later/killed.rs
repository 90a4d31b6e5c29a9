//! Timers, gathered needs, what others are told of letters, and asks, while the service and its server are
//! killed.

use std::collections::BTreeMap;
use std::time::Duration;

use rapids_client::{
    Answer, Config, Gathered, GivenUp, Outputs, Packet, Rapids, River, Service, Start, Timestamp,
    Until, reject,
};
use serde_json::json;
use tempfile::TempDir;
use tokio::time::timeout;

use crate::harness::{Bench, DEADLINE, found, until};
use crate::process::{Diary, Process};

pub(crate) const ORDERS: &str = "orders that are due";

const TIMERS: u64 = 1_000;
const NEEDS: u64 = 100;
const ASKS: u64 = 100;
const KILLS: u64 = 10;

/// Sets a timer for each order at the time that it names, by a plain reaction and by one with a memory, and
/// gathers the answers to needs. Gives up what is doomed.
pub(crate) fn orders(config: Config, _: Diary) -> Service {
    fn set(name: &str, packet: &Packet) -> anyhow::Result<Outputs> {
        let (n, due) = (packet.get::<u64>("n")?, packet.get::<Timestamp>("due")?);
        let (n, due) = (n.unwrap_or_default(), due.unwrap_or_default());
        let overdue = Packet::event("overdue").with("n", n).with("due", due).with("by", name);
        Ok(Outputs::new().publish(Packet::event("set")).later(name, n.to_string(), due, overdue))
    }
    let plain = River::new("plain").event("placed");
    let plain = plain.react(|packet: Packet| async move { set("plain", &packet) });
    let remembering = River::new("remembering").event("placed").memory("placed", "@.n");
    let remembering = remembering.react(|count: &mut u64, packet: &Packet| {
        *count += 1;
        set("remembering", packet)
    });
    let gather = River::new("gather")
        .need("offer")
        .gather(Until::answers(3).or_after(Duration::from_secs(3)));
    let gather = gather.react(|gathered: &Gathered| {
        let of: Vec<u64> = gathered.solutions("offer")?;
        anyhow::Ok(Packet::event("chosen").with("of", of.len()))
    });
    let count = River::new("count").event("overdue").memory("overdue", "@.rapids.timer");
    let count = count.react(|times: &mut u64, packet: &Packet| {
        *times += 1;
        anyhow::Ok(Packet::event("counted").with("timer", packet.timer()).with("times", *times))
    });
    let service = Service::new("orders", config).from_beginning();
    let refuse = River::new("refuse").event("doomed").on_give_up(|_: &Packet, cause: &GivenUp| {
        Packet::event("told").with("letter", cause.letter().to_string())
    });
    let refuse = refuse.react(|_: Packet| async { Err::<(), _>(reject("no")) });
    [plain, remembering, gather, count, refuse].into_iter().fold(service, Service::river)
}

/// Publishes everything, in portions between which the service and the server are killed.
async fn publish(bench: &mut Bench, diary: &Diary) {
    let seconds = Duration::from_secs(1);
    let mut process = Process::spawn(bench, ORDERS, diary);
    let mut asks = Vec::new();
    for portion in 0..KILLS {
        let start = Timestamp::now();
        let placed = (0..TIMERS / KILLS).map(|n| {
            let due = start + seconds + Duration::from_millis(40 * n);
            Packet::event("placed").with("n", portion * TIMERS / KILLS + n).with("due", due)
        });
        let needs = (0..NEEDS / KILLS).flat_map(|n| {
            let id = format!("need-{portion}-{n}");
            let packet =
                move |body: serde_json::Value| Packet::from_bytes(body.to_string()).unwrap();
            let need = packet(json!({"need": "offer", "rapids": {"id": id}}));
            let answers = [1, 2].map(|price| {
                packet(json!({"need": "offer", "solutions": {"offer": price},
                    "rapids": {"correlation_id": id}}))
            });
            [need].into_iter().chain(answers)
        });
        let published = bench.rapids.publish_all(placed.chain(needs)).await.unwrap();
        let last = published.last().unwrap().sequence;
        asks.extend((0..ASKS / KILLS).map(|_| tokio::spawn(ask(bench.rapids.clone()))));
        // In the middle of its work.
        until("the service publishes", async || {
            let contents = bench.rapids.contents().await;
            contents.is_ok_and(|it| it.is_some_and(|it| it.last_sequence >= last + TIMERS / KILLS))
        })
        .await;
        process.kill().await;
        process = Process::spawn(bench, ORDERS, diary);
        bench.server.kill();
        bench.server.restart().unwrap();
    }
    done(bench).await;
    for ask in asks {
        ask.await.unwrap();
    }
    process.stop();
    assert!(process.ended().await.success());
}

/// Publishes what is doomed, and waits until that is told.
async fn ask(rapids: Rapids) {
    let asked = rapids.ask(Packet::event("doomed")).until_event("told").within(4 * DEADLINE).await;
    assert!(matches!(asked, Ok(Answer::Came(_))), "{asked:?}");
}

/// Waits until every packet has come, and the service has handled all of them.
async fn done(bench: &Bench) {
    let all = 2 * TIMERS + NEEDS + ASKS;
    // What was asked while the server was away may have no answer.
    let open = async || bench.rapids.tail(Start::Beginning).await.ok();
    let mut tail = found("a tail", open).await;
    let coming = async {
        let mut count = 0;
        while count < all {
            // Nothing here but packets.
            let name = tail.next().await.unwrap().event_name();
            count += u64::from(matches!(name.as_deref(), Some("counted" | "chosen" | "told")));
        }
    };
    // Killed so often, much of it is handled one by one.
    timeout(4 * DEADLINE, coming).await.expect("all timers fire");
    bench.quiet(&["orders"]).await;
}

#[tokio::test]
async fn each_timer_fires_and_none_early_while_service_and_server_are_killed() {
    let mut bench = Bench::start().await;
    let folder = TempDir::new().unwrap();
    publish(&mut bench, &Diary::new(&folder)).await;
    let mut tail = bench.rapids.tail(Start::Beginning).await.unwrap();
    let (mut ids, mut counted) = (BTreeMap::new(), BTreeMap::new());
    let (mut chosen, mut told) = (BTreeMap::new(), BTreeMap::new());
    while let Some(packet) = tail.next_stored().await.unwrap() {
        match packet.event_name().as_deref() {
            Some("overdue") => {
                let due: Timestamp = packet.get("due").unwrap().unwrap();
                let stored = packet.arrival().unwrap().stored;
                assert!(stored >= due, "due {due}, came {stored}");
                // The server forgets the id of a timer that has fired when it is started again, so one that
                // is set once more then comes twice, under one id.
                let former = ids.insert(packet.timer().unwrap(), packet.id().to_owned());
                assert!(former.is_none_or(|former| former == packet.id()));
            }
            Some("counted") => {
                let timer: String = packet.get("timer").unwrap().unwrap();
                *counted.entry(timer).or_insert(0) += 1;
            }
            Some("told") => *told.entry(packet.dead_letter().unwrap()).or_insert(0) += 1,
            Some("chosen") => *chosen.entry(packet.correlation_id().to_owned()).or_insert(0) += 1,
            _ => {}
        }
    }
    let once = |of: &BTreeMap<String, i32>| of.values().filter(|times| **times == 1).count() as u64;
    assert_eq!((ids.len() as u64, once(&counted), once(&chosen)), (2 * TIMERS, 2 * TIMERS, NEEDS));
    assert_eq!((counted.len() as u64, chosen.len() as u64), (2 * TIMERS, NEEDS));
    assert_eq!((told.len() as u64, once(&told)), (ASKS, ASKS));
}
