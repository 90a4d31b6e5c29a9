//! Services that read from a mirror, each with a login of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rapids_client::{Delivery, Packet, Rapids, River, Service};
use tokio::time::{sleep, timeout};

use super::Secured;
use crate::bench::DEADLINE;

const DECLARED: &str = r#"
[services.react]
start = "beginning"
read_from = "RAPIDS_EU"
[services.read]
start = "beginning"
delivery = "exclusive"
read_from = "RAPIDS_EU"
"#;

/// Runs a service whose river takes these events, until it has taken so many.
async fn takes(secured: &Secured, name: &str, delivery: Delivery, event: &str, count: u64) {
    let seen = Arc::new(AtomicU64::new(0));
    let counted = seen.clone();
    let river = River::new(name).event(event).react(move |packet: Packet| {
        counted.fetch_add(1, Ordering::Relaxed);
        let answer = Packet::event("done").with("n", packet.get::<u64>("n").ok().flatten());
        async move { Ok(answer) }
    });
    let config = secured.program(name, None).delivery(delivery).read_from("RAPIDS_EU").unwrap();
    let service = Service::new(name, config).river(river).from_beginning();
    let all = async {
        while seen.load(Ordering::Relaxed) < count {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(DEADLINE, service.run_until(all)).await.unwrap().unwrap();
}

#[tokio::test]
async fn services_read_from_a_mirror_with_logins_of_their_own() {
    let secured = Secured::start(DECLARED);
    let rapids = Rapids::connect(&secured.operator()).await.unwrap();
    rapids.publish_all((0..20).map(|n| Packet::event("wanted").with("n", n))).await.unwrap();
    takes(&secured, "react", Delivery::Shared, "wanted", 20).await;
    takes(&secured, "read", Delivery::Exclusive, "done", 20).await;
    let positions = rapids.positions().await.unwrap();
    let done = positions.iter().map(|it| (it.service.as_str(), it.acknowledged >= 20));
    assert_eq!(Vec::from_iter(done), [("react", true), ("read", true)]);
}
