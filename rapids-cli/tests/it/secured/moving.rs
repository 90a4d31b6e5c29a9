//! Rapids that were in the simple form are moved to the secured one, as docs/security.md describes.

use std::fs;
use std::time::Duration;

use rapids_client::{Config, Packet, Rapids, River, Service, Start, reject};
use rapids_test::NatsServer;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::{Secured, lines};
use crate::bench::{DEADLINE, rapids, said};

const DECLARED: &str =
    "[services.payment]\nstart = \"beginning\"\nmemories = [\"paid\"]\ntimers = true\n";

/// Counts calls in a memory, and refuses others.
fn payment(config: Config) -> Service {
    let count = River::new("count").event("called").memory("paid", "'all'").react(
        |count: &mut u64, _: &Packet| {
            *count += 1;
            anyhow::Ok(Packet::event("counted").with("count", *count))
        },
    );
    let refuse = River::new("refuse")
        .event("refused")
        .react(|_: Packet| async move { Err::<(), _>(reject("it is not wanted")) });
    Service::new("payment", config).river(count).river(refuse).from_beginning()
}

/// Runs the service until it has counted so far.
async fn count_to(rapids: &Rapids, config: Config, count: u64) {
    let counted = async {
        let mut tail = rapids.tail(Start::Beginning).await.unwrap();
        while tail.next().await.unwrap().get("count").unwrap() != Some(count) {}
        // What is handled is acknowledged, and what was refused stands in its letter.
        while rapids.position("payment").await.unwrap().unwrap().unacknowledged > 0 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(payment(config).run_until(async {
        let _ = stopped.await;
    }));
    timeout(DEADLINE, counted).await.unwrap();
    stop.send(()).unwrap();
    timeout(DEADLINE, running).await.unwrap().unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_letters_and_memories_stay_where_rapids_are_moved_to_the_secured_form() {
    let store = tempfile::tempdir().unwrap();
    let simple = NatsServer::with_store(store.path(), "").unwrap();
    let config = Config::new(simple.url());
    let plain = Rapids::connect(&config).await.unwrap();
    for event in ["refused", "called", "called"] {
        plain.publish(Packet::event(event)).await.unwrap();
    }
    count_to(&plain, config, 2).await;
    plain.publish(Packet::event("called")).await.unwrap();
    drop((plain, simple));

    let account = |name: &str| store.path().join("jetstream").join(name);
    fs::rename(account("$G"), account("RAPIDS")).unwrap();
    let folder = Secured::folder(DECLARED);
    let server = NatsServer::with_store(store.path(), &lines(&folder)).unwrap();
    let secured = Secured { server, folder };
    let provision = |option: &str| {
        let mut command = rapids(&["provision", "--secured", option]);
        let variables = secured.variables(super::OPERATOR);
        let done = said(command.envs(variables).current_dir(&secured.folder));
        assert_eq!(done.code, 0, "{done:?}");
        done.out
    };
    let plan = provision("--dry-run");
    assert!(plan.contains("RAPIDS") && plan.contains("LATER_payment"), "{plan}");
    assert_eq!(provision("--dry-run"), plan, "nothing was done");
    provision("--yes");

    let ada = Rapids::connect(&secured.operator()).await.unwrap();
    ada.publish(Packet::event("called")).await.unwrap();
    let key = secured.id_key("payment");
    count_to(&ada, secured.program("payment", Some(&key)), 4).await;
    let mut tail = ada.tail(Start::Beginning).await.unwrap();
    let mut publishers = Vec::new();
    while let Some(packet) = tail.next_stored().await.unwrap() {
        let name = packet.event_name().unwrap();
        publishers.push((name, packet.publisher().map(str::to_owned)));
    }
    let by = |name: &str, publisher: &str| (name.to_owned(), Some(publisher.to_owned()));
    let before = ["refused", "called", "called", "counted", "counted", "called"];
    assert_eq!(publishers[..6], before.map(|name| (name.to_owned(), None)));
    assert_eq!(
        publishers[6..],
        [by("called", "operators"), by("counted", "payment"), by("counted", "payment")]
    );
    let mut listing = rapids(&["dead-letters", "list"]);
    let letters = said(listing.envs(secured.variables(super::OPERATOR)));
    assert!(letters.out.contains("it is not wanted"), "{letters:?}");
}
