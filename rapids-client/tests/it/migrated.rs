//! Memories whose type has changed: by one instance, by two of different versions, and while they are killed.

use std::collections::BTreeMap;
use std::time::Duration;

use rapids_client::{Config, Outputs, Packet, River, Service, Start};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Bench, found, until};
use crate::log;
use crate::process::{Diary, Process};

pub(crate) const FORMER: &str = "a memory of the former type";
pub(crate) const PRESENT: &str = "a memory of the present type";

/// The former type is a number.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Visits {
    count: u64,
    is_migrated: bool,
}

impl From<u64> for Visits {
    fn from(count: u64) -> Self {
        Self { count, is_migrated: true }
    }
}

fn counted(packet: &Packet, n: u64) -> anyhow::Result<Outputs> {
    let page: Option<u64> = packet.get("page")?;
    Ok(Outputs::new().publish(Packet::event("counted").with("page", page).with("n", n)))
}

fn count_as_former() -> River {
    River::new("count").event("visited").memory("visits", "@.page").react(
        |count: &mut u64, packet: &Packet| {
            *count += 1;
            counted(packet, *count)
        },
    )
}

fn count_as_present() -> River {
    let river = River::new("count").event("visited").memory::<Visits>("visits", "@.page");
    river.migrate_from::<u64>().react(|visits: &mut Visits, packet: &Packet| {
        visits.count += 1;
        counted(packet, visits.count)
    })
}

/// As the present one, by somebody who has forgotten how it was before.
fn count_without_migration() -> River {
    River::new("count").event("visited").memory::<Visits>("visits", "@.page").react(
        |visits: &mut Visits, packet: &Packet| {
            visits.count += 1;
            counted(packet, visits.count)
        },
    )
}

pub(crate) fn former(config: Config, _: Diary) -> Service {
    Service::new("counter", config).from_beginning().river(count_as_former())
}

pub(crate) fn present(config: Config, _: Diary) -> Service {
    Service::new("counter", config).from_beginning().river(count_as_present())
}

fn visited(page: u64) -> Packet {
    Packet::event("visited").with("page", page)
}

async fn stored(bench: &Bench, page: u64) -> Value {
    let bucket = bench.jetstream().await.get_key_value("RAPIDS_MEMORY_counter").await.unwrap();
    let record = bucket.get(format!("visits.=n{page}")).await.unwrap().unwrap();
    serde_json::from_slice(&record).unwrap()
}

#[tokio::test]
async fn a_value_of_the_former_type_is_converted_with_its_next_step() {
    let bench = Bench::start().await;
    let service = bench.run(bench.service("counter", [count_as_former()])).await;
    bench.rapids.publish_all([visited(1), visited(1), visited(2)]).await.unwrap();
    bench.quiet(&["counter"]).await;
    service.stop().await;
    let service = bench.run(bench.service("counter", [count_as_present()])).await;
    bench.rapids.publish_all([visited(1), visited(3)]).await.unwrap();
    bench.quiet(&["counter"]).await;
    let record = stored(&bench, 1).await;
    assert_eq!(record["memory"], json!({"count": 3, "is_migrated": true}));
    assert_eq!((&record["type"], &record["version"]), (&json!(1), &json!(3)));
    assert_eq!(stored(&bench, 2).await["memory"], 1, "nothing has moved it");
    assert_eq!(stored(&bench, 3).await["memory"], json!({"count": 1, "is_migrated": false}));
    service.stop().await;
}

#[tokio::test]
async fn an_old_instance_beside_a_new_one_waits_for_values_that_it_cannot_read() {
    let bench = Bench::start().await;
    let old = bench.run(bench.service("counter", [count_as_former()])).await;
    bench.rapids.publish_all((0..20).map(visited)).await.unwrap();
    bench.quiet(&["counter"]).await;
    // One in exclusive delivery stands by; it takes over once the old one stops.
    let new = bench.run(bench.service("counter", [count_as_present()])).await;
    for _ in 0..5 {
        bench.rapids.publish_all((0..20).map(visited)).await.unwrap();
    }
    until("the old one is given some", async || {
        let stats = bench.rapids.stats(Duration::from_millis(200)).await.unwrap();
        stats.iter().filter(|it| it.rivers["count"].taken > 0).count()
            > usize::from(!bench.is_exclusive())
    })
    .await;
    old.stop().await;
    bench.quiet(&["counter"]).await;
    for page in 0..20 {
        let memory = &stored(&bench, page).await["memory"];
        let count = memory.as_u64().or(memory["count"].as_u64());
        assert_eq!(count, Some(6), "{page}: {memory}");
    }
    assert!(bench.letters().await.is_empty());
    new.stop().await;
}

