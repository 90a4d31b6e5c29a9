//! A plain client that publishes beside the services, and knows nothing of rapids: what it loses, the server has
//! lost.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use async_nats::jetstream::stream::Config;
use async_nats::jetstream::{self, Context as JetStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::pauses::Pauses;
use crate::verify::Fact;

/// Its stream, and the one subject of that.
const STREAM: &str = "CONTROL";
/// The time between two messages.
const PERIOD: Duration = Duration::from_millis(50);
/// How long an answer may take before it asks again, as a client does that wants to know soon.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long the cluster may take to begin and to end.
const DEADLINE: Duration = Duration::from_secs(60);

/// The client, which publishes until it is asked for what it has.
#[derive(Debug)]
pub(crate) struct Control {
    client: async_nats::Client,
    stop: oneshot::Sender<()>,
    publishing: JoinHandle<BTreeMap<u64, u64>>,
    pub(super) pauses: Pauses,
}

impl Control {
    /// Waits until the servers form a cluster, and begins.
    ///
    /// # Errors
    /// If they do not within a minute.
    pub(super) async fn start(url: &str) -> Result<Self> {
        let addresses: Vec<_> = url.split(',').map(str::to_owned).collect();
        let options = async_nats::ConnectOptions::new()
            .name("control")
            .ping_interval(Duration::from_secs(1))
            .reconnect_delay_callback(|_| Duration::from_millis(100));
        let client = options.connect(addresses).await.context("the control cannot connect")?;
        let mut jetstream = jetstream::new(client.clone());
        jetstream.set_timeout(Duration::from_secs(5));
        let config = Config {
            name: STREAM.to_owned(),
            subjects: vec![STREAM.to_owned()],
            num_replicas: 3,
            ..Config::default()
        };
        let creating = async {
            while let Err(error) = jetstream.get_or_create_stream(&config).await {
                let text = error.to_string();
                // Without a leader, nobody answers yet.
                sleep(PERIOD).await;
                if text.contains("insufficient storage") {
                    bail!("the servers have no room for a stream: {text}");
                }
            }
            Ok(())
        };
        timeout(DEADLINE, creating).await.context("the servers form no cluster")??;
        jetstream.set_timeout(PATIENCE);
        let (stop, stopped) = oneshot::channel();
        let pauses = Pauses::default();
        let publishing = tokio::spawn(publish(jetstream, pauses.clone(), stopped));
        Ok(Self { client, stop, publishing, pauses })
    }

    /// The connection, to ask the servers.
    pub(super) fn client(&self) -> async_nats::Client {
        self.client.clone()
    }

    /// Whether the servers have kept what they have acknowledged.
    ///
    /// # Errors
    /// If they do not tell.
    pub(crate) async fn fact(self) -> Result<Fact> {
        let Self { client, stop, publishing, .. } = self;
        // It has ended only if it has failed.
        let _ = stop.send(());
        let acknowledged = publishing.await.context("the control has failed")?;
        let claim = format!(
            "the servers have kept the {} messages of a plain client that they acknowledged",
            acknowledged.len()
        );
        let jetstream = jetstream::new(client);
        let stream = jetstream.get_stream_no_info(STREAM).await?;
        let mut faults = Vec::new();
        for (sequence, number) in acknowledged {
            let kept = stream.get_raw_message(sequence).await;
            let is_kept = kept.is_ok_and(|message| message.payload == number.to_string());
            if !is_kept {
                faults.push(format!("message {number} is not at its sequence {sequence}"));
            }
        }
        Ok(Fact { claim, faults })
    }
}

/// Publishes one message after the other, each until it is acknowledged, and returns the number of each by the
/// sequence that was acknowledged.
async fn publish(
    jetstream: JetStream,
    pauses: Pauses,
    mut stopped: oneshot::Receiver<()>,
) -> BTreeMap<u64, u64> {
    let mut acknowledged = BTreeMap::new();
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0_u64.. {
        ticks.tick().await;
        loop {
            let sending = jetstream.publish(STREAM, number.to_string().into());
            let answer = timeout(PATIENCE, async { sending.await?.await });
            tokio::select! {
                answer = answer => {
                    if let Ok(Ok(ack)) = answer {
                        acknowledged.insert(ack.sequence, number);
                        break;
                    }
                }
                _ = &mut stopped => return acknowledged,
            }
        }
        pauses.end();
    }
    acknowledged
}
