//! Three servers that are one: what is done to them, and how long that is felt.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rapids_test::Ways;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::control::Control;
use super::disk::Disk;
use super::fault::{Fault, FaultKind};
use super::node::Node;
use super::pauses::Pauses;

/// How many servers there are.
pub(crate) const NODES: usize = 3;

/// How long they may take until all of them have everything.
const HEALING: Duration = Duration::from_secs(180);
const LOOK: Duration = Duration::from_millis(200);
const ANSWER: Duration = Duration::from_secs(2);
const SOON: Duration = Duration::from_millis(500);

/// The servers, the ways to them and between them, and who watches from outside.
#[derive(Debug)]
pub(super) struct Cluster {
    nodes: Vec<Node>,
    ways: Ways,
    client: async_nats::Client,
    plain: Pauses,
    ours: Pauses,
    /// Between answers of those who lead the rapids and a position.
    leaders: Pauses,
    // Ends with this value.
    _asking: JoinSet<()>,
}

/// How a fault was felt.
#[derive(Debug, Clone)]
pub(crate) struct Felt {
    pub(crate) kind: FaultKind,
    /// The servers that it struck.
    pub(crate) servers: String,
    /// From its beginning until all servers had everything again.
    pub(crate) whole: Duration,
    /// The longest time in which the rapids or a position had no leader, as a plain client is told.
    pub(crate) leaderless: Duration,
    /// The longest time without an acknowledgement for the plain client.
    pub(crate) plain: Duration,
    /// The longest time without a packet of a service.
    pub(crate) ours: Duration,
}

impl Cluster {
    /// Starts the servers with their stores in this folder, or each on a disk of its own; returns them with the
    /// addresses for clients, and who publishes beside the services.
    ///
    /// # Errors
    /// If there is no nats-server and none can be installed, one does not start, or they form no cluster.
    pub(super) async fn start(
        store: &Path,
        disks: Option<Vec<Disk>>,
        ours: Pauses,
    ) -> Result<(Self, String, Control)> {
        let ways = Ways::open(NODES).await?;
        let mut disks = disks.into_iter().flatten();
        let mut nodes = Vec::new();
        for number in 0..NODES {
            nodes.push(Node::start(&ways, number, store, disks.next()).await?);
        }
        let url = ways.urls();
        let control = Control::start(&url).await?;
        let (leaders, mut asking, client) = (Pauses::default(), JoinSet::new(), control.client());
        asking.spawn(ask_leaders(client.clone(), leaders.clone()));
        let plain = control.pauses.clone();
        let cluster = Self { nodes, ways, client, plain, ours, leaders, _asking: asking };
        cluster.healed().await?;
        Ok((cluster, url, control))
    }

    /// Lets a fault happen, and returns once all servers have everything again.
    ///
    /// # Errors
    /// If they do not within three minutes, or one does not start again.
    pub(super) async fn inflict(&self, fault: Fault) -> Result<Felt> {
        let struck = self.struck(fault.kind).await?;
        let names: Vec<_> = struck.iter().map(|node| node.name.clone()).collect();
        for pauses in [&self.plain, &self.ours, &self.leaders] {
            pauses.take_longest();
        }
        let began = Instant::now();
        self.strike(fault, &struck).await?;
        self.healed()
            .await
            .with_context(|| format!("after: {} ({})", fault.kind, names.join(", ")))?;
        let whole = began.elapsed();
        // Who tells of packets may be behind.
        let (healed, deadline) = (Instant::now().into_std(), Instant::now() + HEALING);
        let all = [&self.plain, &self.ours, &self.leaders];
        while !all.iter().all(|it| it.has_ended_since(healed)) && Instant::now() < deadline {
            sleep(LOOK).await;
        }
        Ok(Felt {
            kind: fault.kind,
            servers: names.join(", "),
            whole,
            leaderless: self.leaders.take_longest(),
            plain: self.plain.take_longest(),
            ours: self.ours.take_longest(),
        })
    }

    /// Stops all, and returns their logs.
    pub(super) async fn stop(self) -> String {
        let mut logs = String::new();
        for node in self.nodes {
            let log = node.end().await;
            logs.push_str(&format!("== {}\n{log}", node.name));
        }
        logs
    }

    /// The servers that a fault strikes.
    async fn struck(&self, kind: FaultKind) -> Result<Vec<&Node>> {
        let leader = match kind {
            FaultKind::StreamLeaderKilled
            | FaultKind::LeaderStopped
            | FaultKind::LeaderCutOff
            | FaultKind::LeaderDiskFull
            | FaultKind::QuorumLost => self.leader("STREAM.INFO.RAPIDS").await?,
            FaultKind::PositionLeaderKilled => self.position_leader().await?,
            FaultKind::ClusterLeaderKilled => self.cluster_leader().await?,
            FaultKind::OtherDiskFull => (self.leader("STREAM.INFO.RAPIDS").await? + 1) % NODES,
            FaultKind::ClientsCutOff | FaultKind::StoreWiped => fastrand::usize(..NODES),
            FaultKind::RollingRestart => return Ok(self.nodes.iter().collect()),
        };
        let mut struck = vec![&self.nodes[leader]];
        if kind == FaultKind::QuorumLost {
            struck.push(&self.nodes[(leader + 1) % NODES]);
        }
        Ok(struck)
    }

