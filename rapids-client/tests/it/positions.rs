//! Moving the position of a service in exclusive delivery; `known` has that in shared delivery.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_nats::jetstream::kv;
use rapids_client::{
    Delivery, Error, Note, Packet, Rapids, River, Seek, SeekReport, Start, State, reject,
};
use serde_json::{Value, json};

use crate::harness::{Bench, Running, called, config, soon, until};

const SERVICE: &str = "counter";

/// Which calls a service has seen.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<u64>>>);

impl Seen {
    pub(crate) fn river(&self) -> River {
        let seen = self.clone();
        River::new("see").event("called").react(move |packet: Packet| {
            seen.0.lock().unwrap().extend(packet.get::<u64>("n").unwrap());
            async { Ok(()) }
        })
    }

    pub(crate) fn all(&self) -> BTreeSet<u64> {
        self.0.lock().unwrap().iter().copied().collect()
    }

    pub(crate) fn take(&self) -> Vec<u64> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    async fn holds(&self, calls: &[u64]) {
        until("the calls", async || *self.0.lock().unwrap() == calls).await;
    }
}

/// A server on which three calls were made.
async fn bench() -> Bench {
    let bench = Bench::of(Delivery::Exclusive).await;
    bench.rapids.publish_all((1..=3).map(called)).await.unwrap();
    bench
}

async fn run(bench: &Bench, rivers: impl IntoIterator<Item = River>) -> Running {
    bench.run(bench.service(SERVICE, rivers).from_beginning()).await
}

/// Runs a service until it has read everything.
async fn run_to_the_end(bench: &Bench, rivers: impl IntoIterator<Item = River>) {
    let service = run(bench, rivers).await;
    bench.quiet(&[SERVICE]).await;
    service.stop().await;
}

/// Moves it as it was planned.
async fn moved(rapids: &Rapids, to: Start, how: Seek) -> SeekReport {
    let plan = rapids.plan_move(SERVICE, to, how).await.unwrap().unwrap();
    let moving = rapids.move_position(SERVICE, to, how.planned(plan.moves, plan.before));
    let moved = soon("it is moved", moving).await.unwrap().unwrap();
    assert_eq!(
        (plan.next, &plan.mended, plan.forgotten),
        (moved.next, &moved.mended, moved.forgotten)
    );
    moved
}

async fn refused(bench: &Bench, to: Start) -> String {
    let error = bench.rapids.move_position(SERVICE, to, Seek::new()).await.unwrap_err();
    assert!(matches!(error, Error::NotMoved { .. }), "{error:?}");
    error.to_string()
}

pub(crate) async fn bucket(bench: &Bench, name: &str) -> kv::Store {
    bench.jetstream().await.get_key_value(name).await.unwrap()
}

/// Counts the calls in a memory.
pub(crate) fn count() -> River {
    River::new("count").event("called").memory("counts", "'all'").react(
        |count: &mut u64, _: &Packet| {
            *count += 1;
            anyhow::Ok(())
        },
    )
}

async fn counted(bench: &Bench) -> Value {
    let value = bucket(bench, "RAPIDS_MEMORY_counter").await.get("counts.all").await.unwrap();
    serde_json::from_slice::<Value>(&value.unwrap()).unwrap()["memory"].take()
}

#[tokio::test]
async fn the_past_is_read_again_and_moves_memories_only_if_they_were_forgotten() {
    let bench = bench().await;
    let (seen, charges) = (Seen::default(), Arc::new(AtomicUsize::new(0)));
    let charging = charges.clone();
    let charge = River::new("charge").event("called").once().react(move |_: Packet| {
        charging.fetch_add(1, Ordering::Relaxed);
        async { Ok(()) }
    });
    let rivers = || [seen.river(), count(), charge.clone()];
    run_to_the_end(&bench, rivers()).await;
    assert_eq!((seen.take(), counted(&bench).await), (vec![1, 2, 3], json!(3)));

    let back = moved(&bench.rapids, Start::Beginning, Seek::new()).await;
    assert_eq!((back.next, back.pending, back.again, back.skipped), (1, 3, 3, 0));
    assert_eq!((back.mended, back.replaced, back.forgotten), (None, None, None));
    run_to_the_end(&bench, rivers()).await;
    assert_eq!((seen.take(), counted(&bench).await), (vec![1, 2, 3], json!(3)));
    assert_eq!(charges.load(Ordering::Relaxed), 3);

    let forgetting = Seek::new().forget();
    for (how, quiet, charged) in [(forgetting, 2, 3), (forgetting.publish(), 0, 5)] {
        let back = moved(&bench.rapids, Start::Sequence(2), how).await;
        assert_eq!((back.next, back.again, back.quiet, back.forgotten), (2, 2, quiet, Some(1)));
        run_to_the_end(&bench, rivers()).await;
        assert_eq!((seen.take(), counted(&bench).await), (vec![2, 3], json!(2)));
        assert_eq!(charges.load(Ordering::Relaxed), charged);
    }
}

