//! Services with memories, killed at every point of the handling of a packet.
//!
//! All effects of a service are messages to its server, so these are the points: a proxy kills the
//! service before the first message is forwarded, after it, before the second, and so on, until the
//! service ends without being killed. Whatever the point, the final state of the server is the same.

mod end;
mod protocol;
mod proxy;
mod run;

use std::collections::BTreeMap;
use std::env;
use std::fmt::Debug;
use std::fs::OpenOptions;
use std::io::Write;
use std::thread;

use anyhow::Result;
use rapids_client::{Packet, River, Service, telemetry};

use crate::bench::Bench;
use proxy::{Message, Side};
use run::{EFFECTS, Outcome, Point, Scenario};

/// How many messages are tested at the same time: runs mostly wait for redelivery.
const PARALLEL: usize = 5;

/// Packets with the same ids in each run.
fn given(bodies: &[&str]) -> Vec<String> {
    let numbered = |(n, body): (usize, &&str)| {
        let open = body.strip_suffix('}').unwrap();
        format!(r#"{open},"rapids":{{"id":"given-{n}"}}}}"#)
    };
    bodies.iter().enumerate().map(numbered).collect()
}

/// Kills an instance before and after every message in turn, after other instances were killed at
/// the points in `before`. Compares a part of each outcome with that of an undisturbed run.
fn holds_at_every_point<T>(scenario: &Scenario, before: &[Point], compared: fn(&Outcome) -> T)
where
    T: PartialEq + Debug,
{
    let expected = compared(&run(scenario, &[]));
    let mut violations = Vec::new();
    for first in (1..).step_by(PARALLEL) {
        let messages = (first..first + PARALLEL).map(Message::Number);
        let points = messages.flat_map(|message| [(message, Side::Before), (message, Side::After)]);
        let runs: Vec<_> = thread::scope(|scope| {
            let begin = |point| {
                let points = [before, &[point]].concat();
                (point, scope.spawn(move || run(scenario, &points)))
            };
            let begun: Vec<_> = points.map(begin).collect();
            begun.into_iter().map(|(point, run)| (point, run.join())).collect()
        });
        // A run that does not end does not show whether there are more messages.
        let mut all_hit = runs.iter().any(|(_, run)| run.is_ok());
        for ((message, side), run) in runs {
            let Ok(outcome) = run else {
                // The panic was printed already.
                violations.push(format!("{side:?} {message:?}: no end"));
                continue;
            };
            all_hit &= outcome.hit;
            let found = compared(&outcome);
            if found != expected {
                let published = outcome.published.join(" ");
                violations.push(format!("{side:?} {message:?}, after {published}: {found:#?}"));
            }
        }
        if !all_hit {
            break;
        }
    }
    let (count, all) = (violations.len(), violations.join("\n"));
    assert!(violations.is_empty(), "{count} violations:\n{all}\ninstead of {expected:#?}");
}

fn run(scenario: &Scenario, points: &[Point]) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(scenario.run(points))
}

