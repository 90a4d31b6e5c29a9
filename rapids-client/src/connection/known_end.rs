//! How far the rapids are known to reach. In a cluster, a server that the others have cut off leads for some seconds
//! more, and answers with an end that is not true any more.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

/// For so long an end is not believed that is before a known one: a server without the others leads for ten seconds.
pub(crate) const CUT_OFF: Duration = Duration::from_secs(20);

/// The furthest end that was seen, or follows from a position.
#[derive(Debug, Default)]
pub(crate) struct KnownEnd(Mutex<End>);

#[derive(Debug, Default)]
struct End {
    /// When the stream was created that ends there; `None` if that is not known yet.
    created: Option<Timestamp>,
    sequence: u64,
}

impl KnownEnd {
    /// The stream reaches this far: something was done up to there.
    pub(crate) fn reaches(&self, sequence: u64) {
        let mut end = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        end.sequence = end.sequence.max(sequence);
    }

    /// Takes note of what a server says, unless more is known: then `false`.
    pub(crate) fn takes(&self, created: Timestamp, sequence: u64) -> bool {
        let mut end = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = end.created.is_none_or(|known| known == created);
        if is_same && sequence < end.sequence {
            return false;
        }
        *end = End { created: Some(created), sequence };
        true
    }

    /// Takes note of what a server has said for so long that it is true.
    pub(crate) fn believe(&self, created: Timestamp, sequence: u64) {
        let mut end = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *end = End { created: Some(created), sequence };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_a_stream_is_known_of_no_other() {
        let (end, now) = (KnownEnd::default(), Timestamp::UNIX_EPOCH);
        assert!(end.takes(now, 7) && end.takes(now, 7) && !end.takes(now, 6));
        end.reaches(9);
        assert!(!end.takes(now, 8) && end.takes(now, 9));
        end.believe(now, 3);
        assert!(end.takes(now, 3));
        assert!(end.takes(now + Duration::from_secs(1), 1), "it was made anew");
    }
}
