//! Reads conversations up to their ends.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tracing::warn;

use super::conversation::{Conversation, ReadingEnd};
use super::conversations::Conversations;
use super::find::Found;
use super::mention::Mention;
use super::moment::Moment;
use super::room::Room;
use super::scan::{is_possible, sequence, stored};
use super::span::Span;
use crate::dead_letters::{DeadLetter, Filter, StoredLetter};
use crate::jetstream::follower::Delivered;
use crate::jetstream::stream;
use crate::letter_action::State;
use crate::packet::Packet;
use crate::start::Start;
use crate::{Error, Result};

/// How often the positions are looked at while the conversations are quiet.
const LOOK: Duration = Duration::from_secs(1);

/// How many packets are kept, and how many bytes their bodies have at most.
const MOST: Room = Room { count: 100_000, bytes: 256 * 1024 * 1024 };

/// How many letters are kept; each has at most 16 KiB without its body.
const MOST_LETTERS: usize = 10_000;

/// Conversations that are read together.
struct Reading {
    conversations: Vec<Conversation>,
    /// The place of each of them by its id.
    places: HashMap<String, usize>,
    /// The same by the ids as letters have them.
    places_of_letters: HashMap<String, usize>,
    /// Rules packets out; `None` for several conversations, where reading a packet is quicker than looking
    /// for each.
    mention: Option<Mention>,
    /// The last packet that is known of any of them: its sequence, and when it was stored.
    last: (u64, Timestamp),
    /// Up to where the stream was read.
    read_to: (u64, Timestamp),
    /// For how many more packets there is room.
    room: Room,
}

impl Conversations {
    /// Reads conversations, in one reading of the stream for all of them.
    ///
    /// It ends at the end of the stream as it is now, or at the [moment](Self::until) that was asked for. If it may end when the conversations are
    /// [quiet](Self::quiet), it does so once they were, and every service has handled their last packet:
    /// unless something was sent again out of their dead letters, which may lead to more at any time.
    /// Nothing is left out without a word: see [`ReadingEnd`].
    ///
    /// # Errors
    /// As for [`find`](Self::find); [`Error::Record`] if it cannot be read what has become of a letter.
    pub async fn read(&self, found: Vec<Found>) -> Result<Vec<Conversation>> {
        let info = Box::pin(stream::info(self.rapids.connection())).await?;
        let has_expired = info.is_some_and(|info| info.state.first_sequence > 1);
        let Some(first) = found.iter().min_by_key(|found| found.sequence) else {
            return Ok(Vec::new());
        };
        let from = Start::Sequence(first.sequence);
        // Of packets that have expired there may be earlier letters.
        let since = found.iter().all(|found| found.has_beginning).then_some(first.stored);
        let mut reading = Reading::of(found, self.rapids.facts().created, has_expired);
        let mut end = self.pass(&mut reading, from, self.quiet).await?;
        let mut letters = self.letters_of(&reading, since).await?;
        if end == ReadingEnd::Quiet && letters.iter().any(is_sent_again) {
            let from = Start::Sequence(reading.read_to.0 + 1);
            end = self.pass(&mut reading, from, None).await?;
            letters = self.letters_of(&reading, since).await?;
        }
        if letters.len() > MOST_LETTERS {
            letters.truncate(MOST_LETTERS);
            end = ReadingEnd::Limit;
        }
        for letter in letters {
            if let Some(place) = reading.places_of_letters.get(&letter.letter.correlation_id) {
                reading.conversations[*place].letters.push(letter);
            }
        }
        let read_to = reading.read_to.0;
        let finished = |conversation| Conversation { read_to, end, ..conversation };
        Ok(reading.conversations.into_iter().map(finished).collect())
    }