#[test]
fn a_stock_ends_the_same_wherever_its_service_is_killed() {
    let raft = |quantity| format!(r#""items":[{{"sku":"lunar/moonraft","quantity":{quantity}}}]"#);
    let scenario = Scenario {
        service: "inventory",
        command: |bench| bench.command(env!("CARGO_BIN_EXE_inventory")),
        packets: given(&[
            &format!(r#"{{"event":"order_placed","order_id":"o-1",{}}}"#, raft(3)),
            r#"{"event":"order_cancelled","order_id":"o-1"}"#,
            &format!(r#"{{"event":"order_placed","order_id":"o-2",{}}}"#, raft(5)),
            r#"{"event":"order_packaged","order_id":"o-2"}"#,
            &format!(r#"{{"event":"delivery_date_accepted","order_id":"o-3",{}}}"#, raft(2)),
            r#"{"event":"stock_received","sku":"lunar/moonraft","quantity":2}"#,
        ]),
        // The stock depends on the order of packets, which redelivery does not keep.
        one_by_one: true,
        together: false,
    };
    holds_at_every_point(&scenario, &[], |outcome| outcome.end.clone());
}

#[test]
fn an_order_is_paid_or_cancelled_and_leaves_no_timer_wherever_its_service_is_killed() {
    let place = r#"{"command":"place_order","customer":"ada","items":[]}"#;
    let place = place.replace("[]", r#"[{"sku":"summit/rope","quantity":1,"price":3900}]"#);
    let scenario = Scenario {
        service: "order",
        command: |bench| bench.command(env!("CARGO_BIN_EXE_order")),
        // An order has the id of its command.
        packets: given(&[
            &place,
            r#"{"event":"payment_received","order_id":"given-0"}"#,
            r#"{"event":"payment_overdue","order_id":"given-0"}"#,
            &place,
            r#"{"event":"payment_declined","order_id":"given-3"}"#,
            r#"{"event":"payment_received","order_id":"given-3"}"#,
            &place,
        ]),
        // What comes first decides, and redelivery does not keep the order.
        one_by_one: true,
        together: false,
    };
    holds_at_every_point(&scenario, &[], |outcome| {
        assert_eq!(outcome.end.timers, ["order.payment_due:given-6"]);
        outcome.end.clone()
    });
}

fn shipping(bodies: &[&str]) -> Scenario {
    let command = |bench: &Bench| bench.command(env!("CARGO_BIN_EXE_shipping"));
    let packets = given(bodies);
    Scenario { service: "shipping", command, packets, one_by_one: false, together: false }
}

#[test]
fn orders_ship_once_wherever_their_service_is_killed() {
    let scenario = shipping(&[
        r#"{"event":"order_paid","order_id":"o-1"}"#,
        r#"{"event":"stock_reserved","order_id":"o-2"}"#,
        r#"{"event":"stock_reserved","order_id":"o-1"}"#,
        r#"{"event":"order_paid","order_id":"o-2"}"#,
        r#"{"event":"order_paid","order_id":"o-3"}"#,
    ]);
    // The half of an order that comes last causes its shipment, and may differ from run to run.
    holds_at_every_point(&scenario, &[], |outcome| outcome.end.facts());
}

#[test]
fn an_order_ships_once_wherever_its_service_is_killed_again() {
    let scenario = shipping(&[
        r#"{"event":"order_paid","order_id":"o-1"}"#,
        r#"{"event":"stock_reserved","order_id":"o-1"}"#,
    ]);
    // A packet that was being handled then is a suspect when it is delivered again.
    let saving = (Message::To("$KV.RAPIDS_MEMORY_"), Side::Before);
    holds_at_every_point(&scenario, &[saving], |outcome| outcome.end.facts());
}

/// Has an effect outside of the bus: writes a line to a file.
async fn on_wanted(packet: Packet) -> Result<Packet> {
    let mut file = OpenOptions::new().create(true).append(true).open(env::var(EFFECTS)?)?;
    writeln!(file, "{}", packet.id())?;
    Ok(Packet::event("done").with("of", packet.id()))
}

/// Runs itself a second time, as the service that is killed.
#[test]
fn an_effect_happens_once_unless_its_service_is_killed_right_after_it() {
    const NAME: &str = "faults::an_effect_happens_once_unless_its_service_is_killed_right_after_it";
    if env::var_os(EFFECTS).is_some() {
        telemetry::init();
        let river = River::new("effect").event("wanted").once().react(on_wanted);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(Service::from_env("effects").unwrap().river(river).run()).unwrap();
        return;
    }
    let scenario = Scenario {
        service: "effects",
        command: |bench| {
            let mut command = bench.command(env::current_exe().unwrap());
            command.args(["--exact", NAME, "--nocapture"]);
            command
        },
        packets: given(&[r#"{"event":"wanted"}"#; 3]),
        one_by_one: false,
        together: false,
    };
    holds_at_every_point(&scenario, &[], |outcome| {
        let times = |packet: &str| {
            let effects = outcome.effects.iter().filter(|line| *line == packet).count();
            let entry = format!("$KV.RAPIDS_ONCE.effects.effect.{packet}");
            let written = outcome.published.iter().filter(|subject| **subject == entry).count();
            match effects {
                // Claimed and not completed: no record shows that the effect had happened.
                2 if outcome.hit && written == 1 => 1,
                effects => effects,
            }
        };
        (outcome.end.clone(), ["given-0", "given-1", "given-2"].map(times))
    });
}

/// Counts each packet by its number, and writes a line to a file, also when it runs again.
fn on_counted(counts: &mut BTreeMap<u64, u64>, packet: &Packet) -> Result<Packet> {
    let mut file = OpenOptions::new().create(true).append(true).open(env::var(EFFECTS)?)?;
    let n: u64 = packet.get("n")?.unwrap_or_default();
    *counts.entry(n).or_default() += 1;
    // At once, since the lines of several processes must not mix.
    file.write_all(format!("{n}\n").as_bytes())?;
    Ok(Packet::event("done").with("n", n))
}

/// The first packet is saved by itself, and the ten behind it together. Runs itself a second time, as the
/// service that is killed.
#[test]
fn ten_packets_of_one_save_count_once_wherever_their_service_is_killed() {
    const NAME: &str =
        "faults::ten_packets_of_one_save_count_once_wherever_their_service_is_killed";
    if env::var_os(EFFECTS).is_some() {
        telemetry::init();
        let river = River::new("count").event("wanted").memory("counts", "'all'").react(on_counted);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(Service::from_env("counter").unwrap().river(river).run()).unwrap();
        return;
    }
    let bodies: Vec<_> = (0..11).map(|n| format!(r#"{{"event":"wanted","n":{n}}}"#)).collect();
    let scenario = Scenario {
        service: "counter",
        command: |bench| {
            let mut command = bench.command(env::current_exe().unwrap());
            command.args(["--exact", NAME, "--nocapture"]);
            command
        },
        packets: given(&bodies.iter().map(String::as_str).collect::<Vec<_>>()),
        one_by_one: false,
        together: true,
    };
    holds_at_every_point(&scenario, &[], |outcome| outcome.end.clone());
}
