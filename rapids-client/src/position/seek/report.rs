//! What moving a service's position means, in packets: before it is done, or after.
//!
//! Pure. Moving it is left to [`seek`](crate::position::seek).

use crate::Error;
use crate::jetstream::stream::StreamFacts;
use crate::position::record::PositionRecord;

/// A position that was moved, or in a plan what that would mean.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SeekReport {
    /// The service's name.
    pub service: String,
    /// The sequence up to which it was done with everything before; `None` if that is not known.
    pub before: Option<u64>,
    /// How often its position was moved by command before.
    pub moves: u64,
    /// The sequence with which the service goes on.
    pub next: u64,
    /// How many packets there are to read from there on.
    pub pending: u64,
    /// How many of them were read before.
    pub again: u64,
    /// How many packets are read quietly: to be remembered, without what the service was done with being
    /// published again. 0 unless the service was to forget, now or before.
    pub quiet: u64,
    /// How many packets were not done, and are not read any more.
    pub skipped: u64,
    /// Why the service could not go on from the position that it had before; then it is not known
    /// how many packets are read again.
    pub mended: Option<String>,
    /// The id of the instance that was named as active in exclusive delivery, and was replaced.
    pub replaced: Option<String>,
    /// How many memories there were to forget, beside what was noted of packets; `None` unless the service
    /// was to forget.
    pub forgotten: Option<u64>,
}

impl SeekReport {
    /// From where the service was, if that is known, to behind this sequence.
    pub(crate) fn of(
        service: &str,
        before: &Result<PositionRecord, String>,
        floor: u64,
        facts: &StreamFacts,
    ) -> Self {
        let last = facts.last_sequence;
        let between = |from: u64, to: u64| between(facts, from, to);
        let (mut again, mut skipped) = (0, 0);
        if let Ok(record) = before {
            let done = record.done();
            again = between(floor, record.given.max(done.floor()).min(last));
            let done_above: u64 =
                done.above().map(|(first, last)| between(first - 1, last.min(floor))).sum();
            skipped = between(done.floor(), floor).saturating_sub(done_above);
        }
        Self {
            service: service.to_owned(),
            before: before.as_ref().ok().map(|record| record.done().floor()),
            moves: 0,
            next: floor.max(gone(facts)) + 1,
            pending: between(floor, last),
            again,
            quiet: 0,
            skipped,
            mended: before.as_ref().err().cloned(),
            replaced: None,
            forgotten: None,
        }
    }

    /// Counts what is read quietly, up to this sequence.
    pub(super) fn count_quiet(&mut self, until: u64, facts: &StreamFacts) {
        self.quiet = between(facts, self.next - 1, until);
    }
}

/// How many packets the stream holds between a sequence and another.
fn between(facts: &StreamFacts, from: u64, to: u64) -> u64 {
    to.saturating_sub(from.max(gone(facts)))
}

/// The last sequence that the stream has lost: it does so at its beginning alone.
fn gone(facts: &StreamFacts) -> u64 {
    facts.first_sequence.saturating_sub(1)
}

/// That nothing was moved, and why.
pub(super) fn not_moved(service: &str, reason: &str) -> Error {
    Error::NotMoved { service: service.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::*;
    use crate::jetstream::form::Form;

    /// Holds 11 to 30.
    const FACTS: StreamFacts = StreamFacts {
        created: Timestamp::UNIX_EPOCH,
        made: Timestamp::UNIX_EPOCH,
        form: Form::Simple,
        max_age: Duration::ZERO,
        max_message_size: 0,
        first_sequence: 11,
        last_sequence: 30,
        lag: 0,
        packets: 20,
        is_atomic: true,
        has_live: true,
    };

    fn moved(floor: u64) -> (u64, u64, u64, u64) {
        let before = PositionRecord {
            done: vec![(22, 23)],
            given: 24,
            ..PositionRecord::at(String::new(), 20)
        };
        let moved = SeekReport::of("payment", &Ok(before), floor, &FACTS);
        (moved.next, moved.pending, moved.again, moved.skipped)
    }

    #[test]
    fn what_is_read_again_and_what_is_skipped_is_counted() {
        assert_eq!(moved(0), (11, 20, 14, 0), "what has expired does not count");
        assert_eq!(moved(15), (16, 15, 9, 0));
        assert_eq!(moved(20), (21, 10, 4, 0));
        assert_eq!(moved(23), (24, 7, 1, 1), "21 was in hand");
        assert_eq!(moved(30), (31, 0, 0, 8));
    }

    #[test]
    fn nothing_is_said_of_where_it_was_if_that_is_not_known() {
        let moved = SeekReport::of("payment", &Err("it was deleted".to_owned()), 25, &FACTS);
        assert_eq!((moved.pending, moved.again, moved.skipped), (5, 0, 0));
        assert_eq!(moved.mended.as_deref(), Some("it was deleted"));
    }
}
