//! One suite of behaviours that the rapids in memory and a real server must agree on, with both
//! ways of delivery, and in a bundle.
//!
//! Each scenario names rivers and packets; each world runs it, and what was published is
//! compared with what is expected, and with that of the others, ids included.

mod ending;
mod giving_up;

use std::time::Duration;

use rapids_client::{Delivery, Outputs, Packet, River, bundle, reject};
use rapids_test::TestRapids;
use serde::{Deserialize, Serialize};

use crate::harness::{Bench, Running, until};

/// What is given and what must come of it.
struct Scenario {
    services: Vec<(&'static str, Vec<River>)>,
    bodies: Vec<String>,
    /// How much time passes then: until all timers have fired.
    passes: Duration,
    /// The published events, in order, as `service: name key=value`.
    expected: Vec<&'static str>,
}

/// How the services of a scenario run on a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Shared,
    Exclusive,
    /// All in one bundle.
    Bundled,
}

/// What everybody who listens to `end` knows to be the last packet.
const END: &str = r#"{"event":"end"}"#;

impl Scenario {
    async fn in_memory(&self) -> Vec<Packet> {
        let mut rapids = TestRapids::new();
        for (name, rivers) in &self.services {
            rapids = rapids.service(name, rivers.clone());
        }
        for body in &self.bodies {
            rapids.publish_bytes(body.clone()).await;
        }
        rapids.advance(self.passes).await;
        rapids.packets().to_vec()
    }

    async fn on_a_server(&self, way: Way, published: usize) -> Vec<Packet> {
        let delivery = if way == Way::Shared { Delivery::Shared } else { Delivery::Exclusive };
        let bench = Bench::of(delivery).await;
        let mut running = Vec::new();
        let names: Vec<_> = self.services.iter().map(|(name, _)| *name).collect();
        let services = self.services.iter().map(|(name, it)| bench.service(name, it.clone()));
        if way == Way::Bundled {
            running.push(Running::spawn_bundle(bundle(services)));
            for name in &names {
                bench.is_up(name).await;
            }
        } else {
            for service in services {
                running.push(bench.run(service).await);
            }
        }
        let mut tail = bench.tail().await;
        for body in &self.bodies {
            bench.publish_raw(body.clone()).await;
            // As in memory: all is quiet before the next one is published.
            bench.quiet(&names).await;
        }
        let has_fired =
            async || bench.rapids.timers(None).await.unwrap().next().await.unwrap().is_none();
        until("all timers fire", has_fired).await;
        bench.quiet(&names).await;
        bench.publish_raw(END).await;
        let mut packets = tail.until("end").await;
        packets.pop();
        assert_eq!(packets.len(), published, "{packets:#?}");
        for service in running {
            service.stop().await;
        }
        packets
    }

