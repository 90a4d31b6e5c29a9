//! What is told where processes end before, between and after: nothing is lost, and nothing comes twice.

use std::time::Duration;

use async_nats::jetstream::stream::Config as StreamConfig;
use rapids_client::{
    Config, GivenUp, Note, Packet, RetryPolicy, River, Service, reject, retry_after,
};
use tempfile::TempDir;

use super::{all, failed, handled, named, placed, said};
use crate::crashes::restarted;
use crate::harness::Bench;
use crate::process::{Diary, Process};

pub(crate) const TELLING: &str = "telling";
pub(crate) const FATAL: &str = "fatal telling";

async fn limit_rapids(bench: &Bench, max_bytes: impl Fn(u64) -> i64) {
    let jetstream = bench.jetstream().await;
    let stream = jetstream.get_stream("RAPIDS").await.unwrap();
    let (config, bytes) = (stream.cached_info().config.clone(), stream.cached_info().state.bytes);
    let config = StreamConfig { max_bytes: max_bytes(bytes), ..config };
    jetstream.update_stream(config).await.unwrap();
}

/// Gives every packet up, and writes down what it does. A second river waits until then, and then for
/// ever, the first time that it is told to.
pub(crate) fn telling(config: Config, diary: Diary) -> Service {
    let (asked, waiting) = (diary.clone(), diary.clone());
    let charge = River::new("charge")
        .event("placed")
        .on_give_up(move |packet: &Packet, cause: &GivenUp| {
            asked.write(&format!("tells {}", cause.letter()));
            failed(packet, cause)
        })
        .react(move |packet: Packet| {
            diary.write(&format!("reacts {}", packet.id()));
            if packet.get::<String>("end").unwrap().as_deref() == Some("abort") {
                std::process::abort();
            }
            async { Err::<(), _>(reject("no such card")) }
        });
    let patient = RetryPolicy::new().attempts(1_000);
    let wait = River::new("wait").event("placed").retry(patient).breaker(0);
    let wait = wait.react(move |packet: Packet| {
        let waits = packet.get::<String>("end").unwrap().as_deref() == Some("wait");
        let (is_told, is_first) =
            (waiting.count("tells payment.charge.1") > 0, waiting.count("waits") == 0);
        let waiting = waiting.clone();
        async move {
            if waits && !is_told {
                return Err(retry_after(Duration::from_millis(20)));
            }
            if waits && is_first {
                waiting.write("waits");
                std::future::pending::<()>().await;
            }
            Ok(())
        }
    });
    Service::new("payment", config).river(charge).river(wait).concurrency(2)
}

/// What tells ends the process where it is told to.
pub(crate) fn fatal(config: Config, diary: Diary) -> Service {
    let recovering = diary.clone();
    let charge = River::new("charge")
        .event("placed")
        .on_give_up(move |packet: &Packet, cause: &GivenUp| {
            diary.write("tells");
            if packet.get::<String>("end").unwrap().as_deref() == Some("fatal") {
                std::process::abort();
            }
            failed(packet, cause)
        })
        .on_recovered(move |_: &Packet| -> Packet {
            recovering.write("recovers");
            std::process::abort();
        })
        .react(|packet: Packet| async move {
            match packet.arrival().and_then(|arrival| arrival.replay) {
                None => Err(reject("no such card")),
                Some(_) => Ok(Packet::event("paid")),
            }
        });
    Service::new("payment", config).river(charge)
}

/// A bench with the position of the service, and a diary.
async fn prepared(part: &str) -> (Bench, TempDir, Diary) {
    let bench = Bench::start().await;
    let folder = tempfile::tempdir().unwrap();
    let diary = Diary::new(&folder);
    let first = Process::spawn(&bench, part, &diary);
    bench.is_up("payment").await;
    first.kill().await;
    (bench, folder, diary)
}

