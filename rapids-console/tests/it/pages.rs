//! Every page, with what it is to show.

use std::time::Duration;

use rapids_client::{Packet, River, Timestamp};

use crate::bench::{Bench, Console, PAGES};
use rapids_client::Config;

#[tokio::test]
async fn without_a_stream_every_page_says_what_is_missing() {
    let server =
        tokio::task::spawn_blocking(rapids_test::NatsServer::start).await.unwrap().unwrap();
    let console = Console::start(Config::new(server.url()), &[]).await;
    for path in PAGES {
        let answer = console.get_with(path, "no stream `RAPIDS`").await;
        assert!(answer.body.contains("<main"), "{path}");
    }
    console.stop().await;
}

#[tokio::test]
async fn a_packet_is_shown_digit_by_digit_with_its_family_and_its_readers() {
    let bench = Bench::start().await;
    let river = River::new("charge")
        .event("order_placed")
        .require_that("@.total > 0")
        .react(async |_: Packet| -> anyhow::Result<Packet> { Ok(Packet::event("paid")) });
    bench.serve("payment", vec![river]).await;
    let body = r#"{"event":"order_placed","total":9007199254740993,"price":1.10}"#;
    let sequence = bench.publish_raw(body).await;
    let console = bench.console(&[]).await;
    let path = format!("/packets/{sequence}");
    let texts = ["9007199254740993", "1.10", "paid", "payment/charge", "@.total &#62; 0"];
    console.get_until(&path, |page| texts.iter().all(|text| page.body.contains(text))).await;
    let bytes = console.get(&format!("{path}/bytes")).await;
    assert_eq!(bytes.body, body);
    let effect = console.get(&format!("/packets/{}", sequence + 1)).await.body;
    assert!(effect.contains(&format!("href=\"{path}\"")), "it leads to its cause: {effect}");
}

#[tokio::test]
async fn what_is_not_there_says_so() {
    let bench = Bench::start().await;
    bench.publish(Packet::event("order_placed")).await;
    let console = bench.console(&[]).await;
    console.get_with("/live", "order_placed").await;
    for path in ["/packets/17", "/packets/0", "/dead-letters/payment.charge.17", "/nothing"] {
        let answer = console.get(path).await;
        assert!(answer.status.starts_with("404"), "{path}: {answer:?}");
        assert!(answer.body.contains("<main"), "{path}");
    }
}

#[tokio::test]
async fn a_conversation_is_a_tree_with_everything_in_it() {
    let bench = Bench::start().await;
    let answers = |name: &'static str, event: &'static str, answer: &'static str| {
        River::new(name)
            .event(event)
            .react(move |_: Packet| async move { anyhow::Ok(Packet::event(answer)) })
    };
    bench.serve("payment", vec![answers("charge", "order_placed", "paid")]).await;
    bench.serve("shipping", vec![answers("ship", "paid", "shipped")]).await;
    let first = Packet::event("order_placed");
    let id = first.id().to_owned();
    bench.publish(first).await;
    bench.publish(Packet::event("order_placed")).await;
    let console = bench.console(&[]).await;
    let path = format!("/conversations/{id}");
    let page = console.get_with(&path, "shipped").await.body;
    let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text} in {page}"));
    assert!(place("order_placed") < place(">paid") && place(">paid") < place("shipped"));
    assert!(page.contains("3 packets"), "{page}");
    let found = console.get(&format!("/find?q={id}")).await;
    assert!(found.status.starts_with("303") || found.status.starts_with("307"), "{found:?}");
}

#[tokio::test]
async fn the_overview_and_the_map_show_who_runs_and_what_flows() {
    let bench = Bench::start().await;
    let river = River::new("charge")
        .event("order_placed")
        .publishes(["paid"])
        .react(async |_: Packet| -> anyhow::Result<Packet> { Ok(Packet::event("paid")) });
    bench.serve("payment", vec![river]).await;
    bench.publish(Packet::event("order_placed")).await;
    let console = bench.console(&[]).await;
    let page = console.get_with("/", "nobody reacts to").await.body;
    assert!(page.contains("payment") && page.contains("live"), "{page}");
    let map = console.get_with("/map", "payment").await.body;
    assert!(map.contains("order_placed") && map.contains("paid"), "{map}");
    let mermaid = console.get("/map.mmd").await;
    assert!(mermaid.body.contains("flowchart LR"), "{mermaid:?}");
}

#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
struct Stock {
    pieces: u64,
}

#[tokio::test]
async fn timers_and_memories_are_shown() {
    let bench = Bench::start().await;
    let river = River::new("count").event("order_placed").memory::<Stock>("stock", "@.sku").react(
        |stock: &mut Stock, packet: &Packet| {
            stock.pieces = packet.get::<u64>("pieces")?.unwrap_or_default();
            Ok(())
        },
    );
    bench.serve("warehouse", vec![river]).await;
    bench.publish(Packet::event("order_placed").with("sku", "tent").with("pieces", 42)).await;
    let reminder = Packet::event("reminder").with("note", "soon");
    bench
        .rapids
        .publish_later(reminder, Timestamp::now() + Duration::from_secs(600))
        .await
        .unwrap();
    let console = bench.console(&[]).await;
    let timers = console.get_with("/timers", "reminder").await.body;
    assert!(timers.contains("in 9 min") && timers.contains("soon"), "{timers}");
    console.get_with("/memories", "stock").await;
    let entries = "/memories?service=warehouse&memory=stock";
    let page = console.get_with(entries, "tent").await.body;
    assert!(page.contains("42"), "{page}");
    let one = console.get(&format!("{entries}&key=tent")).await.body;
    assert!(one.contains("\"pieces\": 42") || one.contains("&#34;pieces&#34;: 42"), "{one}");
    let none = console.get(&format!("{entries}&filter=%40.pieces%20%3E%2050")).await.body;
    assert!(none.contains("0 shown of 0"), "{none}");
    let wrong = console.get(&format!("{entries}&filter=%40.pieces%20%3E")).await.body;
    assert!(wrong.contains("column"), "{wrong}");
}
