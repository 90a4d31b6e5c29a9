//! The word for a service is that of what its instances announce.

use std::time::Duration;

use rapids_client::{Packet, River, Service, retry_after};
use rapids_views::{ServiceStatus, State};

use crate::bench::Bench;

/// A river that never succeeds.
fn failing() -> River {
    let soon = Duration::from_millis(10);
    River::new("charge")
        .event("placed")
        .react(move |_: Packet| async move { Err::<(), _>(retry_after(soon)) })
}

fn idle() -> River {
    River::new("charge").event("placed").react(|_: Packet| async { Ok(()) })
}

#[tokio::test]
async fn a_breaker_that_opens_and_a_service_that_holds_too_much_are_told() {
    let bench = Bench::start().await;
    let service = Service::new("payment", bench.config()).river(failing().breaker(1));
    let _running = bench.run(service);
    bench.once("payment", State::Live).await;
    bench.rapids.publish(Packet::event("placed")).await.unwrap();
    let status = bench.once("payment", State::BreakerOpen).await;
    let problems: Vec<_> = ServiceStatus::problems(&status.instances[0]).collect();
    assert_eq!(problems[0].0, "charge.breaker");

    let service = Service::new("ledger", bench.config().max_held(2)).river(failing().breaker(0));
    let _running = bench.run(service);
    bench.once("ledger", State::Live).await;
    for _ in 0..5 {
        bench.rapids.publish(Packet::event("placed")).await.unwrap();
    }
    bench.once("ledger", State::Paused).await;
}

#[tokio::test]
async fn of_an_exclusive_service_the_active_instance_is_told_and_who_stands_by() {
    let bench = Bench::start().await;
    let _one = bench.run(bench.exclusive("payment").river(idle()));
    bench.once("payment", State::Live).await;
    let _other = bench.run(bench.exclusive("payment").river(idle()));
    loop {
        let status = bench.once("payment", State::Live).await;
        let exclusive = status.exclusive().unwrap();
        assert!(exclusive.is_well() && exclusive.activity == Some("live"), "{exclusive:?}");
        if exclusive.standing_by == 1 {
            return;
        }
    }
}

#[tokio::test]
async fn a_service_of_which_only_the_position_is_left_is_down() {
    let bench = Bench::start().await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let service = Service::new("payment", bench.config()).river(idle());
    let running = tokio::spawn(service.run_until(async {
        let _ = stopped.await;
    }));
    bench.once("payment", State::Live).await;
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
    let status = bench.once("payment", State::Down).await;
    assert_eq!((status.delivery(), status.instances.len()), (Some("shared"), 0));
}
