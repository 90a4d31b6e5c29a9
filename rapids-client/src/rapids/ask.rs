//! Publishing a packet and waiting for what comes of it.
//!
//! What ends the wait is declared and judged here. Who waits for which conversation is kept in
//! [`waiting`], what comes is read by [`reader`], and a copy that would end a wait is compared with the
//! stream by [`confirm`].

mod asks;
mod collected;
mod confirm;
mod correlation;
mod feed;
mod listening;
mod reader;
mod waiting;

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

pub(super) use asks::Asks;
use collected::Collected;
use listening::Listening;

use crate::packet::names::NOTHING;
use crate::packet::{Names, Packet};
use crate::rapids::Rapids;
use crate::river::River;
use crate::{Error, Result};

/// Where a deadline lies that the clock does not reach.
const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// What came of a packet; see [`Rapids::ask`].
///
/// With [`Ask::collect`], `T` is the list of the packets that ended the wait.
#[derive(Debug, Clone)]
pub enum Answer<T = Packet> {
    /// The packet that ended the wait; or all of them, in the order of the stream.
    Came(T),
    /// The time is up. These packets of the conversation came until then, in the order of the stream:
    /// those that would have ended the wait if there had been more of them, and all others. One of them
    /// that was read from the live feed may be [forged](Rapids::ask).
    TimedOut(Vec<Packet>),
}

/// A packet that is to be published, and what ends the wait for what comes of it; see [`Rapids::ask`].
#[derive(Debug, Clone)]
#[must_use = "nothing is published until `within` is called and awaited"]
pub struct Ask {
    rapids: Rapids,
    packet: Packet,
    /// Each takes what ends the wait.
    ends: Vec<River>,
    faults: Vec<String>,
}

/// As [`Ask`], for several packets; see [`Ask::collect`].
#[derive(Debug, Clone)]
#[must_use = "nothing is published until `within` is called and awaited"]
pub struct Collect {
    ask: Ask,
    count: usize,
}

impl Answer {
    fn of_one(answer: Answer<Vec<Packet>>) -> Self {
        match answer {
            Answer::Came(mut packets) => {
                Self::Came(packets.pop().expect("the one packet has ended the wait"))
            }
            Answer::TimedOut(so_far) => Self::TimedOut(so_far),
        }
    }
}

impl Ask {
    pub(super) fn new(rapids: Rapids, packet: Packet) -> Self {
        Self { rapids, packet, ends: Vec::new(), faults: Vec::new() }
    }

    /// A packet that states this fact, or one of these, ends the wait.
    pub fn until_event(mut self, names: impl Names) -> Self {
        let names = names.into_names();
        if names.is_empty() {
            self.faults.push(format!("`.until_event` {NOTHING}"));
            return self;
        }
        self.until_taken_by(River::new("ask").event(names))
    }

    /// A packet of which an RFC 9535 filter expression holds ends the wait, such as
    /// `@.event == 'order_placed' && @.total > 100`; `@` is any packet. Beside
    /// [`until_event`](Self::until_event), and if it is called several times, any of them ends it.
    ///
    /// As with rivers, a packet that repeats a key where the expression looks does not match, nor does
    /// one on which the expression is too costly.
    pub fn until(self, expression: &str) -> Self {
        self.until_taken_by(River::new("ask").when(expression))
    }

    fn until_taken_by(mut self, river: River) -> Self {
        // The check demands a reaction; this one never runs.
        self.ends.push(river.react(|_: Packet| async { Ok(()) }));
        self
    }

    /// Waits for so many packets instead of one, each of which would have ended the wait.
    pub fn collect(self, count: usize) -> Collect {
        Collect { ask: self, count }
    }

