//! Groups of letters with the same cause: the same river, kind and masked reason.

use std::collections::BTreeSet;
use std::sync::Arc;

use rapids_client::{DeadLetter, LetterGroup, State};
use rustc_hash::FxHashMap;
use sha2::{Digest, Sha256};

use super::entry::beginning;
use super::interned::Interned;

/// So much of the reason is kept, in bytes; the mark of a group is of the whole.
const LONGEST_REASON: usize = 300;

/// What tells a group from all others, also in an address: a hash of what its letters have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct CauseMark(u64);

impl CauseMark {
    /// The mark of the group that a letter belongs to.
    pub(crate) fn of(letter: &DeadLetter) -> Self {
        Self::of_group(&LetterGroup::of(letter))
    }

    pub(crate) fn of_group(key: &LetterGroup) -> Self {
        let mut hash = Sha256::new();
        for part in [&key.service, &key.river, &key.kind, &key.reason] {
            hash.update(part);
            hash.update([0]);
        }
        let hash: [u8; 32] = hash.finalize().into();
        let [first, ..] = hash.as_chunks::<8>().0 else { return Self(0) };
        Self(u64::from_be_bytes(*first))
    }

    /// Reads a mark as it is written.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let is_hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hex.then(|| u64::from_str_radix(text, 16).ok().map(Self)).flatten()
    }
}

impl std::fmt::Display for CauseMark {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

/// A group.
#[derive(Debug)]
pub(super) struct Cause {
    pub(super) mark: CauseMark,
    pub(super) service: Arc<str>,
    pub(super) river: Arc<str>,
    pub(super) kind: Arc<str>,
    /// The beginning of the masked reason.
    pub(super) reason: Box<str>,
    /// By state, in the order of [`State::ALL`]. A group without letters is forgotten.
    pub(super) counts: [u32; State::ALL.len()],
}

impl Cause {
    pub(super) fn count(&self, state: Option<State>) -> u64 {
        match state {
            Some(state) => u64::from(self.counts[state as usize]),
            None => self.counts.iter().map(|count| u64::from(*count)).sum(),
        }
    }
}

/// All groups, each at a place of its own, which another takes once it is forgotten.
#[derive(Debug, Default)]
pub(super) struct Causes {
    places: Vec<Option<Cause>>,
    free: Vec<u32>,
    by_mark: FxHashMap<CauseMark, u32>,
    waiting: FxHashMap<Arc<str>, u64>,
}

impl Causes {
    pub(super) fn get(&self, place: u32) -> Option<&Cause> {
        self.places.get(place as usize)?.as_ref()
    }

    pub(super) fn place_of(&self, mark: CauseMark) -> Option<u32> {
        self.by_mark.get(&mark).copied()
    }

    /// How many places there are, those that are free included.
    pub(super) fn places(&self) -> usize {
        self.places.len()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (usize, &Cause)> {
        let places = self.places.iter().enumerate();
        places.filter_map(|(place, cause)| Some((place, cause.as_ref()?)))
    }

    /// How many letters of a service wait, or of all.
    pub(super) fn waiting(&self, service: Option<&str>) -> u64 {
        match service {
            Some(service) => self.waiting.get(service).copied().unwrap_or(0),
            None => self.waiting.values().sum(),
        }
    }

    /// Counts a letter in its group, and returns the place of that.
    pub(super) fn add(&mut self, key: &LetterGroup, state: State, texts: &mut Interned) -> u32 {
        let mark = CauseMark::of_group(key);
        let place = match self.by_mark.get(&mark) {
            Some(place) => *place,
            None => self.begin(mark, key, texts),
        };
        self.count(place, state, 1);
        place
    }

    /// A letter of the group has another state now.
    pub(super) fn settle(&mut self, place: u32, before: State, now: State) {
        self.count(place, before, -1);
        self.count(place, now, 1);
    }

    /// A letter of the group is gone.
    pub(super) fn remove(&mut self, place: u32, state: State, texts: &mut Interned) {
        self.count(place, state, -1);
        if self.get(place).is_none_or(|cause| cause.count(None) > 0) {
            return;
        }
        let Some(gone) = self.places.get_mut(place as usize).and_then(Option::take) else { return };
        self.by_mark.remove(&gone.mark);
        self.free.push(place);
        for text in [gone.service, gone.river, gone.kind] {
            texts.give_back(text);
        }
    }

    fn begin(&mut self, mark: CauseMark, key: &LetterGroup, texts: &mut Interned) -> u32 {
        let cause = Cause {
            mark,
            service: texts.keep(&key.service),
            river: texts.keep(&key.river),
            kind: texts.keep(&key.kind),
            reason: beginning(&key.reason, LONGEST_REASON).into(),
            counts: [0; State::ALL.len()],
        };
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            // There are never so many letters.
            u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX)
        });
        if let Some(free) = self.places.get_mut(place as usize) {
            *free = Some(cause);
        }
        self.by_mark.insert(mark, place);
        place
    }

    fn count(&mut self, place: u32, state: State, more: i32) {
        let Some(Some(cause)) = self.places.get_mut(place as usize) else { return };
        let count = &mut cause.counts[state as usize];
        *count = count.saturating_add_signed(more);
        if state == State::Waiting {
            let waiting = self.waiting.entry(cause.service.clone()).or_default();
            *waiting = waiting.saturating_add_signed(more.into());
            if *waiting == 0 {
                self.waiting.remove(&cause.service);
            }
        }
    }

    /// The services, rivers and kinds that there are, to choose from.
    pub(super) fn names(&self) -> [BTreeSet<Arc<str>>; 3] {
        let mut names = [const { BTreeSet::new() }; 3];
        for (_, cause) in self.all() {
            for (names, name) in names.iter_mut().zip([&cause.service, &cause.river, &cause.kind]) {
                if !names.contains(name) {
                    names.insert(name.clone());
                }
            }
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_back_as_it_is_written() {
        let mark = CauseMark(17);
        assert_eq!(mark.to_string(), "0000000000000011");
        assert_eq!(CauseMark::read("0000000000000011"), Some(mark));
        for wrong in ["", "11", "+000000000000011", "000000000000001g"] {
            assert_eq!(CauseMark::read(wrong), None, "{wrong}");
        }
    }
}
