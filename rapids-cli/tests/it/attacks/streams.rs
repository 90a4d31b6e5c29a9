//! Attacks on streams and buckets as a whole.

use serde_json::{Value, json};

use super::world::World;
use super::{Attack, attack};

pub(super) const ATTACKS: &[Attack] = &[
    attack!("delete a stream", delete),
    attack!("purge a stream", purge),
    attack!("delete a message of a stream", delete_message),
    attack!("change a stream", update),
    attack!("seal a stream", seal),
    attack!("create a stream that takes over a subject", create),
    attack!("snapshot a stream", snapshot),
];

async fn delete(world: &World) -> bool {
    world.api("STREAM.DELETE.REPLAYS", json!(null)).await
}

async fn purge(world: &World) -> bool {
    world.api("STREAM.PURGE.KV_RAPIDS_SERVICES", json!(null)).await
}

async fn delete_message(world: &World) -> bool {
    let replay = b"{}".to_vec();
    assert!(world.request(&world.operator, "replays.payment", replay).await.is_some());
    world.api("STREAM.MSG.DELETE.REPLAYS", json!({"seq": 1})).await
}

/// The settings of a stream with one of them changed.
async fn changed(world: &World, stream: &str, setting: &str, value: Value) -> Value {
    let mut config = world.told(&format!("STREAM.INFO.{stream}")).await["config"].take();
    config[setting] = value;
    config
}

async fn update(world: &World) -> bool {
    let config = changed(world, "RAPIDS", "max_bytes", json!(1_000)).await;
    world.api("STREAM.UPDATE.RAPIDS", config).await
}

async fn seal(world: &World) -> bool {
    let config = changed(world, "DEAD_LETTERS", "sealed", json!(true)).await;
    world.api("STREAM.UPDATE.DEAD_LETTERS", config).await
}

async fn create(world: &World) -> bool {
    let config = json!({"name": "SPY", "subjects": ["$SRV.>"], "storage": "memory"});
    world.api("STREAM.CREATE.SPY", config).await
}

async fn snapshot(world: &World) -> bool {
    let inbox = world.attacker.new_inbox();
    let request = json!({"deliver_subject": inbox});
    world.api("STREAM.SNAPSHOT.KV_RAPIDS_MEMORY_payment", request).await
}
