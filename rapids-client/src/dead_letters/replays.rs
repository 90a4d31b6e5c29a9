//! Sends packets of the rapids once more to one river, without a letter.

use std::collections::HashSet;

use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use uuid::Uuid;

use super::headers::{RIVER, RUN, Reader, WHO, WHY};
use super::outgoing::Outgoing;
use super::replay::Addressed;
use super::text::{escape, shortened};
use crate::config::Config;
use crate::connection::Connection;
use crate::derived_uuid::derived_uuid;
use crate::jetstream::ensure::{adjust, info_of};
use crate::jetstream::header_scan::{HeaderScan, Scanned, Selection};
use crate::jetstream::resource::Resource;
use crate::jetstream::trace_headers;
use crate::letter_action::Note;
use crate::names::{REPLAYS, is_name, replay_subject};
use crate::packet::Packet;
use crate::{Error, Result};

/// The name space of the ids that these replays have.
const REPLAY_IDS: Uuid = Uuid::from_u128(0x7f0c_61d4_95aa_5e38_8d13_b0e2_46f9_cc57);

/// What the message ids of all replays begin with.
const PREFIX: &str = "replay:";

/// The most bytes of a run's name, of who sends and of the reason.
const LONGEST_NAME: usize = 1_000;
const LONGEST_WHO: usize = 256;
const LONGEST_WHY: usize = 4_096;

/// Sends packets once more to one river and to no other, after its program was mended: packets that it
/// has handled, or did not take at the time. For a packet that a river failed on, take
/// [`DeadLetters::replay`](crate::DeadLetters::replay).
///
/// Everything that is sent under one name is one run, which sends each packet once: if it was
/// interrupted and is opened again, it knows what it has sent, for as long as the server keeps replays
/// (90 days). The river gets a packet under its old id. What it makes of that is its
/// [`Repetition`](crate::Repetition). A replay that fails becomes a dead letter.
///
/// ```no_run
/// use rapids_client::{Config, Note, Rapids, Replays, Start};
///
/// # async fn example(rapids: Rapids, config: Config) -> rapids_client::Result<()> {
/// let note = Note::new("ada").why("the tax was missing");
/// let Some(mut replays) = Replays::open(&config, "payment/charge", "tax", &note).await? else {
///     return Ok(());
/// };
/// let mut tail = rapids.tail(Start::Sequence(17)).await?;
/// while let Some(packet) = tail.next_stored().await? {
///     replays.send(&packet).await?;
/// }
/// # Ok(())
/// # }
/// ```
pub struct Replays {
    connection: Connection,
    service: String,
    river: String,
    run: String,
    note: Note,
    sent: HashSet<Uuid>,
}

impl Replays {
    /// Opens the run of this name for a river, given as `SERVICE/RIVER`, and reads what it has sent
    /// before. Replays exist from the first start of a service on: `None` if there is no stream for
    /// them yet. Creates nothing.
    ///
    /// # Errors
    /// [`Error::Config`] if `river` cannot be a river, or `run` has not 1 to 1,000 bytes;
    /// [`Error::Connect`]; [`Error::Stream`] if the stream has settings that lose replays;
    /// [`Error::NotPermitted`], [`Error::Server`].
    pub async fn open(
        config: &Config,
        river: &str,
        run: &str,
        note: &Note,
    ) -> Result<Option<Self>> {
        let wrong = |name: &str, value: &str, expected: &str| Error::Config {
            name: name.to_owned(),
            value: value.to_owned(),
            expected: expected.to_owned(),
        };
        let named = river.split_once('/').filter(|(one, other)| is_name(one) && is_name(other));
        let (service, river) = named.ok_or_else(|| {
            wrong("the river", river, "a service and its river, such as `payment/charge`")
        })?;
        if !(1..=LONGEST_NAME).contains(&run.len()) {
            return Err(wrong("the name of a run of replays", run, "1 to 1,000 bytes"));
        }
        let connection = Box::pin(Connection::open(config, "replays")).await?;
        let wanted = Resource::replays();
        let Some(found) = Box::pin(info_of(&connection, wanted.name())).await? else {
            return Ok(None);
        };
        Box::pin(adjust(&connection, &wanted, found)).await?;
        let mut replays = Self {
            connection,
            service: service.to_owned(),
            river: river.to_owned(),
            run: run.to_owned(),
            note: note.clone(),
            sent: HashSet::new(),
        };
        Box::pin(replays.read_sent()).await?;
        Ok(Some(replays))
    }

