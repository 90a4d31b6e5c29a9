//! `rapids retire`.

use rapids_client::{Packet, River};
use serde_json::{Value, json};

use crate::bench::Bench;

/// Counts in a memory.
fn remember() -> River {
    River::new("remember").event("x").memory("counts", "'all'").react(
        |count: &mut u64, _: &Packet| {
            *count += 1;
            anyhow::Ok(())
        },
    )
}

// The service works on while the program runs, which blocks one thread.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_retired_once_it_is_stopped_and_is_new_then() {
    let bench = Bench::start().await;
    bench.said(&["retire", "payment"]).badly(5, &["there is nothing of a service `payment`"]);
    let running = bench.run("payment", "1.0.0", remember()).await;
    bench.publish(r#"{"event":"x"}"#).await;
    bench.said(&["retire", "payment"]).badly(
        1,
        &["service `payment` is not retired: an instance of it runs; stop all instances first"],
    );
    bench.stop_after("payment", 1, running).await;
    assert_eq!(
        bench.said(&["retire", "payment"]).well(0).lines(),
        [
            "removed: its position, the consumer `payment` of RAPIDS",
            "removed: the consumer `payment` of REPLAYS",
            "removed: its entry in RAPIDS_SERVICES",
            "kept: its memories, the bucket RAPIDS_MEMORY_payment; `--forget` removes it",
        ]
    );
    bench.said(&["position", "payment"]).badly(5, &["no service has one"]);

    let running = bench.run_exclusive("payment", remember()).await;
    bench.stop_after("payment", 1, running).await;
    let output = bench.said(&["retire", "payment", "--forget", "-o", "json"]).well(0).out;
    assert_eq!(
        serde_json::from_str::<Value>(&output).unwrap(),
        json!({
            "service": "payment",
            "removed": [
                "its position, the key `payment` in RAPIDS_POSITIONS",
                "the consumer `payment` of REPLAYS",
                "its memories, the bucket RAPIDS_MEMORY_payment of 1 keys",
                "its entry in RAPIDS_SERVICES",
            ],
            "kept": [],
        })
    );
    bench.said(&["retire", "payment"]).badly(5, &["there is nothing of a service `payment`"]);
}
