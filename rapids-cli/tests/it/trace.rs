//! `rapids trace`, and `rapids tail --conversation`.

mod finding;
mod reading;
mod state;

use rapids_client::{Packet, RetryPolicy, River};
use serde_json::{Value, json};
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::bench::{Bench, DEADLINE, Running};

/// Fails on 13.
async fn on_placed(packet: Packet) -> anyhow::Result<Packet> {
    match packet.get::<u64>("total")? {
        Some(13) => Err(anyhow::anyhow!("no answer from the bank")),
        total => Ok(Packet::event("payment_received").with("amount", total)),
    }
}

impl Bench {
    /// Runs payment, which charges orders, and shipping, which ships what is paid.
    async fn run_shop(&self) -> [Running; 2] {
        let charge = River::new("charge")
            .event("order_placed")
            .retry(RetryPolicy::new().attempts(1))
            .react(on_placed);
        let ship = River::new("ship")
            .event("payment_received")
            .react(async |_: Packet| anyhow::Ok(Packet::event("shipment_scheduled")));
        [self.run("payment", "1.0.0", charge).await, self.run("shipping", "1.0.0", ship).await]
    }

    fn trace(&self, arguments: &[&str]) -> Value {
        let arguments = [&["trace", "-o", "json"], arguments].concat();
        let said = self.said(&arguments).well(0);
        serde_json::from_str(&said.out).unwrap()
    }

    /// Waits until the conversation of the packet of this sequence has what is wanted.
    async fn until(&self, sequence: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let waiting = async {
            loop {
                let conversation = self.trace(&[sequence]);
                if wanted(&conversation) {
                    return conversation;
                }
                yield_now().await;
            }
        };
        timeout(DEADLINE, waiting).await.unwrap()
    }
}

fn count(conversation: &Value, of: &str) -> usize {
    conversation[of].as_array().unwrap().len()
}

fn names(conversation: &Value) -> Vec<&str> {
    let packets = conversation["packets"].as_array().unwrap().iter();
    packets.map(|packet| packet["name"].as_str().unwrap()).collect()
}

