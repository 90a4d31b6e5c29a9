//! Publishes the packets of the run at a rate, and kills services in between.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::Result;
use rapids_client::{Packet, Rapids};
use tokio::time::{MissedTickBehavior, interval};

use crate::discovery;
use crate::fleet::FleetHandle;
use crate::outside::FLAGGED;
use crate::prices::Prices;

/// The packets to publish and the services to kill.
#[derive(Debug)]
pub(crate) struct Publisher {
    pub(crate) rapids: Rapids,
    pub(crate) prices: Prices,
    pub(crate) packets: Vec<Packet>,
    /// Packets per second; 0 is as fast as possible.
    pub(crate) rate: u32,
    /// The services to kill, in this order.
    pub(crate) victims: Vec<String>,
    pub(crate) handle: FleetHandle,
}

/// What to do after a number of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Kill(usize),
    /// Wait until the victim runs again, so that only one service is down at a time.
    AwaitRestart(usize),
    Done,
}

impl Publisher {
    /// Publishes all packets, orders with the prices that it has asked for, and kills the victims in
    /// between.
    ///
    /// # Errors
    /// If there is no answer, a packet cannot be published, or a victim does not start again.
    pub(crate) async fn run(self) -> Result<()> {
        let Self { rapids, prices, packets, rate, victims, handle } = self;
        prices.change(&rapids).await?;
        // A run before this one on the same server has had the customer flagged, and may have broken the payment.
        rapids.publish(Packet::command("clear_customer").with("customer", FLAGGED)).await?;
        rapids.publish(Packet::command("break_payment").with("share", 0)).await?;
        let mut before = HashSet::new();
        let steps = steps(packets.len(), victims.len());
        let mut packets = packets.into_iter();
        let mut published = 0;
        for (due, step) in steps {
            publish((&rapids, &prices), packets.by_ref().take(due - published), rate).await?;
            published = due;
            match step {
                Step::Kill(place) => {
                    before = discovery::instances(&rapids).await?;
                    handle.kill(&victims[place]).await?;
                }
                Step::AwaitRestart(place) => {
                    discovery::wait_for(&rapids, &victims[place..=place], &before).await?;
                }
                Step::Done => {}
            }
        }
        Ok(())
    }
}

async fn publish(
    (rapids, prices): (&Rapids, &Prices),
    packets: impl Iterator<Item = Packet>,
    rate: u32,
) -> Result<()> {
    if rate == 0 {
        let mut filled_in = Vec::new();
        for packet in packets {
            filled_in.push(prices.fill_in(packet).await?);
        }
        rapids.publish_all(filled_in).await?;
        return Ok(());
    }
    let mut ticks = interval(Duration::from_secs(1) / rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for packet in packets {
        ticks.tick().await;
        rapids.publish(prices.fill_in(packet).await?).await?;
    }
    Ok(())
}

/// The steps, each with the number of packets to publish before it. The first victim is killed after
/// a third of the packets, the others at even distances over the rest. Each runs again before the
/// next one is killed.
fn steps(packets: usize, victims: usize) -> Vec<(usize, Step)> {
    let third = packets / 3;
    let rest = packets - third;
    let mut steps = Vec::new();
    for place in 0..victims {
        let at = |halves: usize| third + rest * (2 * place + halves) / (2 * victims);
        steps.push((at(0), Step::Kill(place)));
        steps.push((at(1), Step::AwaitRestart(place)));
    }
    steps.push((packets, Step::Done));
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use Step::{AwaitRestart, Done, Kill};

    #[test]
    fn victims_are_killed_one_after_the_other_from_a_third_on() {
        let expected = [
            (30, Kill(0)),
            (45, AwaitRestart(0)),
            (60, Kill(1)),
            (75, AwaitRestart(1)),
            (90, Done),
        ];
        assert_eq!(steps(90, 2), expected);
    }

    #[test]
    fn more_victims_than_packets_are_still_killed_in_order() {
        let steps = steps(4, 12);
        assert_eq!(steps.len(), 25);
        assert!(steps.is_sorted_by_key(|(due, _)| *due));
        assert_eq!(steps.last(), Some(&(4, Done)));
    }

    #[test]
    fn no_service_is_killed_unless_asked_for() {
        assert_eq!(steps(30, 0), [(30, Done)]);
    }
}
