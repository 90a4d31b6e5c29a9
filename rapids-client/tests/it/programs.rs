//! Several programs that run under one name.

use std::time::Duration;

use rapids_client::{Delivery, Packet, River};

use crate::harness::{Bench, found, until};
use crate::log;

fn named(river: &str, event: &str) -> River {
    River::new(river).event(event).react(|_: Packet| async { Ok(()) })
}

#[tokio::test]
async fn two_programs_of_one_name_with_different_rivers_are_told_by_both() {
    log::keep();
    let bench = Bench::of(Delivery::Shared).await;
    let one = bench.run(bench.service("twofold", [named("charge", "x"), named("both", "x")])).await;
    let other = bench.run(bench.service("twofold", [named("ship", "x"), named("both", "x")])).await;
    let told = found("both tell", async || {
        let up = bench.rapids.services(Duration::from_millis(100)).await.unwrap();
        let told: Vec<_> = up.iter().filter_map(|it| it.facts.get("rivers").cloned()).collect();
        (told.len() == 2).then(|| told.concat())
    })
    .await;
    assert!(told.contains("`charge`") && told.contains("`ship`"), "{told}");
    assert!(!told.contains("`both`"), "{told}");
    let warnings: Vec<_> =
        log::of("twofold").into_iter().filter(|line| line.contains("WARN")).collect();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    other.stop().await;
    bench.no_fact("twofold", "rivers").await;
    one.stop().await;
}

#[tokio::test]
async fn an_update_that_changes_rules_alone_is_told_and_not_warned_of() {
    log::keep();
    let bench = Bench::of(Delivery::Shared).await;
    let one = bench.run(bench.service("rolling", [named("charge", "x")])).await;
    let other = bench.run(bench.service("rolling", [named("charge", "y")])).await;
    until("it is told", async || log::of("rolling").concat().contains("other rules")).await;
    let up = bench.rapids.services(Duration::from_millis(300)).await.unwrap();
    assert!(up.iter().all(|instance| instance.facts.is_empty()), "{up:?}");
    assert!(!log::of("rolling").concat().contains("WARN"));
    one.stop().await;
    other.stop().await;
}
