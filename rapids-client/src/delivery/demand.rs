//! How many packets to ask the server for, and when to ask for none.

use tracing::{info, warn};

use super::engine::Engine;
use super::pull_window::PullWindow;
use crate::Result;
use crate::rapids::Rapids;
use crate::service::Service;

/// Replays asked for at a time. They are few, and each runs like any other packet.
const REPLAYS_AT_ONCE: usize = 16;

/// What decides how many packets are asked for.
pub(super) struct Demand {
    pub(super) window: PullWindow,
    /// How many packets may wait for more than a slot.
    limit: usize,
    /// How many letters could not be stored, as announced last.
    unstored: usize,
    /// Whether so many packets wait that no more are asked for.
    is_paused: bool,
}

impl Demand {
    pub(super) fn new(service: &Service, rapids: &Rapids) -> Self {
        let stated = service.config().max_held;
        let unacknowledged = usize::try_from(rapids.max_ack_pending()).unwrap_or(usize::MAX);
        // Below the server's limit: the service announces its pause before the server stops delivering.
        let limit = match service.is_exclusive() {
            true => stated,
            false => stated.min(unacknowledged / 5 * 4).max(1),
        };
        let window = PullWindow::new(service.concurrency_limit());
        Self { window, limit, unstored: 0, is_paused: false }
    }
}

impl Engine {
    /// Asks the server for as many packets as fit, and says so when none do.
    pub(super) async fn ask_for_more(&mut self) -> Result<()> {
        let unstored = self.context.letters.waiting();
        let waiting = self.schedule.waiting() + self.pending_admissions.len() + unstored;
        self.update_pause(waiting, unstored);
        let finishing = self.schedule.finishing().saturating_sub(unstored);
        let queued = self.schedule.queued() + finishing + self.pending_admissions.len();
        let outstanding = self.source.outstanding();
        let below_limit = self.demand.limit.saturating_sub(waiting + outstanding);
        let room = self.demand.window.room(queued, outstanding).min(below_limit);
        let is_paused = self.demand.is_paused;
        if room > 0 && !is_paused && self.maintenance.may_pull() {
            self.source.request(room).await?;
        }
        if self.replays.outstanding() == 0 && !is_paused {
            self.replays.request(REPLAYS_AT_ONCE).await?;
        }
        Ok(())
    }

    /// Decides whether to pause. Announces that, and how many letters cannot be stored.
    fn update_pause(&mut self, waiting: usize, unstored: usize) {
        if unstored != self.demand.unstored {
            self.demand.unstored = unstored;
            let shown = format!("{unstored} cannot be stored yet");
            self.announcement.show("dead_letters", (unstored > 0).then_some(shown));
        }
        let (limit, was_paused) = (self.demand.limit, self.demand.is_paused);
        // It goes on somewhat below the limit, so that it does not change with every packet.
        let most = if was_paused { (limit * 9 / 10).max(1) } else { limit };
        let is_paused = self.acks.is_full() || waiting >= most;
        if is_paused == was_paused {
            return;
        }
        self.demand.is_paused = is_paused;
        self.context.metrics.is_paused.set(is_paused);
        let name = self.service.name();
        if is_paused {
            warn!(waiting, limit, "{name} pauses: too many of its packets wait");
        } else {
            info!(waiting, "{name} goes on");
        }
        let shown = format!("since {}: {limit} packets are held", jiff::Timestamp::now());
        self.announcement.show("paused", is_paused.then_some(shown));
    }
}
