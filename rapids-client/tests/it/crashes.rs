//! Packets whose handling ends the process: they end it a few times, and then no more.

use std::collections::BTreeSet;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rapids_client::{Config, Delivery, Kind, Note, Packet, River, Service, State, retry_after};
use serde_json::json;
use tempfile::TempDir;
use tokio::time::{Instant, timeout_at};

use crate::harness::{Bench, found, soon};
use crate::process::{Diary, Process};

pub(crate) const POISONED: &str = "poisoned";
pub(crate) const POISONED_ONCE: &str = "poisoned once";
pub(crate) const STUCK: &str = "stuck";
pub(crate) const LENGTHY: &str = "lengthy";

/// A packet that its instance is silent about for so long goes to another one.
const LENGTHY_WAIT: Duration = Duration::from_secs(2);

/// The first river is well, the second ends the process when it is told to.
pub(crate) fn poisoned(config: Config, diary: Diary) -> Service {
    let well = {
        let diary = diary.clone();
        River::new("well").event("came").react(move |packet: Packet| {
            diary.write(&format!("well {}", packet.id()));
            async { Ok(()) }
        })
    };
    Service::new("taster", config).river(well).river(tasting(diary))
}

/// One river that runs once per packet, and ends the process when it is told to.
pub(crate) fn poisoned_once(config: Config, diary: Diary) -> Service {
    Service::new("taster", config).river(tasting(diary).once())
}

fn tasting(diary: Diary) -> River {
    River::new("taste").event("came").react(move |packet: Packet| {
        diary.write(&format!("taste {}", packet.id()));
        if packet.get("poison").unwrap() == Some(true) {
            std::process::abort();
        }
        async move { Ok(Packet::event("tasted").with("n", packet.get::<u64>("n")?)) }
    })
}

/// A river that comes to no end.
pub(crate) fn stuck(config: Config, diary: Diary) -> Service {
    let taste = River::new("taste").event("came").react(move |_: Packet| {
        diary.write("begins");
        std::future::pending::<anyhow::Result<()>>()
    });
    Service::new("taster", config).river(taste)
}

/// A river that takes three seconds.
pub(crate) fn lengthy(config: Config, diary: Diary) -> Service {
    let taste = River::new("taste").event("came").react(move |_: Packet| {
        let diary = diary.clone();
        async move {
            diary.write("begins");
            tokio::time::sleep(Duration::from_secs(3)).await;
            diary.write("ends");
            Ok(())
        }
    });
    Service::new("taster", config.ack_wait(LENGTHY_WAIT)).river(taste)
}

fn came(n: u64) -> Packet {
    Packet::event("came").with("n", n)
}

fn has_aborted(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    status.signal() == Some(6)
}

/// Runs the part again and again, until a process of it does not abort before `end`. Returns that
/// process, and how many aborted.
pub(crate) async fn restarted<T>(
    bench: &Bench,
    part: &str,
    diary: &Diary,
    end: impl AsyncFn() -> T,
) -> (Process, usize, T) {
    let mut aborted = 0;
    loop {
        let mut process = Process::spawn(bench, part, diary);
        tokio::select! {
            status = process.ended() => {
                assert!(has_aborted(status), "{status}");
                aborted += 1;
                assert!(aborted < 10, "it ends the process again and again");
            }
            value = end() => return (process, aborted, value),
        }
    }
}

