//! Delivers all packets of the rapids to the active instance in stream order: from the live feed, and
//! from the stream where that has a gap.
//!
//! Like a [`Pull`](crate::jetstream::pull::Pull) it delivers no more packets than it was asked for.
//! [`sequence_merger`](crate::live::sequence_merger) decides which packet is next and which are
//! confirmed; [`sources`](crate::live::sources) joins the feed, opens the stream and asks the server.

use tracing::info;

use crate::jetstream::created::{DELETED, Identity, RESTORED, Replaced, replaced_mirror};
use crate::jetstream::message::RawPacket;
use crate::jetstream::read_from::ReadFrom;
use crate::jetstream::stream::StreamFacts;
use crate::live::incoming::Incoming;
use crate::live::leave_reason::LeaveReason;
use crate::live::live_source::Joined;
use crate::live::sequence_merger::{Item, SequenceMerger, StreamPacket};
use crate::live::shared_feed::{FeedSubscriber, LiveItem};
use crate::live::sources::{Event, Expected, Sources};
use crate::live::subscription::fingerprint_of;
use crate::position::exclusive::reset_command;
use crate::position::lease::renewal::ReadProgress;
use crate::position::record::{PositionRecord, lost};
use crate::{Error, Result};

pub(crate) struct LiveFeed {
    read_from: ReadFrom,
    service: String,
    stream: Identity,
    sources: Sources,
    merger: SequenceMerger<RawPacket>,
    /// How many packets were asked for and not delivered.
    demand: usize,
    /// How far the mirror that it reads from is behind the rapids.
    lag: u64,
    /// Nothing above this sequence is delivered: the record does not say yet that it may have begun.
    limit: u64,
    is_logged_as_live: bool,
}

impl LiveFeed {
    /// Reads on from a record.
    pub(crate) fn new(
        read_from: &ReadFrom,
        of: (&str, &str),
        subscriber: Option<FeedSubscriber>,
        facts: &StreamFacts,
        record: &PositionRecord,
    ) -> Self {
        Self {
            read_from: read_from.clone(),
            service: of.0.to_owned(),
            stream: facts.identity(),
            sources: Sources::new(read_from, of, subscriber, facts.has_live),
            merger: SequenceMerger::new(record.floor, record.reached()),
            demand: 0,
            lag: facts.lag,
            limit: 0,
            is_logged_as_live: false,
        }
    }

    pub(crate) fn is_catching_up(&self) -> bool {
        self.merger.is_behind()
    }

    pub(crate) fn outstanding(&self) -> usize {
        self.demand
    }

    /// The last sequence given, and how many packets follow it in the rapids.
    pub(crate) fn position(&self) -> (u64, u64) {
        let given = self.merger.next() - 1;
        (given, self.merger.reached().saturating_sub(given) + self.lag)
    }

    /// Asks for up to this many packets more.
    pub(crate) fn request(&mut self, batch: usize) {
        self.demand += batch;
    }

    /// Permits packets up to this sequence.
    pub(crate) fn allow_to(&mut self, limit: u64) {
        self.limit = limit;
    }

