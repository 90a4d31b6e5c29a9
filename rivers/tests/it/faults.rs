//! Services that remember, killed at every point between a packet's arrival and its end.
//!
//! What a service does to the world it does by messages to its server, so these are the points: a
//! proxy kills it before the first of them is forwarded, after that, before the second, and so on
//! until it comes to its end alive. Whichever it was, what is on the server in the end is the same.

mod end;
mod protocol;
mod proxy;
mod run;

use std::env;
use std::fmt::Debug;
use std::fs::OpenOptions;
use std::io::Write;
use std::thread;

use anyhow::Result;
use rapids_client::{Packet, River, Service, telemetry};

use crate::stand::Stand;
use proxy::{Message, Side};
use run::{EFFECTS, Outcome, Point, Scene};

/// Messages whose runs go on at the same time; they wait for redelivery most of the time.
const ABREAST: usize = 5;

/// Packets whose ids are the same in each run.
fn given(bodies: &[&str]) -> Vec<String> {
    let numbered = |(n, body): (usize, &&str)| {
        let open = body.strip_suffix('}').unwrap();
        format!(r#"{open},"rapids":{{"id":"given-{n}"}}}}"#)
    };
    bodies.iter().enumerate().map(numbered).collect()
}

/// Kills an instance at every message in turn, on either side of it, after others were killed at
/// the points before; compares what is to be compared of the outcomes with an undisturbed run.
fn holds_at_every_point<T>(scene: &Scene, before: &[Point], compared: fn(&Outcome) -> T)
where
    T: PartialEq + Debug,
{
    let expected = compared(&run(scene, &[]));
    let mut violations = Vec::new();
    for first in (1..).step_by(ABREAST) {
        let messages = (first..first + ABREAST).map(Message::Number);
        let points = messages.flat_map(|message| [(message, Side::Before), (message, Side::After)]);
        let runs: Vec<_> = thread::scope(|scope| {
            let begin = |point| {
                let points = [before, &[point]].concat();
                (point, scope.spawn(move || run(scene, &points)))
            };
            let begun: Vec<_> = points.map(begin).collect();
            begun.into_iter().map(|(point, run)| (point, run.join())).collect()
        });
        // A run that finds no end does not tell whether there are messages left.
        let mut all_struck = runs.iter().any(|(_, run)| run.is_ok());
        for ((message, side), run) in runs {
            let Ok(outcome) = run else {
                // What went wrong is on the screen already.
                violations.push(format!("{side:?} {message:?}: no end"));
                continue;
            };
            all_struck &= outcome.struck;
            let found = compared(&outcome);
            if found != expected {
                let published = outcome.published.join(" ");
                violations.push(format!("{side:?} {message:?}, after {published}: {found:#?}"));
            }
        }
        if !all_struck {
            break;
        }
    }
    let (count, all) = (violations.len(), violations.join("\n"));
    assert!(violations.is_empty(), "{count} violations:\n{all}\ninstead of {expected:#?}");
}

fn run(scene: &Scene, points: &[Point]) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(scene.run(points))
}

#[test]
fn a_stock_ends_the_same_wherever_its_service_is_killed() {
    let raft = |quantity| format!(r#""items":[{{"sku":"lunar/moonraft","quantity":{quantity}}}]"#);
    let scene = Scene {
        service: "inventory",
        command: |stand| stand.command(env!("CARGO_BIN_EXE_inventory")),
        packets: given(&[
            &format!(r#"{{"event":"order_placed","order_id":"o-1",{}}}"#, raft(3)),
            r#"{"event":"payment_declined","order_id":"o-1"}"#,
            &format!(r#"{{"event":"order_placed","order_id":"o-2",{}}}"#, raft(5)),
            r#"{"event":"order_packaged","order_id":"o-2"}"#,
        ]),
        // What is in stock for whom depends on their order, which redelivery does not keep.
        one_by_one: true,
    };
    holds_at_every_point(&scene, &[], |outcome| outcome.end.clone());
}

fn shipping(bodies: &[&str]) -> Scene {
    let command = |stand: &Stand| stand.command(env!("CARGO_BIN_EXE_shipping"));
    Scene { service: "shipping", command, packets: given(bodies), one_by_one: false }
}

#[test]
fn orders_ship_once_wherever_their_service_is_killed() {
    let scene = shipping(&[
        r#"{"event":"payment_received","order_id":"o-1"}"#,
        r#"{"event":"stock_reserved","order_id":"o-2"}"#,
        r#"{"event":"stock_reserved","order_id":"o-1"}"#,
        r#"{"event":"payment_received","order_id":"o-2"}"#,
        r#"{"event":"payment_received","order_id":"o-3"}"#,
    ]);
    // Whichever half of an order comes last causes its shipment.
    holds_at_every_point(&scene, &[], |outcome| outcome.end.facts());
}

#[test]
fn an_order_ships_once_wherever_its_service_is_killed_again() {
    let scene = shipping(&[
        r#"{"event":"payment_received","order_id":"o-1"}"#,
        r#"{"event":"stock_reserved","order_id":"o-1"}"#,
    ]);
    // What was in hand then is handled with suspicion when it comes again.
    let saving = (Message::To("$KV.RAPIDS_MEMORY_"), Side::Before);
    holds_at_every_point(&scene, &[saving], |outcome| outcome.end.facts());
}

/// Does something outside of the bus: writes a line to a file.
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
    let scene = Scene {
        service: "effects",
        command: |stand| {
            let mut command = stand.command(env::current_exe().unwrap());
            command.args(["--exact", NAME, "--nocapture"]);
            command
        },
        packets: given(&[r#"{"event":"wanted"}"#; 3]),
        one_by_one: false,
    };
    holds_at_every_point(&scene, &[], |outcome| {
        let times = |packet: &str| {
            let effects = outcome.effects.iter().filter(|line| *line == packet).count();
            let entry = format!("$KV.RAPIDS_ONCE.effects.effect.{packet}");
            let written = outcome.published.iter().filter(|subject| **subject == entry).count();
            match effects {
                // Claimed and not completed: nobody could know that the effect had happened.
                2 if outcome.struck && written == 1 => 1,
                effects => effects,
            }
        };
        (outcome.end.clone(), ["given-0", "given-1", "given-2"].map(times))
    });
}
