//! Who waits for which conversation. Pure: what comes is brought by the [`reader`](super::reader).

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::correlation::{Named, named};
use super::listening::Heard;
use crate::Error;

/// All asks that wait, by their conversations.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    // A lock, since asks come and go on any thread while packets come on another; held for a moment.
    asks: Mutex<Asks>,
    /// Whether the live feed brings nothing to this account, so that the stream is read instead.
    is_feed_silent: AtomicBool,
}

#[derive(Debug, Default)]
struct Asks {
    of: HashMap<Box<str>, Vec<Ask>>,
    reading: Reading,
    /// How many there were.
    count: u64,
    /// When the last of them went.
    left: Option<Instant>,
}

/// Whether somebody reads what comes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Reading {
    #[default]
    Nobody,
    /// A reader begins.
    Beginning,
    /// Everything from this sequence on is still to be brought.
    From(u64),
}

/// One ask, and what it has not taken yet.
#[derive(Debug)]
pub(super) struct Ask {
    number: u64,
    /// The id of the packet that is asked.
    asked: Box<str>,
    /// It hears everything from this sequence on; `None` as long as nobody reads.
    pub(super) from: Option<u64>,
    pub(super) heard: VecDeque<Heard>,
    pub(super) failure: Option<Error>,
    waker: Option<Waker>,
}

/// Where an ask is found.
#[derive(Debug)]
pub(super) struct Place {
    conversation: Box<str>,
    number: u64,
}

impl Ask {
    /// Has the task woken once there is something new.
    pub(super) fn wake_later<T>(&mut self, context: &Context<'_>) -> Poll<T> {
        if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            self.waker = Some(context.waker().clone());
        }
        Poll::Pending
    }
}

impl Waiting {
    pub(super) fn is_feed_silent(&self) -> bool {
        self.is_feed_silent.load(Ordering::Relaxed)
    }

    pub(super) fn set_feed_silent(&self, is_silent: bool) {
        self.is_feed_silent.store(is_silent, Ordering::Relaxed);
    }

    fn asks(&self) -> MutexGuard<'_, Asks> {
        self.asks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an ask for what is said in a conversation, but the packet that is asked.
    pub(super) fn enter(&self, conversation: &str, asked: &str) -> Place {
        let mut asks = self.asks();
        asks.count += 1;
        let number = asks.count;
        let from = match asks.reading {
            Reading::From(next) => Some(next),
            Reading::Nobody | Reading::Beginning => None,
        };
        let (heard, asked) = (VecDeque::new(), asked.into());
        let ask = Ask { number, asked, from, heard, failure: None, waker: None };
        asks.of.entry(conversation.into()).or_default().push(ask);
        Place { conversation: conversation.into(), number }
    }

    pub(super) fn leave(&self, place: &Place) {
        let mut asks = self.asks();
        if let Some(of) = asks.of.get_mut(&place.conversation) {
            of.retain(|ask| ask.number != place.number);
            if of.is_empty() {
                asks.of.remove(&place.conversation);
            }
        }
        if asks.of.is_empty() {
            asks.left = Some(Instant::now());
            asks.of.shrink_to_fit();
        }
    }

    /// Looks at one ask.
    pub(super) fn at<T>(&self, place: &Place, look: impl FnOnce(&mut Ask) -> T) -> T {
        let mut asks = self.asks();
        let of = asks.of.get_mut(&place.conversation);
        let ask = of.and_then(|of| of.iter_mut().find(|ask| ask.number == place.number));
        look(ask.expect("an ask is removed only when the one value that has its place is dropped"))
    }

    /// Whether a reader has to be started, which counts as started then.
    pub(super) fn needs_reader(&self) -> bool {
        let mut asks = self.asks();
        let needs_reader = asks.reading == Reading::Nobody;
        if needs_reader {
            asks.reading = Reading::Beginning;
        }
        needs_reader
    }