    /// Waits for the next packet. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Incoming {
        loop {
            if let Some(incoming) = self.ready() {
                return incoming;
            }
            let to_read = self.merger.is_behind().then(|| self.merger.to_read());
            if to_read.is_none() {
                self.log_mode(true);
            }
            if let Err(error) = self.sources.ask(self.expected(), to_read, self.demand).await {
                return Incoming::Failed(error);
            }
            let event = self.sources.next(self.may_deliver()).await;
            if let Some(incoming) = self.handle(event) {
                return incoming;
            }
        }
    }

    /// The next packet, if it has come.
    pub(crate) fn ready(&mut self) -> Option<Incoming> {
        while self.may_deliver() {
            match self.merger.deliver() {
                Some(Item::Packet(packet)) => {
                    self.demand -= 1;
                    return Some(Incoming::Packet(packet));
                }
                Some(Item::Skipped { from, to }) => return Some(Incoming::Skipped { from, to }),
                None => {}
            }
            let event = match self.merger.is_behind() {
                true => self.sources.ready_to_read()?,
                false => Event::Live(self.sources.ready_live(self.merger.arriving())?),
            };
            if let Some(incoming) = self.handle(event) {
                return Some(incoming);
            }
        }
        None
    }

    fn may_deliver(&self) -> bool {
        self.demand > 0 && self.merger.next() <= self.limit
    }

    fn expected(&self) -> Expected {
        Expected {
            next: self.merger.next(),
            reached: self.merger.reached(),
            highest_copy: self.merger.highest_copy(),
        }
    }

    /// Acts on an event, and returns what the engine gets because of it.
    fn handle(&mut self, event: Event) -> Option<Incoming> {
        let incoming = match event {
            Event::Live(item) => {
                self.on_live_item(item);
                Ok(None)
            }
            Event::Read(packet) => Ok(self.on_read(*packet)),
            Event::Joined(expected, joined) => self.joined(expected, *joined),
            Event::Checked(expected, facts) => {
                self.confirm(expected, &facts);
                self.check_stream(expected, &facts)
            }
            Event::Failed(Error::Stream { .. }) => Err(match self.read_from.mirror() {
                Some(mirror) => self.unusable(replaced_mirror(mirror)),
                None => self.other_stream(DELETED),
            }),
            Event::Failed(error) => Err(error),
            Event::Nothing => Ok(None),
        };
        incoming.unwrap_or_else(|error| Some(Incoming::Failed(error)))
    }

    fn on_live_item(&mut self, item: Result<LiveItem, LeaveReason>) {
        match item {
            Ok(LiveItem::SkippedTo(sequence)) => self.merger.skip_live_to(sequence),
            Ok(LiveItem::Packet(packet)) => {
                let (sequence, size) = (packet.place.sequence, packet.body.len());
                if !self.merger.arrived(sequence, size, *packet) {
                    self.leave();
                }
            }
            Err(reason) => self.leave_for(&reason),
        }
    }

    /// Handles a packet of the stream. Packets before it that were not read are not there any more.
    fn on_read(&mut self, packet: RawPacket) -> Option<Incoming> {
        let (sequence, next) = (packet.place.sequence, self.merger.next());
        if sequence > next {
            self.merger.stream_reaches(sequence);
            // This packet is read again, after the gap is reported.
            self.merger.skip_to(sequence);
            self.sources.end_catch_up();
            return Some(Incoming::Gone { from: next, to: sequence - 1 });
        }
        let incoming = match self.merger.read(sequence, || fingerprint_of(&packet)) {
            StreamPacket::Known => return None,
            StreamPacket::New => Incoming::Packet(packet),
            StreamPacket::Forged => Incoming::Real(packet),
        };
        self.demand = self.demand.saturating_sub(1);
        Some(incoming)
    }

    fn joined(&mut self, expected: Expected, joined: Joined) -> Result<Option<Incoming>> {
        let notice = self.check_stream(expected, &joined.facts)?;
        let (after, copies) = (joined.live_after, joined.source.copies().clone());
        match self.sources.use_live(joined, self.merger.to_read()) {
            Ok(true) => self.merger.join(after, copies),
            Ok(false) => {}
            Err(forged) => self.leave_for(&forged),
        }
        if self.merger.is_behind() {
            self.log_mode(false);
        }
        Ok(notice)
    }

    /// Confirms what the live feed has brought. The shared feed does that by itself.
    fn confirm(&mut self, expected: Expected, facts: &StreamFacts) {
        if facts.made != self.stream.made || !self.sources.confirms_live() {
            return;
        }
        // What has come before the answer.
        while let Some(item) = self.sources.ready_live(self.merger.arriving()) {
            self.on_live_item(item);
        }
        let confirmed = self.merger.confirm(expected.highest_copy, facts.last_sequence);
        if let Err(reason) = confirmed {
            self.leave_for(&reason);
        }
    }

    /// Makes sure that the stream is still the same, and contains what was read. Returns packets that are
    /// gone from it unread, or that were delivered and are not in it.
    fn check_stream(
        &mut self,
        expected: Expected,
        facts: &StreamFacts,
    ) -> Result<Option<Incoming>> {
        let (next, last) = (self.merger.next(), facts.last_sequence);
        self.lag = facts.lag;
        match (self.stream.replaced_by(facts.identity()), self.read_from.mirror()) {
            (None, _) => {}
            (Some(_), Some(mirror)) => return Err(self.unusable(replaced_mirror(mirror))),
            (Some(Replaced::Restored), None) => return Err(self.unusable(RESTORED.to_owned())),
            (Some(Replaced::MadeAnew), None) => {
                return Err(self.other_stream("the stream was made anew while it ran"));
            }
        }
        let was_read = expected.reached.max(expected.next - 1);
        if self.read_from.mirror().is_some() && last < was_read {
            // It has to catch up, and says nothing of what the rapids have.
            return Ok(None);
        }
        if last < expected.reached {
            let at = expected.reached;
            let fault = format!(
                "it was at sequence {at}, but the stream ends at {last} now: the server has lost \
                 packets, or has older ones from a backup"
            );
            return Err(lost(&self.service, &fault));
        }
        self.merger.stream_reaches(last);
        if last + 1 < expected.next {
            self.leave();
            let forged = self.merger.end(last);
            // No more than the stream contains can be confirmed.
            self.confirm_soon();
            return Ok(forged.map(|(from, to)| Incoming::Forged { from, to }));
        }
        if !self.merger.is_behind() {
            return Ok(None);
        }
        let first = facts.first_sequence;
        self.merger.skip_to(first);
        Ok((first > next).then(|| Incoming::Gone { from: next, to: first - 1 }))
    }

    fn unusable(&self, reason: String) -> Error {
        Error::Position { service: self.service.clone(), reason }
    }

    fn other_stream(&self, fault: &str) -> Error {
        self.unusable(format!("{fault}; {}", reset_command(&self.service)))
    }

    /// Reads on from the stream alone.
    fn leave(&mut self) {
        self.sources.leave();
        if self.merger.leave() {
            self.sources.cancel();
        }
        self.log_mode(false);
    }

    /// Leaves the live feed for this reason, and starts over.
    fn leave_for(&mut self, reason: &LeaveReason) {
        self.sources.delay_joining(reason);
        self.start_over();
        if let LeaveReason::Forged(_) = reason {
            self.log_mode(false);
        }
    }

    fn start_over(&mut self) {
        self.merger.leave();
        self.sources.start_over();
    }

    /// Starts over if the connection was made again, and repeats requests that were lost.
    pub(crate) fn check_connection(&mut self) {
        if self.sources.check_connection() {
            self.start_over();
        }
    }

    /// What was delivered so far is handled, and is to be confirmed soon.
    pub(crate) fn confirm_soon(&mut self) {
        self.sources.confirm_to(self.merger.next() - 1);
    }

    pub(crate) fn progress(&self) -> ReadProgress {
        ReadProgress {
            next: self.merger.next(),
            is_catching_up: self.is_catching_up(),
            confirmed: self.merger.confirmed(),
            known: self.merger.reached(),
        }
    }

    /// Reads no more. Confirms what was delivered, if the server answers.
    pub(crate) async fn close(&mut self) {
        self.sources.cancel();
        let is_unconfirmed = self.merger.confirmed() + 1 < self.merger.next();
        if is_unconfirmed
            && !self.merger.is_behind()
            && let Some(stream_end) = self.sources.last_check(self.stream.made).await
        {
            self.merger.confirm_all(stream_end);
        }
        self.sources.leave();
    }

    /// Logs when the service begins to catch up, and when it has.
    fn log_mode(&mut self, is_live: bool) {
        if self.is_logged_as_live != is_live {
            self.is_logged_as_live = is_live;
            let (service, next) = (&self.service, self.merger.next());
            if is_live {
                info!(next, "{service} reads live");
            } else {
                info!(next, "{service} is behind, and catches up from the stream");
            }
        }
    }
}

#[cfg(test)]
mod tests;
