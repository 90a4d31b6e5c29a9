//! `rapids position`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rapids_client::{Packet, River};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::bench::{Bench, DEADLINE};

/// Counts what it sees.
fn count(seen: &Arc<AtomicUsize>) -> River {
    let seen = Arc::clone(seen);
    River::new("count").event("x").react(move |_: Packet| {
        seen.fetch_add(1, Ordering::Relaxed);
        async { Ok(()) }
    })
}

/// Counts in a memory.
fn remember() -> River {
    River::new("remember").event("x").memory("counts", "'all'").react(
        |count: &mut u64, _: &Packet| {
            *count += 1;
            anyhow::Ok(())
        },
    )
}

/// A server with three packets.
async fn bench() -> Bench {
    let bench = Bench::start().await;
    for n in 1..=3 {
        bench.publish(&format!(r#"{{"event":"x","n":{n}}}"#)).await;
    }
    bench
}

/// Runs a service until it has handled the third packet.
async fn run_to_the_end(bench: &Bench, river: River) {
    let running = bench.run_exclusive("payment", river).await;
    bench.stop_after("payment", 3, running).await;
}

#[tokio::test]
async fn a_position_is_shown_and_set_back_and_the_past_is_read_again() {
    let bench = bench().await;
    let seen = Arc::default();
    run_to_the_end(&bench, count(&seen)).await;
    assert_eq!(
        bench.said(&["position", "payment"]).well(0).out,
        "payment: exclusive, done up to 3, read up to 3, 0 unacknowledged, 0 behind; no instance is \
         active; 0 stand by\n"
    );
    assert_eq!(
        bench.said(&["position", "payment", "--set", "2"]).well(0).out,
        "payment goes on with sequence 2: 2 packets to read, 2 of them again\n"
    );
    run_to_the_end(&bench, count(&seen)).await;
    assert_eq!(seen.load(Ordering::Relaxed), 5);
    assert_eq!(
        bench.said(&["position", "payment", "--to-time", "1h"]).well(0).out,
        "payment goes on with sequence 1: 3 packets to read, 3 of them again\n"
    );
    assert_eq!(
        bench.said(&["position", "payment", "--to-end"]).well(0).out,
        "payment goes on with sequence 4: 0 packets to read; 3 packets skipped\n"
    );
    let moved = bench.said(&["position", "payment", "--to-beginning", "-o", "json"]).well(0);
    assert_eq!(
        serde_json::from_str::<Value>(&moved.out).unwrap(),
        json!({
            "service": "payment", "before": 3, "next": 1, "pending": 3, "again": 3, "quiet": 0, "skipped": 0,
            "mended": null, "replaced": null, "forgotten": null,
        })
    );
}

#[tokio::test]
async fn memories_are_deleted_on_request() {
    let bench = bench().await;
    run_to_the_end(&bench, remember()).await;
    let forgotten = "  forgotten: 1 memory, and the notes about packets";
    assert_eq!(
        bench.said(&["position", "payment", "--to-beginning", "--forget"]).well(0).lines(),
        [
            "payment goes on with sequence 1: 3 packets to read, 3 of them again, 3 quietly",
            forgotten
        ]
    );
    run_to_the_end(&bench, remember()).await;
    let published = &["position", "payment", "--to-beginning", "--forget", "--publish"];
    assert_eq!(
        bench.said(published).well(0).lines(),
        ["payment goes on with sequence 1: 3 packets to read, 3 of them again", forgotten]
    );
}

// The service answers while the program runs, which blocks one thread.
#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_tells_what_a_move_would_mean_and_moves_nothing() {
    let bench = bench().await;
    run_to_the_end(&bench, remember()).await;
    let planned = |more: &[&str]| {
        let plan = ["position", "payment", "--to-beginning", "--dry-run"];
        bench.said(&[&plan[..], more].concat()).well(0)
    };
    let to_read = "payment would go on with sequence 1: 3 packets to read, 3 of them again";
    let unknown = "  no instance answers, so it is not known what its rivers do";
    assert_eq!(planned(&[]).lines(), [to_read, unknown]);
    let forgotten = "  to be forgotten: 1 memory, and the notes about packets";
    assert_eq!(
        planned(&["--forget"]).lines(),
        [&format!("{to_read}, 3 quietly"), forgotten, unknown]
    );
    let json: Value = serde_json::from_str(&planned(&["-o", "json"]).out).unwrap();
    assert_eq!((&json["before"], &json["next"]), (&json!(3), &json!(1)));
    let running = bench.run_exclusive("payment", remember()).await;
    let words = "remember skips what its memory `counts` has taken";
    assert!(planned(&[]).out.contains(words), "{}", planned(&[]).out);
    let shown = bench.said(&["position", "payment"]).well(0).out;
    assert!(shown.contains("done up to 3"), "{shown}");
    running.stop().await;
    assert!(bench.rapids.operations().since(None).await.unwrap().is_empty());
}

// The service works on while the program runs, which blocks one thread.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_shows_how_far_it_has_remembered_the_past_anew() {
    let bench = bench().await;
    let gate = Arc::new(Semaphore::new(1));
    let river = {
        let gate = Arc::clone(&gate);
        River::new("wait").event("x").react(move |_: Packet| {
            let gate = Arc::clone(&gate);
            async move {
                gate.acquire().await?.forget();
                Ok(())
            }
        })
    };
    // It is new, and so done with what was there before.
    let running = bench.run("payment", "1.0.0", river).await;
    bench.said(&["position", "payment", "--to-beginning", "--forget"]).well(0);
    let rebuilding = async {
        while !bench.said(&["services"]).well(0).out.contains("\n  rebuilding: 1 of 3 packets\n") {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, rebuilding).await.unwrap();
    let line = bench.said(&["position", "payment"]).well(0).out;
    assert!(line.ends_with("; 1 up; rebuilding: 1 of 3 packets\n"), "{line}");
    gate.add_permits(2);
    running.stop().await;
}

// The service works on while the program runs, which blocks one thread.
#[tokio::test(flavor = "multi_thread")]
async fn an_active_service_is_replaced_where_its_position_is_moved() {
    let bench = bench().await;
    let seen = Arc::default();
    let running = bench.run_exclusive("payment", count(&seen)).await;
    let holder = async {
        loop {
            let position = bench.rapids.position("payment").await.unwrap().unwrap();
            if let (3, Some(id)) = (position.acknowledged, position.exclusive.unwrap().instance) {
                return id;
            }
        }
    };
    let holder = timeout(DEADLINE, holder).await.unwrap();
    let moved = bench.said(&["position", "payment", "--set", "1"]).well(0);
    assert_eq!(
        moved.lines(),
        [
            "payment goes on with sequence 1: 3 packets to read, 3 of them again".to_owned(),
            format!("  replaced: the active instance {holder}"),
        ]
    );
    let again = async {
        while seen.load(Ordering::Relaxed) < 6 {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, again).await.unwrap();
    bench.stop_after("payment", 3, running).await;
}

#[tokio::test]
async fn a_position_that_was_deleted_or_damaged_is_reported_and_mended() {
    let bench = bench().await;
    let seen = Arc::default();
    run_to_the_end(&bench, count(&seen)).await;
    let client = async_nats::connect(bench.server.url()).await.unwrap();
    let jetstream = async_nats::jetstream::new(client);
    let positions = jetstream.get_key_value("RAPIDS_POSITIONS").await.unwrap();
    positions.delete("payment").await.unwrap();
    let remedy = "set it with `rapids position payment --set SEQUENCE`";
    let fault = "its record in RAPIDS_POSITIONS was deleted";
    bench.said(&["position", "payment"]).badly(1, &[fault, remedy]);
    assert_eq!(
        bench.said(&["position", "payment", "--set", "3"]).well(0).lines(),
        [
            "payment goes on with sequence 3: 1 packet to read",
            "  mended: its record in RAPIDS_POSITIONS was deleted",
        ]
    );
    positions.put("payment", "nonsense".into()).await.unwrap();
    let fault = "its record in RAPIDS_POSITIONS was written by others";
    bench.said(&["position", "payment"]).badly(1, &[fault, remedy]);
    bench.said(&["position", "payment", "--set", "3"]).well(0);
    run_to_the_end(&bench, count(&seen)).await;
    assert_eq!(seen.load(Ordering::Relaxed), 4);
}

#[tokio::test]
async fn a_position_in_shared_delivery_is_set_back() {
    let bench = bench().await;
    bench.run("payment", "1.0.0", count(&Arc::default())).await.stop().await;
    assert_eq!(
        bench.said(&["position", "payment", "--set", "2"]).well(0).out,
        "payment goes on with sequence 2: 2 packets to read, 2 of them again\n"
    );
    assert_eq!(
        bench.said(&["position", "payment"]).well(0).out,
        "payment: shared, done up to 1, read up to 1, 0 unacknowledged, 2 behind; down\n"
    );
}

#[tokio::test]
async fn moving_an_unknown_service_is_an_error() {
    let bench = bench().await;
    bench
        .said(&["position", "payment"])
        .badly(5, &["service `payment` has no position; no service has one"]);
    bench.run("payment", "1.0.0", count(&Arc::default())).await.stop().await;
    assert_eq!(
        bench.said(&["position", "payment"]).well(0).out,
        "payment: shared, done up to 3, read up to 3, 0 unacknowledged, 0 behind; down\n"
    );
    bench.said(&["position", "shipping", "--to-end"]).badly(5, &["there are payment"]);
    for wrong in [
        &["--set", "0"][..],
        &["--set", "1", "--to-end"],
        &["--forget"],
        &["--dry-run"],
        &["--to-end", "--publish"],
        &["--to-time", "soon"],
    ] {
        bench.said(&[&["position", "payment"], wrong].concat()).badly(2, &["error: "]);
    }
}