#[tokio::test]
async fn a_value_that_cannot_be_read_is_told_once_and_its_packets_wait_for_who_can() {
    log::keep();
    let bench = Bench::start().await;
    let name = "forgetful";
    let service = bench.run(bench.service(name, [count_as_former()])).await;
    bench.rapids.publish_all([visited(1), visited(2)]).await.unwrap();
    bench.quiet(&[name]).await;
    service.stop().await;
    let service = bench.run(bench.service(name, [count_without_migration()])).await;
    let fact = bench.fact(name, "memories").await;
    assert!(
        fact.starts_with("2 values in RAPIDS_MEMORY_forgetful cannot be read, such as"),
        "{fact}"
    );
    bench.rapids.publish_all([visited(1), visited(1), visited(2), visited(3)]).await.unwrap();
    let mut tail = bench.tail().await;
    found("others go on", async || {
        let stats = bench.rapids.stats(Duration::from_millis(200)).await.unwrap();
        (stats[0].rivers["count"].handled == 1).then_some(())
    })
    .await;
    let told = log::of(name).into_iter().filter(|line| line.contains("`visits.=n1`"));
    let told: Vec<_> = told.collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("`.migrate_from`") && told[0].contains("Visits"), "{}", told[0]);
    service.stop().await;
    let service = bench.run(bench.service(name, [count_as_present()])).await;
    bench.quiet(&[name]).await;
    let mut last = BTreeMap::new();
    for _ in 0..6 {
        let packet = tail.event("counted").await;
        last.insert(packet.get::<u64>("page").unwrap(), packet.get::<u64>("n").unwrap());
    }
    let expected = [(1, 3), (2, 2), (3, 1)].map(|(page, n)| (Some(page), Some(n)));
    assert_eq!(last, expected.into());
    assert!(bench.letters().await.is_empty());
    service.stop().await;
}

#[tokio::test]
async fn no_step_is_lost_or_taken_twice_while_old_and_new_programs_are_killed() {
    const PAGES: u64 = 60;
    const ROUNDS: u64 = 12;
    let bench = Bench::start().await;
    let folder = TempDir::new().unwrap();
    let diary = Diary::new(&folder);
    let mut running = vec![Process::spawn(&bench, FORMER, &diary)];
    for round in 0..ROUNDS {
        bench.rapids.publish_all((0..PAGES).map(visited)).await.unwrap();
        let last = async || bench.rapids.contents().await.unwrap().unwrap().last_sequence;
        // In the middle of its work. An old program may keep much of it to itself.
        let enough = PAGES * (round + 1) + 5 * round;
        until("it works", async || last().await >= enough).await;
        // From the second round on, a new one is there, too.
        if running.len() > 1 || round > 0 {
            running.remove(0).kill().await;
        }
        let part = if round % 3 == 1 { FORMER } else { PRESENT };
        running.push(Process::spawn(&bench, part, &diary));
        while running.len() < 2 {
            running.push(Process::spawn(&bench, PRESENT, &diary));
        }
    }
    for process in running {
        process.kill().await;
    }
    let service = bench.run(bench.service("counter", [count_as_present()])).await;
    bench.quiet(&["counter"]).await;
    let mut tail = bench.rapids.tail(Start::Beginning).await.unwrap();
    let mut counts = BTreeMap::<u64, Vec<u64>>::new();
    while let Some(packet) = tail.next_stored().await.unwrap() {
        if packet.event_name().as_deref() == Some("counted") {
            let field = |name| packet.get::<u64>(name).unwrap().unwrap();
            counts.entry(field("page")).or_default().push(field("n"));
        }
    }
    let all: Vec<u64> = (1..=ROUNDS).collect();
    for (page, mut counts) in counts {
        counts.sort_unstable();
        assert_eq!(counts, all, "{page}");
    }
    assert!(bench.letters().await.is_empty());
    service.stop().await;
}
