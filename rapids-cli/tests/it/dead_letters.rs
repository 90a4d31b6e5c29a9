//! `rapids dead-letters`.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use std::time::Duration;

use rapids_client::{Packet, RetryPolicy, River, reject};
use serde_json::Value;
use tokio::task::yield_now;

use crate::bench::{Bench, DEADLINE, Said, said, said_to, unread};
use crate::letters::{BODY, Letters};

impl Letters {
    /// `rapids dead-letters ...`
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.bench.command(&["dead-letters"]);
        command.args(arguments).env("USER", "ada");
        command
    }

    fn said(&self, arguments: &[&str]) -> Said {
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

/// Fails on each packet of 13, and cannot do anything with one of 14.
async fn superstitious(packet: Packet) -> anyhow::Result<Packet> {
    match packet.get::<u64>("total")? {
        Some(13) => Err(anyhow::anyhow!("connection refused").context("no answer from the bank")),
        Some(14) => Err(reject("nobody orders 14")),
        total => Ok(Packet::event("payment_received").with("amount", total)),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packet_is_followed_from_its_first_failure_to_its_end() {
    let bench = Bench::start().await;
    let river = River::new("charge")
        .event("order_placed")
        .require_that("@.total > 0")
        .retry(RetryPolicy::new().attempts(2).first(Duration::from_millis(1)))
        .react(superstitious);
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
    // The packets of the test and what came of the good one: their order is not certain.
    let kinds = |state: &str| -> Vec<(String, String)> {
        let listed = said(&["list", "--state", state, "-o", "json"]);
        let text = |letter: &Value, key: &str| letter[key].as_str().unwrap().to_owned();
        let letters = listed.lines().into_iter().map(json);
        letters.map(|letter| (text(&letter, "kind"), text(&letter, "id"))).collect()
    };
    let waiting = async |count: usize| {
        let enough = async {
            loop {
                let mut kinds = kinds("waiting");
                if kinds.len() >= count {
                    kinds.sort();
                    return kinds;
                }
                yield_now().await;
            }
        };
        tokio::time::timeout(DEADLINE, enough).await.unwrap()
    };
    let found = waiting(3).await;
    let [exhausted, invalid, rejected] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((&*exhausted.0, &*invalid.0, &*rejected.0), ("exhausted", "invalid", "rejected"));
    assert_eq!(said(&["list", "--group"]).well(0).lines().len(), 4);
    let shown = said(&["show", &exhausted.1]).well(0).out;
    assert!(shown.contains("reason        no answer from the bank\n"), "{shown}");
    assert!(shown.contains("caused by     connection refused\ntried         2 times"), "{shown}");

    // It fails again, as another letter, and the two know each other.
    said(&["replay", &exhausted.1, "--reason", "perhaps now"]).well(0);
    let again = "payment.charge.r1";
    let found = waiting(3).await;
    assert!(found.contains(&("exhausted".to_owned(), again.to_owned())), "{found:?}");
    let shown = said(&["show", again]).well(0).out;
    let history = format!("history       {} (failed_again) > {again} (waiting)\n", exhausted.1);
    assert!(shown.contains(&history), "{shown}");

    // Corrected, it succeeds, and no other digit was touched.
    said(&["edit", again, "--set", "total=0"]).badly(2, &["requires `@.total > 0`"]);
    said(&["edit", again, "--set", "total=12"]).well(0);
    let paid = async {
        loop {
            let paid =
                bench.said(&["tail", "-o", "json", "--where", "@.event == 'payment_received'"]);
            if paid.lines().len() == 2 {
                return json(paid.lines()[1]);
            }
            yield_now().await;
        }
    };
    let paid = tokio::time::timeout(DEADLINE, paid).await.unwrap();
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
async fn letters_are_listed_with_what_matters_and_only_those_that_wait() {
    let letters = Letters::start().await;
    letters.said(&["list"]).well_with(0, "no such letter is waiting\n");
    letters.put_all([17, 18]).await;
    letters.put("stock.take.3", &[("Rapids-Kind", "invalid"), ("Rapids-Name", "sale")]).await;
    let listed = letters.said(&["list"]).well(0);
    let [headings, first, _, third] = listed.lines()[..] else { panic!("{listed:?}") };
    assert!(headings.starts_with("STORED                ID                 KIND  "), "{headings}");
    assert!(first.contains("Z  payment.charge.17  exhausted  waiting  order_placed      5  no a"));
    assert!(third.contains("Z  stock.take.3       invalid    waiting  sale              5  no a"));

    letters.said(&["discard", "payment.charge.17", "--reason", "paid in cash"]).well(0);
    let ids = |arguments: &[&str]| -> Vec<String> {
        let listed = letters.said(&[&["list", "-o", "json"], arguments].concat()).well(0);
        listed.lines().iter().map(|line| json(line)["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&[]), ["payment.charge.18", "stock.take.3"]);
    assert_eq!(ids(&["--state", "discarded"]), ["payment.charge.17"]);
    assert_eq!(ids(&["--state", "any"]).len(), 3);
    assert_eq!(ids(&["--service", "stock"]), ["stock.take.3"]);
    assert_eq!(ids(&["--river", "charge", "--state", "any"]).len(), 2);
    assert_eq!(ids(&["--kind", "invalid"]), ["stock.take.3"]);
    assert_eq!(ids(&["--event", "sale"]), ["stock.take.3"]);
    assert_eq!(ids(&["--since", "1h", "--limit", "1"]), ["payment.charge.18"]);
    let later = letters.said(&["list", "--kind", "unhappy"]);
    assert_eq!((later.code, later.out.as_str()), (0, ""));
    assert!(later.err.contains("`unhappy` is no kind that this version knows"), "{}", later.err);
    letters.said(&["list", "--kind", "no word"]).badly(2, &["timed_out, ", "too_costly"]);
    letters.said(&["list", "--service", "a.b"]).badly(2, &["the service is `a.b`, expected 1 to"]);
}

#[tokio::test]
async fn letters_are_grouped_by_cause() {
    let letters = Letters::start().await;
    letters.put_all(1..=3).await;
    letters.put("stock.take.4", &[("Rapids-Kind", "invalid")]).await;
    let grouped = letters.said(&["list", "--group"]).well(0);
    let [_, first, second] = grouped.lines()[..] else { panic!("{grouped:?}") };
    assert!(first.starts_with("    3  payment.charge  exhausted  20"), "{first}");
    assert!(first.ends_with("Z  payment.charge.1  no answer for order <id>"), "{first}");
    assert!(second.starts_with("    1  stock.take      invalid    20"), "{second}");
    let grouped = letters.said(&["list", "--group", "-o", "json"]).well(0);
    let first = json(grouped.lines()[0]);
    assert_eq!((&first["count"], &first["example"]), (&3.into(), &"payment.charge.1".into()));
    assert_eq!(first["reason"], "no answer for order <id>");
}

#[tokio::test]
async fn a_letter_is_shown_with_every_digit_of_its_packet() {
    let letters = Letters::start().await;
    let reason = ("Rapids-Reason", r"bank says:\n\u{1b}[31mno");
    letters.put("payment.charge.17", &[reason]).await;
    let shown = letters.said(&["show", "payment.charge.17"]).well(0).out;
    for line in [
        "payment.charge.17  exhausted  waiting\n",
        "reason        bank says:\n              \\u{1b}[31mno\n",
        "caused by     connection refused\ncaused by     os error 111\n",
        "tried         5 times, by instance Xa81\n",
        "failed        2026-11-21T09:30:01Z to 2026-11-21T09:31:00Z\n",
        "on the rapids sequence 17, stored 2026-11-21T09:30:00Z\n",
        "packet        order_placed p-17, 82 bytes\n",
        "\n  \"total\": 9007199254740993,\n  \"price\": 1.10,\n",
    ] {
        assert!(shown.contains(line), "{line} in {shown}");
    }
    let second =
        shown.lines().find_map(|line| line.strip_prefix("letter        message 1, stored "));
    assert_eq!(second.map(str::len), Some("2026-11-21T09:30:00Z".len()), "{shown}");
    let listed = letters.said(&["list"]).well(0).out;
    assert!(listed.contains(r"bank says:\n\u{1b}[31mno: os error 111"), "{listed}");
    letters.put("payment.charge.19", &[("Rapids-Attempts", "0"), ("Rapids-Kind", "invalid")]).await;
    let untried = letters.said(&["show", "payment.charge.19"]).well(0).out;
    assert!(untried.contains("\nfound by      instance Xa81\n"), "{untried}");
    assert!(!untried.contains("never"), "{untried}");
    let shown = letters.said(&["show", "payment.charge.17", "-o", "json"]).well(0).out;
    assert!(shown.contains(&format!(r#""packet":{BODY}"#)), "{shown}");
    assert_eq!(json(&shown)["causes"][1], "os error 111");
    letters
        .said(&["show", "payment.charge.18"])
        .badly(5, &["dead letter `payment.charge.18` does not exist, or has expired"]);
    letters.said(&["show", "17"]).badly(2, &["expected SERVICE.RIVER.SEQUENCE"]);
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
async fn many_letters_are_chosen_by_what_they_have_in_common() {
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
    let mut command = letters.command(&["replay", "--all", "--rate", "2"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.next().unwrap().starts_with("payment.charge.1 replayed"));
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let done = 1 + u64::try_from(lines.count()).unwrap();
    let mut words = String::new();
    child.stderr.take().unwrap().read_to_string(&mut words).unwrap();
    assert_eq!(words, format!("interrupted: {done} of 20 letters replayed\n"));
    assert_eq!(child.wait().unwrap().code(), Some(130));
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
    assert!(shown.contains("Z resume by bob\n"), "{shown}");
    assert_eq!(letters.states(&["payment.charge.17"]), ["replayed"]);
}

#[tokio::test]
async fn an_edit_changes_one_field_and_no_other_digit() {
    let letters = Letters::start().await;
    letters.put_all([17]).await;
    let id = "payment.charge.17";
    letters.said(&["edit", id]).badly(2, &["--set <FIELD=JSON>", "--editor"]);
    letters.said(&["edit", id, "--set", "total=ten"]).badly(2, &["a text needs quotes"]);
    letters
        .said(&["edit", id, "--set", "@.rapids.id=\"x\""])
        .badly(2, &["field `@.rapids.id` belongs to the bus"]);
    let edited = letters.said(&["edit", id, "--set", "@.n.c=10.00", "--set", "by=\"ada\""]);
    assert_eq!(edited.code, 0, "{edited:?}");
    assert!(edited.err.contains("service `payment` is not up to tell"), "{edited:?}");
    assert!(edited.out.starts_with("payment.charge.17 edited: packet "), "{edited:?}");
    let replay = letters.replay().await;
    let text = std::str::from_utf8(&replay.payload).unwrap();
    let facts = r#"{"event":"order_placed","total":9007199254740993,"price":1.10,"n":{"b":1.50,"c":10.00},"by":"ada","rapids":"#;
    assert!(text.starts_with(facts), "{text}");
    let again = letters.said(&["edit", id, "--set", "total=1"]);
    again.badly(1, &["dead letter `payment.charge.17` was edited by `ada@", " already"]);
}

#[tokio::test]
async fn an_edited_packet_must_be_one_that_the_river_takes() {
    let letters = Letters::start().await;
    letters.put_all([17]).await;
    let _payment = letters.bench.run("payment", "1.0.0", charge()).await;
    let id = "payment.charge.17";
    letters
        .said(&["edit", id, "--set", "total=-1"])
        .badly(2, &["river `payment.charge` would not take the packet: requires `@.total > 0`"]);
    letters
        .said(&["edit", id, "--set", "event=\"other\""])
        .badly(2, &["its conditions are `@.event == 'order_placed'`; `--force` sends it anyway"]);
    assert_eq!(letters.states(&[id]), ["waiting"]);
    let rehearsed = letters.said(&["edit", id, "--set", "total=1", "--dry-run"]).well(0);
    assert_eq!(rehearsed.out, "1 letter would be edited\n");
    letters.said(&["edit", id, "--set", "total=-1", "--force"]).well(0);
}

#[tokio::test]
async fn an_editor_may_change_the_packet() {
    let letters = Letters::start().await;
    letters.put_all([17]).await;
    let edit = |editor: &str| {
        let mut command = letters.command(&["edit", "payment.charge.17", "--editor"]);
        said(command.env_remove("VISUAL").env("EDITOR", editor))
    };
    edit("true").well_with(1, "nothing was changed\n");
    edit("false").badly(2, &["the editor `false` failed", "nothing was changed"]);
    edit("sed -i 's/{/[/'").badly(2, &["body is not a packet"]);
    let edited = edit("sed -i 's/\"price\": 1.10/\"price\": 2.20/'");
    assert_eq!(edited.code, 0, "{edited:?}");
    let replay = letters.replay().await;
    let text = std::str::from_utf8(&replay.payload).unwrap();
    assert!(text.starts_with(r#"{"event":"order_placed","total":9007199254740993,"price":2.20,"#));
}

#[tokio::test]
async fn a_replay_to_all_says_who_would_react_and_asks() {
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
async fn a_closed_output_cuts_no_action_short() {
    let letters = Letters::start().await;
    letters.put_all(1..=40).await;
    let ended = (Some(0), "20 of 20 letters replayed\n".to_owned());
    let replay = &["replay", "--service", "payment", "--limit", "20"];
    assert_eq!(unread(&mut letters.command(replay), 1, ""), ended);
    assert_eq!(letters.replays().await, 20);
    letters.interrupt("payment.charge.3").await;
    letters.interrupt("payment.charge.4").await;
    let ended = (Some(0), "2 of 2 letters finished\n".to_owned());
    assert_eq!(unread(&mut letters.command(&["resume"]), 0, ""), ended);
    let edit = &["edit", "payment.charge.21", "--set", "total=1", "--force"];
    assert_eq!(unread(&mut letters.command(edit), 0, "").0, Some(0));
    let ended = (Some(0), "19 of 19 letters discarded\n".to_owned());
    let discard = &["discard", "--all", "--reason", "test"];
    assert_eq!(unread(&mut letters.command(discard), 0, ""), ended);
    assert_eq!(letters.said(&["list", "-o", "json"]).out, "");
}

#[tokio::test]
async fn a_letter_tells_which_one_was_there_before_the_position_was_moved() {
    let letters = Letters::start().await;
    letters.put_all([17]).await;
    let former = ("Rapids-Former", "payment.charge.17");
    let changes = [("Rapids-Epoch", "1"), former, ("Rapids-Packet-Id", "p-17")];
    letters.put("payment.charge.17-2", &changes).await;
    let shown = letters.said(&["show", "payment.charge.17-2"]).well(0).out;
    let former = "failed before payment.charge.17, and the position was moved since\n";
    assert!(shown.contains(former), "{shown}");
    for id in ["payment.charge.17", "payment.charge.17-2"] {
        let shown = letters.said(&["show", id]).well(0).out;
        let history = "payment.charge.17 (waiting) > payment.charge.17-2 (waiting)\n";
        assert!(shown.contains(history), "{shown}");
    }
    let json = letters.said(&["show", "payment.charge.17-2", "-o", "json"]).well(0).out;
    let told: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&told["epoch"], &told["former"]), (&1.into(), &"payment.charge.17".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_is_told_what_the_river_made_of_a_replay() {
    let bench = Bench::start().await;
    let river = River::new("charge")
        .event("order_placed")
        .retry(RetryPolicy::new().attempts(1))
        .react(superstitious);
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
