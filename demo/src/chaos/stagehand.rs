//! Does what the script says: publishes, and sends the monkey's deeds to the processes.

use std::time::Duration;

use anyhow::{Context, Result};
use rapids_client::Rapids;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::diary::Event;
use super::load::Item;
use super::malformed::Scribbler;
use super::pace::Pace;
use super::script::{Deed, Step};
use super::server::Trigger;
use crate::fleet::{Blow, Crew};

/// Everything that it takes.
#[derive(Debug)]
pub(crate) struct Stagehand {
    pub(crate) rapids: Rapids,
    pub(crate) scribbler: Scribbler,
    pub(crate) hands: Hands,
    pub(crate) steps: Vec<Step>,
    /// From one packet to the next, at least.
    pub(crate) period: Duration,
    pub(crate) pace: Pace,
}

/// What the monkey does things with.
#[derive(Debug, Clone)]
pub(crate) struct Hands {
    pub(crate) crew: Crew,
    pub(crate) server: Trigger,
    /// Hears of each deed once it is done.
    pub(crate) done: mpsc::UnboundedSender<Event>,
}

impl Stagehand {
    /// Plays the script to its end, and until each deed was done. Deeds do not wait for each
    /// other, unless they are done to the same process.
    ///
    /// # Errors
    /// If something cannot be published, or a process is not there.
    pub(crate) async fn play(self) -> Result<()> {
        let Self { rapids, scribbler, hands, steps, period, mut pace } = self;
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut deeds = JoinSet::new();
        for (number, step) in steps.into_iter().enumerate() {
            let item = match step {
                Step::Publish(item) => item,
                Step::Do(deed) => {
                    deeds.spawn(hands.clone().act(deed));
                    continue;
                }
            };
            pace.keep().await;
            ticks.tick().await;
            match item {
                Item::Packet(packet) => {
                    rapids.publish(*packet).await.context("cannot publish a packet")?;
                }
                Item::Malformed(body) => {
                    scribbler.publish(&format!("malformed-{number}"), body).await?;
                }
            }
        }
        while let Some(done) = deeds.join_next().await {
            done??;
        }
        Ok(())
    }
}

impl Hands {
    async fn act(self, deed: Deed) -> Result<()> {
        let Self { crew, server, done } = self;
        match &deed {
            Deed::Kill { process, absence } => {
                crew.strike(process, Blow::Kill { absence: *absence }).await?;
            }
            Deed::KillServer { absence } => server.kill(*absence).await?,
            Deed::Pause { process, length } => {
                crew.strike(process, Blow::Pause { length: *length }).await?;
            }
            Deed::Double { process, length } => crew.double(process, *length).await?,
        }
        // Nobody listens once the run is given up.
        let _ = done.send(Event::Done(deed));
        Ok(())
    }
}