#[tokio::test]
async fn what_waits_is_skipped_where_the_position_is_moved_to_the_end() {
    let bench = bench().await;
    let seen = Seen::default();
    run_to_the_end(&bench, [seen.river()]).await;
    bench.rapids.publish_all((4..=8).map(called)).await.unwrap();
    let ahead = moved(&bench.rapids, Start::Now, Seek::new()).await;
    assert_eq!((ahead.next, ahead.pending, ahead.again, ahead.skipped), (9, 0, 0, 5));
    bench.rapids.publish(called(9)).await.unwrap();
    run_to_the_end(&bench, [seen.river()]).await;
    assert_eq!(seen.take(), [1, 2, 3, 9]);
    assert_eq!(
        refused(&bench, Start::Sequence(11)).await,
        "position of service `counter` is not moved: it is to start at sequence 11, but the stream \
         ends at 9"
    );
}

#[tokio::test]
async fn an_active_service_is_replaced_and_goes_on_from_where_it_was_moved() {
    let bench = bench().await;
    let (one, other) = (Seen::default(), Seen::default());
    let first = run(&bench, [one.river()]).await;
    one.holds(&[1, 2, 3]).await;
    let second = run(&bench, [other.river()]).await;
    let holder = async || {
        let position = bench.rapids.position(SERVICE).await.unwrap().unwrap();
        position.exclusive.unwrap().instance
    };
    let active = holder().await;
    assert_eq!(one.take(), [1, 2, 3]);

    let back = moved(&bench.rapids, Start::Sequence(2), Seek::new()).await;
    assert_eq!((back.again, &back.replaced), (2, &active));
    let both = || [one.0.lock().unwrap().clone(), other.0.lock().unwrap().clone()].concat();
    until("either goes on from there", async || both() == [2, 3]).await;
    bench.rapids.publish(called(4)).await.unwrap();
    bench.quiet(&[SERVICE]).await;
    assert_eq!(both(), [2, 3, 4]);
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn an_active_service_forgets_before_it_reads_the_past_again() {
    let bench = bench().await;
    let seen = Seen::default();
    let service = run(&bench, [seen.river(), count()]).await;
    bench.quiet(&[SERVICE]).await;
    let back = moved(&bench.rapids, Start::Sequence(2), Seek::new().forget()).await;
    assert_eq!(back.forgotten, Some(1));
    seen.holds(&[1, 2, 3, 2, 3]).await;
    bench.quiet(&[SERVICE]).await;
    assert_eq!(counted(&bench).await, json!(2));
    service.stop().await;
}

#[tokio::test]
async fn an_instance_that_ended_by_force_keeps_nobody_from_moving_its_position() {
    let bench = bench().await;
    let seen = Seen::default();
    run_to_the_end(&bench, [seen.river()]).await;
    let positions = bucket(&bench, "RAPIDS_POSITIONS").await;
    let mut record: Value =
        serde_json::from_slice(&positions.get(SERVICE).await.unwrap().unwrap()).unwrap();
    record["instance"] = json!("gone");
    positions.put(SERVICE, record.to_string().into()).await.unwrap();
    let back = moved(&bench.rapids, Start::Beginning, Seek::new()).await;
    assert_eq!((back.again, back.replaced.as_deref()), (3, Some("gone")));
}

#[tokio::test]
async fn a_position_that_was_deleted_or_garbled_is_told_and_mended() {
    let bench = bench().await;
    let seen = Seen::default();
    run_to_the_end(&bench, [seen.river()]).await;
    let positions = bucket(&bench, "RAPIDS_POSITIONS").await;
    for (garbage, fault) in [
        (None, "its record in RAPIDS_POSITIONS was deleted"),
        (Some("nonsense"), "its record in RAPIDS_POSITIONS was written by others: "),
        (Some("{}"), "its record in RAPIDS_POSITIONS was written by others: missing field "),
    ] {
        match garbage {
            None => positions.delete(SERVICE).await.unwrap(),
            Some(garbage) => drop(positions.put(SERVICE, garbage.into()).await.unwrap()),
        }
        seen.take();
        let ended = Running::spawn(bench.service(SERVICE, [seen.river()])).ended().await;
        for error in [ended, bench.rapids.position(SERVICE).await.unwrap_err()] {
            let error = error.to_string();
            assert!(error.contains(fault), "{error}");
            assert!(error.contains("`rapids position counter --set SEQUENCE`"), "{error}");
        }
        let mended = moved(&bench.rapids, Start::Sequence(2), Seek::new()).await;
        assert!(mended.mended.unwrap().starts_with(fault));
        assert_eq!((mended.next, mended.pending, mended.again), (2, 2, 0));
        run_to_the_end(&bench, [seen.river()]).await;
        assert_eq!(seen.take(), [2, 3]);
    }
}

#[tokio::test]
async fn a_record_of_a_newer_version_is_waited_for_and_not_moved() {
    let bench = bench().await;
    let seen = Seen::default();
    run_to_the_end(&bench, [seen.river()]).await;
    seen.take();
    let positions = bucket(&bench, "RAPIDS_POSITIONS").await;
    let known = positions.get(SERVICE).await.unwrap().unwrap();
    let newer = r#"{"version":3,"spans":[]}"#;
    positions.put(SERVICE, newer.into()).await.unwrap();
    let service = run(&bench, [seen.river()]).await;
    let moving = bench.rapids.move_position(SERVICE, Start::Beginning, Seek::new());
    let told = "`counter` in `RAPIDS_POSITIONS` is of version 3, this program knows 2: update it";
    assert_eq!(moving.await.unwrap_err().to_string(), told);
    assert_eq!(bench.rapids.position(SERVICE).await.unwrap_err().to_string(), told);
    bench.rapids.publish(called(4)).await.unwrap();
    assert_eq!(positions.get(SERVICE).await.unwrap().unwrap(), newer);
    positions.put(SERVICE, known).await.unwrap();
    seen.holds(&[4]).await;
    service.stop().await;
}

#[tokio::test]
async fn a_failure_after_the_position_was_moved_is_a_letter_of_its_own() {
    let bench = bench().await;
    let failing = |reason: &'static str| {
        River::new("see").event("called").react(move |packet: Packet| async move {
            match packet.get::<u64>("n")? {
                Some(2) => Err(reject(reason)),
                _ => Ok(()),
            }
        })
    };
    run_to_the_end(&bench, [failing("no stock")]).await;
    let first = bench.letter("counter.see.2").await;
    bench.dead_letters().await.discard(&first.letter.id, &Note::new("ada")).await.unwrap();
    moved(&bench.rapids, Start::Beginning, Seek::new()).await;
    run_to_the_end(&bench, [failing("no money")]).await;
    let second = bench.letter("counter.see.2-2").await;
    assert_eq!((&*second.letter.reason, second.state), ("no money", State::Waiting));
    // Within an epoch it is once for good, whoever asks.
    run_to_the_end(&bench, [failing("no time")]).await;
    assert_eq!(bench.letters().await, ["counter.see.2", "counter.see.2-2"]);
    for letter in [&first, &second] {
        let history = bench.dead_letters().await.history(&letter.letter.id).await.unwrap();
        let ids: Vec<_> = history.iter().map(|stored| stored.letter.id.to_string()).collect();
        assert_eq!(ids, ["counter.see.2", "counter.see.2-2"]);
    }
}

