//! Memories that are gone although the position of their service is not.

use rapids_client::{Delivery, Seek, Start};
use serde_json::Value;

use crate::harness::{Bench, Running};
use crate::known::publish;
use crate::positions::{bucket, count};

#[tokio::test]
async fn memories_whose_bucket_is_gone_end_the_service_until_empty_ones_are_asked_for() {
    for (delivery, name) in [(Delivery::Shared, "mindful-s"), (Delivery::Exclusive, "mindful-e")] {
        let bench = Bench::of(delivery).await;
        let memories = format!("RAPIDS_MEMORY_{name}");
        let running = bench.run(bench.service(name, [count()])).await;
        publish(&bench, 1..=3).await;
        bench.quiet(&[name]).await;
        running.stop().await;
        bench.jetstream().await.delete_key_value(&memories).await.unwrap();
        for is_empty in [false, true] {
            if is_empty {
                let made = async_nats::jetstream::kv::Config {
                    bucket: memories.clone(),
                    ..Default::default()
                };
                bench.jetstream().await.create_key_value(made).await.unwrap();
            }
            let ended = Running::spawn(bench.service(name, [count()])).ended().await.to_string();
            assert!(ended.contains(&memories), "{ended}");
            assert!(ended.contains(&format!("`rapids position {name} --to-beginning --forget`")));
        }
        let forgetting = Seek::new().forget();
        bench.rapids.move_position(name, Start::Beginning, forgetting).await.unwrap().unwrap();
        for _ in 0..2 {
            let running = bench.run(bench.service(name, [count()])).await;
            bench.quiet(&[name]).await;
            running.stop().await;
        }
        let record = bucket(&bench, &memories).await.get("counts.all").await.unwrap().unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&record).unwrap()["memory"], 3);
    }
}