    /// How many packets this run has sent, before it was opened and since.
    pub fn sent(&self) -> usize {
        self.sent.len()
    }

    /// Whether this run has sent the packet.
    pub fn has_sent(&self, packet: &Packet) -> bool {
        self.id(packet).is_some_and(|id| self.sent.contains(&id))
    }

    /// Sends a packet that was read from the rapids, and returns the sequence of its replay once that is
    /// stored; `None` if this run has sent it before. While the server is away it is sent again under the
    /// same id.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a packet that did not come from the rapids; [`Error::Full`];
    /// [`Error::NotPermitted`]; [`Error::Server`] if the server did not answer for 30 seconds: it may
    /// or may not be stored then.
    pub async fn send(&mut self, packet: &Packet) -> Result<Option<u64>> {
        let Some((id, outgoing)) = self.id(packet).zip(self.outgoing(packet)) else {
            let reason = format!("packet `{}` was not read from the rapids", packet.id());
            return Err(Error::Malformed { reason });
        };
        if self.sent.contains(&id) {
            return Ok(None);
        }
        let sequence = outgoing.send(&self.connection).await.map_err(|it| it.error)?;
        self.sent.insert(id);
        Ok(Some(sequence))
    }

    /// The message that sends a packet; `None` for one that the rapids do not have.
    fn outgoing(&self, packet: &Packet) -> Option<Outgoing> {
        let (id, arrival) = (self.id(packet)?, packet.arrival()?);
        let addressed = Addressed {
            river: self.river.clone(),
            packet_id: packet.id().to_owned(),
            sequence: arrival.sequence,
            stored: arrival.stored,
            publisher: packet.publisher().map(str::to_owned),
            letters: None,
        };
        let mut headers = addressed.headers();
        headers.insert(RUN, escape(&self.run));
        headers.insert(WHO, shortened(&self.note.who, LONGEST_WHO));
        if let Some(why) = &self.note.why {
            headers.insert(WHY, shortened(why, LONGEST_WHY));
        }
        if let Some(trace) = packet.trace() {
            trace_headers::write(trace, &mut headers);
        }
        let packet_id = packet.id().to_owned();
        Some(Outgoing::to_service(&self.service, headers, message_id(id), packet_id, packet.body()))
    }

    /// What makes this run send a packet once; `None` for a packet that the rapids do not have.
    fn id(&self, packet: &Packet) -> Option<Uuid> {
        let sequence = packet.arrival()?.sequence.to_string();
        let parts = [&self.service, "/", &self.river, "/", &sequence, "/", packet.id(), "\u{1f}"];
        Some(derived_uuid(&REPLAY_IDS, &[&parts[..], &[&self.run]].concat()))
    }

    /// Reads what this run has sent, however long ago: the stream by itself recognises only what it
    /// stored within its duplicate window.
    async fn read_sent(&mut self) -> Result<()> {
        let selection = Selection::since(replay_subject(&self.service), None);
        let mut scan = Box::pin(HeaderScan::open(&self.connection, REPLAYS, selection)).await?;
        while let Some(Scanned { message, .. }) = scan.next().await? {
            self.sent.extend(message.headers.as_ref().and_then(|headers| self.sent_by(headers)));
        }
        Ok(())
    }

    /// The id of a replay, if this run has sent it.
    fn sent_by(&self, headers: &HeaderMap) -> Option<Uuid> {
        let read = Reader(headers);
        let is_mine = |name, value: &String| read.optional(name).as_ref() == Some(value);
        let is_own = is_mine(RUN, &self.run) && is_mine(RIVER, &self.river);
        is_own.then(|| headers.get(NATS_MESSAGE_ID)?.as_str().strip_prefix(PREFIX)?.parse().ok())?
    }
}

fn message_id(id: Uuid) -> String {
    format!("{PREFIX}{id}")
}

impl std::fmt::Debug for Replays {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Replays")
            .field("service", &self.service)
            .field("river", &self.river)
            .field("run", &self.run)
            .field("sent", &self.sent.len())
            .finish_non_exhaustive()
    }
}
