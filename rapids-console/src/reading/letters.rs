//! The dead letters with their states, as far as lists, counts and searches need them.
//!
//! Holds no bodies and no causes, and of long ids and reasons the beginning: about 500 bytes for each letter.
//! A page about one letter reads that from the server.

mod cause;
mod entry;
mod following;
mod interned;
mod kept;
mod listing;
#[cfg(test)]
mod size;
#[cfg(test)]
mod testing;

use std::hash::BuildHasher;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use jiff::Timestamp;
use rapids_client::{Action, DeadLetter, LetterChange, LetterGroup, LetterId, StoredLetter};

pub(crate) use cause::CauseMark;
use entry::{Entry, Texts};
pub(crate) use following::follow;
use kept::Kept;
pub(crate) use listing::{CauseRow, LetterRow, Listed, Part, Selection};

/// So many letters are kept; of more, the newest.
const MOST: usize = 1_000_000;

/// All dead letters that there are. One task adds to it, and pages ask it.
#[derive(Debug)]
pub(crate) struct LetterIndex {
    kept: RwLock<Kept>,
    /// Random, so that nobody can prepare ids that collide.
    hasher: std::hash::RandomState,
    most: usize,
}

/// How much there is of it, and how far the reading is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Extent {
    /// How many letters are kept.
    pub(crate) letters: u64,
    /// How many older ones there are that are not kept.
    pub(crate) left_out: u64,
    /// When the first that is kept was written.
    pub(crate) since: Option<Timestamp>,
    /// Whether all that were there when the reading began have been read.
    pub(crate) is_caught_up: bool,
    /// How many messages were no letters.
    pub(crate) unreadable: u64,
    /// Why letters are not followed.
    pub(crate) fault: Option<String>,
}

impl Default for LetterIndex {
    fn default() -> Self {
        Self::new(MOST)
    }
}

impl LetterIndex {
    /// Keeps so many letters at most.
    pub(crate) fn new(most: usize) -> Self {
        let hasher = std::hash::RandomState::new();
        Self { kept: RwLock::default(), hasher, most: most.max(1) }
    }

    pub(crate) fn extent(&self) -> Extent {
        self.read().extent()
    }

    /// How many letters wait: of a service, or of all.
    pub(crate) fn waiting(&self, service: Option<&str>) -> u64 {
        self.read().causes.waiting(service)
    }

    /// The letters about the packet of this id, oldest first.
    pub(crate) fn of_packet(&self, packet_id: &str) -> Vec<LetterId> {
        let kept = self.read();
        let hash = self.hash(packet_id);
        kept.chain(kept.by_packet.get(&hash), |entry| entry.earlier_of_packet)
    }

    /// The letters of the conversation of this id, oldest first.
    pub(crate) fn of_conversation(&self, id: &str) -> Vec<LetterId> {
        let kept = self.read();
        let hash = self.hash(id);
        kept.chain(kept.by_conversation.get(&hash), |entry| entry.earlier_of_conversation)
    }

    /// How many letters were written in each of the last 60 minutes, the oldest first.
    pub(crate) fn per_minute(&self) -> [u32; 60] {
        self.read().per_minute(Timestamp::now())
    }

    /// Takes what the watch tells.
    fn take(&self, change: LetterChange) {
        match change {
            LetterChange::Letter(stored) => {
                let (key, entry) = (LetterGroup::of(&stored.letter), self.entry(&stored));
                let name = stored.letter.name.as_deref();
                let mut kept = self.write();
                kept.add(entry, &key, name);
                kept.leave_most(self.most);
            }
            LetterChange::Settled { sequence, state, actions, .. } => {
                self.write().settle(sequence, state, job_of(&actions));
            }
            LetterChange::CaughtUp => self.write().is_caught_up = true,
            LetterChange::ExpiredBefore(sequence) => self.write().expire(sequence),
            // `Anew`, or what a later version tells that this one cannot follow.
            _ => self.write().clear(),
        }
    }

