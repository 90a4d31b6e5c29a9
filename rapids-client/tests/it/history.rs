//! The past of the rapids, read up to a moment and folded.

use std::time::Duration;

use anyhow::{Context, bail};
use rapids_client::{Error, Folded, Packet, Start, Timestamp};

use crate::harness::{Bench, soon};
use crate::losses::{expired, keep};

/// What an order is made of: its events, and the last total.
type Order = (Vec<String>, u64);

const O_1: &str = "@.order_id == 'o-1'";

fn about(event: &str, order: &str, total: u64) -> Packet {
    Packet::event(event).with("order_id", order).with("total", total)
}

fn step((events, total): &mut Order, packet: &Packet) -> anyhow::Result<()> {
    events.push(packet.event_name().context("no event")?);
    *total = packet.get("total")?.context("no total")?;
    Ok(())
}

/// Events with their totals, of two orders: `o-1` has the odd sequences.
async fn two_orders(bench: &Bench) {
    for (n, event) in (1..).zip(["placed", "changed", "paid"]) {
        for order in ["o-1", "o-2"] {
            bench.rapids.publish(about(event, order, n * 100)).await.unwrap();
        }
    }
}

async fn stored(bench: &Bench, sequence: u64) -> Timestamp {
    let packet = bench.rapids.packet(sequence).await.unwrap().unwrap();
    packet.arrival().unwrap().stored
}

fn events(folded: &Folded<Order>) -> Vec<&str> {
    folded.state.0.iter().map(String::as_str).collect()
}