/// A packet of a conversation, without what the bus adds.
fn body(event: &str, id: &str, conversation: &str, cause: Option<&str>) -> String {
    let rapids = json!({"id": id, "correlation_id": conversation, "causation_id": cause});
    json!({"event": event, "rapids": rapids}).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_is_told_of_in_its_place_with_what_became_of_it() {
    let bench = Bench::start().await;
    let _shop = bench.run_shop().await;
    bench.publish(r#"{"event":"order_placed","order_id":"o-1","total":13}"#).await;
    let letters = |count: usize| move |it: &Value| self::count(it, "letters") == count;
    bench.until("1", letters(1)).await;
    let waiting = bench.said(&["trace", "1"]).well(0);
    let line = "└─ ✗ payment.charge.1 exhausted waiting: no answer from the bank";
    assert!(waiting.out.contains(line), "{waiting:?}");
    assert!(waiting.out.ends_with("; read up to the end of the stream\n"), "{waiting:?}");

    bench.said(&["dead-letters", "replay", "payment.charge.1", "--by", "ada"]).well(0);
    bench.until("1", letters(2)).await;
    let edit = ["dead-letters", "edit", "payment.charge.r1", "--set", "total=12", "--by", "ada"];
    bench.said(&edit).well(0);
    let conversation = bench.until("1", |it| count(it, "packets") == 3).await;

    let shown = bench.said(&["trace", "1"]).well(0);
    let lines = shown.lines();
    assert!(lines[0].starts_with("conversation "), "{shown:?}");
    let ends = [
        "order_placed  outside  order_id=o-1 total=13",
        "└─ ✗ payment.charge.1 exhausted failed_again: no answer from the bank; replay by ada: \
         replay 1; failed again as payment.charge.r1",
        "   └─ ✗ payment.charge.r1 exhausted edited: no answer from the bank; edit by ada: packet ",
        "      └─ payment_received  payment  amount=12",
        "         └─ shipment_scheduled  shipping",
        "3 packets in ",
    ];
    for (line, part) in lines[1..].iter().zip(ends) {
        assert!(line.contains(part), "{part} in {shown:?}");
    }
    assert_eq!(lines.len(), 7, "{shown:?}");
    assert!(lines[6].contains(", 2 dead letters, 0 of them open"), "{shown:?}");

    // By whatever id, it is the same conversation.
    let id_of = |place: usize| conversation["packets"][place]["id"].as_str().unwrap();
    assert_eq!(conversation["conversation"], id_of(0));
    for id in ["1", "3", id_of(0), id_of(1), id_of(2)] {
        let mut found = bench.trace(&[id]);
        found["read_to"] = conversation["read_to"].clone();
        assert_eq!(found, conversation, "{id}");
    }
    let [first, again] = [0, 1].map(|place| &conversation["letters"][place]);
    assert_eq!(first["parent"], id_of(0));
    assert_eq!((&first["again"], &again["parent"]), (&again["id"], &first["id"]));
    assert_eq!(conversation["packets"][1]["parent"], again["id"]);
    assert_eq!(conversation["packets"][1]["causation_id"], again["actions"][0]["packet_id"]);
    assert_eq!(conversation["packets"][1]["since_cause"], Value::Null);
    assert!(conversation["packets"][2]["since_cause"].as_f64().unwrap() > 0.0);

    let chart = bench.said(&["trace", "1", "-o", "mermaid"]).well(0).out;
    assert!(chart.starts_with("flowchart TD\n  subgraph c0[\"conversation "), "{chart}");
    let edges: Vec<_> = chart.lines().filter(|line| line.contains("-->")).map(str::trim).collect();
    assert_eq!(edges, ["n0 --> n1", "n1 --> n2", "n2 --> n3", "n3 --> n4"]);
    assert_eq!(chart.matches(":::letter").count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_replay_leads_to_stands_below_the_letter() {
    let bench = Bench::start().await;
    let charge = River::new("charge")
        .event("order_placed")
        .retry(RetryPolicy::new().attempts(1))
        .react(async |_: Packet| Err::<Packet, _>(anyhow::anyhow!("no answer")));
    let failing = bench.run("payment", "1.0.0", charge).await;
    bench.publish(r#"{"event":"order_placed","total":1}"#).await;
    bench.until("1", |it| count(it, "letters") == 1).await;
    failing.stop().await;
    let _shop = bench.run_shop().await;
    bench.said(&["dead-letters", "replay", "payment.charge.1"]).well(0);
    let conversation = bench.until("1", |it| count(it, "packets") == 3).await;
    // What was sent again may lead to more at any time.
    let quiet = bench.trace(&["1", "--quiet", "0s"]);
    assert_eq!((names(&quiet), &quiet["end"]), (names(&conversation), &"stream".into()));
    assert_eq!(conversation["packets"][1]["parent"], "payment.charge.1");
    assert_eq!(conversation["packets"][1]["causation_id"], conversation["conversation"]);
    assert_eq!(conversation["letters"][0]["state"], "replayed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_of_a_conversation_with_a_long_id_is_told_of_in_its_place() {
    let bench = Bench::start().await;
    let _shop = bench.run_shop().await;
    let long = "o".repeat(2_000);
    let placed = json!({"event": "order_placed", "total": 13, "rapids": {"id": "a", "correlation_id": long}});
    bench.publish(&placed.to_string()).await;
    let conversation = bench.until("1", |it| count(it, "letters") == 1).await;
    assert_eq!(conversation["letters"][0]["parent"], "a");
    assert_eq!(count(&conversation, "missing"), 0);
}

#[tokio::test]
async fn a_long_chain_stays_readable() {
    let bench = Bench::start().await;
    for n in 0..40 {
        let cause = (n > 0).then(|| format!("p-{}", n - 1));
        bench.publish(&body("x", &format!("p-{n}"), "p-0", cause.as_deref())).await;
    }
    let shown = bench.said(&["trace", "40"]).well(0);
    assert!(shown.lines()[2].ends_with("  └─ x  outside"), "{shown:?}");
    assert!(shown.lines()[40].contains("  …23     "), "{shown:?}");
    assert!(shown.lines().iter().all(|line| line.chars().count() < 120), "{shown:?}");
}

#[tokio::test]
async fn hostile_texts_control_neither_the_terminal_nor_the_flowchart() {
    let bench = Bench::start().await;
    let hostile = "end\u{1b}[2J\n\"]; click n0 \u{202e}\u{9b}<b>`%%{#";
    let rapids = json!({"correlation_id": "c\u{202e}\"]", "breadcrumbs": [hostile]});
    let body = json!({"event": hostile, hostile: hostile, "rapids": rapids});
    bench.publish_raw(&body.to_string()).await;
    for output in ["line", "json", "mermaid"] {
        let shown = bench.said(&["trace", "1", "-o", output]).well(0);
        let controls =
            |it: char| (it.is_control() && it != '\n') || (it == '\u{202e}' && output != "json");
        assert!(!shown.out.contains(controls), "{shown:?}");
    }
    assert_eq!(bench.said(&["trace", "1"]).well(0).lines().len(), 3);
    let chart = bench.said(&["trace", "1", "-o", "mermaid"]).well(0);
    let [_, subgraph, node, end, ..] = chart.lines()[..] else { panic!("{chart:?}") };
    for line in [subgraph, node] {
        let (_, text) = line.split_once("[\"").unwrap();
        let text = text.strip_suffix("\"]").unwrap().replace("<br/>", "");
        assert!(!text.contains(['"', '[', ']', '<', '>', '`', '%', '{', '\n']), "{text}");
    }
    assert_eq!((end, chart.lines().len()), ("  end", 6));
    assert!(bench.said(&["tail"]).well(0).out.contains(r#" ~c\u{202e}"] "#));
}