    async fn strike(&self, Fault { kind, length }: Fault, struck: &[&Node]) -> Result<()> {
        match kind {
            FaultKind::StreamLeaderKilled
            | FaultKind::PositionLeaderKilled
            | FaultKind::ClusterLeaderKilled
            | FaultKind::QuorumLost => {
                for node in struck {
                    node.kill().await?;
                }
                sleep(length).await;
                for node in struck {
                    node.start_again().await?;
                }
            }
            FaultKind::StoreWiped => {
                for node in struck {
                    node.kill().await?;
                    node.wipe().await?;
                    sleep(length).await;
                    node.start_again().await?;
                }
            }
            FaultKind::LeaderDiskFull | FaultKind::OtherDiskFull => {
                for node in struck {
                    fill_disk(node, length).await?;
                }
            }
            FaultKind::RollingRestart => {
                for node in struck {
                    node.stop().await?;
                    sleep(length).await;
                    node.start_again().await?;
                    self.healed().await?;
                }
            }
            FaultKind::LeaderStopped => {
                for node in struck {
                    node.signal("STOP").await?;
                }
                sleep(length).await;
                for node in struck {
                    node.signal("CONT").await?;
                }
            }
            FaultKind::LeaderCutOff | FaultKind::ClientsCutOff => {
                for node in struck {
                    match kind {
                        FaultKind::LeaderCutOff => self.ways.cut_off(node.number),
                        _ => self.ways.cut_off_clients(node.number),
                    }
                }
                sleep(length).await;
                struck.iter().for_each(|node| self.ways.mend(node.number));
            }
        }
        Ok(())
    }

    /// Waits until every server says that it has everything, and every leader the same of its followers.
    async fn healed(&self) -> Result<()> {
        let deadline = Instant::now() + HEALING;
        loop {
            let missing = match self.missing().await {
                Ok(None) => return Ok(()),
                Ok(Some(missing)) => missing,
                Err(error) => format!("{error:#}"),
            };
            if Instant::now() > deadline {
                bail!("the servers do not agree after {} s: {missing}", HEALING.as_secs());
            }
            sleep(LOOK).await;
        }
    }

    /// What is missing until all servers have everything; `None` if nothing is.
    async fn missing(&self) -> Result<Option<String>> {
        for node in &self.nodes {
            let (status, body) = node.page("/healthz").await?;
            if !status.starts_with("200") {
                return Ok(Some(format!("{}: {}", node.name, body.trim())));
            }
        }
        let answer = self.ask("STREAM.LIST", "").await?;
        for stream in answer["streams"].as_array().context("no streams are told")? {
            let (name, cluster) = (&stream["config"]["name"], &stream["cluster"]);
            let replicas = cluster["replicas"].as_array().map(Vec::as_slice).unwrap_or_default();
            let is_current = |it: &Value| it["current"] == true && it["offline"] != true;
            if cluster["leader"].is_null() || replicas.len() + 1 != NODES {
                return Ok(Some(format!("{name} is led by {}", cluster["leader"])));
            }
            if let Some(late) = replicas.iter().find(|it| !is_current(it)) {
                return Ok(Some(format!("{name} is not current: {late}")));
            }
        }
        Ok(None)
    }

    async fn leader(&self, request: &str) -> Result<usize> {
        let answer = self.ask(request, "").await?;
        self.place(&answer["cluster"]["leader"])
    }

    /// Where the position of some service is led; in exclusive delivery, all are in one bucket.
    async fn position_leader(&self) -> Result<usize> {
        let answer = self.ask("CONSUMER.NAMES.RAPIDS", "{}").await?;
        let names = answer["consumers"].as_array().map(Vec::as_slice).unwrap_or_default();
        // Those of readers have no followers, and come and go.
        let positions: Vec<_> = names.iter().filter_map(Value::as_str).collect();
        match positions.iter().find(|name| **name == "payment") {
            Some(name) => self.leader(&format!("CONSUMER.INFO.RAPIDS.{name}")).await,
            None => self.leader("STREAM.INFO.KV_RAPIDS_POSITIONS").await,
        }
    }

    async fn cluster_leader(&self) -> Result<usize> {
        let (_, body) = self.nodes[0].page("/jsz").await?;
        let page: Value = serde_json::from_str(&body).context("the page /jsz is no JSON")?;
        self.place(&page["meta_cluster"]["leader"])
    }

    fn place(&self, name: &Value) -> Result<usize> {
        let place = self.nodes.iter().position(|node| *name == *node.name);
        place.with_context(|| format!("no server is the leader {name}"))
    }

    async fn ask(&self, request: &str, body: &'static str) -> Result<Value> {
        ask(&self.client, request, body, ANSWER).await
    }
}

/// Fills the disk of a server for a while, and restarts the server, since room alone does not bring it back.
async fn fill_disk(node: &Node, length: Duration) -> Result<()> {
    node.fill_disk().await?;
    sleep(length).await;
    node.make_room()?;
    node.stop().await?;
    node.start_again().await
}

async fn ask(
    client: &async_nats::Client,
    request: &str,
    body: &'static str,
    patience: Duration,
) -> Result<Value> {
    let asking = client.request(format!("$JS.API.{request}"), body.into());
    let answer = timeout(patience, asking).await.context("no server answers")??;
    let answer: Value = serde_json::from_slice(&answer.payload)?;
    ensure!(answer["error"].is_null(), "{request}: {}", answer["error"]);
    Ok(answer)
}

/// Asks the leaders of the rapids and of the position that answers pulses, again and again.
async fn ask_leaders(client: async_nats::Client, answers: Pauses) {
    loop {
        let is_led = async |request: &str| {
            let answer = ask(&client, request, "", SOON).await.ok();
            answer.is_some_and(|answer| !answer["cluster"]["leader"].is_null())
        };
        // In exclusive delivery there is no consumer, and the positions are in one bucket.
        if is_led("STREAM.INFO.RAPIDS").await
            && (is_led("CONSUMER.INFO.RAPIDS.pulse").await
                || is_led("STREAM.INFO.KV_RAPIDS_POSITIONS").await)
        {
            answers.end();
        }
        sleep(SOON / 5).await;
    }
}
