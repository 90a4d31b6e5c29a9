//! Keys that are rolled out and replaced while packets come and instances are killed: nothing is lost, and
//! nothing comes twice.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::time::Duration;

use rapids_client::{Config, Delivery, Packet, Service};
use serde_json::Value;
use uuid::Uuid;

use super::{KEY, all, numbers};
use crate::harness::{Bench, called, echo, until};
use crate::process::{Diary, Process};

pub(crate) const NO_KEY: &str = "answers without a key";
pub(crate) const FIRST_KEY: &str = "answers with a key";
pub(crate) const BOTH_KEYS: &str = "answers with a new key and the one before";
pub(crate) const SECOND_KEY: &str = "answers with the new key";

const OTHER_KEY: &str = "5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e";

const PACKETS: u64 = 5_000;
/// Between so many of them, instances of two parts are at work beside each other.
const BESIDE: u64 = 200;
const PORTION: usize = 50;

/// Answers calls with the ids of its part.
pub(crate) fn answering(part: &str, config: Config) -> Service {
    let keys = match part {
        FIRST_KEY => KEY.to_owned(),
        BOTH_KEYS => format!("{OTHER_KEY},{KEY}"),
        SECOND_KEY => OTHER_KEY.to_owned(),
        _ => return Service::new("responder", config).river(echo()).from_beginning(),
    };
    Service::new("responder", config.id_key(&keys).unwrap()).river(echo()).from_beginning()
}

/// Handles packets by two instances, of which for each of the later parts first one is killed and then the other
/// stopped, each to be replaced by one of that part. Returns everything that is in the stream then.
async fn rolled(bench: &Bench, parts: &[&str]) -> Vec<Packet> {
    let folder = tempfile::tempdir().unwrap();
    let diary = Diary::new(&folder);
    let mut running = [0, 1]
        .map(|_| Process::spawn(bench, parts[0], &diary))
        .into_iter()
        .collect::<VecDeque<_>>();
    let steps = parts.len() as u64;
    for (step, part) in (0..).zip(parts) {
        let [from, to] = [step, step + 1].map(|step| PACKETS * step / steps);
        if *part == SECOND_KEY {
            needs_no_former_key(bench).await;
        }
        if step > 0 {
            running.pop_front().unwrap().kill().await;
            running.push_back(Process::spawn(bench, part, &diary));
        }
        are_up(bench).await;
        publish(bench, from..from + BESIDE).await;
        if step > 0 {
            let mut other = running.pop_front().unwrap();
            other.stop();
            assert!(other.ended().await.success(), "{:?}", diary.log());
            running.push_back(Process::spawn(bench, part, &diary));
        }
        publish(bench, from + BESIDE..to).await;
    }
    bench.quiet(&["responder"]).await;
    for mut process in running {
        process.stop();
        assert!(process.ended().await.success(), "{:?}", diary.log());
    }
    all(bench).await
}

/// Waits until the service is done with everything that the newest key does not hold for, so that the one before may
/// be taken away. What a killed instance has left may come late, on a busy machine.
async fn needs_no_former_key(bench: &Bench) {
    let newest = *noted(bench).await.last().unwrap();
    until("the newest key suffices", async || {
        let position = bench.rapids.position("responder").await.unwrap().unwrap();
        position.acknowledged + 1 >= newest
    })
    .await;
}

/// Waits until both instances are there.
async fn are_up(bench: &Bench) {
    until("two instances", async || {
        let up = bench.rapids.services(Duration::from_millis(200)).await.unwrap();
        up.iter().filter(|it| it.name == "responder").count() == 2
    })
    .await;
}

/// Publishes these calls as fast as they are answered, so that the end of the stream is never far away.
async fn publish(bench: &Bench, calls: Range<u64>) {
    let jetstream = bench.jetstream().await;
    for first in calls.clone().step_by(PORTION) {
        let portion = first..calls.end.min(first + PORTION as u64);
        until("most are answered", async || {
            let stream = jetstream.get_stream("RAPIDS").await.unwrap();
            stream.cached_info().state.last_sequence + 4 * PORTION as u64 >= 2 * first
        })
        .await;
        bench.rapids.publish_all(portion.map(called)).await.unwrap();
    }
}

/// The first sequence that each noted key holds for.
async fn noted(bench: &Bench) -> Vec<u64> {
    let entries = bench.jetstream().await.get_key_value("RAPIDS_SERVICES").await.unwrap();
    let entry: Value =
        serde_json::from_slice(&entries.get("responder").await.unwrap().unwrap()).unwrap();
    assert_eq!(entry["version"], 3);
    entry["id_keys"].as_array().unwrap().iter().map(|key| key["from"].as_u64().unwrap()).collect()
}

/// Makes sure that each call has one answer. Returns the sequence of the call and the id of each.
fn answered_once(packets: &[Packet]) -> Vec<(u64, Uuid)> {
    let mut answers = numbers(packets, "answered");
    answers.sort_unstable();
    assert_eq!(answers, (0..PACKETS).collect::<Vec<_>>());
    let sequences: BTreeMap<&str, u64> =
        packets.iter().map(|it| (it.id(), it.arrival().unwrap().sequence)).collect();
    let answers = packets.iter().filter(|it| it.event_name().as_deref() == Some("answered"));
    let ids = answers.map(|it| (sequences[it.causation_id().unwrap()], it.id().parse().unwrap()));
    ids.collect()
}

#[tokio::test]
async fn a_key_is_rolled_out_under_load() {
    let bench = Bench::of(Delivery::Shared).await;
    let packets = rolled(&bench, &[NO_KEY, FIRST_KEY, FIRST_KEY]).await;
    let [from] = noted(&bench).await[..] else { panic!() };
    let answers = answered_once(&packets);
    assert!(answers.iter().any(|(sequence, _)| *sequence >= from), "{from}");
    for (sequence, id) in answers {
        let version = if sequence < from { 5 } else { 8 };
        assert_eq!(id.get_version_num(), version, "packet {sequence}, from {from}");
    }
}

#[tokio::test]
async fn a_key_is_replaced_under_load() {
    let bench = Bench::of(Delivery::Shared).await;
    let packets = rolled(&bench, &[FIRST_KEY, BOTH_KEYS, BOTH_KEYS, SECOND_KEY]).await;
    let [first, second] = noted(&bench).await[..] else { panic!() };
    assert!(first == 0 && second > 0);
    assert!(answered_once(&packets).iter().all(|(_, id)| id.get_version_num() == 8));
}
