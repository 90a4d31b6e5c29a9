//! Attacks with the ids of packets: taken before the victim uses them, or claimed.

use std::sync::Arc;

use async_nats::HeaderMap;
use rapids_client::{Packet, Rapids, River, Service, Start};
use rapids_test::TestRapids;
use serde_json::json;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

use super::world::World;
use super::{Attack, attack};
use crate::bench::DEADLINE;

pub(super) const ATTACKS: &[Attack] = &[
    attack!("publish under the id of another's output, before it does", squat),
    attack!("publish under the id of another's output while it reacts", race),
    // What counts is the id of the message.
    Attack { works_without: false, ..attack!("claim another packet's id in a body", claim) },
];

/// What the victim does; each reaction to the first packet begins, and then waits until it may go on.
fn charge(begins: Arc<Notify>, goes_on: Arc<Notify>) -> River {
    River::new("charge").event("bill").react(move |packet: Packet| {
        let (begins, goes_on) = (begins.clone(), goes_on.clone());
        async move {
            let number = packet.get::<u64>("number")?;
            if number == Some(1) {
                begins.notify_one();
                goes_on.notified().await;
                goes_on.notify_one();
            }
            Ok(Packet::event("charged").with("number", number).with("amount", 7))
        }
    })
}

fn bill(id: &str, number: u64) -> Packet {
    let body = json!({"event": "bill", "number": number, "rapids": {"id": id}});
    Packet::from_bytes(body.to_string()).unwrap()
}

/// What the victim would publish, but for the amount; found out without it, by its program.
async fn forged(id: &str) -> Packet {
    let free = Arc::new(Notify::new());
    free.notify_one();
    let mut rapids = TestRapids::new().service("payment", [charge(Arc::default(), free)]);
    rapids.publish(bill(id, 1)).await;
    rapids.only("charged").clone().with("amount", 0)
}

/// Stores a packet as the attacker, under an id.
async fn store(world: &World, message_id: &str, packet: &Packet) {
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Msg-Id", message_id);
    let body = packet.body();
    world.attacker.publish_with_headers("rapids", headers, body).await.unwrap();
    world.attacker.flush().await.unwrap();
}

/// Whether what the victim made of a packet is there, once what it made of a later one is.
async fn is_charged(rapids: &Rapids, id: &str) -> bool {
    let later = later(id);
    let charged = async {
        let (mut tail, mut found) = (rapids.tail(Start::Beginning).await.unwrap(), false);
        loop {
            let Ok(packet) = tail.next().await else { continue };
            let is_true = packet.get("amount").unwrap() == Some(7);
            if packet.event_name().as_deref() == Some("charged") && is_true {
                found |=
                    packet.causation_id() == Some(id) && packet.get("number").unwrap() == Some(1);
                if packet.causation_id() == Some(&later) {
                    return found;
                }
            }
        }
    };
    timeout(DEADLINE, charged).await.unwrap()
}

fn later(id: &str) -> String {
    format!("{id}-later")
}

/// Runs the victim while the attacker stores a packet, before there is a bill of this id or while the victim
/// reacts to it; whether what the victim makes of it is missing then.
async fn is_lost(world: &World, id: &str, (forged, is_racing): ((&str, Packet), bool)) -> bool {
    let (begins, goes_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let service = Service::new("payment", world.config_of("payment"));
    let service = service.river(charge(begins.clone(), goes_on.clone())).from_beginning();
    let rapids = Rapids::connect(&world.operator_config()).await.unwrap();
    let (message_id, forged) = forged;
    if !is_racing {
        store(world, message_id, &forged).await;
    }
    rapids.publish(bill(id, 1)).await.unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(service.run_until(async {
        let _ = stopped.await;
    }));
    timeout(DEADLINE, begins.notified()).await.unwrap();
    if is_racing {
        store(world, message_id, &forged).await;
    }
    goes_on.notify_one();
    rapids.publish(bill(&later(id), 2)).await.unwrap();
    let is_charged = is_charged(&rapids, id).await;
    stop.send(()).unwrap();
    timeout(DEADLINE, running).await.unwrap().unwrap().unwrap();
    !is_charged
}

async fn squat(world: &World) -> bool {
    let forged = forged("squatted").await;
    is_lost(world, "squatted", ((forged.id().to_owned().as_str(), forged), false)).await
}

async fn race(world: &World) -> bool {
    let forged = forged("raced").await;
    is_lost(world, "raced", ((forged.id().to_owned().as_str(), forged), true)).await
}

async fn claim(world: &World) -> bool {
    is_lost(world, "claimed", (("another", bill("claimed", 3)), false)).await
}
