//! The classic disaster: a packet that ends every process which handles it goes from instance to
//! instance until none is left, and the packets behind it are never handled. The bus prevents it.

use std::process::Stdio;
use std::time::{Duration, Instant};

use rapids_client::{Config, DeadLetters, Filter, Kind, Packet, Rapids, Start};
use rapids_test::NatsServer;
use tokio::process::Command;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

const GOOD: usize = 1_000;
const DEADLINE: Duration = Duration::from_secs(120);

fn meal(number: usize, poisonous: bool) -> Packet {
    Packet::event("meal_served").with("meal", number).with("poisonous", poisonous)
}

/// Keeps an instance of the taster running until `stop` is true, as a supervisor does. Returns how
/// often it had to start it again.
fn supervise(url: String, mut stop: watch::Receiver<bool>) -> JoinHandle<usize> {
    tokio::spawn(async move {
        let mut deaths = 0;
        loop {
            let mut taster = Command::new(env!("CARGO_BIN_EXE_demo"))
                .args(["extra", "taster"])
                .envs([("NATS_URL", url.as_str()), ("RAPIDS_ACK_WAIT", "2s")])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .kill_on_drop(true)
                .spawn()
                .unwrap();
            tokio::select! {
                _ = taster.wait() => deaths += 1,
                _ = stop.wait_for(|stop| *stop) => return deaths,
            }
        }
    })
}

async fn wait_for_two_instances(rapids: &Rapids) {
    let counting =
        async { while rapids.services(Duration::from_millis(150)).await.unwrap().len() != 2 {} };
    timeout(DEADLINE, counting).await.expect("two instances run");
}

/// Waits until every good meal was tasted, and returns how many were tasted in all.
async fn tasted(rapids: &Rapids) -> usize {
    let mut tail = rapids.tail(Start::Beginning).await.unwrap();
    let mut meals = vec![0; GOOD + 1];
    while meals[1..].contains(&0) {
        let packet = timeout(DEADLINE, tail.next()).await.expect("meals are tasted").unwrap();
        if packet.event_name().as_deref() == Some("meal_tasted") {
            meals[packet.get::<usize>("meal").unwrap().unwrap()] += 1;
        }
    }
    meals.iter().sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn packet_that_ends_processes_is_set_aside_and_those_behind_it_are_handled() {
    let server = NatsServer::start().unwrap();
    let config = Config::new(server.url());
    let rapids = Rapids::connect(&config).await.unwrap();
    let (stop, stopped) = watch::channel(false);
    let instances = [(); 2].map(|()| supervise(server.url(), stopped.clone()));
    wait_for_two_instances(&rapids).await;

    let begun = Instant::now();
    let poison = rapids.publish(meal(0, true)).await.unwrap();
    rapids.publish_all((1..=GOOD).map(|number| meal(number, false))).await.unwrap();
    assert_eq!(tasted(&rapids).await, GOOD);
    let all_tasted = begun.elapsed();
    let at_rest = async {
        let is_busy = |at: &rapids_client::Position| at.pending + at.unacknowledged > 0;
        while rapids.positions().await.unwrap().iter().any(is_busy) {}
    };
    timeout(DEADLINE, at_rest).await.expect("the poison is set aside");
    let set_aside = begun.elapsed();

    let letters = DeadLetters::open(&config).await.unwrap().unwrap();
    let mut listing = letters.list(&Filter::new()).await.unwrap();
    let letter = listing.next().await.unwrap().unwrap().letter;
    assert_eq!((letter.packet_id, letter.kind), (poison.id, Kind::Crashed));
    assert_eq!(listing.next().await.unwrap(), None);
    wait_for_two_instances(&rapids).await;

    stop.send(true).unwrap();
    let mut deaths = 0;
    for instance in instances {
        deaths += instance.await.unwrap();
    }
    assert!(deaths > 0);
    println!(
        "{GOOD} good packets behind it handled after {all_tasted:.1?}, the bad one set aside \
         after {set_aside:.1?} and {deaths} deaths"
    );
}