#[tokio::test]
async fn a_crash_between_the_letter_and_what_is_told_loses_and_doubles_nothing() {
    let (bench, _folder, diary) = prepared(TELLING).await;
    let published = bench.rapids.publish(placed("reject")).await.unwrap();
    limit_rapids(&bench, |bytes| i64::try_from(bytes).unwrap()).await;
    let process = Process::spawn(&bench, TELLING, &diary);
    diary.shows("tells payment.charge.1", 1).await;
    bench.letter("payment.charge.1").await;
    let stored = bench.rapids.contents().await.unwrap().unwrap().packets;
    assert_eq!(stored, 1, "there is no room for what is told");
    process.kill().await;

    limit_rapids(&bench, |_| 1 << 20).await;
    let process = Process::spawn(&bench, TELLING, &diary);
    let packets = all(&bench, &["payment"]).await;
    let told = named(&packets, "failed");
    assert_eq!(told.len(), 1, "{packets:?}");
    assert_eq!(told[0].causation_id(), Some(&*published.id));
    assert_eq!(said(told[0]).2, "no such card");
    assert_eq!(diary.count("tells payment.charge.1"), 2);
    assert_eq!(diary.count(&format!("reacts {}", published.id)), 1, "it has a letter");
    assert_eq!(bench.letters().await, ["payment.charge.1"]);
    process.kill().await;
}

#[tokio::test]
async fn a_packet_that_comes_again_after_it_was_told_of_is_told_of_once() {
    let (bench, _folder, diary) = prepared(TELLING).await;
    let process = Process::spawn(&bench, TELLING, &diary);
    // The other river keeps the packet from being acknowledged.
    bench.rapids.publish(placed("wait")).await.unwrap();
    bench.tail().await.event("failed").await;
    diary.shows("waits", 1).await;
    process.kill().await;
    let process = Process::spawn(&bench, TELLING, &diary);
    diary.shows("tells payment.charge.1", 2).await;
    let packets = all(&bench, &["payment"]).await;
    assert_eq!(named(&packets, "failed").len(), 1);
    assert_eq!(bench.letters().await, ["payment.charge.1"]);
    process.kill().await;
}

#[tokio::test]
async fn a_packet_that_ends_the_process_is_told_of_when_it_is_put_away() {
    let (bench, _folder, diary) = prepared(TELLING).await;
    bench.rapids.publish(placed("abort")).await.unwrap();
    bench.rapids.publish(placed("reject")).await.unwrap();
    let told = async || diary.shows("tells payment.charge.1", 1).await;
    let (process, _, ()) = restarted(&bench, TELLING, &diary, told).await;
    let packets = all(&bench, &["payment"]).await;
    let mut told: Vec<_> = named(&packets, "failed").into_iter().map(said).collect();
    told.sort();
    let reason = "handling it ended the process 3 times in a row".to_owned();
    let crashed = ("payment.charge.1".to_owned(), "crashed".to_owned(), reason, 3);
    assert_eq!((told.len(), &told[0]), (2, &crashed));
    process.kill().await;
}

#[tokio::test]
async fn what_tells_and_ends_the_process_does_so_a_few_times_and_no_more() {
    let (bench, _folder, diary) = prepared(FATAL).await;
    bench.rapids.publish(placed("fatal")).await.unwrap();
    bench.rapids.publish(placed("reject")).await.unwrap();
    let quiet = async || bench.quiet(&["payment"]).await;
    let (process, aborted, ()) = restarted(&bench, FATAL, &diary, quiet).await;
    // Once among others, and three times alone; alone from the start where an instance that was killed before
    // had written down that it might begin it.
    assert!((3..=4).contains(&aborted), "{aborted}");
    assert_eq!(diary.count("tells"), aborted + 1, "the neighbour is told of");
    let packets = all(&bench, &["payment"]).await;
    let told: Vec<_> = named(&packets, "failed").into_iter().map(|it| said(it).0).collect();
    assert_eq!(told, ["payment.charge.2"]);
    let untold = diary.log().into_iter().filter(|line| line.contains("the others are not told"));
    assert_eq!(untold.count(), 1);

    process.kill().await;
    let letter = "payment.charge.2".parse().unwrap();
    bench.dead_letters().await.replay(&letter, &Note::new("ada")).await.unwrap();
    let end = async || handled(&bench, "payment", 1).await;
    let (process, aborted, ()) = restarted(&bench, FATAL, &diary, end).await;
    assert_eq!((aborted, diary.count("recovers")), (4, 4));
    let packets = all(&bench, &["payment"]).await;
    assert_eq!((named(&packets, "paid").len(), named(&packets, "recovered").len()), (1, 0));
    assert_eq!(bench.letters().await, ["payment.charge.1", "payment.charge.2"]);
    process.kill().await;
}
