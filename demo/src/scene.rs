//! The run itself: packets go out, and the rapids are watched until all has come of them.
//!
//! Feeds the ledger and the screen; judging is left to `verify`.

use std::time::Duration;

use anyhow::{Context, Result};
use rapids_client::{Error, Packet, Rapids, Start};
use tokio::time::{Instant, interval};

use crate::fleet::Crew;
use crate::ledger::Ledger;
use crate::placing::Placing;
use crate::screen::Screen;
use crate::{offers, orders};

/// Without any new packet for this long, what is missing will not come.
const STALLED: Duration = Duration::from_secs(60);

/// How often the screen is drawn and the clocks are read.
const TICK: Duration = Duration::from_millis(100);

/// What to play.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) orders: usize,
    pub(crate) seed: u64,
    pub(crate) rate: u32,
    pub(crate) victims: Vec<String>,
    /// How long nothing may come after the last packet that must.
    pub(crate) quiet: Duration,
}

impl Scene {
    /// Plays to the end, or until nothing comes any more.
    ///
    /// # Errors
    /// If the rapids fail, or the screen is gone.
    pub(crate) async fn play(
        self,
        rapids: &Rapids,
        crew: Crew,
        screen: &mut Screen,
    ) -> Result<Ledger> {
        let (mut ledger, first, packets) = self.cast();
        // The first packet tells where this run begins, whatever the rapids held before.
        let begin = rapids.publish(first).await?.sequence;
        let mut tail = rapids.tail(Start::Sequence(begin)).await?;
        let Self { rate, victims, quiet, .. } = self;
        let placing = Placing { rapids: rapids.clone(), packets, rate, victims, crew }.run();
        tokio::pin!(placing);
        let (mut is_placing, mut heard) = (true, Instant::now());
        let mut ticks = interval(TICK);
        loop {
            tokio::select! {
                placed = &mut placing, if is_placing => {
                    placed.context("cannot place the orders")?;
                    is_placing = false;
                    heard = Instant::now();
                }
                packet = tail.next() => {
                    heard = Instant::now();
                    match packet {
                        Ok(packet) => {
                            if let Some(place) = ledger.take(&packet) {
                                screen.changed(&ledger, place)?;
                            }
                        }
                        // Somebody else's.
                        Err(Error::Malformed { .. }) => {}
                        Err(error) => return Err(error).context("cannot watch the rapids"),
                    }
                }
                _ = ticks.tick() => {
                    screen.tick(&ledger)?;
                    let is_quiet = heard.elapsed() >= quiet && ledger.is_complete();
                    if !is_placing && (is_quiet || heard.elapsed() >= STALLED) {
                        return Ok(ledger);
                    }
                }
            }
        }
    }

    /// The orders and, spread among them, the questions; the first packet apart.
    fn cast(&self) -> (Ledger, Packet, Vec<Packet>) {
        let orders = orders::orders(self.orders, self.seed);
        let commands: Vec<_> = orders.iter().map(orders::Order::command).collect();
        let ids = commands.iter().map(|command| command.id().to_owned());
        let (offers, needs) = offers::ask();
        let ledger = Ledger::new(ids.zip(orders), offers);
        let mut needs = needs.into_iter();
        let first = needs.next().expect("there are four questions");
        let share = self.orders.div_ceil(needs.len() + 1);
        let mut packets = Vec::new();
        for part in commands.chunks(share) {
            packets.extend_from_slice(part);
            packets.extend(needs.next());
        }
        packets.extend(needs);
        (ledger, first, packets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_and_every_question_is_asked_once() {
        for orders in [1, 2, 3, 5, 30, 100] {
            let victims = Vec::new();
            let scene = Scene { orders, seed: 1, rate: 0, victims, quiet: Duration::ZERO };
            let (ledger, first, packets) = scene.cast();
            assert_eq!(ledger.stories.len(), orders);
            assert_eq!(first.need_names(), ["car_rental_offer"]);
            assert_eq!(packets.len(), orders + 3);
            let is_command = |packet: &&Packet| packet.command_name().is_some();
            assert_eq!(packets.iter().filter(is_command).count(), orders);
        }
    }
}
