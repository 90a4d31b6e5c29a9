//! Packets and letters as a tree, by what caused what.
//!
//! What packets name as their causes is what their publishers wrote: causes may be missing, come later, or
//! lead in a circle. Which parent each has is left to [`parents`].

mod parents;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

use super::scan::{sequence, stored};
use crate::dead_letters::StoredLetter;
use crate::packet::Packet;
use parents::{Parent, Parents};

/// A line of the tree.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Node<'a> {
    /// What stands there.
    pub subject: Subject<'a>,
    /// The place of the node that it stands below; `None` at the top.
    pub parent: Option<usize>,
    /// How many nodes it stands below.
    pub depth: usize,
    /// Whether no other node follows below the same parent.
    pub is_last: bool,
    /// How long after the first packet it was stored; `None` for a cause that is missing.
    pub since_first: Option<Duration>,
    /// How long after its cause it was stored: how long the reaction took, with the time in which the
    /// cause waited for it. Of a letter, how long after its packet. `None` without a cause in the stream,
    /// and if the cause claims to come later.
    pub since_cause: Option<Duration>,
    /// Whether it stands at the top although its cause is there, because causes lead in a circle.
    pub is_in_circle: bool,
}

/// What stands in a line of the tree.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Subject<'a> {
    /// A packet.
    Packet(&'a Packet),
    /// A dead letter.
    Letter(&'a StoredLetter),
    /// The id of a packet that others name as their cause, and that is not among the packets.
    Missing(&'a str),
}

/// The lines of the tree of these packets and letters.
pub(super) fn tree<'a>(packets: &'a [Packet], letters: &'a [StoredLetter]) -> Vec<Node<'a>> {
    let mut forest = Forest::of(packets, letters);
    let mut nodes = Vec::with_capacity(forest.entries.len());
    let mut tops: Vec<usize> = forest.tops.clone();
    forest.sort(&mut tops);
    forest.plant(&tops, false, &mut nodes);
    // What is left leads to itself; the earliest of it is the top of each circle.
    let mut left: Vec<_> = (0..forest.entries.len()).filter(|it| !forest.is_placed[*it]).collect();
    forest.sort(&mut left);
    for top in left {
        if !forest.is_placed[top] {
            forest.plant(&[top], true, &mut nodes);
        }
    }
    // Only now it is known which of them comes last.
    if let Some(last) = nodes.iter_mut().rfind(|node| node.parent.is_none()) {
        last.is_last = true;
    }
    nodes
}

/// What is to be placed.
struct Entry<'a> {
    subject: Subject<'a>,
    /// When it was stored; of what is missing, when the first of what it caused was.
    stored: Timestamp,
    since_cause: Option<Duration>,
}

struct Forest<'a> {
    entries: Vec<Entry<'a>>,
    /// What stands below each entry.
    below: Vec<Vec<usize>>,
    tops: Vec<usize>,
    is_placed: Vec<bool>,
    first: Timestamp,
}

impl<'a> Forest<'a> {
    fn of(packets: &'a [Packet], letters: &'a [StoredLetter]) -> Self {
        let parents = Parents::of(packets, letters);
        let mut entries = Vec::with_capacity(packets.len() + letters.len());
        for packet in packets {
            let cause = parents.place_of_cause(packet);
            let since_cause =
                cause.and_then(|cause| between(stored(&packets[cause]), stored(packet)));
            let subject = Subject::Packet(packet);
            entries.push(Entry { subject, stored: stored(packet), since_cause });
        }
        for letter in letters {
            let since_cause = between(letter.letter.stored, letter.written);
            entries.push(Entry {
                subject: Subject::Letter(letter),
                stored: letter.written,
                since_cause,
            });
        }
        let first = packets.iter().map(stored).min();
        let first = first.or(letters.iter().map(|letter| letter.letter.stored).min());
        let mut forest = Self {
            below: vec![Vec::new(); entries.len()],
            is_placed: vec![false; entries.len()],
            entries,
            tops: Vec::new(),
            first: first.unwrap_or_default(),
        };
        forest.grow(&parents);
        forest
    }

    /// Puts each entry below its parent.
    fn grow(&mut self, parents: &Parents<'a>) {
        let mut missing = HashMap::new();
        for entry in 0..self.entries.len() {
            let parent = match parents.of_entry(entry) {
                Parent::None => {
                    self.tops.push(entry);
                    continue;
                }
                Parent::Entry(parent) => parent,
                Parent::Missing(id) => *missing.entry(id).or_insert_with(|| self.add_missing(id)),
            };
            self.below[parent].push(entry);
            let stored = self.entries[entry].stored;
            if let Subject::Missing(_) = self.entries[parent].subject {
                let parent = &mut self.entries[parent].stored;
                *parent = stored.min(*parent);
            }
        }
    }

    fn add_missing(&mut self, id: &'a str) -> usize {
        let entry = self.entries.len();
        let subject = Subject::Missing(id);
        self.entries.push(Entry { subject, stored: Timestamp::MAX, since_cause: None });
        self.below.push(Vec::new());
        self.is_placed.push(false);
        self.tops.push(entry);
        entry
    }

    /// Sorts by time; what was stored at once, by its place in the stream.
    fn sort(&self, entries: &mut [usize]) {
        entries.sort_by_key(|entry| {
            let Entry { subject, stored, .. } = &self.entries[*entry];
            let sequence = match subject {
                Subject::Packet(packet) => sequence(packet),
                Subject::Letter(letter) => letter.sequence,
                // It stands where the first of its effects would.
                Subject::Missing(_) => u64::MAX,
            };
            (*stored, sequence, *entry)
        });
    }

    /// Writes these entries, and all that stands below them and was not written yet. Which
    /// of the tops is the last one is left to the caller.
    fn plant(&mut self, tops: &[usize], is_in_circle: bool, nodes: &mut Vec<Node<'a>>) {
        // Of each entry to be written: its parent's node, and whether it is the last below that.
        let mut waiting: Vec<(usize, Option<usize>, bool)> = Vec::new();
        waiting.extend(tops.iter().map(|top| (*top, None, false)).rev());
        for (top, _, _) in &waiting {
            self.is_placed[*top] = true;
        }
        while let Some((entry, parent, is_last)) = waiting.pop() {
            let Entry { subject, stored, since_cause } = &self.entries[entry];
            let is_missing = matches!(subject, Subject::Missing(_));
            let depth = parent.map_or(0, |parent: usize| nodes[parent].depth + 1);
            let since_first = between(self.first, *stored).filter(|_| !is_missing);
            nodes.push(Node {
                subject: *subject,
                parent,
                depth,
                is_last,
                since_first,
                since_cause: *since_cause,
                is_in_circle: is_in_circle && parent.is_none(),
            });
            let mut below = std::mem::take(&mut self.below[entry]);
            below.retain(|entry| !self.is_placed[*entry]);
            self.sort(&mut below);
            let node = nodes.len() - 1;
            for (place, entry) in below.iter().enumerate().rev() {
                self.is_placed[*entry] = true;
                waiting.push((*entry, Some(node), place + 1 == below.len()));
            }
        }
    }
}

/// From one time to a later one; `None` if it is an earlier one.
fn between(from: Timestamp, to: Timestamp) -> Option<Duration> {
    Duration::try_from(to.duration_since(from)).ok()
}
