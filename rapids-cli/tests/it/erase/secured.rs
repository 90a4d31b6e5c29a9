//! In the secured form, what operators may do is enough for an erasure.

use async_nats::HeaderMap;
use serde_json::{Value, json};

use super::{ADA, bodies, json_of};
use crate::attacks::world::World;
use crate::bench::said;

/// What a service and an operator leave of Ada in each place, written as the library writes it.
async fn leave(world: &World) {
    let packet = |event: &str| json!({"event": event, "customer": "ada"});
    let outcome = json!({"done": [packet("mail_sent")]});
    let record = json!({"version": 1, "key": "paid.o-1", "memory": {"customer": "ada"},
        "folded": {"charge": [["p-1", 1]]}});
    for (subject, body) in [
        ("$KV.RAPIDS_ONCE.payment.mail.p-1", outcome),
        ("$KV.RAPIDS_MEMORY_payment.paid.o-1", record),
    ] {
        assert!(world.request(&world.victim, subject, body.to_string()).await.is_some());
    }
    let mut letter = HeaderMap::new();
    for (name, value) in [
        ("Rapids-Kind", "rejected"),
        ("Rapids-Reason", "no"),
        ("Rapids-Attempts", "1"),
        ("Rapids-Instance", "Xa81"),
        ("Rapids-Sequence", "1"),
        ("Rapids-Stored", "2026-11-21T09:30:00.123456Z"),
        ("Rapids-First-Failure", "2026-11-21T09:30:01Z"),
        ("Rapids-Last-Failure", "2026-11-21T09:31:00Z"),
        ("Rapids-Packet-Id", "p-1"),
        ("Rapids-Correlation-Id", "p-1"),
    ] {
        letter.insert(name, value);
    }
    let mut timer = HeaderMap::new();
    timer.insert("Nats-Schedule", "@at 2099-01-01T00:00:00Z");
    timer.insert("Nats-Schedule-Target", "later_due.payment");
    for (subject, headers) in
        [("dead_letters.payment.charge.1", letter), ("later.payment.due:o-1", timer)]
    {
        let body = packet("order_placed").to_string();
        let sending = world.victim.publish_with_headers(subject, headers, body.into());
        sending.await.unwrap();
    }
    world.victim.flush().await.unwrap();
    let replay = packet("order_placed").to_string();
    assert!(world.request(&world.operator, "replays.payment", replay).await.is_some());
    assert!(world.has("DEAD_LETTERS", "dead_letters.payment.charge.1", "ada").await);
    assert!(world.has("LATER_payment", "later.payment.due:o-1", "ada").await);
}

/// What, and how many, of which so many are in hand.
fn counts(list: &Value) -> Vec<(&str, u64, u64)> {
    let count = |held: &'_ Value, name: &str| held[name].as_u64().unwrap();
    let held = list.as_array().unwrap().iter();
    held.map(|it| (it["in"].as_str().unwrap(), count(it, "count"), count(it, "in_hand"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_may_erase_all_that_can_be_removed_and_waits_for_what_is_in_hand() {
    let world = World::secured().await;
    leave(&world).await;
    let as_who = |who: &str, last: &str| {
        said(&mut world.command(who, &["erase", "--where", ADA, "-o", "json", last]))
    };
    let looked = as_who("vic", "--dry-run").well(0);
    assert_eq!(counts(&json_of(&looked.out)["found"]).len(), 5, "{looked:?}");
    assert_eq!(as_who("vic", "--yes").code, 4, "a viewer removes nothing");
    let erase = || as_who("ada", "--yes");
    // The service has not acknowledged its first packet, of which the outcome may be.
    let first = erase();
    assert_eq!((first.code, first.err.contains("not permitted")), (1, false), "{first:?}");
    let first = json_of(&first.out);
    let removed = [("timers", 1, 0), ("letters", 1, 0), ("replays", 1, 0), ("memory", 1, 0)];
    assert_eq!(counts(&first["removed"]), removed, "{first}");
    assert_eq!(counts(&first["left"]), [("outcomes", 1, 1)], "{first}");

    // It acknowledges it, and the other one that this publishes.
    world.victim_works().await;
    let last = world.pulled().await.reply.unwrap().to_string();
    assert!(world.request(&world.victim, &last, "+ACK").await.is_some());
    let second = erase();
    assert_eq!(second.code, 0, "{second:?}");
    let second = json_of(&second.out);
    assert_eq!(counts(&second["removed"]), [("outcomes", 1, 0)], "{second}");
    for stream in
        ["KV_RAPIDS_ONCE", "KV_RAPIDS_MEMORY_payment", "DEAD_LETTERS", "LATER_payment", "REPLAYS"]
    {
        let bodies = bodies(&world.jetstream(), stream).await;
        assert!(!bodies.contains("ada"), "{stream}: {bodies}");
    }
}
