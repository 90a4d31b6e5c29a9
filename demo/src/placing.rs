//! Publishes the packets of the run, at a rate, and kills services meanwhile if asked to.
//!
//! What is published is made elsewhere, and what comes of it is watched by `scene`.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::Result;
use rapids_client::{Packet, Rapids};
use tokio::time::{MissedTickBehavior, interval};

use crate::fleet::Crew;
use crate::rollcall;

/// Everything that is done to the services, in order.
#[derive(Debug)]
pub(crate) struct Placing {
    pub(crate) rapids: Rapids,
    pub(crate) packets: Vec<Packet>,
    /// Packets per second; 0 is as fast as possible.
    pub(crate) rate: u32,
    /// Killed in this order.
    pub(crate) victims: Vec<String>,
    pub(crate) crew: Crew,
}

/// What to do once so many packets are published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Kill(usize),
    /// Wait until the victim is back, so that the next one dies alone.
    AwaitReturn(usize),
    Done,
}

impl Placing {
    /// # Errors
    /// If a packet cannot be published, or a victim does not come back.
    pub(crate) async fn run(self) -> Result<()> {
        let Self { rapids, packets, rate, victims, crew } = self;
        let mut before = HashSet::new();
        let acts = acts(packets.len(), victims.len());
        let mut packets = packets.into_iter();
        let mut published = 0;
        for (due, act) in acts {
            publish(&rapids, packets.by_ref().take(due - published), rate).await?;
            published = due;
            match act {
                Act::Kill(place) => {
                    before = rollcall::present(&rapids).await?;
                    crew.kill(&victims[place]).await?;
                }
                Act::AwaitReturn(place) => {
                    rollcall::wait_for(&rapids, &victims[place..=place], &before).await?;
                }
                Act::Done => {}
            }
        }
        Ok(())
    }
}

async fn publish(rapids: &Rapids, packets: impl Iterator<Item = Packet>, rate: u32) -> Result<()> {
    if rate == 0 {
        rapids.publish_all(packets).await?;
        return Ok(());
    }
    let mut ticks = interval(Duration::from_secs(1) / rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for packet in packets {
        ticks.tick().await;
        rapids.publish(packet).await?;
    }
    Ok(())
}

/// The first victim dies when a third is published, the others evenly over the rest; each is
/// back before the packets that lead to the next are all out.
fn acts(packets: usize, victims: usize) -> Vec<(usize, Act)> {
    let third = packets / 3;
    let rest = packets - third;
    let mut acts = Vec::new();
    for place in 0..victims {
        let at = |halves: usize| third + rest * (2 * place + halves) / (2 * victims);
        acts.push((at(0), Act::Kill(place)));
        acts.push((at(1), Act::AwaitReturn(place)));
    }
    acts.push((packets, Act::Done));
    acts
}

#[cfg(test)]
mod tests {
    use super::*;
    use Act::{AwaitReturn, Done, Kill};

    #[test]
    fn victims_die_one_after_the_other_from_a_third_on() {
        let expected =
            [(30, Kill(0)), (45, AwaitReturn(0)), (60, Kill(1)), (75, AwaitReturn(1)), (90, Done)];
        assert_eq!(acts(90, 2), expected);
    }

    #[test]
    fn more_victims_than_packets_still_die_in_order() {
        let acts = acts(4, 12);
        assert_eq!(acts.len(), 25);
        assert!(acts.is_sorted_by_key(|(due, _)| *due));
        assert_eq!(acts.last(), Some(&(4, Done)));
    }

    #[test]
    fn nobody_dies_unasked() {
        assert_eq!(acts(30, 0), [(30, Done)]);
    }
}
