//! For how long a record has stood unchanged, while the server answered all along.
//!
//! Pure. What it means for the record's holder is left to those who look.

use std::time::{Duration, Instant};

/// What was seen of one record.
pub(crate) struct RevisionWatch {
    /// Between two looks at most, or the server was silent: that says nothing about a holder.
    patience: Duration,
    seen: Option<Seen>,
}

struct Seen {
    revision: u64,
    since: Instant,
    looked: Instant,
}

impl RevisionWatch {
    pub(crate) fn new(patience: Duration) -> Self {
        Self { patience, seen: None }
    }

    /// Learns which revision the record has now, and tells for how long it has had that.
    pub(crate) fn look(&mut self, revision: u64, now: Instant) -> Duration {
        let known = self.seen.as_ref().filter(|seen| {
            seen.revision == revision && now.duration_since(seen.looked) < self.patience
        });
        let since = known.map_or(now, |seen| seen.since);
        self.seen = Some(Seen { revision, since, looked: now });
        now.duration_since(since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_seen_all_along_counts() {
        let start = Instant::now();
        let mut stillness = RevisionWatch::new(Duration::from_secs(1));
        let mut look =
            |revision, at| stillness.look(revision, start + Duration::from_millis(at)).as_millis();
        assert_eq!([look(7, 0), look(7, 500), look(7, 1_400)], [0, 500, 1_400]);
        assert_eq!(look(8, 1_900), 0, "it has changed");
        assert_eq!([look(8, 2_400), look(8, 3_400)], [500, 0], "the server was silent");
        assert_eq!(look(8, 3_900), 500);
    }
}
