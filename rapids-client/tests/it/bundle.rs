//! Several services in one process: each as if it ran alone.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use rapids_client::{Delivery, Packet, River, Service, bundle};

use crate::exclusive::{check, counting};
use crate::harness::{Bench, Running, called, echo};
use crate::process::Diary;

#[tokio::test]
async fn one_that_panics_blocks_or_loses_its_position_holds_up_no_neighbour() {
    let bench = Bench::of(Delivery::Exclusive).await;
    let (go, gone) = mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let blocks = River::new("blocks").event("called").react(move |_: Packet| {
        // Ends when the test lets go.
        let _ = gone.lock().unwrap().recv();
        async { Ok(()) }
    });
    let panics = River::new("panics").event("called").react(panic_at);
    let services = [
        bench.service("blocking", [blocks]),
        bench.service("panicking", [panics]),
        bench.service("lost", [echo()]),
        bench.service("echo", [echo()]),
    ];
    let running = Running::spawn_bundle(bundle(services));
    for name in ["blocking", "panicking", "lost", "echo"] {
        bench.is_up(name).await;
    }
    let records = bench.jetstream().await.get_key_value("RAPIDS_POSITIONS").await.unwrap();
    let good = records.get("lost").await.unwrap().unwrap();
    records.delete("lost").await.unwrap();
    bench.is_gone("lost").await;
    bench.rapids.publish_all((0..100).map(called)).await.unwrap();
    bench.quiet(&["echo"]).await;
    drop(go);
    bench.quiet(&["blocking"]).await;
    // Mended, it is started again by itself.
    records.put("lost", good).await.unwrap();
    bench.quiet(&["lost"]).await;
    running.stop().await;
}

#[tokio::test]
async fn a_bundle_hands_over_to_another_and_loses_and_doubles_nothing() {
    let bench = Bench::of(Delivery::Exclusive).await;
    let folder = tempfile::tempdir().unwrap();
    let diary = Diary::new(&folder);
    let services = || -> [Service; 2] {
        [counting(bench.config(), diary.clone()), bench.service("other", [never()])]
    };
    let mut running = Running::spawn_bundle(bundle(services()));
    bench.is_up("counter").await;
    bench.is_up("other").await;
    let stopping = Arc::new(AtomicBool::new(false));
    let publishing = tokio::spawn({
        let (rapids, stopping) = (bench.rapids.clone(), stopping.clone());
        async move {
            let mut calls = 0;
            while !stopping.load(Ordering::Relaxed) {
                rapids.publish(called(calls)).await.unwrap();
                calls += 1;
            }
            calls
        }
    });
    for _ in 0..3 {
        let next = Running::spawn_bundle(bundle(services()));
        let seen = diary.lines().len();
        running.stop().await;
        diary.reaches(seen + 20).await;
        running = next;
    }
    stopping.store(true, Ordering::Relaxed);
    let calls = publishing.await.unwrap();
    bench.quiet(&["other"]).await;
    check(&bench, calls).await;
    running.stop().await;
}

async fn panic_at(packet: Packet) -> anyhow::Result<()> {
    panic!("{packet}");
}

fn never() -> River {
    River::new("never").event("never").react(|_: Packet| async { Ok(()) })
}
