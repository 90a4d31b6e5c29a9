//! Replaying, discarding and resuming.

use rapids_client::{RetryPolicy, River};
use serde_json::Value;
use tokio::task::yield_now;

use super::{charge, fail_on_thirteen, json};
use crate::bench::{Bench, DEADLINE, said, said_to};
use crate::letters::{BODY, Letters};
use crate::program::{Program, unread};

#[tokio::test]
async fn a_replay_goes_to_the_river_once_and_is_recorded() {
    let letters = Letters::start().await;
    letters.put_all([17, 18]).await;
    let replayed = letters.said(&["replay", "payment.charge.17", "--reason", "bank is back"]);
    assert_eq!(replayed.well(0).out, "payment.charge.17 replayed: replay 1\n");
    let replay = letters.replay().await;
    assert_eq!((replay.subject.as_str(), &*replay.payload), ("replays.payment", BODY.as_bytes()));
    letters.said(&["replay", "payment.charge.17"]).badly(
        1,
        &["dead letter `payment.charge.17` was replayed by `ada@", " already (bank is back)"],
    );
    let shown = letters.said(&["show", "payment.charge.17"]).well(0).out;
    assert!(shown.contains(" replay by ada@") && shown.contains("(bank is back): replay 1\n"));
    let json_said = letters.said(&["replay", "payment.charge.18", "--by", "bob", "-o", "json"]);
    let done = json(&json_said.well(0).out);
    assert_eq!((&done["id"], &done["who"]), (&"payment.charge.18".into(), &"bob".into()));
    assert_eq!((&done["deed"], &done["replay"]), (&"replay".into(), &2.into()));
}

#[tokio::test]
async fn letters_are_selected_by_filters() {
    let letters = Letters::start().await;
    letters.put_all(1..=5).await;
    letters.put("stock.take.6", &[]).await;
    letters.said(&["replay"]).badly(2, &["which letters?", "`--all`"]);
    letters.said(&["replay", "a.b.1", "--all"]).badly(2, &["cannot be used with"]);
    letters.said(&["discard", "--all"]).badly(2, &["--reason <TEXT>"]);

    let rehearsed = letters.said(&["replay", "--service", "payment", "--dry-run"]).well(0);
    assert_eq!(rehearsed.out, "5 letters would be replayed\n");
    let rehearsed = letters.said(&["replay", "--all", "--dry-run", "-o", "json"]).well(0);
    assert_eq!(rehearsed.out, "{\"count\":6}\n");
    assert_eq!(letters.replays().await, 0);

    let some = ["payment.charge.1", "payment.charge.9", "payment.charge.2"];
    let discarded = letters.said(&[&["discard", "--reason", "test"], &some[..]].concat());
    assert_eq!((discarded.code, discarded.lines().len()), (1, 2), "{discarded:?}");
    assert!(discarded.err.starts_with("warning: dead letter `payment.charge.9` does not exist"));
    assert!(discarded.err.ends_with("\n2 of 3 letters discarded\n"), "{discarded:?}");

    let replayed = letters.said(&["replay", "--service", "payment", "--rate", "1000"]);
    assert_eq!(replayed.err, "3 of 3 letters replayed\n");
    assert_eq!((replayed.code, replayed.lines().len()), (0, 3));
    assert_eq!(letters.replays().await, 3);
    letters.said(&["replay", "--service", "payment"]).well_with(0, "there is no such letter\n");
}

#[tokio::test]
async fn an_interruption_leaves_every_letter_either_done_or_waiting() {
    let letters = Letters::start().await;
    letters.put_all(1..=20).await;
    let mut replaying = Program::start(&mut letters.command(&["replay", "--all", "--rate", "2"]));
    assert!(replaying.line().await.starts_with("payment.charge.1 replayed"));
    replaying.interrupt();
    let (code, rest, words) = replaying.end().await;
    let done = 1 + u64::try_from(rest.len()).unwrap();
    let far = format!("interrupted: {done} of 20 letters replayed; `rapids operations resume ");
    assert!(words.starts_with(&far), "{words}");
    assert_eq!(code, Some(130));
    assert_eq!(letters.replays().await, done);
    let count = |state: &str| letters.said(&["list", "--state", state, "-o", "json"]).lines().len();
    assert_eq!((count("replayed"), count("waiting")), (done as usize, 20 - done as usize));
}

#[tokio::test]
async fn what_was_interrupted_is_resumed_without_sending_it_twice() {
    let letters = Letters::start().await;
    letters.put_all([17, 18]).await;
    letters.said(&["resume"]).well_with(0, "nothing is unfinished\n");
    letters.said(&["replay", "--all"]);
    letters.interrupt("payment.charge.17").await;
    assert_eq!(letters.states(&["payment.charge.17"]), ["unfinished"]);
    let words = ["is being worked on: replay was begun by `ada@", "`resume` finishes it"];
    letters.said(&["discard", "payment.charge.17", "--reason", "x"]).badly(1, &words);
    letters.said(&["resume", "payment.charge.18"]).badly(1, &["has no unfinished action"]);

    let resumed = letters.said(&["resume", "--by", "bob"]).well(0);
    assert_eq!(resumed.out, "payment.charge.17 replayed: replay 1\n");
    assert_eq!(letters.replays().await, 2);
    let shown = letters.said(&["show", "payment.charge.17"]).well(0).out;
    assert!(shown.contains("Z resume by bob from "), "{shown}");
    assert_eq!(letters.states(&["payment.charge.17"]), ["replayed"]);
}

