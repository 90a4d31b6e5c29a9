//! A service that runs while its streams are restored under it.

use std::fs;
use std::path::Path;

use rapids_client::{Config, Delivery, Packet, River, Service};
use rapids_test::NatsServer;
use tokio::time::timeout;

use super::{back_up, restore};
use crate::bench::{Bench, DEADLINE};

fn nothing() -> River {
    River::new("take").event("called").react(|_: Packet| async { anyhow::Ok(()) })
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

/// What a service says that runs on while a backup is restored.
async fn said_of(delivery: Delivery) -> String {
    let mut bench = Bench::start().await;
    let config = Config::new(bench.server.url()).delivery(delivery);
    let running = tokio::spawn(Service::new("taker", config).river(nothing()).run());
    let handled = async |sequence: u64| {
        let is_done = async || match bench.rapids.position("taker").await.unwrap() {
            Some(position) => position.acknowledged >= sequence,
            None => false,
        };
        let handled = async { while !is_done().await {} };
        timeout(DEADLINE, handled).await.unwrap();
    };
    handled(0).await;
    let first = bench.publish(r#"{"event":"called"}"#).await;
    handled(first.sequence).await;
    let folder = tempfile::tempdir().unwrap();
    back_up(&bench, folder.path());
    // What comes after the backup, and is handled, is lost.
    let second = bench.publish(r#"{"event":"called"}"#).await;
    handled(second.sequence).await;

    // The server comes back with what was restored, in one moment.
    let mut other = NatsServer::start().unwrap();
    restore(&other, folder.path()).well(0);
    other.stop();
    bench.server.kill();
    fs::remove_dir_all(bench.server.store()).unwrap();
    copy(other.store(), bench.server.store());
    bench.server.restart().unwrap();
    let ended = timeout(DEADLINE, running).await.expect("it ends").unwrap();
    ended.unwrap_err().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_ran_on_ends_and_says_what_to_do() {
    let words = "position of service `taker` is lost: the stream was restored from a backup while it ran; start the \
                 service again, and it goes on where it was in the backup";
    assert_eq!(said_of(Delivery::Shared).await, words);
    let exclusive = said_of(Delivery::Exclusive).await;
    assert_eq!(exclusive, words);
}