#[tokio::test]
async fn a_packet_that_ends_the_process_is_put_away_and_its_neighbours_are_handled() {
    let bench = Bench::start().await;
    let folder = tempfile::tempdir().unwrap();
    let diary = Diary::new(&folder);
    // The position begins with the service, which is there once before the packets.
    let first = Process::spawn(&bench, POISONED, &diary);
    bench.is_up("taster").await;
    first.kill().await;

    bench.rapids.publish_all((0..30).map(came)).await.unwrap();
    let poison = bench.rapids.publish(came(99).with("poison", true)).await.unwrap();
    bench.rapids.publish_all((30..60).map(came)).await.unwrap();
    let id = format!("taster.taste.{}", poison.sequence);
    let (process, aborted, stored) =
        restarted(&bench, POISONED, &diary, async || bench.letter(&id).await).await;

    // Once among others, and three times alone; alone from the start where an instance that was
    // killed before had written down that it might begin it.
    assert!((3..=4).contains(&aborted), "{aborted}");
    assert_eq!(diary.count(&format!("taste {}", poison.id)), aborted);
    let letter = stored.letter;
    assert_eq!((letter.kind, letter.packet_id.as_str()), (Kind::Crashed, poison.id.as_str()));
    assert_eq!(letter.reason, "handling it ended the process 3 times in a row");
    let mut tail = bench.tail().await;
    let mut tasted = Vec::new();
    for _ in 0..60 {
        tasted.push(tail.event("tasted").await.get::<u64>("n").unwrap().unwrap());
    }
    tasted.sort_unstable();
    assert_eq!(tasted, (0..60).collect::<Vec<_>>());
    bench.quiet(&["taster"]).await;
    assert_eq!(bench.letters().await.len(), 1);

    // A replay is for that river alone, and ends as the packet did.
    let well = diary.count(&format!("well {}", poison.id));
    assert!(well <= 2, "once noted as done, it does not run again: {well}");
    drop(process);
    let letters = bench.dead_letters().await;
    letters.replay(&letter.id, &Note::new("ada")).await.unwrap();
    let (_process, aborted, again) =
        restarted(&bench, POISONED, &diary, async || bench.letter("taster.taste.r1").await).await;
    assert_eq!(aborted, 4);
    assert_eq!((again.letter.kind, again.letter.first), (Kind::Crashed, Some(letter.id.clone())));
    assert_eq!(again.letter.packet_id, poison.id);
    assert_eq!(letters.get(&letter.id).await.unwrap().unwrap().state, State::FailedAgain);
    assert_eq!(diary.count(&format!("well {}", poison.id)), well);
}

#[tokio::test]
async fn a_packet_that_ends_the_process_does_so_no_oftener_for_running_once() {
    let bench = Bench::start().await;
    let folder: TempDir = tempfile::tempdir().unwrap();
    let diary = Diary::new(&folder);
    let first = Process::spawn(&bench, POISONED_ONCE, &diary);
    bench.is_up("taster").await;
    first.kill().await;
    bench.rapids.publish(came(1)).await.unwrap();
    let poison = bench.rapids.publish(came(2).with("poison", true)).await.unwrap();
    let mut first = Process::spawn(&bench, POISONED_ONCE, &diary);
    assert!(has_aborted(first.ended().await));
    // As after two starts alone, of which each waits until the claim of the one before has lapsed.
    let place = format!("taster.{}.{}", bench.stream_created().await, poison.sequence);
    let note = r#"{"taste":{"attempts":0,"starts":2}}"#;
    let notes = bench.jetstream().await.get_key_value("RAPIDS_HANDLING").await.unwrap();
    notes.put(place, note.into()).await.unwrap();

    let id = format!("taster.taste.{}", poison.sequence);
    let (_process, aborted, stored) =
        restarted(&bench, POISONED_ONCE, &diary, async || bench.letter(&id).await).await;
    assert_eq!((aborted, stored.letter.kind), (1, Kind::Crashed));
    assert_eq!(diary.count(&format!("taste {}", poison.id)), 2);
    soon("the other one is handled", bench.quiet(&["taster"])).await;
}