#[tokio::test]
async fn a_replay_to_all_shows_who_would_react_and_asks() {
    let letters = Letters::start().await;
    letters.put_all([17, 18]).await;
    let _payment = letters.bench.run("payment", "1.0.0", charge()).await;
    let both = ["replay", "--to-all", "payment.charge.17", "payment.charge.18"];
    let asked = letters.said(&both);
    asked.badly(2, &["payment.charge would take 2 letters\n", "give `--yes` if it is to be done"]);
    let asked = said_to(&mut letters.command(&both), "y\n");
    asked.badly(2, &["there is no terminal to ask on"]);
    letters.said(&["replay", "payment.charge.17", "--yes"]).badly(2, &["--to-all"]);

    let replayed = letters.said(&["replay", "--to-all", "--yes", "payment.charge.17"]);
    assert_eq!(replayed.code, 0, "{replayed:?}");
    assert_eq!(replayed.err, "payment.charge would take 1 letter\n");
    assert!(replayed.out.starts_with("payment.charge.17 replayed to all as packet "));
    assert!(replayed.out.ends_with(", sequence 1\n"), "{replayed:?}");
    let stored = letters.bench.said(&["tail", "-o", "json"]).well(0);
    let packet = json(stored.lines()[0]);
    assert_eq!(packet["rapids"]["causation_id"], "p-17");
    assert!(stored.out.contains("9007199254740993"), "{stored:?}");
    assert_eq!(
        letters.states(&["payment.charge.17", "payment.charge.18"]),
        ["replayed", "waiting"]
    );
}

#[tokio::test]
async fn a_packet_that_failed_again_leads_from_letter_to_letter() {
    let letters = Letters::start().await;
    letters.put_all([17]).await;
    letters.said(&["replay", "payment.charge.17"]).well(0);
    let first = ("Rapids-First", "payment.charge.17");
    letters.put("payment.charge.r1", &[first, ("Rapids-Packet-Id", "p-17")]).await;
    let shown = letters.said(&["show", "payment.charge.17"]).well(0).out;
    assert!(shown.starts_with("payment.charge.17  exhausted  failed_again\n"), "{shown}");
    for id in ["payment.charge.17", "payment.charge.r1"] {
        let shown = letters.said(&["show", id]).well(0).out;
        let history = "payment.charge.17 (failed_again) > payment.charge.r1 (waiting)\n";
        assert!(shown.contains(history), "{shown}");
    }
    letters
        .said(&["replay", "payment.charge.17"])
        .badly(1, &["was sent again (replay) by `ada@", "and failed again as letter `r1`"]);
    letters.said(&["replay", "payment.charge.r1"]).well(0);
}

#[tokio::test]
async fn a_closed_output_does_not_stop_an_action() {
    let letters = Letters::start().await;
    letters.put_all(1..=40).await;
    let ended = (Some(0), "20 of 20 letters replayed\n".to_owned());
    let replay = &["replay", "--service", "payment", "--limit", "20"];
    assert_eq!(unread(&mut letters.command(replay), 1, "").await, ended);
    assert_eq!(letters.replays().await, 20);
    letters.interrupt("payment.charge.3").await;
    letters.interrupt("payment.charge.4").await;
    let ended = (Some(0), "2 of 2 letters finished\n".to_owned());
    assert_eq!(unread(&mut letters.command(&["resume"]), 0, "").await, ended);
    let edit = &["edit", "payment.charge.21", "--set", "total=1", "--force"];
    assert_eq!(unread(&mut letters.command(edit), 0, "").await.0, Some(0));
    let ended = (Some(0), "19 of 19 letters discarded\n".to_owned());
    let discard = &["discard", "--all", "--reason", "test"];
    assert_eq!(unread(&mut letters.command(discard), 0, "").await, ended);
    assert_eq!(letters.said(&["list", "-o", "json"]).out, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_shows_the_outcome_of_a_replay() {
    let bench = Bench::start().await;
    let river = River::new("charge")
        .event("order_placed")
        .retry(RetryPolicy::new().attempts(1))
        .react(fail_on_thirteen);
    let payment = bench.run("payment", "1.0.0", river).await;
    for total in [13, 14] {
        bench.publish(&format!(r#"{{"event":"order_placed","total":{total}}}"#)).await;
    }
    let said = |arguments: &[&str]| {
        let mut command = bench.command(&["dead-letters"]);
        said(command.args(arguments).env("USER", "ada"))
    };
    let buried = async {
        while said(&["list", "-o", "json"]).lines().len() < 2 {
            yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, buried).await.unwrap();

    let replayed = said(&["replay", "payment.charge.1", "payment.charge.2", "--wait"]);
    assert_eq!(replayed.code, 1, "{replayed:?}");
    assert_eq!(
        replayed.lines()[2..],
        [
            "payment.charge.1 failed again as payment.charge.r1, exhausted: no answer from the bank",
            "payment.charge.2 failed again as payment.charge.r2, rejected: nobody orders 14",
        ]
    );
    let edit = ["edit", "payment.charge.r1", "--set", "total=12", "--wait=1m", "-o", "json"];
    let edited = said(&edit).well(0);
    let [sent, outcome] = edited.lines()[..] else { panic!("{edited:?}") };
    assert_eq!((&json(sent)["deed"], &json(sent)["replay"]), (&"edit".into(), &3.into()));
    assert_eq!(
        (&json(outcome)["outcome"], &json(outcome)["again"]),
        (&"handled".into(), &Value::Null)
    );

    payment.stop().await;
    let open = said(&["replay", "payment.charge.r2", "--wait=0s"]);
    assert_eq!((open.code, open.lines().len()), (1, 2), "{open:?}");
    assert!(
        open.lines()[1].starts_with("payment.charge.r2 not handled yet after 0s: "),
        "{open:?}"
    );
    said(&["replay", "--all", "--to-all", "--wait"]).badly(2, &["cannot be used with"]);
}
