//! Following letters.

use rapids_client::River;

use super::{fail_on_thirteen, json};
use crate::bench::Bench;
use crate::letters::Letters;
use crate::program::Program;

impl Program {
    /// The id of the letter on the next line.
    async fn id(&mut self) -> String {
        json(&self.line().await)["id"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn each_new_letter_is_printed_once_also_across_a_restart_of_the_server() {
    let mut letters = Letters::start().await;
    letters.put_all([1]).await;
    let mut following = Program::start(&mut letters.command(&["follow", "-o", "json"]));
    letters.are_read().await;
    letters.put_all([2, 3]).await;
    assert_eq!(following.id().await, "payment.charge.2");
    assert_eq!(following.id().await, "payment.charge.3");
    letters.said(&["discard", "payment.charge.2", "--reason", "paid"]).well(0);
    letters.put("payment.charge.nonsense", &[]).await;

    letters.restart().await;
    letters.put_all([4, 5]).await;
    assert_eq!(following.id().await, "payment.charge.4");
    let last = following.line().await;
    letters.put_all([6]).await;
    assert_eq!(following.id().await, "payment.charge.6");

    let listed = letters.said(&["list", "-o", "json"]);
    assert_eq!(Some(last.as_str()), listed.lines().into_iter().rev().nth(1));
    following.interrupt();
    let (code, rest, messages) = following.end().await;
    assert_eq!((code, rest), (Some(130), vec![]));
    assert_eq!(messages.matches("is no dead letter: the id of").count(), 1, "{messages}");
}

#[tokio::test]
async fn letters_since_a_time_pass_the_filters_up_to_the_limit() {
    let letters = Letters::start().await;
    letters.put_all([17, 18]).await;
    letters.put("stock.take.3", &[("Rapids-Kind", "invalid"), ("Rapids-Name", "sale")]).await;
    letters.put("stock.take.nonsense", &[]).await;
    letters.put("stock.charge.4", &[]).await;
    letters.said(&["discard", "payment.charge.17", "--reason", "paid"]).well(0);
    let follow = |arguments: &[&str]| {
        let command = [&["follow", "--since", "1h", "-o", "json"], arguments, &["--limit", "1"]];
        let printed = letters.said(&command.concat()).well(0);
        let [line] = printed.lines()[..] else { panic!("{printed:?}") };
        let letter = json(line);
        [&letter["id"], &letter["state"]].map(|text| text.as_str().unwrap().to_owned())
    };
    assert_eq!(follow(&[]), ["payment.charge.17", "discarded"]);
    assert_eq!(follow(&["--service", "stock"]), ["stock.take.3", "waiting"]);
    assert_eq!(follow(&["--river", "take"]), ["stock.take.3", "waiting"]);
    assert_eq!(follow(&["--kind", "invalid"]), ["stock.take.3", "waiting"]);
    assert_eq!(follow(&["--event", "sale"]), ["stock.take.3", "waiting"]);
    let both = ["--service", "stock", "--river", "charge"];
    assert_eq!(follow(&both), ["stock.charge.4", "waiting"]);

    let lines = letters.said(&["follow", "--since", "1h", "--limit", "2"]).well(0);
    let [first, second] = lines.lines()[..] else { panic!("{lines:?}") };
    assert!(first.contains("Z  payment.charge.17  exhausted  discarded  order_placed "), "{first}");
    assert!(second.ends_with("  5  no answer for order o-18: os error 111"), "{second}");
    letters
        .said(&["follow", "--service", "a.b"])
        .badly(2, &["the service is `a.b`, expected 1 to"]);
}

#[tokio::test]
async fn the_first_letter_of_all_is_waited_for() {
    let bench = Bench::start().await;
    let follow = ["dead-letters", "follow", "-o", "json"];
    let mut following = Program::start(&mut bench.command(&follow));
    let waits = following.message().await;
    assert!(waits.contains("there is no stream DEAD_LETTERS at nats://"), "{waits}");

    let river = River::new("charge").event("order_placed").react(fail_on_thirteen);
    let _payment = bench.run("payment", "1.0.0", river).await;
    for total in [14, 12, 14] {
        bench.publish(&format!(r#"{{"event":"order_placed","total":{total}}}"#)).await;
    }
    let first = json(&following.line().await);
    assert_eq!((&first["kind"], &first["state"]), (&"rejected".into(), &"waiting".into()));
    assert_eq!(first["id"], "payment.charge.1");
    assert!(following.id().await.starts_with("payment.charge."));
}

#[tokio::test]
async fn a_closed_output_ends_it_without_an_error() {
    let letters = Letters::start().await;
    let follow = &mut letters.command(&["follow", "-o", "json"]);
    let following = Program::closed_after(follow, 0);
    letters.are_read().await;
    letters.put_all([1]).await;
    assert_eq!(following.end().await, (Some(0), vec![], String::new()));
}
