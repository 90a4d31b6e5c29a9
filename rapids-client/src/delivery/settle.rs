//! What follows from a turn: from each step for its slot and its river's breaker, and from its end for
//! the packet.

use std::time::{Duration, Instant};

use futures::FutureExt;
use jiff::Timestamp;
use tracing::{debug, info, warn};

use super::acks::AckAction;
use super::engine::Engine;
use super::in_flight::InFlight;
use super::schedule::{BreakerNews, Health};
use super::slot::Step;
use super::turn::TurnEnd;
use crate::Result;
use crate::delivery::turn_id::TurnId;
use crate::error::with_causes;
use crate::jetstream::sequence::StreamPlace;

/// For a retry within this time a packet waits in the process; for a later one on the server.
const LONGEST_LOCAL_WAIT: Duration = Duration::from_secs(60);

impl Engine {
    /// Acts on a step, and on those that have come behind it.
    pub(super) fn on_steps(&mut self, first: Step) {
        self.on_step(first);
        while let Ok(step) = self.steps.try_recv() {
            self.on_step(step);
        }
    }

    fn on_step(&mut self, step: Step) {
        match step {
            Step::MayRun(turn, go) => {
                self.schedule.may_run(turn);
                if let Some(row) = self.schedule.row_mut(turn.place) {
                    row.waiting_suspect = Some(go);
                }
            }
            Step::SlotFree(turn, health, took) => {
                self.demand.window.handled(took);
                self.free_slot(turn, health);
            }
        }
    }

    fn free_slot(&mut self, turn: TurnId, health: Health) {
        let Some(news) = self.schedule.free_slot(turn, health, Instant::now()) else {
            return;
        };
        let river = self.service.rivers()[turn.river].name();
        let fact = format!("{river}.breaker");
        let is_open = matches!(news, BreakerNews::Opened(..));
        self.context.metrics.river(turn.river).is_breaker_open.set(is_open);
        match news {
            BreakerNews::Opened(wait, failures) => {
                warn!(river, failures, ?wait, "the breaker opens: packets wait");
                let until = Timestamp::now() + wait;
                let shown = format!("open until {until}, after {failures} failures in a row");
                self.announcement.show(fact, Some(shown));
            }
            BreakerNews::Closed => {
                info!(river, "the breaker closes");
                self.announcement.show(fact, None);
            }
        }
    }

    /// Acts on the end of a turn, and of those that have ended meanwhile.
    ///
    /// # Errors
    /// `NotPermitted`.
    pub(super) async fn on_turn_end(&mut self, turn: TurnId, end: TurnEnd) -> Result<()> {
        self.end_turn(turn, end).await?;
        while let Some((turn, end)) = self.turns.next_end(&self.context.executor).now_or_never() {
            self.end_turn(turn, end).await?;
        }
        Ok(())
    }

    async fn end_turn(&mut self, turn: TurnId, end: TurnEnd) -> Result<()> {
        // What it has sent before its end.
        if let Ok(step) = self.steps.try_recv() {
            self.on_steps(step);
        }
        let place = turn.place;
        match end {
            TurnEnd::NotPermitted(error) => {
                self.schedule.postpone(turn, Instant::now());
                return Err(error);
            }
            TurnEnd::Later(wait) => self.schedule.postpone(turn, Instant::now() + wait),
            TurnEnd::Retry(wait) => {
                self.schedule.postpone(turn, Instant::now() + wait);
                if wait > LONGEST_LOCAL_WAIT && self.may_wait_on_the_server(place, wait) {
                    self.hand_back_for(place, wait);
                }
            }
            TurnEnd::Tell => {
                let is_again = self.packet(place).is_some_and(|packet| packet.is_again);
                self.schedule.tell(turn, is_again);
            }
            TurnEnd::Done => {
                self.schedule.done(turn);
                if let Some(packet) = self.packet(place) {
                    packet.update(turn.river, |progress| progress.is_done = true);
                }
                self.settle(place).await;
            }
        }
        self.drop_forged(place).await;
        Ok(())
    }

    fn packet(&self, place: StreamPlace) -> Option<&InFlight> {
        self.schedule.row(place)?.packet.as_deref()
    }

    /// Acknowledges a packet that no river needs any more.
    pub(super) async fn settle(&mut self, place: StreamPlace) {
        let Some(row) = self.schedule.remove_done(place) else {
            return;
        };
        if row.packet.as_ref().is_some_and(|packet| packet.has_saved()) {
            self.delete_progress(place);
        }
        if row.is_forged() {
            return self.replace_forged(row.copy).await;
        }
        self.acks.answer(place, row.answer, AckAction::Acknowledge).await;
        if let Some(active) = &mut self.active {
            active.renewal.moved();
            self.source.handled();
        }
    }

    /// Deletes the saved progress of a packet that is done. If that fails, nobody reads it any more.
    fn delete_progress(&mut self, place: StreamPlace) {
        let context = self.context.clone();
        self.background.push(Box::pin(async move {
            if let Err(error) = context.quarantine.store.delete(place).await {
                debug!(
                    sequence = place.packet(),
                    replay = place.replay(),
                    "the saved progress of a packet that is done is not deleted: {}",
                    with_causes(&error)
                );
            }
        }));
    }

    /// Whether a packet that waits for long may do so on the server: only one river still needs it, no
    /// packet of its key would overtake it, and the stream keeps it until then.
    fn may_wait_on_the_server(&self, place: StreamPlace, wait: Duration) -> bool {
        let max_age = self.rapids.facts().max_age;
        let is_kept = |stored: Timestamp| {
            let age = Duration::try_from(Timestamp::now().duration_since(stored));
            max_age.is_zero()
                || age.unwrap_or_default().saturating_add(wait.saturating_mul(2)) < max_age
        };
        self.active.is_none()
            && self.packet(place).is_some_and(|packet| {
                let stored = packet.packet.arrival().map(|arrival| arrival.stored);
                packet.open_rivers() == 1
                    && self.service.order_key(&packet.packet).is_none()
                    && stored.is_some_and(is_kept)
            })
    }

    /// Saves the progress of a packet, and hands it back to be redelivered after this time.
    fn hand_back_for(&mut self, place: StreamPlace, wait: Duration) {
        let Some(row) = self.schedule.remove_idle(place) else {
            return;
        };
        let (context, acks) = (self.context.clone(), self.acks.clone());
        self.background.push(Box::pin(async move {
            if let Some(packet) = &row.packet {
                context.save_progress(packet).await;
            }
            acks.answer(place, row.answer, AckAction::RedeliverAfter(wait)).await;
        }));
    }
}
