//! What a service logs of an outage of its server: one warning when it begins, one line when it is over.

use std::time::Duration;

use rapids_client::{Config, Delivery, Packet, River, Service, reject};
use serde_json::Value;

use crate::harness::{Bench, called, until};
use crate::known::entry;
use crate::process::{Diary, Process};

pub(crate) const BUSY: &str = "busy";

/// What the diary says when the server is gone.
const GO_ON: &str = "go on";

/// Between two looks at the diary.
const LOOK: Duration = Duration::from_millis(10);

/// So many calls find each river at a different step when the server goes.
const CALLS: u64 = 20;

/// A river for each thing that needs the server: outputs, dead letters, claims and a memory. Each of
/// the first reactions goes on when the diary says so.
pub(crate) fn busy(config: Config, diary: Diary) -> Service {
    let goes_on = |diary: Diary| async move {
        diary.write("begins");
        while diary.count(GO_ON) == 0 {
            tokio::time::sleep(LOOK).await;
        }
    };
    let (told, also_told) = (diary.clone(), diary.clone());
    let answer = River::new("answer").event("called").react(move |_: Packet| {
        let going_on = goes_on(told.clone());
        async move {
            going_on.await;
            Ok([0, 1].map(|part| Packet::event("answered").with("part", part)).to_vec())
        }
    });
    let refuse = River::new("refuse").event("called").react(move |_: Packet| {
        let going_on = goes_on(also_told.clone());
        async move {
            going_on.await;
            Err::<(), _>(reject("nobody is served"))
        }
    });
    let told = diary.clone();
    let charge = River::new("charge").event("called").once().react(move |_: Packet| {
        let going_on = goes_on(told.clone());
        async move {
            going_on.await;
            Ok(Packet::event("charged"))
        }
    });
    let count = River::new("count").event("counted").memory("counts", "'all'").react(
        move |count: &mut u64, _: &Packet| {
            diary.write("begins");
            // It is no async function, so it blocks its thread, as long as it takes to end a server.
            while diary.count(GO_ON) == 0 {
                std::thread::sleep(LOOK);
            }
            *count += 1;
            anyhow::Ok(Packet::event("summed"))
        },
    );
    let rivers = [answer, refuse, charge, count];
    Bench::service_of(config, "busy", rivers).concurrency(4)
}

/// The lines of the log from the begin of the outage on, as level and message. What each line of the
/// level `debug` tells is for nobody who operates a service.
fn lines(diary: &Diary) -> Vec<(String, String)> {
    let parsed = diary.log().into_iter().map(|line| {
        let line: Value = serde_json::from_str(&line).unwrap();
        let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        (text("level"), text("message"))
    });
    parsed.skip_while(|(_, message)| !message.starts_with("disconnected")).collect()
}

/// Runs a service through an outage that lasts until it has missed the server in all of these ways.
async fn two_lines_tell_an_outage(delivery: Delivery, misses: &[&str]) {
    let mut bench = Bench::of(delivery).await;
    let folder = tempfile::tempdir().unwrap();
    let diary = Diary::new(&folder);
    let mut process = Process::spawn(&bench, BUSY, &diary);
    bench.is_up("busy").await;
    bench.rapids.publish(called(0)).await.unwrap();
    diary.shows("begins", 3).await;
    bench.rapids.publish(Packet::event("counted")).await.unwrap();
    diary.shows("begins", 4).await;
    bench.rapids.publish_all((1..CALLS).map(called)).await.unwrap();
    bench.server.kill();
    diary.write(GO_ON);
    until("everything misses the server", async || {
        let lines = lines(&diary);
        misses.iter().all(|what| lines.iter().any(|(_, line)| line.contains(what)))
    })
    .await;
    bench.server.restart().unwrap();
    bench.quiet(&["busy"]).await;
    let end = bench.rapids.position("busy").await.unwrap().unwrap().acknowledged;
    // By then everything that happens from time to time has happened again.
    until("the floor is noted", async || entry(&bench, "busy").await["floor"]["sequence"] == end)
        .await;
    process.stop();
    assert!(process.ended().await.success());
    assert_eq!(bench.letters().await.len() as u64, CALLS);

    // That it is behind, reads live again or has stopped is told as at any other time.
    let is_of_outage = |(level, message): &(String, String)| match level.as_str() {
        "WARN" => true,
        "INFO" => !message.starts_with("busy "),
        _ => false,
    };
    let told: Vec<_> = lines(&diary).into_iter().filter(is_of_outage).collect();
    let url = bench.server.url();
    let [(begins, lost), (ends, back)] = &told[..] else { panic!("{told:#?}") };
    assert_eq!((begins.as_str(), ends.as_str()), ("WARN", "INFO"));
    assert_eq!(*lost, format!("disconnected from {url}; connecting again"));
    assert!(back.starts_with(&format!("connected to {url} again, after ")), "{back}");
}

/// What every service is about to do when the server is away.
const MISSES: [&str; 4] = [
    "cannot publish",
    "trying again to store a dead letter",
    "trying again to write down what came of a reaction",
    "memory",
];

#[tokio::test]
async fn an_outage_takes_one_warning_and_one_line_at_its_end() {
    Box::pin(two_lines_tell_an_outage(Delivery::Shared, &MISSES)).await;
}

#[tokio::test]
async fn an_outage_takes_one_warning_and_one_line_at_its_end_in_exclusive_delivery() {
    let misses = [&MISSES[..], &["the position is not written down"]].concat();
    Box::pin(two_lines_tell_an_outage(Delivery::Exclusive, &misses)).await;
}
