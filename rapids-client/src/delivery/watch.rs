//! What nothing wakes the engine for, several times a second: requests that were lost, reactions that block
//! their threads, and how things stand, for those who watch.

use std::time::Duration;

use super::blocked;
use super::engine::Engine;
use crate::delivery::turn_id::TurnId;

impl Engine {
    pub(super) fn check_requests_and_reactions(&mut self) {
        if let Some(reason) = self.source.reset_if_lost() {
            self.maintenance.check_position(reason.to_owned());
        }
        if self.replays.reset_if_lost().is_some() {
            self.maintenance.ensure_replay_consumer(self.service.config().ack_wait);
        }
        self.announcement.show("delivery", self.source.mode());
        self.announcement.show("rights", self.lacks.borrow().clone());
        let polled = self.context.executor.queue.polled();
        self.announcement
            .show("blocked", self.blocked.check(&polled, (&self.service, &self.schedule)));
        self.update_figures(&polled);
    }

    /// Tells how things stand, beside what is counted when it happens.
    fn update_figures(&self, polled: &[(TurnId, Duration)]) {
        let metrics = &self.context.metrics;
        metrics.in_flight.set(self.schedule.rows().count() as u64);
        metrics.waiting.set(self.schedule.waiting() as u64);
        metrics.reconnects.set(self.context.connection.connects().saturating_sub(1));
        for (number, river) in metrics.rivers().iter().enumerate() {
            river.blocked_seconds.set(blocked::seconds(polled, number));
        }
        if let Some((position, lag)) = self.source.position() {
            metrics.set_place(position, lag);
        }
    }
}
