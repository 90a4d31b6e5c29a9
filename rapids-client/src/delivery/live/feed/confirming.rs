//! What of that which was given counts: the stream holds it, by what it said itself.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use async_nats::connection::State;
use tokio::task::yield_now;
use tracing::debug;

use crate::position::renewal::ReadProgress;

use crate::delivery::live::copies::Copies;
use crate::delivery::live::feed::LiveFeed;
use crate::delivery::live::shared_feed::Came;
use crate::delivery::live::subscription::{LOOK, LOOK_SOON, look};

/// How often the stream is asked where that is done for all services of the process already.
const LOOK_SHARED: Duration = Duration::from_secs(10);

/// How things stood when what is under way began.
#[derive(Default)]
pub(crate) struct Asked {
    pub(crate) next: u64,
    pub(crate) known: u64,
    /// The highest sequence of a copy.
    pub(crate) highest: u64,
}

impl LiveFeed {
    pub(crate) fn progress(&self) -> ReadProgress {
        ReadProgress {
            next: self.seam.next(),
            is_catching_up: self.is_catching_up(),
            confirmed: self.confirmed().max(self.closed),
            known: self.known(),
        }
    }

    /// What was given up to here is what the stream holds.
    pub(crate) fn confirmed(&self) -> u64 {
        match &self.copies {
            Some(copies) if !self.seam.is_behind() => copies.borrow().confirmed().max(self.sure),
            _ => self.seam.to_read() - 1,
        }
    }

    pub(crate) fn known(&self) -> u64 {
        let seen = self.copies.as_ref().map_or(0, |copies| copies.borrow().seen());
        self.known.max(seen)
    }

    /// Something that was given is handled, and waits for being confirmed.
    pub(crate) fn handled(&mut self) {
        self.wanted = self.seam.next() - 1;
        if let Some(seat) = &self.seat {
            seat.want(self.wanted);
        }
    }

    /// When the stream is to be asked next how it stands.
    pub(crate) fn next_look(&self) -> Instant {
        let live = self.live.as_ref().and(self.copies.as_ref());
        let is_soon = |copies: &Rc<RefCell<Copies>>| {
            let copies = copies.borrow();
            copies.confirmed() < self.wanted || copies.are_many()
        };
        self.looked
            + match live {
                Some(_) if self.seat.is_some() => LOOK_SHARED,
                Some(copies) if is_soon(copies) => LOOK_SOON,
                _ => LOOK,
            }
    }

    /// Reads no more. What was given is confirmed once more, if the server is there.
    pub(crate) async fn close(&mut self) {
        (self.under_way, self.catch_up) = (None, None);
        let is_connected = self.connection.client.connection_state() == State::Connected;
        if let Some(copies) = self.copies.clone()
            && !self.seam.is_behind()
            && copies.borrow().confirmed() + 1 < self.seam.next()
            && is_connected
            && let Ok(facts) = look(&self.connection).await
            && facts.created == self.created
        {
            // Whoever reads for all services of the process takes what has come.
            yield_now().await;
            if self.takes_rest() {
                self.known = self.known.max(facts.last_sequence);
                self.closed = facts.last_sequence.min(copies.borrow().arriving() - 1);
            }
        }
        self.live = None;
    }

    /// Takes what has come of the live feed, without giving it; `false` if that is unfit.
    fn takes_rest(&mut self) -> bool {
        loop {
            match self.live.as_mut().and_then(|live| live.ready(u64::MAX)) {
                Some(Came::Packet(_)) => {}
                Some(Came::Unfit(_)) => return false,
                Some(Came::Passed(_)) | None => return true,
            }
        }
    }

    /// Leaves the live feed. What was given of it and is not confirmed is read again, and compared.
    pub(crate) fn leave(&mut self) {
        (self.known, self.live) = (self.known(), None);
        let (confirmed, copies) = (self.confirmed(), self.copies.take());
        self.sure = confirmed;
        if self.seam.leave(confirmed) {
            debug!(confirmed, "reading again what is not confirmed");
            (self.catch_up, self.under_way, self.doubted) = (None, None, copies);
        }
    }

    pub(crate) fn start_over(&mut self) {
        self.leave();
        (self.catch_up, self.under_way, self.is_told) = (None, None, false);
    }
}