/// The faults that are told of a history that cannot be read.
async fn faults(history: rapids_client::History) -> Vec<String> {
    match history.packets().await {
        Err(Error::Definition { of, faults }) if of == "the history" => faults,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_state_is_that_of_the_moment_whether_a_time_or_a_sequence_says_which() {
    let bench = Bench::start().await;
    two_orders(&bench).await;
    let now = bench.rapids.history(O_1).fold(Order::default(), step).await.unwrap();
    assert_eq!((events(&now), now.state.1), (vec!["placed", "changed", "paid"], 300));
    assert_eq!((now.packets, now.malformed, now.expired_before, now.read_to), (3, 0, None, 6));

    let third = stored(&bench, 3).await;
    let just_before = third - Duration::from_nanos(1);
    let then = async |moment: Timestamp| {
        bench.rapids.history(O_1).until(moment).fold(Order::default(), step).await.unwrap()
    };
    let (at, before) = (then(third).await, then(just_before).await);
    assert_eq!((events(&at), at.state.1, at.read_to), (vec!["placed", "changed"], 200, 3));
    assert_eq!((events(&before), before.state.1, before.read_to), (vec!["placed"], 100, 2));
    for (sequence, total) in [(1, 100), (2, 100), (3, 200), (4, 200), (5, 300), (6, 300)] {
        let history = bench.rapids.history(O_1).until(sequence);
        let folded = history.fold(Order::default(), step).await.unwrap();
        assert_eq!((folded.state.1, folded.read_to), (total, sequence), "{sequence}");
    }
}

#[tokio::test]
async fn a_state_goes_on_from_an_earlier_one() {
    let bench = Bench::start().await;
    two_orders(&bench).await;
    let earlier = bench.rapids.history(O_1).until(4).fold(Order::default(), step).await.unwrap();
    let rest = bench.rapids.history(O_1).from(Start::Sequence(earlier.read_to + 1));
    let later = rest.fold(earlier.state, step).await.unwrap();
    assert_eq!(events(&later), ["placed", "changed", "paid"]);
    assert_eq!((later.packets, later.expired_before), (1, None));
    let since = bench.rapids.history(O_1).from(Start::Time(stored(&bench, 4).await));
    assert_eq!(since.fold(Order::default(), step).await.unwrap().packets, 1);
    let behind = bench.rapids.history(O_1).from(Start::Sequence(100));
    assert_eq!(behind.fold(7, |_, _| Ok(())).await.unwrap().state, 7);
}

#[tokio::test]
async fn of_what_was_never_stored_there_is_nothing() {
    let bench = Bench::start().await;
    let empty = bench.rapids.history(O_1).fold(Order::default(), step).await.unwrap();
    assert_eq!((empty.packets, empty.read_to, empty.expired_before), (0, 0, None));
    two_orders(&bench).await;
    let other = bench.rapids.history("@.order_id == 'o-3'").fold(Order::default(), step).await;
    assert_eq!(other.unwrap().state, Order::default());
    let history = bench.rapids.history("@").until(Timestamp::now());
    let mut all = history.packets().await.unwrap();
    let mut sequences = Vec::new();
    while let Some(packet) = soon("the next packet", all.next()).await.unwrap() {
        sequences.push(packet.arrival().unwrap().sequence);
    }
    assert_eq!(sequences, [1, 2, 3, 4, 5, 6]);
    assert!(all.next().await.unwrap().is_none(), "it has ended");
}

#[tokio::test]
async fn what_has_expired_is_told_with_the_state_that_begins_behind_it() {
    let bench = Bench::start().await;
    two_orders(&bench).await;
    keep(&bench, Duration::from_millis(200)).await;
    expired(&bench).await;
    let gone = bench.rapids.history(O_1).fold(Order::default(), step).await.unwrap();
    assert_eq!((gone.packets, gone.expired_before), (0, Some(7)));

    keep(&bench, Duration::from_secs(3600)).await;
    bench.rapids.publish(about("packaged", "o-1", 400)).await.unwrap();
    let history = || bench.rapids.history(O_1);
    let middle = history().fold(Order::default(), step).await.unwrap();
    assert_eq!((events(&middle), middle.expired_before), (vec!["packaged"], Some(7)));
    let first = stored(&bench, 7).await;
    for (from, expired_before) in [
        (Start::Sequence(3), Some(7)),
        (Start::Sequence(7), None),
        (Start::Time(first - Duration::from_secs(1)), Some(7)),
        (Start::Time(first), None),
    ] {
        let folded = history().from(from).fold(Order::default(), step).await.unwrap();
        assert_eq!((folded.packets, folded.expired_before), (1, expired_before), "{from}");
    }
    let early = first - Duration::from_secs(1);
    assert_eq!(
        faults(history().until(early)).await,
        [format!("it is to end at {early}, but the stream begins with sequence 7 at {first}")]
    );
    assert_eq!(
        faults(history().until(6)).await,
        ["it is to end at sequence 6, but the stream begins with sequence 7"]
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_told_before_anything_is() {
    let bench = Bench::start().await;
    two_orders(&bench).await;
    let history = |expression| bench.rapids.history(expression);
    let [fault] = &faults(history("@.order_id = 'o-1'")).await[..] else { panic!() };
    assert!(fault.starts_with("expression `@.order_id = 'o-1'` is wrong at column 12"), "{fault}");
    let later = Timestamp::now() + Duration::from_secs(60);
    let both = faults(history("@.a >").from(Start::Time(later)).until(later)).await;
    assert_eq!(both.len(), 3, "{both:?}");
    assert!(both[1].ends_with("in the future") && both[2].ends_with("in the future"), "{both:?}");
    assert_eq!(
        faults(history(O_1).until(7)).await,
        ["it is to end at sequence 7, but the stream ends with sequence 6"]
    );
    assert_eq!(
        faults(history(O_1).from(Start::Sequence(5)).until(4)).await,
        ["it is to start at sequence 5, behind its end at sequence 4"]
    );
    assert_eq!(
        faults(history(O_1).from(Start::Now)).await,
        ["it is to start with the next packet, which is not of the past"]
    );
}

#[tokio::test]
async fn garbage_between_is_passed_over_and_counted() {
    let bench = Bench::start().await;
    two_orders(&bench).await;
    for garbage in ["nonsense", "", "[]", r#"{"order_id":"o-1","order_id":"o-2"}"#] {
        bench.publish_raw(garbage).await;
    }
    // What does not match is not read to its end.
    bench.publish_raw(r#"{"order_id":"o-2", damaged"#).await;
    bench.rapids.publish(about("packaged", "o-1", 400)).await.unwrap();
    let folded = bench.rapids.history(O_1).fold(Order::default(), step).await.unwrap();
    assert_eq!(events(&folded), ["placed", "changed", "paid", "packaged"]);
    assert_eq!((folded.malformed, folded.read_to), (4, 12));
}

#[tokio::test]
async fn a_step_that_fails_ends_the_fold_and_names_the_packet() {
    let bench = Bench::start().await;
    two_orders(&bench).await;
    let fail = |count: &mut u32, _: &Packet| {
        *count += 1;
        if *count == 2 {
            bail!("no second one");
        }
        Ok(())
    };
    let error = bench.rapids.history(O_1).fold(0, fail).await.unwrap_err();
    let id = bench.rapids.packet(3).await.unwrap().unwrap().id().to_owned();
    let words = format!("the history cannot be folded beyond packet `{id}`, sequence 3");
    assert_eq!(error.to_string(), words);
    let cause = std::error::Error::source(&error).unwrap();
    assert_eq!(cause.to_string(), "no second one");
}

#[tokio::test]
async fn of_many_packets_the_few_that_match_are_found_and_the_progress_is_told() {
    const MANY: u64 = 20_000;
    let bench = Bench::start().await;
    let packets = (0..MANY).map(|n| about("placed", &format!("o-{}", n % 1_000), n));
    bench.rapids.publish_all(packets).await.unwrap();
    let history = bench.rapids.history("@.order_id == 'o-7' && @.total > 10000");
    let progress = history.progress();
    let sum = |sum: &mut u64, packet: &Packet| {
        *sum += packet.get::<u64>("total")?.unwrap_or_default();
        Ok(())
    };
    let folded = soon("the state", history.fold(0, sum)).await.unwrap();
    assert_eq!((folded.packets, folded.state), (10, (10_007..MANY).step_by(1_000).sum()));
    assert_eq!((folded.read_to, progress.passed(), progress.total()), (MANY, MANY, MANY));
}