#[tokio::test]
async fn packets_that_come_again_run_one_at_a_time_over_all_instances() {
    let bench = Bench::of(Delivery::Shared).await;
    let folder = tempfile::tempdir().unwrap();
    let diary = Diary::new(&folder);
    let first = Process::spawn(&bench, STUCK, &diary);
    bench.is_up("taster").await;
    bench.rapids.publish_all((0..20).map(came)).await.unwrap();
    diary.shows("begins", 1).await;
    bench.is_delivered("taster", 20).await;

    let (running, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let instance = |name: &'static str| {
        let (running, most) = (Arc::clone(&running), Arc::clone(&most));
        let taste = River::new("taste").event("came").react(move |packet: Packet| {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            async move {
                most.fetch_max(running.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(30)).await;
                running.fetch_sub(1, Ordering::Relaxed);
                let n: Option<u64> = packet.get("n")?;
                Ok(Packet::event("tasted").with("n", n).with("by", name))
            }
        });
        Service::new("taster", bench.config()).river(taste).concurrency(8)
    };
    let (one, two) = (bench.run(instance("one")).await, bench.run(instance("two")).await);
    first.kill().await;
    let mut tail = bench.tail().await;
    let (mut tasted, mut by) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..20 {
        let packet = tail.event("tasted").await;
        tasted.insert(packet.get::<u64>("n").unwrap().unwrap());
        by.insert(packet.get::<String>("by").unwrap().unwrap());
    }
    assert_eq!((tasted.len(), most.load(Ordering::Relaxed)), (20, 1), "by {by:?}");
    // What comes for the first time runs as it did before.
    bench.rapids.publish_all((20..60).map(came)).await.unwrap();
    for _ in 20..60 {
        tail.event("tasted").await;
    }
    bench.quiet(&["taster"]).await;
    assert!(most.load(Ordering::Relaxed) > 1);
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn a_packet_waits_while_its_note_cannot_be_read() {
    let bench = Bench::start().await;
    let folder = tempfile::tempdir().unwrap();
    let diary = Diary::new(&folder);
    let (failing, well) = (diary.clone(), diary.clone());
    let failing = River::new("taste").event("came").react(move |_: Packet| {
        failing.write("fails");
        async { Err::<(), _>(retry_after(Duration::from_secs(30))) }
    });
    let service = bench.run(bench.service("taster", [failing])).await;
    bench.rapids.publish(came(1)).await.unwrap();
    diary.shows("fails", 1).await;
    service.stop().await;
    let notes = bench.jetstream().await.get_key_value("RAPIDS_HANDLING").await.unwrap();
    let key = format!("taster.{}.1", bench.stream_created().await);
    found("the note", async || notes.get(&key).await.unwrap()).await;
    notes.put(&key, "nonsense".into()).await.unwrap();

    let well = River::new("taste").event("came").react(move |packet: Packet| {
        well.write(&packet.get::<u64>("n").unwrap().unwrap().to_string());
        async { Ok(()) }
    });
    let service = bench.run(bench.service("taster", [well])).await;
    bench.rapids.publish(came(2)).await.unwrap();
    diary.shows("2", 1).await;
    assert_eq!(diary.lines(), ["fails", "2"]);
    assert_eq!(notes.get(&key).await.unwrap().unwrap(), "nonsense");
    notes.delete(&key).await.unwrap();
    diary.shows("1", 1).await;
    service.stop().await;
}

#[tokio::test]
async fn a_suspect_that_another_instance_runs_is_neither_run_beside_it_nor_put_away() {
    for starts in [0, 2] {
        let bench = Bench::of(Delivery::Shared).await;
        let folder = tempfile::tempdir().unwrap();
        let diary = Diary::new(&folder);
        let first = Process::spawn(&bench, LENGTHY, &diary);
        bench.is_up("taster").await;
        let packet = bench.rapids.publish(came(1)).await.unwrap();
        diary.shows("begins", 1).await;
        first.kill().await;
        let key = format!("taster.{}.{}", bench.stream_created().await, packet.sequence);
        let note = json!({"taste": {"attempts": 0, "starts": starts}}).to_string();
        let notes = bench.jetstream().await.get_key_value("RAPIDS_HANDLING").await.unwrap();
        notes.put(key, note.into()).await.unwrap();
        let second = Process::spawn(&bench, LENGTHY, &diary);
        diary.shows("begins", 2).await;
        // It is silent for long enough that its packet goes to another instance, at the latest the
        // second time; not for so long that it is taken for gone.
        second.freeze();
        let until = Instant::now() + LENGTHY_WAIT * 2;
        let before = bench.position("taster").await.delivered.consumer_sequence;
        let third = bench.run(lengthy(bench.config(), diary.clone())).await;
        let twice = bench.is_delivered("taster", before + 2);
        let _ = timeout_at(until, twice).await;
        second.thaw();
        diary.shows("ends", 1).await;
        // The third was given it too, and may run it once more from here on.
        assert_eq!(diary.lines()[..3], ["begins", "begins", "ends"], "{starts} starts before");
        assert!(bench.letters().await.is_empty(), "{starts} starts before");
        bench.quiet(&["taster"]).await;
        third.stop().await;
    }
}
