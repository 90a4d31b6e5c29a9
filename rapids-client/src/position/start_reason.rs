//! Why a service without a position is given one, and where that begins.

use jiff::Timestamp;
use tracing::{info, warn};

use crate::Result;
use crate::jetstream::stream::StreamFacts;
use crate::position::consumer::Consumer;
use crate::position::entry::{NotedFloor, ServiceEntry};
use crate::position::status;
use crate::start::Start;

/// Why a service is given a new position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StartReason {
    /// The service is new.
    New(Start),
    /// It was in exclusive delivery, where it was done up to this sequence.
    Exclusive(u64),
    /// Its position was moved to this sequence by command.
    Moved(u64),
    /// Its consumer was deleted.
    Deleted(NotedFloor),
}

impl StartReason {
    /// The reason for a service without a consumer, which `released` its record in exclusive delivery
    /// if it had one; `None` if it is not known where the service was.
    pub(crate) fn of(
        entry: &ServiceEntry,
        released: Option<u64>,
        start: Option<Start>,
    ) -> Option<Self> {
        if entry.is_new() {
            return Some(Self::New(start.unwrap_or_default()));
        }
        // In exclusive delivery, too, a position was not moved to its target yet.
        (entry.target().map(Self::Moved))
            .or(released.map(Self::Exclusive))
            .or(entry.floor().map(Self::Deleted))
    }

    /// Up to where the service was done, if it goes on behind that.
    pub(crate) fn floor(self) -> Option<u64> {
        match self {
            Self::New(_) | Self::Moved(_) => None,
            Self::Exclusive(floor) | Self::Deleted(NotedFloor { sequence: floor, .. }) => {
                Some(floor)
            }
        }
    }

    pub(crate) fn start(self) -> Start {
        match self {
            Self::New(start) => start,
            Self::Exclusive(floor) => Start::Sequence(floor + 1),
            Self::Moved(target) => Start::Sequence(target),
            Self::Deleted(floor) => Start::Sequence(floor.sequence + 1),
        }
    }

    /// Makes sure that the stream reaches as far as the new position.
    ///
    /// # Errors
    /// `Position` if it does not.
    pub(crate) async fn check(self, consumer: &Consumer<'_>, facts: &StreamFacts) -> Result<()> {
        let name = consumer.service;
        let Self::Deleted(NotedFloor { sequence: at, .. }) = self else {
            return status::check(consumer.connection, name, self.start()).await;
        };
        consumer.connection.known_end().reaches(at);
        let last = facts.last_sequence.max(consumer.last_sequence().await?);
        if at <= last {
            return Ok(());
        }
        Err(consumer.lost(format!(
            "it was deleted, and was done up to sequence {at}, but the stream ends at {last}: the \
             stream was restored from a backup; set it with `rapids position {name} --to-end`, or \
             `--set SEQUENCE`"
        )))
    }

    /// The sequence before the first packet that is read.
    ///
    /// # Errors
    /// `Position` if the stream does not.
    pub(crate) async fn before(self, consumer: &Consumer<'_>, facts: &StreamFacts) -> Result<u64> {
        let Some(floor) = self.floor() else {
            // Which makes sure of the same, from what the server says of the stream once.
            return status::before(consumer.connection, consumer.service, self.start()).await;
        };
        self.check(consumer, facts).await?;
        Ok(floor)
    }

    /// Logs where the position was made, and why.
    pub(crate) fn announce(self, name: &str, facts: &StreamFacts, behind: u64) {
        match self {
            Self::New(start) => {
                let skipped = facts.packets.saturating_sub(behind);
                let remedy = match skipped {
                    0 => String::new(),
                    _ => format!("; to read them too, run `rapids position {name} --to-beginning`"),
                };
                info!(
                    sequence = facts.last_sequence,
                    behind,
                    skipped,
                    "{name} is new and starts {start}: {behind} packets to read, {skipped} earlier ones \
                     skipped{remedy}"
                );
            }
            Self::Exclusive(floor) => {
                info!(behind, "{name} goes on behind sequence {floor}: {behind} packets to read");
            }
            Self::Moved(target) => {
                info!(
                    behind,
                    "{name} was moved and goes on with sequence {target}: {behind} to read"
                );
            }
            Self::Deleted(NotedFloor { sequence, written }) => {
                let age = Timestamp::now().duration_since(written).as_secs();
                warn!(
                    sequence,
                    behind,
                    "the position of {name} was deleted; it goes on behind sequence {sequence}, noted \
                     {age} s before: {behind} packets are read, up to all of them again. What a reaction \
                     that neither remembers nor runs once published about them more than ten minutes ago \
                     is published anew"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    #[test]
    fn a_service_that_is_known_never_begins_as_a_new_one() {
        let mut entry = ServiceEntry::default();
        let start = Some(Start::Beginning);
        assert_eq!(StartReason::of(&entry, None, start), Some(StartReason::New(Start::Beginning)));
        entry.set_stream(NOW, false);
        assert_eq!(StartReason::of(&entry, None, start), None);
        entry.note_floor(0, 7, NOW);
        let start_of = |entry: &ServiceEntry, released| {
            StartReason::of(entry, released, start).map(StartReason::start)
        };
        assert_eq!(start_of(&entry, None), Some(Start::Sequence(8)));
        assert_eq!(start_of(&entry, Some(20)), Some(Start::Sequence(21)));
        entry.move_to(3, NOW);
        assert_eq!(start_of(&entry, None), Some(Start::Sequence(3)));
        assert_eq!(
            start_of(&entry, Some(20)),
            Some(Start::Sequence(3)),
            "it was to be moved there"
        );
    }
}
