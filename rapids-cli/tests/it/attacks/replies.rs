//! Attacks by which the server writes its answer where the attacker could not, and on the answers to others.

use serde_json::json;

use super::world::World;
use super::{Attack, attack};

pub(super) const ATTACKS: &[Attack] = &[
    attack!("have the server's answer written into another's memory", into_memory),
    attack!("have the server's answer written as a replay", into_replays),
    attack!("have the server's answer published as a packet", into_rapids),
    attack!("have the server's answer delete a consumer", into_api),
    attack!("have chosen bytes written into another's memory", chosen_bytes),
    attack!("read the answers to others", steal),
];

/// Publishes a packet with a reply subject; whether the server's answer is stored there.
async fn answered_into(world: &World, stream: &str, reply: &str) -> bool {
    world.publish("rapids", Some(reply), r#"{"event":"x"}"#).await;
    world.has(stream, reply, r#""stream""#).await
}

async fn into_memory(world: &World) -> bool {
    answered_into(world, "KV_RAPIDS_MEMORY_payment", "$KV.RAPIDS_MEMORY_payment.paid.answer").await
}

async fn into_replays(world: &World) -> bool {
    answered_into(world, "REPLAYS", "replays.payment").await
}

async fn into_rapids(world: &World) -> bool {
    let answer = r#""stream""#;
    world.publish("$JS.API.STREAM.INFO.RAPIDS", Some("rapids"), "").await;
    world.publish("$JS.API.STREAM.INFO.RAPIDS", Some("rapids.from.payment"), "").await;
    world.has("RAPIDS", "rapids", "stream_info_response").await
        || world.has("RAPIDS", "rapids.from.payment", answer).await
}

/// Acknowledges a packet of the attacker's own, and has the answer to that, which is empty, sent there.
async fn acknowledged_into(world: &World, reply: &str) {
    let next = "$JS.API.CONSUMER.MSG.NEXT.RAPIDS.orders";
    world.publish("rapids", None, r#"{"event":"own"}"#).await;
    let own =
        world.request(&world.attacker, next, b"".to_vec()).await.expect("a packet of its own");
    world.publish(&own.reply.unwrap(), Some(reply), "+ACK").await;
}

async fn into_api(world: &World) -> bool {
    acknowledged_into(world, "$JS.API.CONSUMER.DELETE.RAPIDS.payment").await;
    world.becomes(async || world.told("CONSUMER.INFO.RAPIDS.payment").await.is_null()).await
}

async fn chosen_bytes(world: &World) -> bool {
    let memory = "$KV.RAPIDS_MEMORY_payment.paid.chosen";
    world.publish("rapids", None, r#"{"event":"chosen"}"#).await;
    let last = async || world.told("STREAM.INFO.RAPIDS").await["state"]["last_seq"].clone();
    let request = json!({"seq": last().await}).to_string();
    world.publish("$JS.API.DIRECT.GET.RAPIDS", Some(memory), &request).await;
    world.has("KV_RAPIDS_MEMORY_payment", memory, "event").await
}

async fn steal(world: &World) -> bool {
    let mut answers = world.attacker.subscribe("_INBOX.>").await.unwrap();
    world.attacker.flush().await.unwrap();
    world.request(&world.victim, "$JS.API.STREAM.INFO.RAPIDS", b"".to_vec()).await;
    world.next_of(&mut answers).await.is_some()
}
