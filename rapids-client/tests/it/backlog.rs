//! What a long backlog costs a service that does not get on: its memory, told by the system.

use std::env;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rapids_client::{Config, Delivery, Packet, River, Service};

use crate::harness::{Bench, called, until};

/// Tells this test, run a second time, that it is the service, and where its server is.
const STUCK: &str = "RAPIDS_TEST_STUCK_AT";

/// What is published behind the packet that holds the service up.
const BACKLOG: u64 = 100_000;

/// Takes packets and gets done with none of them.
async fn be_stuck(url: String) {
    let river = River::new("stuck").event("called").react(|_: Packet| async {
        // Longer than a reaction may take, and than this process lives.
        tokio::time::sleep(Duration::from_secs(3600)).await;
        Ok(())
    });
    Service::new("stuck", Config::new(url)).river(river).run().await.unwrap();
}

/// A process that ends with this value.
struct Process(Child);

impl Process {
    /// The memory that it has at the moment, in KiB.
    fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[tokio::test]
async fn the_memory_of_a_stuck_service_does_not_grow_with_its_backlog() {
    const NAME: &str = "backlog::the_memory_of_a_stuck_service_does_not_grow_with_its_backlog";
    if let Ok(url) = env::var(STUCK) {
        return be_stuck(url).await;
    }
    let bench = Bench::of(Delivery::Shared).await;
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", NAME, "--nocapture"]).env(STUCK, bench.server.url());
    let service = Process(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let delivered = async || {
        let position = bench.rapids.position("stuck").await.unwrap();
        position.map(|position| position.delivered)
    };
    until("it has its position", async || delivered().await.is_some()).await;
    bench.rapids.publish_all((0..1_000).map(called)).await.unwrap();
    // As many as it asks for as long as it knows nothing of the reaction.
    until("it has what it takes", async || delivered().await >= Some(200)).await;
    let before = service.memory();
    bench.rapids.publish_all((1_000..BACKLOG).map(called)).await.unwrap();
    bench.is_up("stuck").await;
    let after = service.memory();
    assert!(after < before + 8 * 1024, "{before} KiB before, {after} KiB after");
    assert!(delivered().await < Some(2_000), "what waits, waits on the server");
}