    async fn agrees(self) {
        let in_memory = self.in_memory().await;
        assert_eq!(published(&in_memory), self.expected, "in memory");
        let derived = |packets: &[Packet]| {
            let effects = packets.iter().filter(|packet| packet.causation_id().is_some());
            sorted(effects.map(|packet| packet.id().to_owned()).collect())
        };
        for way in [Way::Shared, Way::Exclusive, Way::Bundled] {
            let on_a_server = self.on_a_server(way, in_memory.len()).await;
            let lines = sorted(published(&on_a_server));
            assert_eq!(lines, sorted(published(&in_memory)), "{way:?}");
            assert_eq!(derived(&on_a_server), derived(&in_memory), "{way:?}, derived ids");
        }
    }
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

/// The packets that services published, one line each.
fn published(packets: &[Packet]) -> Vec<String> {
    let effects = packets.iter().filter(|packet| packet.causation_id().is_some());
    effects.map(line).collect()
}

fn line(packet: &Packet) -> String {
    let text = packet.to_string();
    let facts = text.split(r#","rapids":"#).next().unwrap_or_default();
    format!("{}: {}}}", packet.shown_publisher().unwrap_or_default(), facts)
}

fn given(bodies: &[&str]) -> Vec<String> {
    // Ids of their own, so that derived ids can be compared between the two worlds.
    let numbered = |(n, body): (usize, &&str)| match body.strip_suffix('}') {
        Some(open) if open.len() > 1 => format!(r#"{open},"rapids":{{"id":"given-{n}"}}}}"#),
        _ => (*body).to_owned(),
    };
    bodies.iter().enumerate().map(numbered).collect()
}

fn says(name: &'static str, hears: &str, event: &'static str) -> River {
    River::new(name).event(hears).react(move |packet: Packet| async move {
        Ok(Packet::event(event).with("n", packet.get::<serde_json::Value>("n")?))
    })
}

#[tokio::test]
async fn rivers_react_to_rivers() {
    Scenario {
        services: vec![
            ("order", vec![says("place", "asked", "placed")]),
            ("payment", vec![says("charge", "placed", "paid")]),
            ("stock", vec![says("reserve", "placed", "reserved")]),
        ],
        bodies: given(&[r#"{"event":"asked","n":1}"#, r#"{"event":"unknown"}"#]),
        passes: Duration::ZERO,
        expected: vec![
            r#"order: {"event":"placed","n":1}"#,
            r#"payment: {"event":"paid","n":1}"#,
            r#"stock: {"event":"reserved","n":1}"#,
        ],
    }
    .agrees()
    .await;
}

#[tokio::test]
async fn every_river_of_a_service_gets_its_packets_and_the_others_pass_by() {
    let invalid = says("strict", "asked", "strictly").require_that("@.n > 1");
    let forbidding = says("shy", "asked", "shyly").forbid("loud").when("@.n != 3");
    Scenario {
        services: vec![("all", vec![says("plain", "asked", "plainly"), invalid, forbidding])],
        bodies: given(&[
            r#"{"event":"asked","n":1,"loud":true}"#,
            r#"{"event":"asked","n":2.0,"loud":null}"#,
            r#"{"event":"asked","n":3}"#,
            r#"{"event":"asked","n":4,"n":4}"#,
            "not json",
            "[]",
        ]),
        passes: Duration::ZERO,
        expected: vec![
            r#"all: {"event":"plainly","n":1}"#,
            r#"all: {"event":"plainly","n":2.0}"#,
            r#"all: {"event":"strictly","n":2.0}"#,
            r#"all: {"event":"shyly","n":2.0}"#,
            r#"all: {"event":"plainly","n":3}"#,
            r#"all: {"event":"strictly","n":3}"#,
            r#"all: {"event":"plainly","n":4}"#,
        ],
    }
    .agrees()
    .await;
}

#[tokio::test]
async fn a_rejected_packet_publishes_nothing_and_hinders_no_sibling() {
    let refusing = River::new("refusing")
        .event("asked")
        .react(|_: Packet| async { Err::<Packet, _>(reject("no")) });
    Scenario {
        services: vec![("mixed", vec![refusing, says("willing", "asked", "answered")])],
        bodies: given(&[r#"{"event":"asked","n":1}"#, r#"{"event":"asked","n":2}"#]),
        passes: Duration::ZERO,
        expected: vec![
            r#"mixed: {"event":"answered","n":1}"#,
            r#"mixed: {"event":"answered","n":2}"#,
        ],
    }
    .agrees()
    .await;
}

#[tokio::test]
async fn a_loop_ends_at_the_limit() {
    Scenario {
        services: vec![
            ("ping", vec![says("ping", "pong", "ping")]),
            ("pong", vec![says("pong", "ping", "pong")]),
        ],
        bodies: given(&[r#"{"event":"ping"}"#]),
        passes: Duration::ZERO,
        expected: vec![
            r#"pong: {"event":"pong","n":null}"#,
            r#"ping: {"event":"ping","n":null}"#,
            r#"pong: {"event":"pong","n":null}"#,
            r#"ping: {"event":"ping","n":null}"#,
            r#"pong: {"event":"pong","n":null}"#,
            r#"ping: {"event":"ping","n":null}"#,
            r#"pong: {"event":"pong","n":null}"#,
            r#"ping: {"event":"ping","n":null}"#,
            r#"pong: {"event":"pong","n":null}"#,
        ],
    }
    .agrees()
    .await;
}

#[derive(Default, Serialize, Deserialize)]
struct Join {
    left: Option<u64>,
    right: Option<u64>,
}

impl Join {
    fn joined(&self) -> Option<Packet> {
        let (left, right) = (self.left?, self.right?);
        Some(Packet::event("joined").with("sum", left + right))
    }
}

#[tokio::test]
async fn rivers_of_one_service_share_a_memory_by_key() {
    let left = River::new("left").event("left").memory("joins", "@.id").react(
        |join: &mut Join, packet: &Packet| {
            join.left = packet.get("n")?;
            anyhow::Ok(join.joined())
        },
    );
    let right = River::new("right").event("right").memory("joins", "@.id").react(
        |join: &mut Join, packet: &Packet| {
            join.right = packet.get("n")?;
            anyhow::Ok(join.joined())
        },
    );
    Scenario {
        services: vec![("joiner", vec![left, right])],
        bodies: given(&[
            r#"{"event":"left","id":"a","n":1}"#,
            r#"{"event":"right","id":7,"n":2}"#,
            r#"{"event":"right","id":"a","n":10}"#,
            r#"{"event":"left","id":"7","n":4}"#,
            r#"{"event":"left","id":7.0,"n":20}"#,
            r#"{"event":"left","id":null,"n":5}"#,
            r#"{"event":"left","n":5}"#,
        ]),
        passes: Duration::ZERO,
        expected: vec![
            r#"joiner: {"event":"joined","sum":11}"#,
            r#"joiner: {"event":"joined","sum":22}"#,
        ],
    }
    .agrees()
    .await;
}

#[tokio::test]
async fn an_error_discards_what_was_done_to_the_memory() {
    let count = River::new("count").event("counted").memory("counts", "'all'").react(
        |count: &mut u64, packet: &Packet| {
            *count += 1;
            if packet.get("bad")?.unwrap_or(false) {
                return Err(reject("bad"));
            }
            Ok(Packet::event("total").with("n", *count))
        },
    );
    Scenario {
        services: vec![("counter", vec![count])],
        bodies: given(&[
            r#"{"event":"counted"}"#,
            r#"{"event":"counted","bad":true}"#,
            r#"{"event":"counted"}"#,
        ]),
        passes: Duration::ZERO,
        expected: vec![
            r#"counter: {"event":"total","n":1}"#,
            r#"counter: {"event":"total","n":2}"#,
        ],
    }
    .agrees()
    .await;
}

#[tokio::test]
async fn timers_are_set_replaced_and_cancelled_and_bring_what_they_were_given_last() {
    const SOON: Duration = Duration::from_secs(3);
    let order = |packet: &Packet| packet.get::<String>("id").map(Option::unwrap_or_default);
    let set = River::new("set").event("placed").react(move |packet: Packet| async move {
        let overdue = Packet::event("overdue").with("n", packet.get::<u64>("n")?);
        Ok(Outputs::new()
            .later("due", order(&packet)?, SOON * 2, Packet::event("never"))
            .later("due", order(&packet)?, SOON, overdue)
            .publish(Packet::event("asked")))
    });
    let paid = River::new("paid").event("paid").memory("paid", "@.id").react(
        move |times: &mut u64, packet: &Packet| {
            *times += 1;
            Ok(Outputs::new().cancel("due", order(packet)?))
        },
    );
    let remind = says("remind", "overdue", "reminded");
    Scenario {
        services: vec![("order", vec![set, paid, remind])],
        bodies: given(&[
            r#"{"event":"placed","id":"a","n":1}"#,
            r#"{"event":"placed","id":"b.c","n":2}"#,
            r#"{"event":"placed","id":"a","n":3}"#,
            r#"{"event":"paid","id":"b.c"}"#,
        ]),
        passes: SOON * 3,
        expected: vec![
            r#"order: {"event":"asked"}"#,
            r#"order: {"event":"asked"}"#,
            r#"order: {"event":"asked"}"#,
            r#"order: {"event":"overdue","n":3}"#,
            r#"order: {"event":"reminded","n":3}"#,
        ],
    }
    .agrees()
    .await;
}
