//! The scenario of the demo: publishes orders and questions, and reads the rapids until all answers
//! have come.
//!
//! Passes packets to the tracker and the screen. Judging them is left to `verify`.

use std::time::Duration;

use anyhow::{Context, Result};
use rapids_client::{Error, Packet, Rapids, Start};
use tokio::time::{Instant, interval};

use crate::fleet::FleetHandle;
use crate::prices::Prices;
use crate::publisher::Publisher;
use crate::screen::Screen;
use crate::tracker::Tracker;
use crate::{offers, orders};

/// After this time without a packet, what is missing will not come.
const STALLED: Duration = Duration::from_secs(60);

/// How often the screen is drawn and the times are checked.
const TICK: Duration = Duration::from_millis(100);

/// What to run.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) orders: usize,
    pub(crate) seed: u64,
    pub(crate) rate: u32,
    pub(crate) victims: Vec<String>,
    /// The services, which have to be done with everything before the run is over.
    pub(crate) services: Vec<String>,
    /// The run is over after this time without a packet, once everything that must come has come.
    pub(crate) quiet: Duration,
}

impl Scenario {
    /// Runs to the end, or until nothing comes any more.
    ///
    /// # Errors
    /// If publishing or reading fails, or standard output is closed.
    pub(crate) async fn run(
        self,
        rapids: &Rapids,
        prices: Prices,
        handle: FleetHandle,
        screen: &mut Screen,
    ) -> Result<Tracker> {
        let (mut tracker, first, packets) = self.packets();
        // The first packet shows where this run begins; there may be older packets.
        let begin = rapids.publish(first).await?.sequence;
        let mut tail = rapids.tail(Start::Sequence(begin)).await?;
        let Self { rate, victims, services, quiet, .. } = self;
        let publisher =
            Publisher { rapids: rapids.clone(), prices, packets, rate, victims, handle };
        let publishing = publisher.run();
        tokio::pin!(publishing);
        let (mut is_publishing, mut heard, mut day_ended) = (true, Instant::now(), false);
        let mut ticks = interval(TICK);
        loop {
            tokio::select! {
                published = &mut publishing, if is_publishing => {
                    published.context("cannot place the orders")?;
                    is_publishing = false;
                    heard = Instant::now();
                }
                packet = tail.next() => {
                    heard = Instant::now();
                    match packet {
                        Ok(packet) => {
                            if let Some(place) = tracker.take(&packet) {
                                screen.changed(&tracker, place)?;
                            }
                        }
                        // This run publishes none: it is from another program.
                        Err(Error::Malformed { .. }) => {}
                        Err(error) => return Err(error).context("cannot read the rapids"),
                    }
                }
                _ = ticks.tick() => {
                    screen.tick(&tracker)?;
                    if !is_publishing && !day_ended && tracker.awaits_end_of_day() {
                        rapids.publish(Packet::event("day_ended")).await?;
                        day_ended = true;
                    }
                    let is_quiet = heard.elapsed() >= quiet && tracker.is_complete();
                    // What is late on a busy machine is counted by its service, too.
                    let is_over = is_quiet && are_idle(rapids, &services).await?;
                    if !is_publishing && (is_over || heard.elapsed() >= STALLED) {
                        return Ok(tracker);
                    }
                }
            }
        }
    }

    /// The tracker, the first packet, and the other packets: the orders, with the questions spread
    /// among them.
    fn packets(&self) -> (Tracker, Packet, Vec<Packet>) {
        let orders = orders::orders(self.orders, self.seed);
        let commands: Vec<_> = orders.iter().map(orders::Order::command).collect();
        let ids = commands.iter().map(|command| command.id().to_owned());
        let (offers, needs) = offers::ask();
        let tracker = Tracker::new(ids.zip(orders), offers);
        let mut needs = needs.into_iter();
        let first = needs.next().expect("there are four questions");
        let share = self.orders.div_ceil(needs.len() + 1);
        let mut packets = Vec::new();
        for part in commands.chunks(share) {
            packets.extend_from_slice(part);
            packets.extend(needs.next());
        }
        packets.extend(needs);
        (tracker, first, packets)
    }
}

/// Whether these services are done with all that is stored.
async fn are_idle(rapids: &Rapids, services: &[String]) -> Result<bool> {
    let positions = rapids.positions().await?.into_iter();
    let mut own = positions.filter(|position| services.contains(&position.service));
    Ok(own.all(|position| position.pending == 0 && position.unacknowledged == 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_and_every_question_is_asked_once() {
        for orders in [1, 2, 3, 5, 30, 100] {
            let victims = Vec::new();
            let (services, quiet) = (Vec::new(), Duration::ZERO);
            let scenario = Scenario { orders, seed: 1, rate: 0, victims, services, quiet };
            let (tracker, first, packets) = scenario.packets();
            assert_eq!(tracker.orders.len(), orders);
            assert_eq!(first.need_names(), ["car_rental_offer"]);
            assert_eq!(packets.len(), orders + 3);
            let is_command = |packet: &&Packet| packet.command_name().is_some();
            assert_eq!(packets.iter().filter(is_command).count(), orders);
        }
    }
}
