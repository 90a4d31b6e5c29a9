//! `rapids dead-letters`.

mod edit;
mod follow;
mod list;
mod replay;
mod said;

use std::process::Command;
use std::time::Duration;

use rapids_client::{Packet, RetryPolicy, River, reject};
use serde_json::Value;
use tokio::task::yield_now;

use crate::bench::{Bench, DEADLINE, Said, said};
use crate::letters::Letters;

impl Letters {
    /// `rapids dead-letters ...`
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.bench.command(&["dead-letters"]);
        command.args(arguments).env("USER", "ada");
        command
    }

    pub(crate) fn said(&self, arguments: &[&str]) -> Said {
        said(&mut self.command(arguments))
    }

    /// The states of these letters.
    fn states(&self, ids: &[&str]) -> Vec<String> {
        let state = |id: &&str| {
            let shown = self.said(&["show", id, "-o", "json"]).well(0).out;
            let shown: Value = serde_json::from_str(&shown).unwrap();
            shown["state"].as_str().unwrap().to_owned()
        };
        ids.iter().map(state).collect()
    }
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

fn charge() -> River {
    River::new("charge")
        .event("order_placed")
        .require_that("@.total > 0")
        .react(|_: Packet| async { Ok(()) })
}

/// Fails on each packet with 13, and rejects one with 14.
async fn fail_on_thirteen(packet: Packet) -> anyhow::Result<Packet> {
    match packet.get::<u64>("total")? {
        Some(13) => Err(anyhow::anyhow!("connection refused").context("no answer from the bank")),
        Some(14) => Err(reject("nobody orders 14")),
        total => Ok(Packet::event("payment_received").with("amount", total)),
    }
}

/// Repeats something until it has a result.
async fn until<T>(result: impl Fn() -> Option<T>) -> T {
    let waiting = async {
        loop {
            if let Some(result) = result() {
                return result;
            }
            yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packet_is_followed_from_its_first_failure_to_its_end() {
    let bench = Bench::start().await;
    let river = River::new("charge")
        .event("order_placed")
        .require_that("@.total > 0")
        .retry(RetryPolicy::new().attempts(2).first(Duration::from_millis(1)))
        .react(fail_on_thirteen);
    let _payment = bench.run("payment", "1.0.0", river).await;
    for total in [12, 13, 14, 0] {
        let body =
            format!(r#"{{"event":"order_placed","total":{total},"n":9007199254740993,"p":1.10}}"#);
        bench.publish(&body).await;
    }
    let said = |arguments: &[&str]| {
        let mut command = bench.command(&["dead-letters"]);
        said(command.args(arguments).env("USER", "ada"))
    };
    // The order of the test's packets and of the answer to the good one is not fixed.
    let kinds = |state: &str| -> Vec<(String, String)> {
        let listed = said(&["list", "--state", state, "-o", "json"]);
        let text = |letter: &Value, key: &str| letter[key].as_str().unwrap().to_owned();
        let letters = listed.lines().into_iter().map(json);
        letters.map(|letter| (text(&letter, "kind"), text(&letter, "id"))).collect()
    };
    let three_wait = || {
        let mut kinds = kinds("waiting");
        kinds.sort();
        (kinds.len() >= 3).then_some(kinds)
    };
    let found = until(three_wait).await;
    let [exhausted, invalid, rejected] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((&*exhausted.0, &*invalid.0, &*rejected.0), ("exhausted", "invalid", "rejected"));
    assert_eq!(said(&["list", "--group"]).well(0).lines().len(), 4);
    let shown = said(&["show", &exhausted.1]).well(0).out;
    assert!(shown.contains("reason        no answer from the bank\n"), "{shown}");
    assert!(shown.contains("caused by     connection refused\ntried         2 times"), "{shown}");

    // It fails again as another letter, and each of the two names the other.
    said(&["replay", &exhausted.1, "--reason", "perhaps now"]).well(0);
    let again = "payment.charge.r1";
    let found = until(three_wait).await;
    assert!(found.contains(&("exhausted".to_owned(), again.to_owned())), "{found:?}");
    let shown = said(&["show", again]).well(0).out;
    let history = format!("history       {} (failed_again) > {again} (waiting)\n", exhausted.1);
    assert!(shown.contains(&history), "{shown}");

    // The corrected packet succeeds, and no other digit has changed.
    said(&["edit", again, "--set", "total=0"]).badly(2, &["requires `@.total > 0`"]);
    said(&["edit", again, "--set", "total=12"]).well(0);
    let paid = until(|| {
        let paid = bench.said(&["tail", "-o", "json", "--where", "@.event == 'payment_received'"]);
        (paid.lines().len() == 2).then(|| json(paid.lines()[1]))
    });
    let paid = paid.await;
    let edited = json(&said(&["show", again, "-o", "json"]).well(0).out);
    assert_eq!(paid["rapids"]["causation_id"], edited["actions"][0]["packet_id"]);
    let shown = said(&["show", again]).well(0).out;
    assert!(shown.contains("\"n\": 9007199254740993,\n  \"p\": 1.10"), "{shown}");
    assert_eq!(edited["state"], "edited");

    let rest = ["discard", "--service", "payment", "--reason", "superstition"];
    assert_eq!(said(&rest).lines().len(), 2);
    said(&["list"]).well_with(0, "no such letter is waiting\n");
    assert_eq!(kinds("discarded").len(), 2);
    assert_eq!(kinds("failed_again").as_slice(), std::slice::from_ref(exhausted));
}

#[tokio::test]
async fn a_server_without_dead_letters_is_left_as_it_is() {
    let bench = Bench::start().await;
    for _ in 0..2 {
        bench
            .said(&["dead-letters", "list"])
            .badly(5, &["there are no dead letters at nats://", "the first service that starts"]);
    }
}
