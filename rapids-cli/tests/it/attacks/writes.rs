//! Attacks that write what another service believes.

use async_nats::{HeaderMap, Request};
use bytes::Bytes;
use futures::StreamExt;
use serde_json::json;

use super::world::World;
use super::{Attack, attack};

pub(super) const ATTACKS: &[Attack] = &[
    attack!("publish under another's name", publish_as),
    attack!("write into another's memory", memory),
    attack!("write into the ledger of another's reactions that run once", ledger),
    attack!("write another's position", position),
    attack!("write what is noted of another", entry),
    attack!("write the progress of another's packets", progress),
    attack!("write what was done with a letter", letter_state),
    attack!("write the log of operations and the jobs", operations),
    attack!("read another's memory", read_memory),
    attack!("forge a live copy", live),
    attack!("forge a replay", replay),
    attack!("forge another's letter", letter),
    attack!("set another's timer", timer),
    attack!("delete all timers by a roll-up", roll_up),
    attack!("have a timer bring something in another's name", timer_as),
    attack!("have a message expire early in another's bucket", expire),
    attack!("answer `$SRV` in another's name", answer_for),
];

/// Publishes a body on a subject; whether the stream has it then.
async fn writes(world: &World, stream: &str, subject: &str) -> bool {
    world.publish(subject, None, r#"{"forged":1}"#).await;
    world.has(stream, subject, "forged").await
}

async fn publish_as(world: &World) -> bool {
    // Where all share a subject, a name in the body is all there is.
    world.publish("rapids", None, r#"{"event":"x","rapids":{"breadcrumbs":["payment"]}}"#).await;
    world.publish("rapids.from.payment", None, r#"{"event":"x"}"#).await;
    world
        .becomes(async || {
            let Ok(stream) = world.jetstream().get_stream("RAPIDS").await else { return false };
            for subject in ["rapids", "rapids.from.payment"] {
                if stream.get_last_raw_message_by_subject(subject).await.is_ok() {
                    return true;
                }
            }
            false
        })
        .await
}

async fn memory(world: &World) -> bool {
    writes(world, "KV_RAPIDS_MEMORY_payment", "$KV.RAPIDS_MEMORY_payment.paid.k").await
}

async fn ledger(world: &World) -> bool {
    writes(world, "KV_RAPIDS_ONCE", "$KV.RAPIDS_ONCE.payment.charge.k").await
}

async fn position(world: &World) -> bool {
    // There is such a bucket where a service is in exclusive delivery; the subject is as free elsewhere.
    let config = json!({
        "name": "KV_RAPIDS_POSITIONS", "subjects": ["$KV.RAPIDS_POSITIONS.>"],
        "max_msgs_per_subject": 1, "allow_direct": true
    });
    let body = config.to_string().into_bytes();
    world.request(&world.operator, "$JS.API.STREAM.CREATE.KV_RAPIDS_POSITIONS", body).await;
    writes(world, "KV_RAPIDS_POSITIONS", "$KV.RAPIDS_POSITIONS.payment").await
}

async fn entry(world: &World) -> bool {
    writes(world, "KV_RAPIDS_SERVICES", "$KV.RAPIDS_SERVICES.payment").await
}

async fn progress(world: &World) -> bool {
    writes(world, "KV_RAPIDS_HANDLING", "$KV.RAPIDS_HANDLING.payment.1").await
}

async fn letter_state(world: &World) -> bool {
    writes(world, "KV_RAPIDS_LETTERS", "$KV.RAPIDS_LETTERS.payment.charge.1").await
}

async fn operations(world: &World) -> bool {
    writes(world, "KV_RAPIDS_OPERATIONS", "$KV.RAPIDS_OPERATIONS.job.x").await
}

async fn read_memory(world: &World) -> bool {
    let subject = "$KV.RAPIDS_MEMORY_payment.paid.secret";
    world.request(&world.victim, subject, b"{}".to_vec()).await.unwrap();
    let request = format!("$JS.API.DIRECT.GET.KV_RAPIDS_MEMORY_payment.{subject}");
    world.answered(&request, "").await.is_some()
}

async fn live(world: &World) -> bool {
    let mut feed = world.operator.subscribe("rapids.live").await.unwrap();
    world.operator.flush().await.unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Stream", "RAPIDS");
    headers.insert("Nats-Sequence", "1000");
    let body = Bytes::from_static(br#"{"forged":1}"#);
    world.attacker.publish_with_headers("rapids.live", headers, body).await.unwrap();
    world.attacker.flush().await.unwrap();
    // The copy of a packet that was stored just now may come first.
    while let Some(copy) = world.next_of(&mut feed).await {
        if copy.payload.starts_with(br#"{"forged"#) {
            return true;
        }
    }
    false
}

async fn replay(world: &World) -> bool {
    writes(world, "REPLAYS", "replays.payment").await
}

async fn letter(world: &World) -> bool {
    writes(world, "DEAD_LETTERS", "dead_letters.payment.charge.1").await
}

async fn timer(world: &World) -> bool {
    schedule(world, "later.payment.due=2Ex", "later_due").await;
    world.has(world.timers_of("payment"), "later.payment.>", "forged").await
}

/// Publishes a timer on a subject, for this subject.
async fn schedule(world: &World, subject: &str, target: &str) {
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Schedule", "@at 2100-01-01T00:00:00Z");
    headers.insert("Nats-Schedule-Target", target);
    let body = Bytes::from_static(br#"{"forged":1}"#);
    world.attacker.publish_with_headers(subject.to_owned(), headers, body).await.unwrap();
    world.attacker.flush().await.unwrap();
}

async fn roll_up(world: &World) -> bool {
    let own = world.timers_of("payment");
    let due = if own == "LATER" { "later_due" } else { "later_due.payment" };
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Schedule", "@at 2100-01-01T00:00:00Z");
    headers.insert("Nats-Schedule-Target", due);
    // The victim's own timer, which is to survive.
    let subject = "later.payment.due=2Eown";
    let setting = Request::new().headers(headers).payload(Bytes::from_static(b"{}"));
    let stored = world.victim.send_request(subject, setting).await.unwrap();
    assert!(!String::from_utf8_lossy(&stored.payload).contains("error"), "{stored:?}");
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Rollup", "all");
    for subject in ["later.orders.x", "later.payment.x"] {
        let body = Bytes::from_static(b"");
        world.attacker.publish_with_headers(subject, headers.clone(), body).await.unwrap();
    }
    world.attacker.flush().await.unwrap();
    let stream = world.jetstream().get_stream(own).await.unwrap();
    world.becomes(async || stream.get_last_raw_message_by_subject(subject).await.is_err()).await
}

async fn timer_as(world: &World) -> bool {
    let timers = [
        ("later.orders.x=2Ex", "later_due.payment"),
        ("later.orders.x=2Ey", "later.payment.due=2Eforged"),
    ];
    for (subject, target) in timers {
        schedule(world, subject, target).await;
    }
    let stream = world.jetstream().get_stream(world.timers_of("orders")).await.unwrap();
    let is_kept = async |(subject, target): (&str, &str)| {
        let last = stream.get_last_raw_message_by_subject(subject).await;
        let kept = last.ok().and_then(|last| last.headers.get("Nats-Schedule-Target").cloned());
        kept.is_some_and(|kept| kept.as_str() == target)
    };
    world.becomes(async || is_kept(timers[0]).await || is_kept(timers[1]).await).await
}

async fn expire(world: &World) -> bool {
    let mut headers = HeaderMap::new();
    headers.insert("Nats-TTL", "3600s");
    let subject = "$KV.RAPIDS_MEMORY_payment.paid.expiring";
    let body = Bytes::from_static(br#"{"forged":1}"#);
    world.attacker.publish_with_headers(subject, headers, body).await.unwrap();
    world.attacker.flush().await.unwrap();
    world.has("KV_RAPIDS_MEMORY_payment", subject, "forged").await
}

async fn answer_for(world: &World) -> bool {
    let mut questions = world.attacker.subscribe("$SRV.PING.payment").await.unwrap();
    world.attacker.flush().await.unwrap();
    let attacker = world.attacker.clone();
    let answering = tokio::spawn(async move {
        while let Some(question) = questions.next().await {
            let Some(reply) = question.reply else { continue };
            attacker.publish(reply, "forged".into()).await.unwrap();
        }
    });
    let answer = world.request(&world.operator, "$SRV.PING.payment", b"".to_vec()).await;
    answering.abort();
    answer.is_some_and(|answer| answer.payload == "forged")
}
