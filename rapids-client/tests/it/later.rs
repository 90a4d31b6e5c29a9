//! Timers: set by reactions and by publishers, kept and fired by the server.

pub(crate) mod killed;

use std::time::Duration;

use async_nats::jetstream::stream::Config as StreamConfig;
use rapids_client::{Error, Outputs, Packet, Rapids, Retiring, River, TimerId, Timestamp};
use rapids_test::NatsServer;
use serde::{Deserialize, Serialize};

use crate::harness::{Bench, config, until};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const SOON: Duration = Duration::from_millis(300);

fn placed(order: &str) -> Packet {
    Packet::event("placed").with("order", order)
}

fn order_of(packet: &Packet) -> anyhow::Result<String> {
    Ok(packet.get("order")?.unwrap_or_default())
}

/// Sets a timer for each order, and cancels it when that is paid.
fn order(wait: Duration) -> [River; 2] {
    let set = River::new("set").event("placed").react(move |packet: Packet| async move {
        let order = order_of(&packet)?;
        let overdue = Packet::event("overdue").with("order", &order);
        Ok(Outputs::new().publish(Packet::event("asked").with("order", &order)).later(
            "payment_due",
            &order,
            wait,
            overdue,
        ))
    });
    let cancel = River::new("cancel").event("paid").react(|packet: Packet| async move {
        let order = order_of(&packet)?;
        let settled = Packet::event("settled").with("order", &order);
        Ok(Outputs::new().publish(settled).cancel("payment_due", order))
    });
    [set, cancel]
}

async fn waiting(rapids: &Rapids) -> Vec<String> {
    let mut listing = rapids.timers(None).await.unwrap();
    let mut ids = Vec::new();
    while let Some(timer) = listing.next().await.unwrap() {
        ids.push(timer.id.to_string());
    }
    ids
}

/// Changes a stream.
pub(crate) async fn edit(
    bench: &Bench,
    stream: &str,
    change: impl FnOnce(StreamConfig) -> StreamConfig,
) {
    let jetstream = bench.jetstream().await;
    let found = jetstream.get_stream(stream).await.unwrap().cached_info().config.clone();
    jetstream.update_stream(change(found)).await.unwrap();
}

#[tokio::test]
async fn a_packet_comes_at_its_time_though_nobody_is_there_and_the_server_was_killed() {
    let mut bench = Bench::start().await;
    let publisher = Rapids::connect(&bench.config()).await.unwrap();
    let mut tail = bench.tail().await;
    let due = Timestamp::now() + 3 * SECOND;
    let packet = placed("o-1");
    let timer = publisher.publish_later(packet.clone(), due).await.unwrap().timer;
    drop(publisher);
    let found = bench.rapids.timer(&timer).await.unwrap().unwrap();
    assert_eq!((found.due, found.id.owner()), (Some(due), "PUBLISHED"));
    bench.server.kill();
    bench.server.restart().unwrap();
    let came = tail.event("placed").await;
    let stored = came.arrival().unwrap().stored;
    assert!(stored >= due && stored < due + SECOND, "{stored}, due {due}");
    assert_eq!((came.id(), came.timer()), (packet.id(), Some(timer.to_string())));
    assert!(bench.rapids.timer(&timer).await.unwrap().is_none());
    assert!(!bench.rapids.cancel_timer(&timer).await.unwrap());
}

