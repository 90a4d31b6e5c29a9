//! One run of a service whose instances are killed, one after the other.

use std::fs;
use std::process::Command;

use rapids_client::{Config, Packet, Rapids};

use super::end::{End, connect, quiet};
use super::proxy::{Fault, Message, Proxy, Side};
use crate::stand::Stand;

/// At which message an instance is killed.
pub(super) type Point = (Message, Side);

/// A service and the packets that it is to handle.
pub(super) struct Scene {
    pub(super) service: &'static str,
    pub(super) command: fn(&Stand) -> Command,
    pub(super) packets: Vec<String>,
    /// Whether each packet waits until the ones before it are handled.
    pub(super) one_by_one: bool,
}

/// What came of a run.
pub(super) struct Outcome {
    pub(super) end: End,
    /// The lines that reactions wrote to a file.
    pub(super) effects: Vec<String>,
    /// Whether each instance that was to be killed lived to publish its fatal message.
    pub(super) struck: bool,
    /// What the last of them had published, without a message that the server never saw.
    pub(super) published: Vec<String>,
}

impl Scene {
    /// Runs instances that are killed at these points in turn, and one to make up for them.
    pub(super) async fn run(&self, points: &[Point]) -> Outcome {
        let stand = Stand::start();
        let effects = stand.file("effects");
        let start = |url: &str| {
            let mut command = (self.command)(&stand);
            command.env("NATS_URL", url).env("RAPIDS_ACK_WAIT", "1s").env(EFFECTS, &effects);
            stand.started(&mut command)
        };
        let jetstream = connect(&stand.url()).await;
        let rapids = Rapids::connect(&Config::new(stand.url())).await.unwrap();
        let (mut packets, mut struck, mut published) = (self.packets.iter(), true, Vec::new());
        for &(message, side) in points {
            let proxy = Proxy::before(stand.port());
            let instance = start(&proxy.url());
            proxy.set(Fault { message, side, process: instance.id() });
            self.publish(&mut packets, &rapids, &jetstream, || proxy.has_struck()).await;
            // Its last words are messages too.
            instance.stop();
            (struck, published) = proxy.ended();
            if !struck {
                break;
            }
            if side == Side::Before {
                published.pop();
            }
        }
        if struck {
            let last = start(&stand.url());
            self.publish(&mut packets, &rapids, &jetstream, || false).await;
            last.stop();
        }
        let effects = fs::read_to_string(effects).unwrap_or_default();
        let effects = effects.lines().map(str::to_owned).collect();
        Outcome { end: End::read(&jetstream, self.service).await, effects, struck, published }
    }

    /// Publishes what is left, until all is handled or the service was killed.
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

/// The variable that names the file which reactions write to.
pub(super) const EFFECTS: &str = "TEST_EFFECTS";