    /// Publishes the packet and waits for what comes of it, for so long from this call on.
    ///
    /// Dropped, the future leaves nothing behind but the packet, if that was sent. While the server is
    /// away it waits for it. If the same packet was stored before, it is not stored again, and what has
    /// come of it since then counts.
    ///
    /// # Errors
    /// [`Error::Definition`] if nothing is to end the wait, or an expression is faulty, with its
    /// position. As for [`Rapids::publish`], and [`Error::Server`] if the time is up before it is known
    /// that the packet is stored. [`Error::Stream`] if the stream is deleted or made anew meanwhile,
    /// [`Error::NotPermitted`] if this user may not read it.
    pub fn within(self, time: Duration) -> impl Future<Output = Result<Answer>> + Send {
        let collecting = self.collect(1).within(time);
        async move { collecting.await.map(Answer::of_one) }
    }

    fn check(&self, count: usize) -> Result<()> {
        let mut faults = self.faults.clone();
        for river in &self.ends {
            match river.check() {
                Ok(()) => {}
                Err(Error::Definition { faults: found, .. }) => faults.extend(found),
                Err(error) => return Err(error),
            }
        }
        if self.ends.is_empty() && self.faults.is_empty() {
            faults.push(
                "nothing ends it before its time is up; add `.until_event(...)` or `.until(...)`, \
                 which takes any packet with `@`"
                    .to_owned(),
            );
        }
        if count == 0 {
            faults.push("it collects no packet; give `.collect` a number from 1 on".to_owned());
        }
        if faults.is_empty() {
            return Ok(());
        }
        Err(Error::Definition { of: "the ask".to_owned(), faults })
    }
}

impl Collect {
    /// As [`Ask::within`]: [`Answer::Came`] has the packets that ended the wait, as many as were asked
    /// for.
    ///
    /// # Errors
    /// As for [`Ask::within`]; [`Error::Definition`] also for no packets.
    pub fn within(
        self,
        time: Duration,
    ) -> impl Future<Output = Result<Answer<Vec<Packet>>>> + Send {
        let now = Instant::now();
        let deadline = now.checked_add(time).unwrap_or(now + NEVER);
        Box::pin(self.answer(time, deadline))
    }

    async fn answer(self, time: Duration, deadline: Instant) -> Result<Answer<Vec<Packet>>> {
        let Self { ask: Ask { rapids, packet, ends, .. }, count } = &self;
        self.ask.check(*count)?;
        // A packet that cannot be published opens no subscription.
        let outgoing = rapids.publisher.prepare(packet)?;
        let late = |action: &str, what: &str| Error::Server {
            action: format!("{action} packet `{}` within {time:?}", packet.id()),
            source: format!("the server has not answered in time; {what}").into(),
        };
        let mut listening = rapids.asks.listen(packet);
        let from = timeout_at(deadline, listening.begun()).await;
        let from = from.map_err(|_| late("listen for what comes of", "it is not published"))??;
        // What is large and over soon is boxed: thousands may wait at once.
        let publishing = Box::pin(async { rapids.sending(outgoing).await.stored().await });
        let published = timeout_at(deadline, publishing).await;
        let published = published.map_err(|_| late("publish", "it may be stored or not"))??;

        let mut collected = Collected::new(rapids, ends, packet, published.sequence, *count);
        let gathering = async {
            if published.sequence + 1 < from {
                Box::pin(collected.read(from - 1)).await?;
            }
            hear(&mut collected, &mut listening).await
        };
        match timeout_at(deadline, gathering).await {
            Ok(heard) => heard.map(|()| Answer::Came(collected.into_matching())),
            Err(_) => {
                // What came at the last moment was not looked at yet.
                while let Some(heard) = listening.ready()? {
                    collected.keep(heard);
                }
                Ok(Answer::TimedOut(collected.into_all()))
            }
        }
    }
}

async fn hear(collected: &mut Collected<'_>, listening: &mut Listening) -> Result<()> {
    while !collected.is_complete() {
        let heard = listening.next().await?;
        collected.take(heard).await?;
    }
    Ok(())
}
