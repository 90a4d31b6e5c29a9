//! Reads conversations up to their ends.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tracing::warn;

use super::History;
use super::conversation::{Conversation, ReadingEnd};
use super::find::Found;
use super::mention::Mention;
use super::scan::{is_possible, sequence, stored};
use super::span::{FAR, Span};
use crate::dead_letters::{Filter, StoredLetter};
use crate::jetstream::follower::Delivered;
use crate::jetstream::stream;
use crate::letter_action::State;
use crate::packet::Packet;
use crate::start::Start;
use crate::{Error, Result};

/// How often the positions are looked at while the conversations are quiet.
const LOOK: Duration = Duration::from_secs(1);

/// Conversations that are read together.
struct Reading {
    conversations: Vec<Conversation>,
    /// The place of each of them by its id.
    places: HashMap<String, usize>,
    /// Rules packets out; `None` for several conversations, where reading a packet is quicker than looking
    /// for each.
    mention: Option<Mention>,
    /// The last packet that is known of any of them: its sequence, and when it was stored.
    last: (u64, Timestamp),
    /// Up to where the stream was read.
    read_to: (u64, Timestamp),
}

impl History {
    /// Reads conversations, in one reading of the stream for all of them.
    ///
    /// It ends at the end of the stream as it is now, or once the conversations were
    /// [quiet](Self::quiet) and every service has handled their last packet. What was sent again out of
    /// dead letters may lead to more at any time, so then it is read to the end.
    ///
    /// # Errors
    /// As for [`find`](Self::find); [`Error::Record`] if it cannot be read what has become of a letter.
    pub async fn read(&self, found: Vec<Found>) -> Result<Vec<Conversation>> {
        let info = Box::pin(stream::info(self.rapids.connection())).await?;
        let has_expired = info.is_some_and(|info| info.state.first_sequence > 1);
        let firsts = found.iter().map(|found| &found.first);
        let Some(first) = firsts.min_by_key(|first| sequence(first)) else {
            return Ok(Vec::new());
        };
        let from = sequence(first);
        // Of packets that have expired there may be earlier letters.
        let since = found.iter().all(|found| found.first.id() == found.conversation);
        let since = since.then(|| stored(first));
        let mut reading = Reading::of(found, self.rapids.facts().created, has_expired);
        let mut end = self.pass(&mut reading, Start::Sequence(from), Some(self.quiet)).await?;
        let mut letters = self.letters_of(&reading, since).await?;
        if end == ReadingEnd::Quiet
            && let Some(sent) = letters.iter().filter_map(sent_again).min()
        {
            let (sequence, time) = reading.read_to;
            let begin = sent.checked_sub(FAR).unwrap_or(sent).min(Timestamp::now());
            let from =
                if begin > time { Start::Time(begin) } else { Start::Sequence(sequence + 1) };
            end = self.pass(&mut reading, from, None).await?;
            letters = self.letters_of(&reading, since).await?;
        }
        for letter in letters {
            if let Some(place) = reading.places.get(&letter.letter.correlation_id) {
                reading.conversations[*place].letters.push(letter);
            }
        }
        let read_to = reading.read_to.0;
        let finished = |conversation| Conversation { read_to, end, ..conversation };
        Ok(reading.conversations.into_iter().map(finished).collect())
    }

    /// Reads from a place on, to the end of the stream or until the conversations have ended, which they
    /// have once they were quiet for this long.
    async fn pass(
        &self,
        reading: &mut Reading,
        from: Start,
        quiet: Option<Duration>,
    ) -> Result<ReadingEnd> {
        let mut scan = self.scan(Span::from(from)).await?;
        let mut looked: Option<Instant> = None;
        while let Some(delivered) = scan.next().await? {
            reading.read_to = (delivered.sequence, delivered.stored);
            if !reading.rules_out(&delivered)
                && let Some(packet) = scan.packet(delivered)
            {
                reading.take(packet);
            }
            if quiet.is_some_and(|quiet| reading.is_quiet(quiet))
                && looked.is_none_or(|looked| looked.elapsed() > LOOK)
            {
                looked = Some(Instant::now());
                if self.has_handled(reading.last.0).await? {
                    return Ok(ReadingEnd::Quiet);
                }
            }
        }
        Ok(ReadingEnd::Stream)
    }

    /// Whether every service has handled everything up to a sequence. Where that may not be asked, nobody
    /// knows.
    async fn has_handled(&self, sequence: u64) -> Result<bool> {
        match self.rapids.positions().await {
            Ok(positions) => Ok(positions.iter().all(|position| position.acknowledged >= sequence)),
            Err(Error::NotPermitted { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The letters about packets of the conversations, stored since then.
    async fn letters_of(
        &self,
        reading: &Reading,
        since: Option<Timestamp>,
    ) -> Result<Vec<StoredLetter>> {
        let Some(letters) = &self.letters else {
            return Ok(Vec::new());
        };
        let filter = since.map_or_else(Filter::new, |since| Filter::new().since(since));
        let mut listing = match letters.list(&filter).await {
            Err(error @ Error::NotPermitted { .. }) => {
                warn!("dead letters are not read: {error}");
                return Ok(Vec::new());
            }
            listing => listing?,
        };
        let mut found = Vec::new();
        loop {
            match listing.next().await {
                Ok(None) => return Ok(found),
                Ok(Some(letter)) => {
                    if reading.places.contains_key(&letter.letter.correlation_id) {
                        found.push(letter);
                    }
                }
                Err(error @ Error::Stream { .. }) => warn!("passed over: {error}"),
                Err(error) => return Err(error),
            }
        }
    }
}

impl Reading {
    fn of(found: Vec<Found>, created: Timestamp, has_expired: bool) -> Self {
        let mention = match found.as_slice() {
            [one] => Some(Mention::of(&one.conversation, created)),
            _ => None,
        };
        let firsts = found.iter().map(|found| (sequence(&found.first), stored(&found.first)));
        let never = (0, Timestamp::MIN);
        let last = firsts.max().unwrap_or(never);
        let ids = found.into_iter().map(|found| found.conversation);
        let (mut conversations, mut places) = (Vec::new(), HashMap::new());
        for id in ids {
            if places.contains_key(&id) {
                continue;
            }
            places.insert(id.clone(), conversations.len());
            let (packets, letters) = (Vec::new(), Vec::new());
            let end = ReadingEnd::Stream;
            conversations.push(Conversation { id, packets, letters, read_to: 0, end, has_expired });
        }
        Self { conversations, places, mention, last, read_to: never }
    }

    /// Whether none of their packets was stored for this long before the one that was read last.
    fn is_quiet(&self, quiet: Duration) -> bool {
        let silence = self.read_to.1.duration_since(self.last.1);
        Duration::try_from(silence).is_ok_and(|silence| silence > quiet)
    }

    fn rules_out(&self, delivered: &Delivered) -> bool {
        self.mention.as_ref().is_some_and(|mention| !is_possible(mention, delivered))
    }

    /// Keeps a packet if it is of one of the conversations.
    fn take(&mut self, packet: Packet) {
        if let Some(place) = self.places.get(packet.correlation_id()) {
            self.last = self.last.max((sequence(&packet), stored(&packet)));
            self.conversations[*place].packets.push(packet);
        }
    }
}

/// When the packet of a letter was sent again, if it was, by the clock of who did it.
fn sent_again(letter: &StoredLetter) -> Option<Timestamp> {
    let is_sent = !matches!(letter.state, State::Waiting | State::Discarded);
    letter.actions.first().filter(|_| is_sent).map(|action| action.at)
}
