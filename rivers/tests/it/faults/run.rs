//! One run of a service whose instances are killed, one after the other.

use std::fs;
use std::process::Command;

use rapids_client::{Config, Packet, Rapids};

use super::end::{End, connect, quiet};
use super::proxy::{Fault, Hold, Message, Proxy, Side};
use crate::bench::Bench;

/// The message at which an instance is killed.
pub(super) type Point = (Message, Side);

/// A service and the packets that it is to handle.
pub(super) struct Scenario {
    pub(super) service: &'static str,
    pub(super) command: fn(&Bench) -> Command,
    pub(super) packets: Vec<String>,
    /// Whether each packet waits until the ones before it are handled.
    pub(super) one_by_one: bool,
    /// Whether the first record of a memory is saved only once the reactions to all packets have run, so
    /// that all others are saved together.
    pub(super) together: bool,
}

/// The outcome of a run.
pub(super) struct Outcome {
    pub(super) end: End,
    /// The lines that reactions wrote to a file.
    pub(super) effects: Vec<String>,
    /// Whether each instance was killed at its message; otherwise one ended before.
    pub(super) hit: bool,
    /// What the last killed instance had published, without a message that the server never got.
    pub(super) published: Vec<String>,
}

impl Scenario {
    /// Runs instances that are killed at these points in turn, and a last one that is not killed.
    pub(super) async fn run(&self, points: &[Point]) -> Outcome {
        let bench = Bench::start();
        let effects = bench.file("effects");
        let start = |url: &str| {
            let mut command = (self.command)(&bench);
            command.env("NATS_URL", url).env("RAPIDS_ACK_WAIT", "1s").env(EFFECTS, &effects);
            bench.started(&mut command)
        };
        let jetstream = connect(&bench.url()).await;
        let rapids = Rapids::connect(&Config::new(bench.url())).await.unwrap();
        let (mut packets, mut hit, mut published) = (self.packets.iter(), true, Vec::new());
        for &(message, side) in points {
            let proxy = Proxy::before(bench.port());
            let instance = start(&proxy.url());
            let lines = self.packets.len();
            let hold = self.together.then(|| Hold { file: effects.clone(), lines });
            proxy.set(Fault { message, side, process: instance.id() }, hold);
            self.publish(&mut packets, &rapids, &jetstream, || proxy.has_hit()).await;
            // What it publishes while it stops counts too.
            instance.stop();
            (hit, published) = proxy.ended();
            if !hit {
                break;
            }
            if side == Side::Before {
                published.pop();
            }
        }
        if hit {
            let last = start(&bench.url());
            self.publish(&mut packets, &rapids, &jetstream, || false).await;
            last.stop();
        }
        let effects = fs::read_to_string(effects).unwrap_or_default();
        let effects = effects.lines().map(str::to_owned).collect();
        Outcome { end: End::read(&jetstream, &rapids, self.service).await, effects, hit, published }
    }

    /// Publishes the remaining packets, until all are handled or the service was killed.
    async fn publish(
        &self,
        packets: &mut std::slice::Iter<'_, String>,
        rapids: &Rapids,
        jetstream: &async_nats::jetstream::Context,
        killed: impl Fn() -> bool,
    ) {
        loop {
            if self.one_by_one {
                quiet(jetstream, self.service, &killed).await;
            }
            let next = if killed() { None } else { packets.next() };
            let Some(packet) = next else { break };
            rapids.publish(Packet::from_bytes(packet.clone()).unwrap()).await.unwrap();
        }
        quiet(jetstream, self.service, &killed).await;
    }
}

/// The variable with the name of the file to which reactions write.
pub(super) const EFFECTS: &str = "TEST_EFFECTS";
