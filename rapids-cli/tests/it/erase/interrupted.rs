//! An erasure that is broken off goes on.

use std::process::Stdio;
use std::time::Duration;

use async_nats::jetstream;
use tokio::time::{sleep, timeout};

use super::{bodies, json_of};
use crate::bench::DEADLINE;
use crate::letters::Letters;

const LETTERS: u64 = 400;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_broken_off_is_finished_by_the_same_command() {
    let letters = Letters::start().await;
    for sequence in 1..=LETTERS {
        letters.put(&format!("payment.charge.{sequence}"), &[]).await;
    }
    let bench = &letters.bench;
    let client = async_nats::connect(bench.server.url()).await.unwrap();
    let jetstream = jetstream::new(client);
    let left = async || {
        let mut stream = jetstream.get_stream("DEAD_LETTERS").await.unwrap();
        stream.info().await.unwrap().state.messages
    };
    let erase = ["erase", "--where", "@.total == 9007199254740993", "--yes", "-o", "json"];
    let mut command = bench.command(&erase);
    let mut program = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = async {
        while left().await == LETTERS {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(DEADLINE, begun).await.unwrap();
    program.kill().unwrap();
    program.wait().unwrap();
    let rest = left().await;
    assert!((1..LETTERS).contains(&rest), "{rest} are left");

    let done = bench.said(&erase);
    assert_eq!(done.code, 0, "{done:?}");
    let done = json_of(&done.out);
    assert!(done["removed"][0]["count"].as_u64().unwrap() >= rest - 1, "{done}");
    assert_eq!((left().await, done["left"].as_array().unwrap().len()), (0, 0));
    assert!(!bodies(&jetstream, "KV_RAPIDS_LETTERS").await.contains("9007199254740993"));
}
