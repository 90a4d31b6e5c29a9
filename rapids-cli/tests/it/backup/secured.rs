//! In the secured form, an operator takes backups and restores them, and a service that may create nothing goes on.

use std::time::Duration;

use rapids_client::{Config, Outputs, Packet, Rapids, River, Service, Start};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::path;
use crate::bench::{DEADLINE, Said, rapids, said};
use crate::secured::{OPERATOR, Secured};

const DECLARED: &str = "\
[services.payment]
start = \"beginning\"
memories = [\"paid\"]
timers = true

[operators.vic]
role = \"viewer\"
";

/// Counts calls in a memory, says so, and sets a timer that is due at once, and one that waits.
fn payment(config: Config) -> Service {
    let count = River::new("count").event("called").memory("paid", "'all'").react(
        |count: &mut u64, _: &Packet| {
            *count += 1;
            let counted = Packet::event("counted").with("count", *count);
            let outputs = Outputs::new().publish(counted);
            let key = count.to_string();
            let outputs = outputs.later("soon", &key, Duration::ZERO, Packet::event("due"));
            let hour = Duration::from_secs(3_600);
            anyhow::Ok(outputs.later("late", &key, hour, Packet::event("forgotten")))
        },
    );
    Service::new("payment", config).river(count).from_beginning()
}

/// What the stream holds, with who has published it.
async fn published(rapids: &Rapids) -> Vec<(String, Option<String>)> {
    let mut tail = rapids.tail(Start::Beginning).await.unwrap();
    let mut published = Vec::new();
    while let Some(packet) = tail.next_stored().await.unwrap() {
        let by = packet.publisher().map(str::to_owned);
        published.push((packet.event_name().unwrap(), by));
    }
    published
}

/// Runs the service until the stream holds so many packets, all of which it has handled.
async fn run_until(secured: &Secured, rapids: &Rapids, packets: usize) {
    let key = secured.id_key("payment");
    let (stop, stopped) = oneshot::channel::<()>();
    let service = payment(secured.program("payment", Some(&key)));
    let running = tokio::spawn(service.run_until(async {
        let _ = stopped.await;
    }));
    let done = async {
        loop {
            let position = rapids.position("payment").await.unwrap().unwrap();
            let count = published(rapids).await.len();
            if count >= packets && position.acknowledged >= u64::try_from(count).unwrap() {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(DEADLINE, done).await.unwrap();
    stop.send(()).unwrap();
    timeout(DEADLINE, running).await.unwrap().unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_restores_what_an_operator_has_taken() {
    let mut secured = Secured::start(DECLARED);
    let folder = tempfile::tempdir().unwrap();
    let run = |secured: &Secured, who: &str, command: &str| -> Said {
        said(rapids(&[command, path(folder.path())]).envs(secured.variables(who)))
    };
    let ada = Rapids::connect(&secured.operator()).await.unwrap();
    ada.publish(Packet::event("called")).await.unwrap();
    run_until(&secured, &ada, 3).await;
    assert_eq!(run(&secured, "vic", "backup").code, 4, "a viewer takes none");
    let folder_again = std::fs::read_dir(folder.path()).unwrap();
    for entry in folder_again {
        std::fs::remove_dir_all(entry.unwrap().path()).unwrap();
    }
    run(&secured, OPERATOR, "backup").well(0);
    let before = published(&ada).await;
    drop(ada);
    secured.lose_store();
    assert_eq!(run(&secured, "vic", "restore").code, 4, "nor restores one");
    let restored = run(&secured, OPERATOR, "restore").well(0);
    assert!(restored.out.contains("payment goes on behind sequence 3"), "{restored:?}");

    let ada = Rapids::connect(&secured.operator()).await.unwrap();
    assert_eq!(published(&ada).await, before);
    ada.publish(Packet::event("called")).await.unwrap();
    run_until(&secured, &ada, 6).await;
    let count = ada.memory::<u64>("payment", "paid").get("all").await.unwrap();
    assert_eq!(count, Some(2));
    let by = |name: &str, publisher: &str| (name.to_owned(), Some(publisher.to_owned()));
    let after = published(&ada).await;
    let (called, mut rest) = (after[3].clone(), after[4..].to_vec());
    rest.sort();
    assert_eq!(called, by("called", "operators"));
    assert_eq!(rest, [by("counted", "payment"), by("due", "payment")], "the timer fires once");
    let mut timers = ada.timers(Some("payment")).await.unwrap();
    let mut waiting = 0;
    while timers.next().await.unwrap().is_some() {
        waiting += 1;
    }
    assert_eq!(waiting, 2);
}
