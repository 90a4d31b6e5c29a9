//! Runs the script: publishes its packets, and lets the monkey do its actions in between.

use std::time::Duration;

use anyhow::{Context, Result};
use rapids_client::{Error, Packet, Rapids};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::backpressure::Backpressure;
use super::event_log::Event;
use super::load::Item;
use super::malformed::RawPublisher;
use super::script::{Action, Step};
use super::servers::ServerAttacker;
use crate::fleet::{Attack, FleetHandle};
use crate::prices::Prices;

/// How long servers may take to store a packet: a machine that is busy with everything at once elects slowly.
pub(super) const PATIENCE: Duration = Duration::from_secs(180);

/// A script, and everything that is needed to run it.
#[derive(Debug)]
pub(crate) struct ScriptRunner {
    pub(crate) rapids: Rapids,
    pub(crate) prices: Prices,
    pub(crate) raw_publisher: RawPublisher,
    pub(crate) monkey: Monkey,
    pub(crate) steps: Vec<Step>,
    /// The least time between two packets.
    pub(crate) period: Duration,
    pub(crate) backpressure: Backpressure,
}

/// Kills, pauses and doubles services, and kills the server.
#[derive(Debug, Clone)]
pub(crate) struct Monkey {
    pub(crate) fleet: FleetHandle,
    pub(crate) server: ServerAttacker,
    /// Receives each action once it is done.
    pub(crate) done: mpsc::UnboundedSender<Event>,
}

impl ScriptRunner {
    /// Runs the script to its end, and waits until each action is done. Actions on different
    /// processes do not wait for each other.
    ///
    /// # Errors
    /// If something cannot be published, or a process does not run.
    pub(crate) async fn run(self) -> Result<()> {
        let Self { rapids, prices, raw_publisher, monkey, steps, period, mut backpressure } = self;
        prices.change(&rapids).await?;
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut actions = JoinSet::new();
        for (number, step) in steps.into_iter().enumerate() {
            let item = match step {
                Step::Publish(item) => item,
                Step::Act(action) => {
                    actions.spawn(monkey.clone().act(action));
                    continue;
                }
            };
            backpressure.wait().await;
            ticks.tick().await;
            match item {
                Item::Packet(packet) => {
                    publish(&rapids, prices.fill_in(*packet).await?).await?;
                }
                Item::Malformed(body) => {
                    raw_publisher.publish(&format!("malformed-{number}"), body).await?;
                }
            }
        }
        while let Some(done) = actions.join_next().await {
            done??;
        }
        Ok(())
    }
}

/// Publishes a packet, and again under its id while servers cannot agree for longer than a publisher waits.
///
/// # Errors
/// If that takes minutes.
pub(super) async fn publish(rapids: &Rapids, packet: Packet) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match rapids.publish(packet.clone()).await {
            Ok(_) => return Ok(()),
            Err(Error::Server { .. }) if Instant::now() < deadline => {}
            Err(error) => return Err(error).context("cannot publish a packet"),
        }
    }
}

impl Monkey {
    async fn act(self, action: Action) -> Result<()> {
        let Self { fleet, server, done } = self;
        match &action {
            Action::Kill { process, absence } => {
                fleet.attack(process, Attack::Kill { absence: *absence }).await?;
            }
            Action::KillServer { absence } => server.kill(*absence).await?,
            Action::Fault(fault) => {
                let felt = server.inflict(*fault).await?;
                // Fails only if the run has been given up.
                let _ = done.send(Event::Fault(felt));
                return Ok(());
            }
            Action::Pause { process, length } => {
                fleet.attack(process, Attack::Pause { length: *length }).await?;
            }
            Action::SecondInstance { process, length } => {
                fleet.run_second(process, *length).await?
            }
        }
        // Fails only if the run has been given up.
        let _ = done.send(Event::Monkey(action));
        Ok(())
    }
}
