//! Instances of one service that are compiled with an earlier revision of the library and with this one: beside each
//! other, one after the other, up and down again. What each writes down the other reads, and nothing is lost or
//! done twice.

mod golden;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use rapids_client::{Delivery, EntryKey, Filter, Note, Packet, State};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::process::Child;

use crate::harness::{Bench, soon, until};

/// The variables that name the programs, which `just two-versions` builds.
const EARLIER: &str = "RAPIDS_TEST_EARLIER";
const PRESENT: &str = "RAPIDS_TEST_PRESENT";
const EARLIER_TOOL: &str = "RAPIDS_TEST_EARLIER_TOOL";

/// So many reactions run at once, so many may have had their effect without a note of it at a kill.
const AT_ONCE: usize = 8;

/// The server, and what the service `ledger` was given.
struct Ledger {
    bench: Bench,
    folder: TempDir,
    published: u64,
}

/// An instance, which ends with this value.
struct Instance(Child);

impl Ledger {
    async fn start(delivery: Delivery) -> Self {
        let (bench, folder) = (Bench::of(delivery).await, tempfile::tempdir().unwrap());
        Self { bench, folder, published: 0 }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the program that a variable names, and waits until one instance more answers.
    async fn run(&self, variable: &str) -> Instance {
        let before = self.instances().await;
        let program = std::env::var(variable).expect("`just two-versions` says where it is");
        let log = File::options().create(true).append(true).open(self.file("log")).unwrap();
        let mut command = Command::new(program);
        command.arg(variable).arg(self.file("effects")).env("NATS_URL", self.bench.server.url());
        command
            .env("RAPIDS_DELIVERY", if self.bench.is_exclusive() { "exclusive" } else { "shared" });
        command.env("RAPIDS_ACK_WAIT", "1s").env("RAPIDS_LOG_FORMAT", "json");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap();
        until("it answers", async || self.instances().await > before).await;
        Instance(child)
    }

    async fn instances(&self) -> usize {
        self.bench.rapids.services(Duration::from_millis(200)).await.unwrap().len()
    }

    async fn publish(&mut self, count: u64) {
        let numbers = self.published..self.published + count;
        self.published += count;
        self.bench.rapids.publish_all(numbers.map(paid)).await.unwrap();
    }

    async fn quiet(&self) {
        self.bench.quiet(&["ledger"]).await;
    }

    /// Has the earlier one do with letters what it does.
    fn earlier_act(&self) {
        let mut act = Command::new(std::env::var(EARLIER).unwrap());
        act.arg("act").env("NATS_URL", self.bench.server.url());
        assert!(act.status().unwrap().success());
    }

    /// What the earlier command line prints, by whether it succeeds.
    fn earlier_tool(&self, arguments: &[&str]) -> Result<String, String> {
        let mut tool = Command::new(std::env::var(EARLIER_TOOL).unwrap());
        let output =
            tool.args(arguments).env("NATS_URL", self.bench.server.url()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match output.status.success() {
            true => Ok(text(&output.stdout)),
            false => Err(text(&output.stderr)),
        }
    }

    /// The earlier command line shows services, letters and positions, whoever wrote them.
    fn earlier_tool_reads(&self) {
        for (command, expected) in [
            ("services", "ledger"),
            ("dead-letters list --state any", "ledger.refuse."),
            ("position ledger", "ledger"),
            ("memory get ledger accounts a-0", "payments"),
            ("metrics", r#"messaging_consumer_group_name="ledger""#),
            ("trace 4", "counted"),
        ] {
            let printed = self.earlier_tool(&Vec::from_iter(command.split(' '))).unwrap();
            assert!(printed.contains(expected), "{command}: {printed}");
        }
    }

    /// It leaves alone what it does not know: that a letter was discarded, and then restored.
    fn earlier_tool_refuses(&self) {
        let told = self.earlier_tool(&["dead-letters", "list"]).unwrap_err();
        assert!(told.contains("is of version 2, this program knows 1: update it"), "{told}");
    }

    /// The earlier one discards a letter, and sends the packets of the others again in vain. This one reads that, and
    /// takes back what was discarded.
    async fn earlier_acts(&self) {
        self.earlier_act();
        let letters = self.bench.dead_letters().await;
        let first = async |state| {
            let mut listing = letters.list(&Filter::new().state(state)).await.unwrap();
            listing.next().await.unwrap().map(|stored| stored.letter.id)
        };
        until("replays fail again", async || first(State::Replayed).await.is_none()).await;
        assert!(first(State::FailedAgain).await.is_some());
        let discarded = first(State::Discarded).await.unwrap();
        letters.restore(&discarded, &Note::new("ada")).await.unwrap();
    }

    /// Mends the packets of all letters, and waits until they were handled.
    async fn mend(&self) {
        let letters = self.bench.dead_letters().await;
        let mut waiting = letters.list(&Filter::new().state(State::Waiting)).await.unwrap();
        while let Some(stored) = soon("the next letter", waiting.next()).await.unwrap() {
            let id = stored.letter.id;
            let body = letters.get(&id).await.unwrap().unwrap().letter.body;
            let body = String::from_utf8(body.to_vec()).unwrap().replace("false", "true");
            let action = letters.edit(&id, body, &Note::new("ada")).await.unwrap();
            until("it is handled", async || letters.is_done(&id, &action).await.unwrap()).await;
        }
    }

    /// How often each thing was said of each number, and by whom the work was done.
    async fn said(&self) -> (BTreeMap<(String, u64), usize>, BTreeMap<String, usize>) {
        // Another one each time, for all is read from the beginning.
        let end =
            format!("end_{}", self.bench.rapids.contents().await.unwrap().unwrap().last_sequence);
        self.bench.rapids.publish(Packet::event(&end)).await.unwrap();
        let (mut said, mut by) = (BTreeMap::new(), BTreeMap::new());
        for packet in self.bench.tail().await.until(&end).await {
            let name = packet.event_name().unwrap();
            if let Some(n) = packet.get("n").unwrap() {
                *said.entry((name.clone(), n)).or_default() += 1;
            }
            if name == "worked" {
                *by.entry(packet.get("who").unwrap().unwrap()).or_default() += 1;
            }
        }
        (said, by)
    }

    async fn remembers_each_packet_once(&self) {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Account {
            payments: u64,
            sum: u64,
        }
        let accounts = self.bench.rapids.memory::<Account>("ledger", "accounts");
        for account in 0..7 {
            let its = || (0..self.published).filter(|n| n % 7 == account);
            let expected = Account { payments: its().count() as u64, sum: its().sum() };
            let key = EntryKey::from(format!("a-{account}"));
            let found = accounts.get(key).await.unwrap().unwrap();
            assert_eq!(found, expected, "of account {account}");
        }
    }

    fn had_its_effects(&self, kills: usize) {
        let text = fs::read_to_string(self.file("effects")).unwrap();
        let mut effects: Vec<u64> = text.lines().map(|line| line.parse().unwrap()).collect();
        let all = effects.len();
        effects.sort_unstable();
        effects.dedup();
        assert_eq!(effects, Vec::from_iter(0..self.published));
        assert!(all <= effects.len() + kills * AT_ONCE, "{all} effects");
    }

    fn logged_no_error(&self) {
        let log = fs::read_to_string(self.file("log")).unwrap();
        let is_fault =
            |line: &&str| line.contains(r#""ERROR""#) && !line.contains("it is not good");
        let errors: Vec<_> = log.lines().filter(is_fault).collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }
}

impl Instance {
    async fn stop(mut self) {
        let id = self.0.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let status = soon("it stops", self.0.wait()).await.unwrap();
        assert!(status.success(), "{status}");
    }

    async fn kill(mut self) {
        self.0.kill().await.unwrap();
    }
}

/// Each tenth is refused until it is mended, and each other tenth is for the same river and good.
fn paid(n: u64) -> Packet {
    let packet = Packet::event("paid").with("n", n).with("account", format!("a-{}", n % 7));
    match n % 10 {
        3 => packet.with("good", false),
        8 => packet.with("good", true),
        _ => packet,
    }
}

async fn goes_up_and_down(delivery: Delivery) {
    let mut ledger = Ledger::start(delivery).await;
    let earlier = ledger.run(EARLIER).await;
    ledger.publish(100).await;
    ledger.quiet().await;
    let present = ledger.run(PRESENT).await;
    ledger.publish(200).await;
    earlier.kill().await;
    ledger.publish(100).await;
    ledger.quiet().await;

    let earlier = ledger.run(EARLIER).await;
    ledger.publish(200).await;
    present.stop().await;
    ledger.publish(100).await;
    ledger.quiet().await;
    ledger.mend().await;
    ledger.earlier_tool_reads();

    let present = ledger.run(PRESENT).await;
    ledger.publish(200).await;
    earlier.stop().await;
    ledger.publish(100).await;
    ledger.quiet().await;
    ledger.earlier_tool_reads();
    ledger.earlier_acts().await;
    ledger.earlier_tool_refuses();
    ledger.mend().await;
    let reminded = async || ledger.said().await.0.keys().filter(|it| it.0 == "reminded").count();
    until("timers fire", async || reminded().await as u64 == ledger.published).await;
    present.stop().await;

    let (said, by) = ledger.said().await;
    for ((name, n), times) in &said {
        assert_eq!(*times, 1, "{name} of {n}");
    }
    for name in ["worked", "counted", "sent", "reminded"] {
        let found = said.keys().filter(|it| it.0 == name).count();
        assert_eq!(found as u64, ledger.published, "{name}");
    }
    let mended = said.keys().filter(|it| it.0 == "mended").count();
    assert_eq!(mended as u64, ledger.published / 5);
    assert!(by[EARLIER] > 200 && by[PRESENT] > 200, "{by:?}");
    ledger.remembers_each_packet_once().await;
    ledger.had_its_effects(1);
    ledger.logged_no_error();
}

#[tokio::test]
#[ignore = "needs an earlier revision, which `just two-versions` builds"]
async fn a_service_goes_up_and_down_in_shared_delivery() {
    goes_up_and_down(Delivery::Shared).await;
}

#[tokio::test]
#[ignore = "needs an earlier revision, which `just two-versions` builds"]
async fn a_service_goes_up_and_down_in_exclusive_delivery() {
    goes_up_and_down(Delivery::Exclusive).await;
}
