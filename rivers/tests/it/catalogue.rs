//! Prices, as those ask for them who wait for the answer.

use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use rapids_client::{Config, Packet, Rapids};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::bench::Bench;

const CATALOGUE: &str = env!("CARGO_BIN_EXE_catalogue");
const DEADLINE: Duration = Duration::from_secs(60);

/// Asks until somebody answers as expected: each instance begins to answer once it has heard all.
async fn until(client: &async_nats::Client, sku: &str, expected: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let question = json!({"sku": sku}).to_string();
        let answer = client.request("catalogue.price", question.into()).await;
        let answer = answer.map(|message| {
            let refusal = message.headers.as_ref().and_then(refusal);
            refusal.unwrap_or_else(|| serde_json::from_slice(&message.payload).unwrap())
        });
        match answer {
            Ok(answer) if expected(&answer) => return answer,
            answer => assert!(Instant::now() < deadline, "{answer:?}"),
        }
        sleep(Duration::from_millis(20)).await;
    }
}

fn refusal(headers: &HeaderMap) -> Option<Value> {
    headers.get("Nats-Service-Error-Code").map(|code| code.as_str().into())
}

#[tokio::test]
async fn whoever_asks_hears_the_price_that_was_changed_last_also_from_a_new_instance() {
    let bench = Bench::start();
    let first = bench.service(CATALOGUE);
    let client = async_nats::connect(bench.url()).await.unwrap();
    let tent = until(&client, "summit/tent", |_| true).await;
    assert_eq!(tent, json!({"sku": "summit/tent", "name": "Tent", "price": 19_900}));
    assert_eq!(until(&client, "lunar/cheese", |_| true).await, "404");

    let rapids = Rapids::connect(&Config::new(bench.url())).await.unwrap();
    let change = Packet::command("change_price").with("sku", "summit/tent").with("price", 15_000);
    rapids.publish(change).await.unwrap();
    until(&client, "summit/tent", |answer| answer["price"] == 15_000).await;

    let log = first.stop();
    assert!(log.iter().any(|line| line.contains("stopped: ")), "{log:#?}");
    let _second = bench.service(CATALOGUE);
    let tent = until(&client, "summit/tent", |_| true).await;
    assert_eq!(tent["price"], 15_000);
}

#[tokio::test]
#[ignore = "needs the nats CLI"]
async fn the_cli_asks_and_lists_who_answers() {
    let bench = Bench::start();
    let _catalogue = bench.service(CATALOGUE);
    let client = async_nats::connect(bench.url()).await.unwrap();
    until(&client, "summit/tent", |_| true).await;
    let answer = bench.nats(&["req", "--raw", "catalogue.price", r#"{"sku":"riverside/canoe"}"#]);
    assert_eq!(answer.trim(), r#"{"name":"Canoe","price":7550,"sku":"riverside/canoe"}"#);
    let listed = bench.nats_micro(&["ls"]);
    assert!(listed.contains("prices") && listed.contains("catalogue"), "{listed}");
}
