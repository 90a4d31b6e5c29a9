//! Whether an active instance holds the record of a service.
//!
//! Pure. Reading the record again and again until that is known is left to those who ask.

use std::time::{Duration, Instant};

use crate::jetstream::revision_watch::RevisionWatch;

/// A record that was not renewed for so long can be taken over.
pub(crate) const LEASE: Duration = Duration::from_secs(3);

/// What is known of the holder of a record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum HolderState {
    /// There is none, or it has not renewed the record for the length of the lease.
    Absent,
    Active,
    /// To be looked at again after [`LOOK`](HolderWatch::LOOK).
    Unknown,
}

/// What was seen of the holder of one record.
pub(crate) struct HolderWatch {
    watch: RevisionWatch,
    /// A holder that renews the record before this time may be about to stop.
    patient_until: Instant,
    first: Option<u64>,
}

impl HolderWatch {
    pub(crate) const LOOK: Duration = Duration::from_millis(250);

    /// For a record whose holder may stop within this time.
    pub(crate) fn new(patience: Duration) -> Self {
        let patient_until = Instant::now() + patience;
        Self { watch: RevisionWatch::new(Self::LOOK * 4), patient_until, first: None }
    }

    /// Takes note of who holds the record in this revision.
    pub(crate) fn look(&mut self, holder: Option<&str>, revision: u64) -> HolderState {
        self.look_at((holder, revision), Instant::now())
    }

    fn look_at(&mut self, (holder, revision): (Option<&str>, u64), now: Instant) -> HolderState {
        let stood = self.watch.look(revision, now);
        let is_renewed = *self.first.get_or_insert(revision) != revision;
        if holder.is_none() || stood >= LEASE {
            HolderState::Absent
        } else if is_renewed && now >= self.patient_until {
            HolderState::Active
        } else {
            HolderState::Unknown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(instance: &str, revision: u64) -> (Option<&str>, u64) {
        (Some(instance).filter(|instance| !instance.is_empty()), revision)
    }

    #[test]
    fn a_holder_is_active_that_renews_and_absent_that_does_not() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut watch = HolderWatch::new(Duration::ZERO);
        assert_eq!(watch.look_at(found("i", 7), at(0)), HolderState::Unknown);
        assert_eq!(watch.look_at(found("", 8), at(500)), HolderState::Absent);
        assert_eq!(watch.look_at(found("i", 9), at(900)), HolderState::Active);
        let mut watch = HolderWatch::new(LEASE);
        let looks = (0..=6).map(|n| watch.look_at(found("i", 7), at(n * 500)));
        assert!(
            looks.eq([(); 6]
                .map(|()| HolderState::Unknown)
                .into_iter()
                .chain([HolderState::Absent]))
        );
        assert_eq!(watch.look_at(found("i", 8), at(2_900)), HolderState::Unknown);
    }
}
