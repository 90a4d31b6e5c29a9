//! pulse: answers at once, so that it is seen when nothing goes on. And who asks it, beside a cluster's faults.

use std::time::Duration;

use anyhow::Result;
use rapids_client::{Packet, Rapids, River};
use tokio::time::{MissedTickBehavior, interval};

use crate::chaos::script_runner;

pub(crate) const PULSE: &str = "pulse";
pub(crate) const BEAT: &str = "beat";

/// The time between two pulses.
const PERIOD: Duration = Duration::from_millis(100);

pub(super) fn beat() -> River {
    River::new("beat").event(PULSE).react(async |_: Packet| Ok(Packet::event(BEAT)))
}

/// Publishes one pulse after the other, each once the one before is stored, without end.
///
/// # Errors
/// If one cannot be published.
pub(crate) async fn publish(rapids: &Rapids) -> Result<()> {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        script_runner::publish(rapids, Packet::event(PULSE)).await?;
    }
}