    /// From now on everything from this sequence on is brought.
    pub(super) fn begin(&self, next: u64) {
        let mut asks = self.asks();
        asks.reading = Reading::From(next);
        let mut wakers = Vec::new();
        for ask in asks.of.values_mut().flatten() {
            if ask.from.is_none() {
                ask.from = Some(next);
                wakers.extend(ask.waker.take());
            }
        }
        drop(asks);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Whether somebody may wait for this message, of this sequence and with this id of its own. That
    /// nobody does is certain.
    pub(super) fn is_wanted(&self, sequence: u64, own: Option<&str>, body: &[u8]) -> bool {
        let mut asks = self.asks();
        asks.reading = Reading::From(sequence + 1);
        if asks.of.is_empty() {
            return false;
        }
        let is_asked = |conversation: &str| {
            let of = asks.of.get(conversation);
            of.is_some_and(|of| of.iter().any(|ask| own != Some(&*ask.asked)))
        };
        named(own, body, is_asked) != Named::Nothing
    }

    /// Brings a packet to whoever waits for its conversation.
    pub(super) fn bring(&self, heard: &Heard) {
        let mut asks = self.asks();
        let mut wakers = Vec::new();
        let of = asks.of.get_mut(heard.packet.correlation_id());
        for ask in of.into_iter().flatten().filter(|ask| *ask.asked != *heard.packet.id()) {
            let Heard { sequence, ref packet, is_stored } = *heard;
            ask.heard.push_back(Heard { sequence, packet: packet.clone(), is_stored });
            wakers.extend(ask.waker.take());
        }
        drop(asks);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Ends the reading if nobody has waited for this long.
    pub(super) fn end_after(&self, idle: Duration) -> bool {
        let mut asks = self.asks();
        let is_idle = asks.of.is_empty() && asks.left.is_some_and(|left| left.elapsed() >= idle);
        if is_idle {
            asks.reading = Reading::Nobody;
        }
        is_idle
    }

    /// Ends the reading for this reason, which each ask gets.
    pub(super) fn fail(&self, reason: impl Fn() -> Error) {
        let mut asks = self.asks();
        asks.reading = Reading::Nobody;
        let mut wakers = Vec::new();
        for ask in asks.of.values_mut().flatten() {
            ask.failure = Some(reason());
            wakers.extend(ask.waker.take());
        }
        drop(asks);
        wakers.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::FutureExt;

    use super::super::listening::Listening;
    use super::*;
    use crate::packet::Packet;

    fn packet(id: &str, conversation: &str) -> Packet {
        let body = format!(
            r#"{{"event":"x","rapids":{{"id":"{id}","correlation_id":"{conversation}"}}}}"#
        );
        Packet::from_bytes(body).unwrap()
    }

    fn bring(waiting: &Waiting, sequence: u64, packet: Packet) {
        if waiting.is_wanted(sequence, Some(packet.id()), &packet.body()) {
            waiting.bring(&Heard { sequence, packet, is_stored: false });
        }
    }

    #[test]
    fn each_ask_hears_its_conversation_and_not_the_packet_asked() {
        let waiting = Arc::new(Waiting::default());
        let mut one = Listening::new(&waiting, &packet("a", "a"));
        let mut within = Listening::new(&waiting, &packet("b", "a"));
        let mut other = Listening::new(&waiting, &packet("c", "c"));
        for (sequence, (id, conversation)) in
            (1..).zip([("a", "a"), ("b", "a"), ("c", "c"), ("d", "c"), ("e", "e")])
        {
            bring(&waiting, sequence, packet(id, conversation));
        }
        let heard = |listening: &mut Listening| -> Vec<u64> {
            std::iter::from_fn(|| listening.ready().unwrap()).map(|heard| heard.sequence).collect()
        };
        assert_eq!([heard(&mut one), heard(&mut within), heard(&mut other)], [[2], [1], [4]]);
    }

    #[test]
    fn a_reader_is_started_once_and_ends_when_nobody_has_waited_for_a_while() {
        let waiting = Arc::new(Waiting::default());
        let mut early = Listening::new(&waiting, &packet("a", "a"));
        assert_eq!([waiting.needs_reader(), waiting.needs_reader()], [true, false]);
        assert!(early.begun().now_or_never().is_none());
        waiting.begin(7);
        assert_eq!(early.begun().now_or_never().unwrap().unwrap(), 7);
        bring(&waiting, 9, packet("z", "z"));
        let mut late = Listening::new(&waiting, &packet("b", "b"));
        assert_eq!(late.begun().now_or_never().unwrap().unwrap(), 10);
        assert!(!waiting.end_after(Duration::ZERO), "two wait");
        drop((early, late));
        assert!(waiting.asks().of.is_empty());
        assert!(!waiting.end_after(Duration::from_secs(60)));
        assert!(waiting.end_after(Duration::ZERO) && waiting.needs_reader());
    }

    #[test]
    fn a_failure_comes_behind_what_was_heard() {
        let waiting = Arc::new(Waiting::default());
        let mut one = Listening::new(&waiting, &packet("a", "a"));
        bring(&waiting, 2, packet("b", "a"));
        waiting.fail(|| Error::NotPermitted { violation: "it".to_owned() });
        assert_eq!(one.next().now_or_never().unwrap().unwrap().sequence, 2);
        assert!(one.next().now_or_never().unwrap().is_err());
    }
}
