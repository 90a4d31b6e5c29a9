//! Attacks on the packets that come to another service, and on its position.

use serde_json::json;

use super::world::World;
use super::{Attack, attack};

pub(super) const ATTACKS: &[Attack] = &[
    attack!("take another's packets from its consumer", take),
    attack!("acknowledge what another has not handled", acknowledge),
    attack!("terminate what another has not handled", terminate),
    attack!("delete another's consumer", delete),
    attack!("put another consumer in its place", replace),
    attack!("reset another's consumer", reset),
    attack!("pause another's consumer", pause),
    attack!("read what is replayed to another by a consumer of one's own", spy),
];

async fn take(world: &World) -> bool {
    let next = "$JS.API.CONSUMER.MSG.NEXT.RAPIDS.payment";
    world.answered(next, "").await.is_some()
}

/// Sends an answer to a packet that the victim has; whether the server then waits for none.
async fn answer(world: &World, words: &str) -> bool {
    let packet = world.pulled().await.reply.unwrap().to_string();
    world.publish(&packet, None, words).await;
    let is_answered = world
        .becomes(async || world.told("CONSUMER.INFO.RAPIDS.payment").await["num_ack_pending"] == 0)
        .await;
    // The next attack finds a packet for the victim.
    world.victim.publish(packet, "-NAK".into()).await.unwrap();
    world.victim.flush().await.unwrap();
    is_answered
}

async fn acknowledge(world: &World) -> bool {
    answer(world, "+ACK").await
}

async fn terminate(world: &World) -> bool {
    answer(world, "+TERM").await
}

async fn delete(world: &World) -> bool {
    world.api("CONSUMER.DELETE.RAPIDS.payment", json!(null)).await
}

async fn replace(world: &World) -> bool {
    delete(world).await;
    let config = json!({"durable_name": "payment", "ack_policy": "none", "deliver_policy": "new"});
    let request = json!({"stream_name": "RAPIDS", "config": config});
    world.api("CONSUMER.CREATE.RAPIDS.payment", request).await
}

async fn reset(world: &World) -> bool {
    world.api("CONSUMER.RESET.RAPIDS.payment", json!({"seq": 1})).await
}

async fn pause(world: &World) -> bool {
    let request = json!({"pause_until": "2100-01-01T00:00:00Z"});
    world.api("CONSUMER.PAUSE.RAPIDS.payment", request).await
}

async fn spy(world: &World) -> bool {
    let config = json!({"name": "spy", "ack_policy": "none", "deliver_policy": "all"});
    let request = json!({"stream_name": "REPLAYS", "config": config});
    world.api("CONSUMER.CREATE.REPLAYS.spy", request).await
}