    fn entry(&self, stored: &StoredLetter) -> Entry {
        let letter = &stored.letter;
        let id = letter.id.to_string();
        let texts = Texts {
            token: id.rsplit('.').next().unwrap_or_default(),
            packet_id: &letter.packet_id,
            correlation_id: &letter.correlation_id,
            reason: &letter.reason,
        };
        let hashes = [&letter.packet_id, &letter.correlation_id].map(|id| self.hash(id));
        let mut entry = Entry::new(stored.sequence, stored.written.as_microsecond(), texts, hashes);
        entry.attempts = letter.attempts;
        (entry.state, entry.job) = (stored.state, job_of(&stored.actions));
        entry
    }

    /// Of an id as letters have it.
    fn hash(&self, id: &str) -> u64 {
        self.hasher.hash_one(DeadLetter::shortened_id(id))
    }

    /// A lock is held for moments, and what panicked meanwhile left nothing half done that matters here.
    fn read(&self) -> RwLockReadGuard<'_, Kept> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Kept> {
        self.kept.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The number of the job that acted on a letter last; 0 if none did.
fn job_of(actions: &[Action]) -> u32 {
    actions.last().and_then(|action| job_number(action.job.as_ref()?)).unwrap_or_default()
}

/// The number that the id of a job is.
pub(crate) fn job_number(id: &str) -> Option<u32> {
    u32::from_str_radix(id, 16).ok()
}

#[cfg(test)]
mod tests {
    use rapids_client::State;

    use super::testing::{index, letter, settle};
    use super::*;

    fn ids(letters: &[LetterId]) -> Vec<String> {
        letters.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn letters_are_found_by_packet_and_conversation_and_waiting_ones_are_counted() {
        let index = index(10, 4);
        assert_eq!(ids(&index.of_packet("p-1")), ["payment.charge.1", "payment.charge.3"]);
        assert_eq!(ids(&index.of_conversation("c-2")), ["order.place.2", "order.place.4"]);
        assert!(index.of_packet("c-1").is_empty());
        assert_eq!(index.waiting(Some("payment")), 2);
        settle(&index, 3, State::Replayed);
        assert_eq!((index.waiting(Some("payment")), index.waiting(None)), (1, 3));
    }

    #[test]
    fn long_ids_are_found_as_letters_have_them() {
        let index = LetterIndex::new(10);
        let long = "p".repeat(2_000);
        let mut stored = letter(1, "payment.charge.1");
        stored.letter.packet_id = DeadLetter::shortened_id(&long);
        index.take(LetterChange::Letter(Box::new(stored)));
        assert_eq!(index.of_packet(&long).len(), 1);
    }

    #[test]
    fn the_oldest_go_first_and_leave_nothing_behind() {
        let index = index(2, 4);
        let extent = index.extent();
        assert_eq!((extent.letters, extent.left_out, index.waiting(None)), (2, 2, 2));
        assert_eq!(ids(&index.of_packet("p-1")), ["payment.charge.3"]);
        index.take(LetterChange::ExpiredBefore(2));
        assert_eq!(index.extent().left_out, 1);
        index.take(LetterChange::ExpiredBefore(5));
        let extent = index.extent();
        assert_eq!((extent.letters, extent.left_out, index.waiting(None)), (0, 0, 0));
        let kept = index.read();
        assert!(kept.by_packet.is_empty() && kept.by_conversation.is_empty());
        assert_eq!((kept.causes.all().count(), kept.texts.len()), (0, 0));
    }

    #[test]
    fn a_stream_that_is_made_anew_is_read_anew() {
        let index = index(10, 4);
        index.take(LetterChange::CaughtUp);
        assert!(index.extent().is_caught_up);
        index.take(LetterChange::Anew);
        let extent = index.extent();
        assert!(extent.letters == 0 && !extent.is_caught_up);
    }

    #[test]
    fn what_comes_twice_is_kept_once() {
        let index = index(10, 4);
        index.take(LetterChange::Letter(Box::new(letter(3, "payment.charge.3"))));
        assert_eq!((index.extent().letters, index.waiting(None)), (4, 4));
    }
}
