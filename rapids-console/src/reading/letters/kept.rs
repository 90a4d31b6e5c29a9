//! The letters in the order of their sequences, with what leads to them.

use std::collections::VecDeque;

use jiff::Timestamp;
use rapids_client::{LetterGroup, LetterId, State};
use rustc_hash::FxHashMap;

use super::Extent;
use super::cause::Causes;
use super::entry::Entry;
use super::interned::Interned;

const MINUTE: i64 = 60_000_000;

#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) entries: VecDeque<Entry>,
    pub(super) causes: Causes,
    pub(super) texts: Interned,
    /// By hash: the sequence of the last letter about this packet, of this conversation.
    pub(super) by_packet: FxHashMap<u64, u64>,
    pub(super) by_conversation: FxHashMap<u64, u64>,
    pub(super) is_caught_up: bool,
    pub(super) unreadable: u64,
    pub(super) fault: Option<String>,
    /// How many of those before the first are still in the stream.
    left_out: u64,
}

impl Kept {
    /// Adds the letter behind all others. One that was read already is left as it is.
    pub(super) fn add(&mut self, mut entry: Entry, key: &LetterGroup, name: Option<&str>) {
        let sequence = entry.sequence;
        if self.entries.back().is_some_and(|last| last.sequence >= sequence) {
            return;
        }
        entry.group = self.causes.add(key, entry.state, &mut self.texts);
        entry.name = name.map(|name| self.texts.keep(name));
        let earlier = self.by_packet.insert(entry.packet, sequence);
        entry.earlier_of_packet = earlier.unwrap_or(0);
        let earlier = self.by_conversation.insert(entry.conversation, sequence);
        entry.earlier_of_conversation = earlier.unwrap_or(0);
        self.entries.push_back(entry);
    }

    /// Leaves the newest.
    pub(super) fn leave_most(&mut self, most: usize) {
        while self.entries.len() > most {
            self.drop_first();
            self.left_out += 1;
        }
    }

    pub(super) fn settle(&mut self, sequence: u64, state: State, job: u32) {
        let Some(place) = self.place(sequence) else { return };
        let Some(entry) = self.entries.get_mut(place) else { return };
        self.causes.settle(entry.group, entry.state, state);
        (entry.state, entry.job) = (state, job);
    }

    /// The letters before a sequence are gone.
    pub(super) fn expire(&mut self, first: u64) {
        while self.entries.front().is_some_and(|entry| entry.sequence < first) {
            self.drop_first();
            self.left_out = 0;
        }
        let kept = self.entries.front().map_or(first, |entry| entry.sequence);
        self.left_out = self.left_out.min(kept.saturating_sub(first));
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn extent(&self) -> Extent {
        let first = self.entries.front();
        Extent {
            letters: self.entries.len() as u64,
            left_out: self.left_out,
            since: first.and_then(|first| Timestamp::from_microsecond(first.written).ok()),
            is_caught_up: self.is_caught_up,
            unreadable: self.unreadable,
            fault: self.fault.clone(),
        }
    }

    pub(super) fn per_minute(&self, now: Timestamp) -> [u32; 60] {
        let last = now.as_microsecond().div_euclid(MINUTE);
        let mut counts = [0; 60];
        for entry in self.entries.iter().rev() {
            let ago = last - entry.written.div_euclid(MINUTE);
            if ago >= 60 {
                break;
            }
            // The clock of the server may be ahead of this one.
            let place = usize::try_from(59 - ago.max(0)).unwrap_or(0);
            counts[place] += 1;
        }
        counts
    }

    pub(super) fn id(&self, entry: &Entry) -> Option<LetterId> {
        let cause = self.causes.get(entry.group)?;
        format!("{}.{}.{}", cause.service, cause.river, entry.token()).parse().ok()
    }

    /// Where the first letter from a sequence on is, if it is this one.
    fn place(&self, sequence: u64) -> Option<usize> {
        self.entries.binary_search_by_key(&sequence, |entry| entry.sequence).ok()
    }

    /// Follows a list from its last letter back, and gives it the other way round.
    pub(super) fn chain(&self, last: Option<&u64>, earlier: fn(&Entry) -> u64) -> Vec<LetterId> {
        let (mut next, mut found) = (last.copied().unwrap_or(0), Vec::new());
        while let Some(entry) = self.place(next).and_then(|place| self.entries.get(place)) {
            found.extend(self.id(entry));
            next = earlier(entry);
        }
        found.reverse();
        found
    }

    fn drop_first(&mut self) {
        let Some(first) = self.entries.pop_front() else { return };
        self.causes.remove(first.group, first.state, &mut self.texts);
        if let Some(name) = first.name {
            self.texts.give_back(name);
        }
        for (map, hash) in
            [(&mut self.by_packet, first.packet), (&mut self.by_conversation, first.conversation)]
        {
            // A later letter may have taken the place.
            if map.get(&hash) == Some(&first.sequence) {
                map.remove(&hash);
            }
        }
    }
}
