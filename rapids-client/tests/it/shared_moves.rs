//! Moving the position of a service in shared delivery.

use std::time::Duration;

use rapids_client::{Delivery, Seek, Start};
use serde_json::{Value, json};

use crate::harness::Bench;
use crate::known::{entry, known, publish, put_entry, sees};
use crate::positions::Seen;

#[tokio::test]
async fn a_position_in_shared_delivery_is_moved_while_its_service_is_down() {
    let (bench, seen) = known("moved-down").await;
    let moved = bench.rapids.move_position("moved-down", Start::Sequence(2), Seek::new()).await;
    let moved = moved.unwrap().unwrap();
    assert_eq!((moved.next, moved.pending, moved.again, moved.skipped), (2, 2, 2, 0));
    assert_eq!(entry(&bench, "moved-down").await["epoch"], 1);
    let running = bench.run(bench.service("moved-down", [seen.river()])).await;
    sees(&seen, [2, 3]).await;
    bench.quiet(&["moved-down"]).await;
    running.stop().await;
    assert_eq!(seen.take(), [2, 3]);
    assert_eq!(entry(&bench, "moved-down").await["target"], Value::Null, "it was made there");

    publish(&bench, 4..=5).await;
    let moved = bench.rapids.move_position("moved-down", Start::Now, Seek::new()).await;
    let moved = moved.unwrap().unwrap();
    assert_eq!((moved.next, moved.pending, moved.again, moved.skipped), (6, 0, 0, 2));
    let running = bench.run(bench.service("moved-down", [seen.river()])).await;
    publish(&bench, [6]).await;
    bench.quiet(&["moved-down"]).await;
    running.stop().await;
    assert_eq!(seen.take(), [6]);
}

#[tokio::test]
async fn a_plan_says_what_the_move_will_and_holds_until_somebody_else_moves_it() {
    let (bench, _) = known("planned").await;
    publish(&bench, 4..=5).await;
    let rapids = &bench.rapids;
    for (to, how) in [
        (Start::Beginning, Seek::new().forget()),
        (Start::Sequence(2), Seek::new().forget().publish()),
        (Start::Now, Seek::new()),
    ] {
        let plan = rapids.plan_move("planned", to, how).await.unwrap().unwrap();
        let again = rapids.plan_move("planned", to, how).await.unwrap().unwrap();
        assert_eq!(plan, again, "nothing was touched");
        let (next, how) = (Start::Sequence(plan.next), how.planned(plan.moves, plan.before));
        assert_eq!(rapids.move_position("planned", next, how).await.unwrap(), Some(plan));
        let slower = rapids.move_position("planned", next, how).await.unwrap_err();
        assert!(slower.to_string().contains("somebody has moved it"), "{slower}");
    }
    assert_eq!(entry(&bench, "planned").await["epoch"], 3);
    assert_eq!(rapids.plan_move("nobody", Start::Now, Seek::new()).await.unwrap(), None);
}

#[tokio::test]
async fn a_position_in_shared_delivery_is_moved_while_its_instances_run() {
    let (bench, seen) = known("moved-up").await;
    let one = bench.run(bench.service("moved-up", [seen.river()])).await;
    let other = bench.run(bench.service("moved-up", [seen.river()])).await;
    let moving = bench.rapids.move_position("moved-up", Start::Beginning, Seek::new());
    assert_eq!(moving.await.unwrap().unwrap().again, 3);
    sees(&seen, 1..=3).await;
    publish(&bench, [4]).await;
    sees(&seen, 1..=4).await;
    bench.quiet(&["moved-up"]).await;
    let up = bench.rapids.services(Duration::from_millis(300)).await.unwrap();
    assert!(up.iter().all(|instance| !instance.facts.contains_key("lost")), "{up:?}");
    one.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn a_move_that_was_broken_off_is_finished_by_the_instances_that_run() {
    let (bench, seen) = known("halfway").await;
    let running = bench.run(bench.service("halfway", [seen.river()])).await;
    let mut moving = entry(&bench, "halfway").await;
    moving["epoch"] = json!(1);
    moving["floor"]["sequence"] = json!(1);
    moving["target"] = json!(2);
    put_entry(&bench, "halfway", &moving).await;
    sees(&seen, [2, 3]).await;
    bench.quiet(&["halfway"]).await;
    running.stop().await;
    assert_eq!(seen.take(), [2, 3]);
    let made = entry(&bench, "halfway").await;
    assert_eq!((&made["target"], &made["floor"]["sequence"]), (&Value::Null, &json!(3)));
}

#[tokio::test]
async fn each_move_of_a_position_begins_an_epoch() {
    for delivery in [Delivery::Shared, Delivery::Exclusive] {
        let bench = Bench::of(delivery).await;
        let seen = Seen::default();
        bench.run(bench.service("moved", [seen.river()])).await.stop().await;
        assert_eq!(entry(&bench, "moved").await.get("epoch"), None);
        for epoch in 1..=2 {
            let moving = bench.rapids.move_position("moved", Start::Beginning, Seek::new());
            assert!(moving.await.unwrap().is_some());
            bench.run(bench.service("moved", [seen.river()])).await.stop().await;
            assert_eq!(entry(&bench, "moved").await["epoch"], epoch);
        }
    }
}
