//! For how long a key has kept its revision while the server answered.
//!
//! Pure. What that means for the key's holder is left to those who look.

use std::time::{Duration, Instant};

/// What was seen of one key.
#[derive(Debug)]
pub(crate) struct RevisionWatch {
    /// The longest time between two looks in which the server cannot have been silent for long: a
    /// holder cannot renew its lease while the server is silent.
    patience: Duration,
    seen: Option<Seen>,
}

#[derive(Debug)]
struct Seen {
    revision: u64,
    since: Instant,
    looked: Instant,
    /// Whether the same revision was seen before `since`.
    is_interrupted: bool,
}

impl RevisionWatch {
    pub(crate) fn new(patience: Duration) -> Self {
        Self { patience, seen: None }
    }

    /// Learns which revision the key has now, and returns for how long it has had that.
    pub(crate) fn look(&mut self, revision: u64, now: Instant) -> Duration {
        let known = self.seen.take().filter(|seen| seen.revision == revision);
        let seen = match known {
            Some(seen) if self.is_recent(&seen, now) => Seen { looked: now, ..seen },
            known => Seen { revision, since: now, looked: now, is_interrupted: known.is_some() },
        };
        let stood = now.duration_since(seen.since);
        self.seen = Some(seen);
        stood
    }

    /// Whether nobody looked for a while, so that the time for which the revision stood began anew.
    /// One who looks seldom must go on looking then, or that time never becomes long.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.seen.as_ref().is_some_and(|seen| seen.is_interrupted)
    }

    /// Whether somebody looked a short while ago.
    pub(crate) fn is_watching(&self, now: Instant) -> bool {
        self.seen.as_ref().is_some_and(|seen| self.is_recent(seen, now))
    }

    fn is_recent(&self, seen: &Seen, now: Instant) -> bool {
        now.duration_since(seen.looked) < self.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_time_counts_in_which_somebody_looked() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut watch = RevisionWatch::new(Duration::from_secs(1));
        let mut look = |revision, millis| {
            let stood = watch.look(revision, at(millis)).as_millis();
            (stood, watch.is_interrupted())
        };
        assert_eq!([look(7, 0), look(7, 500), look(7, 1_400)].map(|it| it.0), [0, 500, 1_400]);
        assert_eq!(look(8, 1_900), (0, false), "it has changed");
        assert_eq!(look(8, 2_400), (500, false));
        assert_eq!(look(8, 3_400), (0, true), "nobody looked");
        assert_eq!(look(8, 3_900), (500, true));
        assert_eq!(look(9, 5_900), (0, false));
    }
}