#[tokio::test]
async fn a_timer_is_replaced_by_a_newer_one_of_its_name_and_key_and_can_be_cancelled() {
    let bench = Bench::start().await;
    let service = bench.run(bench.service("order", order(SECOND * 2))).await;
    let mut tail = bench.tail().await;
    for order in ["a", "b"] {
        bench.rapids.publish(placed(order)).await.unwrap();
        tail.event("asked").await;
    }
    bench.rapids.publish(Packet::event("paid").with("order", "b")).await.unwrap();
    tail.event("settled").await;
    assert_eq!(waiting(&bench.rapids).await, ["order.payment_due:a"]);
    let id: TimerId = "order.payment_due:a".parse().unwrap();
    let first = bench.rapids.timer(&id).await.unwrap().unwrap();
    let again = bench.rapids.publish(placed("a")).await.unwrap();
    tail.event("asked").await;
    let second = bench.rapids.timer(&id).await.unwrap().unwrap();
    assert!(second.due > first.due);
    let overdue = tail.event("overdue").await;
    assert_eq!(overdue.get::<String>("order").unwrap().unwrap(), "a");
    assert!(overdue.arrival().unwrap().stored >= second.due.unwrap());
    assert_eq!(overdue.causation_id(), Some(&*again.id));
    let figures = bench.rapids.stats(SOON).await.unwrap().remove(0).all;
    assert_eq!((figures.timers_set, figures.timers_cancelled), (3, 1));
    service.stop().await;
}

#[derive(Default, Serialize, Deserialize)]
struct Seen(u64);

/// The same reaction, in each way that one can run.
fn ways() -> [River; 3] {
    fn outputs(way: &str, packet: &Packet) -> anyhow::Result<Outputs> {
        let order = order_of(packet)?;
        let later = Packet::event("later").with("way", way);
        Ok(Outputs::new().publish(Packet::event("now")).later(way, order, HOUR, later))
    }
    let plain = River::new("plain").event("placed");
    let once = River::new("once").event("placed").once();
    let remembering = River::new("remembering").event("placed").memory("seen", "@.order");
    [
        plain.react(|packet: Packet| async move { outputs("plain", &packet) }),
        once.react(|packet: Packet| async move { outputs("once", &packet) }),
        remembering.react(|seen: &mut Seen, packet: &Packet| {
            seen.0 += 1;
            outputs("remembering", packet)
        }),
    ]
}

#[tokio::test]
async fn a_packet_that_is_handled_again_sets_its_timers_once() {
    let bench = Bench::start().await;
    let service = bench.run(bench.service("order", ways())).await;
    let published = bench.rapids.publish(placed("a")).await.unwrap();
    bench.quiet(&["order"]).await;
    let dues = async || {
        let mut dues = Vec::new();
        for way in ["plain", "once", "remembering"] {
            let id: TimerId = format!("order.{way}:a").parse().unwrap();
            dues.push(bench.rapids.timer(&id).await.unwrap().unwrap().due.unwrap());
        }
        dues
    };
    let before = dues().await;
    service.stop().await;
    let back = rapids_client::Start::Sequence(published.sequence);
    bench.rapids.move_position("order", back, rapids_client::Seek::new()).await.unwrap();
    let service = bench.run(bench.service("order", ways())).await;
    bench.quiet(&["order"]).await;
    assert_eq!(dues().await, before);
    let cancelled: TimerId = "order.once:a".parse().unwrap();
    assert!(bench.rapids.cancel_timer(&cancelled).await.unwrap());
    service.stop().await;
    bench.rapids.move_position("order", back, rapids_client::Seek::new()).await.unwrap();
    let service = bench.run(bench.service("order", ways())).await;
    bench.quiet(&["order"]).await;
    assert_eq!(waiting(&bench.rapids).await.len(), 2, "it is not set again after it was cancelled");
    service.stop().await;
}

#[tokio::test]
async fn a_time_that_is_over_is_now_and_a_packet_is_put_off_once() {
    let bench = Bench::start().await;
    let packet = placed("o-1");
    for duplicate in [false, true] {
        let over = Timestamp::UNIX_EPOCH;
        let put_off = bench.rapids.publish_later(packet.clone(), over).await.unwrap();
        assert_eq!(put_off.duplicate, duplicate);
    }
    bench.tail().await.event("placed").await;
    let later = placed("o-2");
    let id = bench.rapids.publish_later(later.clone(), HOUR).await.unwrap().timer;
    let first = bench.rapids.timer(&id).await.unwrap().unwrap();
    bench.rapids.publish_later(later, 2 * HOUR).await.unwrap();
    assert_eq!(bench.rapids.timer(&id).await.unwrap().unwrap().due, first.due);
    assert!(bench.rapids.cancel_timer(&id).await.unwrap());
    assert_eq!(bench.rapids.contents().await.unwrap().unwrap().packets, 1);
}

