//! The packets that come while a live page is open, as few frames with few rows.
//!
//! Nothing is read before the browser has taken what was read before, and of what has come meanwhile a
//! frame shows the newest and counts the rest: memory stays the same, however much passes.

use std::collections::VecDeque;
use std::time::Duration;

use askama::Template;
use axum::http::StatusCode;
use axum::response::sse::Event;
use rapids_client::{Error, Packet, Start, Tail};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use super::filter::Filter;
use super::row::Row;
use crate::console::{Console, MOST_LIVE};
use crate::fault::{Fault, Result, with_causes};
use crate::times::count;

/// What comes within this time goes into one frame.
const COLLECTED: Duration = Duration::from_millis(100);
/// The same where more comes than a frame shows: nobody reads that, and the browser has other things to do.
const COLLECTED_OF_MUCH: Duration = Duration::from_millis(500);
/// The same while this much is to be caught up.
const CATCHING_UP: Duration = Duration::from_secs(1);
const FAR_BEHIND: u64 = 2_000;
/// After so long without a packet, the place in the stream is told.
const QUIET: Duration = Duration::from_secs(1);
/// So many rows are in a frame at most.
const MOST_ROWS: usize = 50;
/// The same until everything has come that was there at first, so that who has paused misses nothing: with
/// the line about the rest, as many as the page keeps.
const MOST_ROWS_AT_FIRST: usize = 499;
/// So many packets, and so many bytes of them, are sifted at a time.
const AT_A_TIME: usize = 256;
const AT_A_TIME_BYTES: usize = 1 << 20;

/// One page that is followed.
pub(super) struct Following {
    console: Console,
    tail: Tail,
    filter: Filter,
    /// The last sequence that was looked at.
    last: u64,
    /// The last sequence of the stream when this began.
    end: u64,
    /// What comes within this time goes into the next frame.
    collected: Duration,
    _place: OwnedSemaphorePermit,
}

/// What has come since the frame before.
struct Come {
    /// So many of what matched are kept.
    most: usize,
    passed: u64,
    matched: u64,
    /// The newest of what matched, the oldest of these first.
    newest: VecDeque<Packet>,
    /// Read, and not sifted yet.
    read: Vec<Packet>,
    bytes: usize,
}

#[derive(Template)]
#[template(path = "live_frame.html")]
struct Frame {
    last: u64,
    passed: u64,
    matched: u64,
    /// How much is to be caught up, if that is much.
    behind: u64,
    /// The newest first.
    rows: Vec<Row>,
    /// How many more matched; empty if none.
    more: String,
}

impl Following {
    /// Begins behind a sequence, or with the next packet.
    ///
    /// # Errors
    /// If there are too many already, or if the stream cannot be read.
    pub(super) async fn open(
        console: &Console,
        filter: Filter,
        after: Option<u64>,
    ) -> Result<Self> {
        let place = console.live_places.clone().try_acquire_owned().map_err(|_| {
            let message =
                format!("{MOST_LIVE} live pages are followed already, and no more at once");
            Fault::new(StatusCode::SERVICE_UNAVAILABLE, message)
        })?;
        let rapids = console.link.rapids()?;
        let last = rapids.contents().await?.map_or(0, |contents| contents.last_sequence);
        let after = match after {
            // A sequence that is not there yet is one of a stream that was made anew since.
            Some(after) if after > last => 0,
            Some(after) => after,
            None => last,
        };
        let tail = rapids.tail(Start::Sequence(after + 1)).await?;
        let (console, collected) = (console.clone(), COLLECTED);
        Ok(Self { console, tail, filter, last: after, end: last, collected, _place: place })
    }

