//! What the secured form, replicas and mirrors cost: the same work on servers of each kind, in turn.
//!
//! `cargo test --release -p rapids-cli --test it -- --ignored --nocapture figures::`

mod fan_out;

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rapids_client::{Config, Delivery, Packet, Rapids, River, Service};
use rapids_test::NatsServer;
use tokio::time::{sleep, timeout};

use crate::bench::DEADLINE;
use crate::secured::{Form, Secured};

const DECLARED: &str = r#"
[services.react]
start = "beginning"
[services.read]
start = "beginning"
delivery = "exclusive"
"#;

const ROUNDS: usize = 5;
const PACKETS: u64 = 50_000;
/// The packets to which one is published.
const REACTIONS: u64 = 20_000;
/// Enough for any of it.
const PATIENCE: Duration = Duration::from_secs(120);

/// The seconds of processor time of a process.
fn cpu(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let fields: Vec<&str> = fields.split_whitespace().collect();
    // Behind the name in brackets come the state and 10 others; the unit is a hundredth of a second.
    [11, 12].iter().map(|place| fields[*place].parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

/// Packets per second, and microseconds of the processor for each packet: of this process, and of all servers.
type Figures = [f64; 3];

async fn measured(form: &Form, count: u64, work: impl Future<Output = ()>) -> Figures {
    let own = std::process::id();
    let servers = || form.servers().iter().map(|server| cpu(server.pid().unwrap())).sum();
    let (begun, before) = (Instant::now(), [cpu(own), servers()]);
    timeout(PATIENCE, work).await.unwrap();
    let count = count as f64;
    let micros = |now: f64, before: f64| (now - before) * 1e6 / count;
    [
        count / begun.elapsed().as_secs_f64(),
        micros(cpu(own), before[0]),
        micros(servers(), before[1]),
    ]
}

fn packet(event: &str, n: u64) -> Packet {
    Packet::event(event).with("n", n).with("note", "-".repeat(150))
}

/// Runs a service until this comes true.
async fn run_until(service: Service, is_done: impl AsyncFn() -> bool) {
    let done = async {
        while !is_done().await {
            sleep(Duration::from_millis(2)).await;
        }
    };
    service.run_until(done).await.unwrap();
}

/// Publishing, reacting with a publish, and reading in exclusive delivery.
async fn round(form: &Form) -> [Figures; 3] {
    let rapids = Rapids::connect(&form.operator()).await.unwrap();
    let publishing = async {
        let wanted = (0..REACTIONS).map(|n| packet("wanted", n));
        let others = (REACTIONS..PACKETS).map(|n| packet("other", n));
        rapids.publish_all(wanted.chain(others)).await.unwrap();
    };
    let published = measured(form, PACKETS, publishing).await;
    let react = River::new("react").event("wanted").react(|packet: Packet| async move {
        Ok(Packet::event("done").with("n", packet.get::<u64>("n")?))
    });
    let service = Service::new("react", form.service("react")).river(react).from_beginning();
    let stored = async || rapids.contents().await.unwrap().unwrap().packets;
    let all = PACKETS + REACTIONS;
    let reacting = run_until(service, async || stored().await == all);
    let reacted = Box::pin(measured(form, REACTIONS, reacting)).await;
    let seen = Arc::new(AtomicU64::new(0));
    let counted = seen.clone();
    let read = River::new("read").event("done").react(move |_: Packet| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Ok(()) }
    });
    let config = form.service("read").delivery(Delivery::Exclusive);
    let service = Service::new("read", config).river(read).from_beginning();
    let reading = run_until(service, async || seen.load(Ordering::Relaxed) == REACTIONS);
    [published, reacted, measured(form, all, reading).await]
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Three servers, on so many of which everything is kept.
async fn cluster(replicas: usize) -> Form {
    let servers = NatsServer::cluster(3, "").unwrap();
    let urls: Vec<_> = servers.iter().map(NatsServer::url).collect();
    let config = Config::new(urls.join(",")).replicas(replicas);
    let began = Instant::now();
    while let Err(error) = Rapids::connect(&config).await {
        // They elect a leader first.
        assert!(began.elapsed() < DEADLINE, "{error}");
        sleep(Duration::from_millis(50)).await;
    }
    Form::Cluster(servers, Box::new(config))
}

/// Measures each form in turn, beginning with another one in each round, and prints the medians.
async fn compare<const N: usize>(names: [&str; N], form: impl AsyncFn(usize) -> Form) {
    let mut rounds = [(); N].map(|()| Vec::new());
    for number in 0..ROUNDS {
        for turn in 0..N {
            let place = (number + turn) % N;
            rounds[place].push(Box::pin(round(&form(place).await)).await);
        }
    }
    let titles = names[1..].iter().map(|name| format!(" {name} | ratio |"));
    println!("| medians of {ROUNDS} rounds | {} |{}", names[0], titles.collect::<String>());
    println!("|---|---|{}", "---|---|".repeat(N - 1));
    for (work, name) in ["publish", "react", "read, exclusive"].into_iter().enumerate() {
        for (figure, unit) in
            ["packets/s", "own µs/packet", "server µs/packet"].into_iter().enumerate()
        {
            let of = |place: usize| {
                median(rounds[place].iter().map(|round| round[work][figure]).collect())
            };
            let first = of(0);
            let others = (1..N).map(of).map(|it| format!(" {it:.1} | {:.2} |", it / first));
            println!("| {name}, {unit} | {first:.1} |{}", others.collect::<String>());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes, and measures: run by `just soak`"]
async fn the_secured_form_beside_the_simple_one() {
    let form = async |place| match place {
        0 => Form::Simple(NatsServer::start().unwrap()),
        _ => Form::Secured(Secured::start(DECLARED)),
    };
    Box::pin(compare(["simple", "secured"], form)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes, and measures: run by `just soak`"]
async fn three_servers_beside_one() {
    let names = ["one server", "three, 1 replica", "three, 3 replicas"];
    let form = async |place| match place {
        0 => Form::Simple(NatsServer::start().unwrap()),
        1 => cluster(1).await,
        _ => cluster(3).await,
    };
    Box::pin(compare(names, form)).await;
}