#[tokio::test]
async fn a_service_goes_on_in_a_stream_that_was_made_anew() {
    let bench = bench().await;
    let seen = Seen::default();
    run_to_the_end(&bench, [seen.river(), count()]).await;
    bench.jetstream().await.delete_stream("RAPIDS").await.unwrap();
    let rapids = Rapids::connect(&config(&bench.server.url())).await.unwrap();
    rapids.publish_all((4..=5).map(called)).await.unwrap();
    let bench = Bench::of_server(Delivery::Exclusive, bench.server, rapids);
    let ended = Running::spawn(bench.service(SERVICE, [seen.river()])).ended().await;
    assert!(ended.to_string().contains("it was in a stream created at "), "{ended}");
    seen.take();
    let refused = refused(&bench, Start::Beginning).await;
    assert!(refused.contains("its memories are of a stream created at "), "{refused}");
    let mended = moved(&bench.rapids, Start::Beginning, Seek::new().forget()).await;
    assert!(mended.mended.unwrap().starts_with("it was in a stream created at "));
    run_to_the_end(&bench, [seen.river(), count()]).await;
    assert_eq!((seen.take(), counted(&bench).await), (vec![4, 5], json!(2)));
}

#[tokio::test]
async fn the_position_of_an_unknown_service_is_none_and_moving_it_makes_nothing() {
    let bench = Bench::of(Delivery::Shared).await;
    for unknown in ["nobody", "No Name"] {
        let moving = bench.rapids.move_position(unknown, Start::Now, Seek::new());
        assert_eq!(moving.await.unwrap(), None);
    }
    assert!(bench.jetstream().await.get_key_value("RAPIDS_POSITIONS").await.is_err());
}
