//! Which keys the ids are derived with that a service gives to what it publishes, and from which sequence of a
//! handled packet on. That is noted in its entry, so that all instances derive the same at any moment.
//!
//! A key is announced first, and it is decided then from where on it holds: beyond the end of the stream, as
//! that is after the announcement. So an instance that has seen the end, and no announcement after that, knows
//! how ids are derived up to a place beyond that end ([`derivation`](crate::position::derivation)).
//!
//! Pure.

use serde::{Deserialize, Serialize};

/// A key holds from so many sequences beyond the end of the stream on.
const AHEAD: u64 = 1_000;

/// So many sequences beyond the end of the stream an instance knows how ids are derived. Fewer, since a replica
/// may have stored already what its leader is about to.
pub(crate) const KNOWN_AHEAD: u64 = AHEAD - 100;

/// How many keys are noted: a service is given no more either.
const KEPT: usize = 2;

/// The keys of a service, the oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct NotedKeys(Vec<NotedKey>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NotedKey {
    fingerprint: String,
    /// The first sequence it holds for; absent while it is only announced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<u64>,
}

impl NotedKeys {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The fingerprint of the key that holds for this sequence; `None` if none does.
    pub(crate) fn holding(&self, sequence: u64) -> Option<&str> {
        let holds = |key: &&NotedKey| key.from.is_some_and(|from| from <= sequence);
        self.0.iter().rev().find(holds).map(|key| &*key.fingerprint)
    }

    /// Whether it is still to be decided from where on the newest one holds.
    pub(crate) fn is_undecided(&self) -> bool {
        self.0.last().is_some_and(|key| key.from.is_none())
    }

    /// Notes the first key of a service that has handled nothing: it holds for everything.
    pub(crate) fn begin(&mut self, fingerprint: &str) {
        if self.is_empty() {
            self.0.push(NotedKey { fingerprint: fingerprint.to_owned(), from: Some(0) });
        }
    }

    /// Announces a key, unless that is done, or another one is announced, or packets of the key before the
    /// newest are still to be handled, of which everything is done up to a sequence.
    pub(crate) fn announce(&mut self, fingerprint: &str, done: u64) {
        if self.is_undecided() || self.0.iter().any(|key| key.fingerprint == fingerprint) {
            return;
        }
        if let [.., oldest, newest] = &mut self.0[..] {
            if newest.from.is_some_and(|from| from > done.saturating_add(1)) {
                return;
            }
            // What it held for is done, and what is done is derived again at most for a replay.
            newest.from = oldest.from;
        }
        self.0.push(NotedKey { fingerprint: fingerprint.to_owned(), from: None });
        self.0.drain(..self.0.len().saturating_sub(KEPT));
    }

    /// Decides from where on the announced key holds: beyond this end of the stream.
    pub(crate) fn decide(&mut self, end: u64) {
        if let Some(announced) = self.0.last_mut().filter(|key| key.from.is_none()) {
            announced.from = Some(end.saturating_add(AHEAD));
        }
    }

    /// Learns that another stream has come, nothing of which is handled: the newest key holds for all of it.
    pub(crate) fn begin_anew(&mut self) {
        self.0.drain(..self.0.len().saturating_sub(1));
        self.0.iter_mut().for_each(|key| key.from = Some(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holding<const N: usize>(keys: &NotedKeys, sequences: [u64; N]) -> [&str; N] {
        sequences.map(|sequence| keys.holding(sequence).unwrap_or_default())
    }

    #[test]
    fn the_first_key_of_a_new_service_holds_for_everything() {
        let mut keys = NotedKeys::default();
        keys.begin("a");
        keys.begin("b");
        assert_eq!((holding(&keys, [0, 9]), keys.is_undecided()), (["a", "a"], false));
    }

    #[test]
    fn another_key_holds_from_beyond_the_end_once_it_is_decided() {
        let mut keys = NotedKeys::default();
        keys.announce("a", 0);
        keys.announce("b", 0);
        assert_eq!((holding(&keys, [u64::MAX]), keys.is_undecided()), ([""], true));
        keys.decide(10);
        keys.decide(99);
        assert_eq!(holding(&keys, [0, 1_009, 1_010]), ["", "", "a"]);
        keys.announce("a", 0);
        assert!(!keys.is_undecided(), "it is noted already");
    }

    #[test]
    fn the_oldest_of_three_gives_way_once_everything_of_it_is_done() {
        let mut keys = NotedKeys::default();
        for (key, end) in [("a", 10), ("b", 2_000)] {
            keys.announce(key, 0);
            keys.decide(end);
        }
        keys.announce("c", 2_998);
        assert!(!keys.is_undecided(), "packet 2999 is of the first one");
        keys.announce("c", 2_999);
        keys.decide(5_000);
        assert_eq!(holding(&keys, [1_009, 1_010, 3_000, 6_000]), ["", "b", "b", "c"]);
        keys.begin_anew();
        assert_eq!(holding(&keys, [0, 1_009]), ["c", "c"]);
    }
}