#[tokio::test]
async fn the_largest_packet_that_a_timer_takes_fits_into_the_rapids_and_one_byte_more_is_refused() {
    let bench = Bench::start().await;
    let padded = |bytes: usize| placed("o-1").with("pad", "x".repeat(bytes));
    let refused = |error: Error| {
        let words = error.to_string();
        let size: usize = words.split(' ').find_map(|word| word.parse().ok()).unwrap();
        let limit: usize = words.rsplit(' ').next().unwrap().parse().unwrap();
        (size, limit)
    };
    let error = bench.rapids.publish_later(padded(1 << 20), SOON).await.unwrap_err();
    let (size, limit) = refused(error);
    let largest = (1 << 20) - (size - limit);
    let error = bench.rapids.publish_later(padded(largest + 1), SOON).await.unwrap_err();
    assert_eq!(refused(error), (limit + 1, limit));
    bench.rapids.publish_later(padded(largest), SOON).await.unwrap();
    let came = bench.tail().await.event("placed").await;
    assert_eq!(came.get::<String>("pad").unwrap().unwrap().len(), largest);
}

#[tokio::test]
async fn what_is_due_while_the_rapids_are_full_comes_when_there_is_room() {
    let bench = Bench::start().await;
    let service = bench.run(bench.service("order", order(SOON))).await;
    bench.rapids.publish(placed("o-1")).await.unwrap();
    bench.quiet(&["order"]).await;
    edit(&bench, "RAPIDS", |config| StreamConfig { max_bytes: 1, ..config }).await;
    bench.rapids.publish_later(placed("o-2"), SOON).await.unwrap();
    until("it is due", async || waiting(&bench.rapids).await.is_empty()).await;
    let before = bench.rapids.contents().await.unwrap().unwrap().packets;
    edit(&bench, "RAPIDS", |config| StreamConfig { max_bytes: 1 << 20, ..config }).await;
    until("both come", async || {
        bench.rapids.contents().await.unwrap().unwrap().packets >= before + 2
    })
    .await;
    bench.tail().await.event("overdue").await;
    service.stop().await;
}

#[tokio::test]
async fn a_nearly_full_stream_takes_no_timer_and_a_reaction_waits_until_there_is_room() {
    let bench = Bench::start().await;
    bench.rapids.publish_later(placed("first"), HOUR).await.unwrap();
    edit(&bench, "LATER", |config| StreamConfig { max_bytes: 600, ..config }).await;
    // What is known of the stream may be some seconds old.
    let rapids = Rapids::connect(&bench.config()).await.unwrap();
    let error = rapids.publish_later(placed("x"), HOUR).await.unwrap_err();
    assert!(matches!(error, Error::Full { .. }), "{error}");
    assert!(error.to_string().contains("`nats stream edit LATER --max-bytes`"), "{error}");
    let count = waiting(&bench.rapids).await.len();
    assert!(waiting(&bench.rapids).await[0].starts_with("PUBLISHED."));

    let service = bench.run(bench.service("order", order(HOUR))).await;
    bench.rapids.publish(placed("o-1")).await.unwrap();
    until("the reaction waits", async || {
        bench.rapids.stats(SOON).await.unwrap()[0].rivers["set"].taken == 1
    })
    .await;
    assert_eq!(waiting(&bench.rapids).await.len(), count, "none was dropped, none was set");
    edit(&bench, "LATER", |config| StreamConfig { max_bytes: -1, ..config }).await;
    bench.tail().await.event("asked").await;
    assert_eq!(waiting(&bench.rapids).await.len(), count + 1);
    service.stop().await;
}