    /// Reads from a place on, to the end of the stream, until there is no more room, or until the
    /// conversations were quiet for this long.
    async fn pass(
        &self,
        reading: &mut Reading,
        from: Start,
        quiet: Option<Duration>,
    ) -> Result<ReadingEnd> {
        let mut scan = self.scan(Span::from(from).to(self.until)).await?;
        let mut looked: Option<Instant> = None;
        while let Some(delivered) = scan.next().await? {
            let place = (delivered.sequence, delivered.stored);
            if !reading.rules_out(&delivered)
                && let Some(packet) = scan.packet(delivered)
                && !reading.take(packet)
            {
                return Ok(ReadingEnd::Limit);
            }
            reading.read_to = place;
            if quiet.is_some_and(|quiet| reading.is_quiet(quiet))
                && looked.is_none_or(|looked| looked.elapsed() > LOOK)
            {
                looked = Some(Instant::now());
                if self.has_handled(reading.last.0).await? {
                    return Ok(ReadingEnd::Quiet);
                }
            }
        }
        Ok(if scan.ended_early() { ReadingEnd::Moment } else { ReadingEnd::Stream })
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

    /// The letters about packets of the conversations, stored since then and until the moment to read to;
    /// one more than are kept, if there are more.
    async fn letters_of(
        &self,
        reading: &Reading,
        since: Option<Timestamp>,
    ) -> Result<Vec<StoredLetter>> {
        let Some(letters) = &self.letters else {
            return Ok(Vec::new());
        };
        let until = self.until.map(|moment| match moment {
            Moment::Time(time) => time,
            Moment::Sequence(_) => reading.read_to.1,
        });
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
                    let is_later = until.is_some_and(|until| letter.written > until);
                    let of = &letter.letter.correlation_id;
                    if !is_later && reading.places_of_letters.contains_key(of) {
                        found.push(letter);
                    }
                    if found.len() > MOST_LETTERS {
                        return Ok(found);
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
        let firsts = found.iter().map(|found| (found.sequence, found.stored));
        let never = (0, Timestamp::MIN);
        let last = firsts.max().unwrap_or(never);
        let ids = found.into_iter().map(|found| found.conversation);
        let (mut conversations, mut places) = (Vec::new(), HashMap::new());
        let mut places_of_letters = HashMap::new();
        for id in ids {
            if places.contains_key(&id) {
                continue;
            }
            places.insert(id.clone(), conversations.len());
            let short = DeadLetter::shortened_id(&id);
            places_of_letters.entry(short).or_insert(conversations.len());
            let (packets, letters) = (Vec::new(), Vec::new());
            let end = ReadingEnd::Stream;
            conversations.push(Conversation { id, packets, letters, read_to: 0, end, has_expired });
        }
        let (read_to, room) = (never, MOST);
        Self { conversations, places, places_of_letters, mention, last, read_to, room }
    }

    /// Whether none of their packets was stored for this long before the one that was read last.
    fn is_quiet(&self, quiet: Duration) -> bool {
        let silence = self.read_to.1.duration_since(self.last.1);
        Duration::try_from(silence).is_ok_and(|silence| silence > quiet)
    }

    fn rules_out(&self, delivered: &Delivered) -> bool {
        self.mention.as_ref().is_some_and(|mention| !is_possible(mention, delivered))
    }

    /// Keeps a packet if it is of one of the conversations; `false` if there is no room for it.
    fn take(&mut self, packet: Packet) -> bool {
        let Some(place) = self.places.get(packet.correlation_id()) else {
            return true;
        };
        if !self.room.take(packet.body().len()) {
            return false;
        }
        self.last = self.last.max((sequence(&packet), stored(&packet)));
        self.conversations[*place].packets.push(packet);
        true
    }
}

/// Whether the packet of a letter was sent again.
fn is_sent_again(letter: &StoredLetter) -> bool {
    !matches!(letter.state, State::Waiting | State::Discarded) && !letter.actions.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::Arrival;

    fn packet(sequence: u64, conversation: &str) -> Packet {
        let body = format!(r#"{{"event":"x","rapids":{{"correlation_id":"{conversation}"}}}}"#);
        let stored = Timestamp::UNIX_EPOCH;
        let arrival = Arrival::at(sequence, stored);
        Packet::arrived(body, arrival).unwrap()
    }

    #[test]
    fn packets_are_kept_as_long_as_there_is_room() {
        let found = vec![Found::beginning_with(&packet(1, "a"))];
        let mut reading = Reading::of(found, Timestamp::UNIX_EPOCH, false);
        reading.room = Room { count: 2, bytes: 1_000 };
        let taken = [(1, "a"), (2, "b"), (3, "a"), (4, "b"), (5, "a")]
            .map(|(sequence, conversation)| reading.take(packet(sequence, conversation)));
        assert_eq!(taken, [true, true, true, true, false]);
        assert_eq!(reading.conversations[0].packets.len(), 2);
        assert_eq!(reading.last.0, 3);
    }
}