    /// The next frame; `None` if the stream cannot be read any more. The browser then connects again, and is
    /// told why.
    pub(super) async fn next(&mut self) -> Option<Event> {
        let come = match Box::pin(self.collect()).await {
            Ok(come) => come,
            Err(fault) => {
                debug!("a live page ends: {fault}");
                return None;
            }
        };
        let event = Event::default().id(self.last.to_string());
        if come.passed == 0 {
            return Some(event);
        }
        let hidden = come.matched - come.newest.len() as u64;
        self.collected = if hidden > 0 { COLLECTED_OF_MUCH } else { COLLECTED };
        let (base, mask) = (self.console.base(), &self.console.mask);
        let frame = Frame {
            last: self.last,
            passed: come.passed,
            matched: come.matched,
            behind: Some(self.behind()).filter(|behind| *behind > FAR_BEHIND).unwrap_or(0),
            rows: come.newest.iter().rev().map(|it| Row::of(it, base, mask)).collect(),
            more: if hidden > 0 { count(hidden) } else { String::new() },
        };
        Some(event.data(frame.render().ok()?))
    }

    /// Waits for packets, and takes what comes shortly behind the first.
    async fn collect(&mut self) -> Result<Come> {
        let most = if self.last < self.end { MOST_ROWS_AT_FIRST } else { MOST_ROWS };
        let mut come = Come::new(most);
        let began = Instant::now();
        let (mut until, mut longest) = (began + QUIET, began);
        loop {
            // A wait that is over at once never looks at the clock.
            let next = match Instant::now() < until {
                true => timeout_at(until, Box::pin(self.tail.next())).await.ok(),
                false => None,
            };
            let is_first = come.passed == 0;
            match next {
                Some(Ok(packet)) => {
                    self.last = packet.arrival().map_or(self.last, |arrival| arrival.sequence);
                    come.take(packet);
                }
                // It is no packet, but it passed.
                Some(Err(Error::Malformed { .. })) => come.passed += 1,
                Some(Err(error)) => {
                    debug!("{}", with_causes(&error));
                    return Err(error.into());
                }
                None if !is_first && Instant::now() < longest && self.is_late() => {
                    until = Instant::now() + self.collected;
                }
                None => break,
            }
            if is_first {
                until = Instant::now() + self.collected;
                longest = Instant::now() + CATCHING_UP;
            }
            if come.is_much() {
                come.sift(&self.filter).await?;
            }
        }
        come.sift(&self.filter).await?;
        Ok(come)
    }

    /// Whether there is something to catch up.
    fn is_late(&self) -> bool {
        self.last < self.end || self.behind() > FAR_BEHIND
    }

    /// How far the stream is ahead, as far as that is known.
    fn behind(&self) -> u64 {
        self.console.packets.extent().last.saturating_sub(self.last)
    }
}

impl Come {
    fn new(most: usize) -> Self {
        let (newest, read) = (VecDeque::new(), Vec::new());
        Self { most, passed: 0, matched: 0, newest, read, bytes: 0 }
    }

    fn take(&mut self, packet: Packet) {
        self.passed += 1;
        self.bytes += packet.body().len();
        self.read.push(packet);
    }

    fn is_much(&self) -> bool {
        self.read.len() >= AT_A_TIME || self.bytes >= AT_A_TIME_BYTES
    }

    async fn sift(&mut self, filter: &Filter) -> Result<()> {
        let read = std::mem::take(&mut self.read);
        self.bytes = 0;
        for packet in filter.sift(read).await? {
            self.matched += 1;
            self.newest.push_back(packet);
            if self.newest.len() > self.most {
                self.newest.pop_front();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Mask;

    #[tokio::test]
    async fn of_much_the_newest_are_shown_and_the_rest_is_counted() {
        let mut come = Come::new(MOST_ROWS);
        for number in 0..1_000 {
            come.take(Packet::from_bytes(format!(r#"{{"n":{number}}}"#)).unwrap());
            assert!(come.read.len() <= AT_A_TIME);
            if come.is_much() {
                come.sift(&Filter::read("@.n >= 100", &Mask::default()).unwrap()).await.unwrap();
            }
        }
        come.sift(&Filter::read("@.n >= 100", &Mask::default()).unwrap()).await.unwrap();
        assert_eq!((come.passed, come.matched, come.newest.len()), (1_000, 900, MOST_ROWS));
        assert_eq!(come.newest.back().unwrap().to_string(), r#"{"n":999}"#);
    }
}