#[tokio::test]
async fn a_time_beyond_what_the_stream_keeps_is_refused() {
    let bench = Bench::start().await;
    edit(&bench, "LATER", |config| StreamConfig {
        max_age: HOUR,
        duplicate_window: 600 * SECOND,
        ..config
    })
    .await;
    bench.rapids.publish_later(placed("o-1"), HOUR / 2).await.unwrap();
    let error = bench.rapids.publish_later(placed("o-2"), HOUR * 2).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error}");
    assert!(error.to_string().contains("`nats stream edit LATER --max-age=0`"), "{error}");
}

#[tokio::test]
async fn a_name_that_is_none_rejects_the_packet() {
    let bench = Bench::start().await;
    let set = River::new("set").event("placed").react(|_: Packet| async {
        Ok(Outputs::new().later(&"x".repeat(33), "k", HOUR, Packet::event("later")))
    });
    let service = bench.run(bench.service("order", [set])).await;
    bench.rapids.publish(placed("o-1")).await.unwrap();
    let letter = bench.letter("order.set.1").await.letter;
    assert_eq!(letter.kind.as_str(), "rejected");
    assert!(letter.reason.contains("its name is not 1 to 32 characters"), "{}", letter.reason);
    service.stop().await;
}

#[tokio::test]
async fn what_is_published_again_and_again_is_a_new_packet_each_time_until_it_is_cancelled() {
    let bench = Bench::start().await;
    let packet = Packet::event("tick").with("n", 7);
    let id = bench.rapids.publish_every("beat", "@every 1s", None, packet.clone()).await.unwrap();
    let mut tail = bench.tail().await;
    let (first, second) = (tail.event("tick").await, tail.event("tick").await);
    assert_ne!(first.id(), second.id());
    assert_eq!((first.causation_id(), first.correlation_id()), (None, first.id()));
    assert_eq!(waiting(&bench.rapids).await, ["EVERY.beat"]);
    assert!(bench.rapids.cancel_timer(&id).await.unwrap());
    assert!(waiting(&bench.rapids).await.is_empty());

    let zone = Some("Europe/Berlin");
    let daily =
        bench.rapids.publish_every("daily", "0 30 14 * * *", zone, packet.clone()).await.unwrap();
    let found = bench.rapids.timer(&daily).await.unwrap().unwrap();
    assert_eq!((found.schedule.as_str(), found.due), ("0 30 14 * * *", None));
    assert_eq!(found.time_zone.as_deref(), zone);
    for (name, schedule, zone, words) in [
        ("Bad", "@every 1h", None, "`Bad` cannot name"),
        ("bad", "each hour", None, "the server reads no schedule in it, expected such as"),
        ("bad", "0 30 14 * * *", Some("Here"), "no time zone `Here`"),
        ("bad", "@every 1h\n", None, "has a control character in it"),
    ] {
        let tried = bench.rapids.publish_every(name, schedule, zone, packet.clone()).await;
        let error = tried.unwrap_err();
        assert!(matches!(error, Error::Definition { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn rapids_from_before_there_were_timers_take_what_timers_bring_from_the_next_start_on() {
    let bench = Bench::start().await;
    bench.rapids.publish(placed("o-1")).await.unwrap();
    edit(&bench, "RAPIDS", |config| StreamConfig { sources: None, ..config }).await;
    bench.jetstream().await.delete_stream("LATER").await.unwrap();
    let rapids = Rapids::connect(&bench.config()).await.unwrap();
    rapids.publish_later(placed("o-2").with("late", true), SOON).await.unwrap();
    let mut tail = bench.tail().await;
    for late in [None, Some(true)] {
        assert_eq!(tail.event("placed").await.get::<bool>("late").unwrap(), late);
    }
}

#[tokio::test]
async fn a_stream_of_timers_that_was_deleted_is_made_anew() {
    let bench = Bench::start().await;
    let service = bench.run(bench.service("order", order(HOUR))).await;
    let mut tail = bench.tail().await;
    for name in ["a", "b"] {
        bench.rapids.publish(placed(name)).await.unwrap();
        tail.event("asked").await;
        assert_eq!(waiting(&bench.rapids).await, [format!("order.payment_due:{name}")]);
        bench.jetstream().await.delete_stream("LATER").await.unwrap();
    }
    service.stop().await;
}

#[tokio::test]
async fn who_may_not_make_the_stream_of_timers_runs_and_is_told_when_one_is_to_be_set() {
    let lines = r#"
        accounts { A { jetstream: enabled, users: [
            { user: all, password: p }
            { user: few, password: p, permissions: { publish: { deny: [
                "$JS.API.STREAM.*.LATER", "later.>", "$JS.API.STREAM.UPDATE.RAPIDS"] } } }
        ] } }
        no_auth_user: all
    "#;
    let server = NatsServer::with_config(lines).unwrap();
    let all = config(&server.url());
    let rapids = Rapids::connect(&all).await.unwrap();
    let few = config(&server.url()).user_and_password("few", "p");
    let limited = Rapids::connect(&few).await.unwrap();
    limited.publish(placed("o-1")).await.unwrap();
    let error = limited.publish_later(placed("o-2"), HOUR).await.unwrap_err();
    assert!(matches!(error, Error::NotPermitted { .. }), "{error}");
    drop(rapids);
}

#[tokio::test]
async fn a_duration_begins_when_the_reaction_ends() {
    let bench = Bench::start().await;
    let slow = River::new("slow").event("placed").react(|_: Packet| async {
        tokio::time::sleep(SOON).await;
        let ended = Packet::event("later").with("ended", Timestamp::now());
        Ok(Outputs::new().later("due", "k", SECOND, ended))
    });
    let service = bench.run(bench.service("order", [slow])).await;
    bench.rapids.publish(placed("o-1")).await.unwrap();
    let came = bench.tail().await.event("later").await;
    let ended: Timestamp = came.get("ended").unwrap().unwrap();
    assert!(came.arrival().unwrap().stored >= ended + SECOND);
    service.stop().await;
}

#[tokio::test]
async fn a_timer_that_can_never_be_set_is_a_letter_and_the_reaction_runs_no_more() {
    let bench = Bench::start().await;
    edit(&bench, "LATER", |config| StreamConfig { max_age: HOUR, ..config }).await;
    let service = bench.run(bench.service("order", order(2 * HOUR))).await;
    bench.rapids.publish(placed("o-1")).await.unwrap();
    let letter = bench.letter("order.set.1").await.letter;
    assert_eq!(letter.kind.as_str(), "rejected");
    let words = format!("{} {}", letter.reason, letter.causes.concat());
    assert!(words.contains("`nats stream edit LATER --max-age=0`"), "{words}");
    assert!(words.contains("it ran, but a timer that it set cannot be stored"), "{words}");
    bench.quiet(&["order"]).await;
    assert_eq!(bench.rapids.contents().await.unwrap().unwrap().packets, 1);
    service.stop().await;
}

#[tokio::test]
async fn timers_of_a_service_that_is_retired_are_told_and_go_with_what_it_remembers() {
    let bench = Bench::start().await;
    let service = bench.run(bench.service("order", order(HOUR))).await;
    bench.rapids.publish(placed("o-1")).await.unwrap();
    bench.tail().await.event("asked").await;
    let others = bench.rapids.publish_later(placed("o-2"), HOUR).await.unwrap().timer;
    service.stop().await;
    let retired = bench.rapids.retire("order", Retiring::new()).await.unwrap().unwrap();
    assert_eq!(retired.kept, ["its timers, 1 messages in LATER; `--forget` removes them"]);

    let service = bench.run(bench.service("order", order(HOUR))).await;
    service.stop().await;
    let retired = bench.rapids.retire("order", Retiring::new().forget()).await.unwrap().unwrap();
    assert!(retired.removed.contains(&"its timers, 1 messages in LATER".to_owned()), "{retired:?}");
    assert_eq!(waiting(&bench.rapids).await, [others.to_string()]);
}
