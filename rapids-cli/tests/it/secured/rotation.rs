//! Every kind of credential is replaced while packets come.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rapids_client::{Answer, Config, Packet, Rapids, River, Service, Start};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::Secured;
use crate::bench::DEADLINE;

const DECLARED: &str = "[services.payment]\nstart = \"beginning\"\n[publishers.web]\nasks = true\n";

/// So many packets make another key for ids count.
const UNTIL_A_KEY_COUNTS: usize = 1_500;

struct Running(oneshot::Sender<()>, JoinHandle<rapids_client::Result<()>>);

impl Running {
    /// Answers each call.
    fn start(config: Config) -> Self {
        let river = River::new("answer").event("called").react(|packet: Packet| async move {
            Ok(Packet::event("answered").with("n", packet.get::<String>("n")?))
        });
        let (stop, stopped) = oneshot::channel();
        let service = Service::new("payment", config).river(river);
        let running = service.run_until(async {
            let _ = stopped.await;
        });
        Self(stop, tokio::spawn(running))
    }

    async fn stop(self) {
        self.0.send(()).unwrap();
        timeout(DEADLINE, self.1).await.unwrap().unwrap().unwrap();
    }
}

fn called(n: &str) -> Packet {
    Packet::event("called").with("n", n)
}

/// Publishes one packet after the other until it is told to end; returns how many.
async fn load(web: Rapids, ends: Arc<AtomicBool>) -> usize {
    let mut count = 0;
    while !ends.load(Ordering::Relaxed) {
        web.publish(called(&count.to_string())).await.unwrap();
        count += 1;
        sleep(Duration::from_millis(3)).await;
    }
    count
}

/// Asks, and is answered: everybody is logged in.
async fn is_answered(web: &Rapids, step: &str) {
    let answer = web.ask(called(step)).until_event("answered").within(DEADLINE).await;
    assert!(matches!(answer, Ok(Answer::Came(_))), "{step}: {answer:?}");
}

/// How often each call was answered.
async fn answers(secured: &Secured) -> BTreeMap<String, usize> {
    let ada = Rapids::connect(&secured.operator()).await.unwrap();
    let mut tail = ada.tail(Start::Beginning).await.unwrap();
    let mut answers = BTreeMap::new();
    while let Some(packet) = tail.next_stored().await.unwrap() {
        let n: String = packet.get("n").unwrap().unwrap();
        let is_answer = packet.event_name().as_deref() == Some("answered");
        *answers.entry(n).or_default() += usize::from(is_answer);
    }
    answers
}

/// Whether the service is done with everything.
async fn is_done(secured: &Secured) -> bool {
    let ada = Rapids::connect(&secured.operator()).await.unwrap();
    let position = ada.position("payment").await.unwrap().unwrap();
    position.pending == 0 && position.unacknowledged == 0
}

#[tokio::test(flavor = "multi_thread")]
async fn every_credential_is_replaced_under_load_and_nothing_is_lost_or_doubled() {
    let secured = Secured::start(DECLARED);
    let key = secured.id_key("payment");
    let web = Rapids::connect(&secured.program("web", None)).await.unwrap();
    let running = Running::start(secured.program("payment", Some(&key)));
    is_answered(&web, "start").await;
    let ends = Arc::new(AtomicBool::new(false));
    let loading = tokio::spawn(load(web.clone(), ends.clone()));

    // With each login that is replaced, its program connects anew, and takes the certificates as they are then.
    for (certificate, login) in [("authority", "payment"), ("server", "web"), ("client", "payment")]
    {
        secured.access(&["certificates", "--rotate", certificate]);
        is_answered(&web, certificate).await;
        secured.access(&["keys", "--rotate", login]);
        is_answered(&web, &format!("{certificate}, {login}")).await;
    }
    secured.access(&["keys", "--rotate", super::OPERATOR]);
    Rapids::connect(&secured.operator()).await.unwrap();

    // A key for ids is replaced by another instance.
    let both = format!("{},{key}", "7".repeat(64));
    let other = Running::start(secured.program("payment", Some(&both)));
    running.stop().await;
    is_answered(&web, "the key for ids").await;
    web.publish_all((0..UNTIL_A_KEY_COUNTS).map(|n| called(&format!("more {n}")))).await.unwrap();
    is_answered(&web, "all of that").await;
    ends.store(true, Ordering::Relaxed);
    let count = timeout(DEADLINE, loading).await.unwrap().unwrap();
    is_answered(&web, "end").await;
    // What was in hand when a login was replaced comes again, later than what was published after it.
    while !is_done(&secured).await {
        sleep(Duration::from_millis(50)).await;
    }
    other.stop().await;

    let answers = answers(&secured).await;
    assert!(count > 50, "{count}");
    assert_eq!(answers.len(), count + UNTIL_A_KEY_COUNTS + 10, "each packet is there");
    let wrong: Vec<_> = answers.into_iter().filter(|(_, times)| *times != 1).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}
