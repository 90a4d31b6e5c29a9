//! Builds the [`Index`].
//!
//! Each river is listed under one value that its conditions need: best a constant at the slot that
//! most rivers look at, else an interval, else anything that is there. Rivers under the same value
//! are told apart by a second one. A river that needs nothing in particular is always found.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::access::{Access, Bounds, Way, selectivity, ways};
use super::compare::Constant;
use super::index::{ElementIndex, Index, SeenElements, SlotIndex};
use super::names::Names;
use super::numbers::Numbers;
use super::numeral::Number;
use super::paths::Slot;
use super::test::Test;

/// So many rivers are tested one by one rather than told apart further.
const FEW_RIVERS: usize = 4;
/// How often rivers are told apart, so that an index takes memory in proportion to them.
const LEVELS: usize = 2;

/// Lists rivers by their position. Those without a test are never found.
pub(super) fn build(rivers: &[Option<Test>]) -> (Index, SeenElements) {
    let ways = rivers.iter().map(|river| river.as_ref().map(ways).unwrap_or_default());
    let mut builder = IndexBuilder { ways: ways.collect(), elements: 0 };
    let positions = (0..rivers.len()).filter(|position| rivers[*position].is_some());
    let index = builder.index(&positions.collect::<Vec<_>>(), &[]);
    (index, SeenElements::new(builder.elements))
}

impl Constant {
    /// The key of the constant. Numbers are found by their value instead.
    fn key(&self) -> Result<Vec<u8>, &Number> {
        match self {
            Constant::Null => Ok(b"null".to_vec()),
            Constant::Bool(true) => Ok(b"true".to_vec()),
            Constant::Bool(false) => Ok(b"false".to_vec()),
            Constant::String(text) => Ok([b"\"", text.as_bytes()].concat()),
            Constant::Number(number) => Err(number),
        }
    }
}

/// Builds the index, which is done once.
struct IndexBuilder<'t> {
    /// The ways in which each river can be found.
    ways: Vec<Vec<Way<'t>>>,
    /// How many elements are indexed so far.
    elements: usize,
}

/// What will be a [`SlotIndex`]: the rivers by the value that they need there.
#[derive(Default)]
struct SlotEntries<'t> {
    present: Vec<usize>,
    words: BTreeMap<Vec<u8>, Vec<usize>>,
    numbers: Vec<(Bounds<'t>, usize)>,
    elements: BTreeMap<Vec<u8>, Vec<usize>>,
}

impl<'t> IndexBuilder<'t> {
    /// Lists rivers that the `used` slots have told apart already.
    fn index(&mut self, rivers: &[usize], used: &[Slot]) -> Index {
        if used.len() == LEVELS || (!used.is_empty() && rivers.len() <= FEW_RIVERS) {
            return Index { always: rivers.to_vec(), ..Index::default() };
        }
        let popularity = self.popularity(rivers, used);
        let mut always = Vec::new();
        let mut entries: BTreeMap<Slot, SlotEntries<'t>> = BTreeMap::new();
        for river in rivers {
            let rank = |way: &&Way<'t>| {
                let common = way.iter().map(|access| popularity[&access.slot()]).min();
                (selectivity(way), common)
            };
            // Of equal ways the first that the river names: mostly its event.
            match self.unused(*river, used).rev().max_by_key(rank) {
                Some(way) => {
                    for access in way {
                        let entries = entries.entry(access.slot()).or_default();
                        entries.add(*river, access, &self.ways[*river]);
                    }
                }
                None => always.push(*river),
            }
        }
        let slots: Vec<SlotIndex> = entries
            .into_iter()
            .map(|(slot, entries)| self.slot_index(slot, entries, used))
            .collect();
        let positions = slots.iter().enumerate().map(|(position, index)| (index.slot, position));
        Index { always, positions: positions.collect(), slots }
    }

    /// How many rivers can be found by what stands at a slot.
    fn popularity(&self, rivers: &[usize], used: &[Slot]) -> FxHashMap<Slot, usize> {
        let mut popularity = FxHashMap::default();
        for river in rivers {
            for access in self.unused(*river, used).flatten() {
                *popularity.entry(access.slot()).or_default() += 1;
            }
        }
        popularity
    }

    fn unused(&self, river: usize, used: &[Slot]) -> impl DoubleEndedIterator<Item = &Way<'t>> {
        let is_unused = |way: &&Way<'t>| way.iter().all(|access| !used.contains(&access.slot()));
        self.ways[river].iter().filter(is_unused)
    }

    fn slot_index(&mut self, slot: Slot, entries: SlotEntries<'t>, used: &[Slot]) -> SlotIndex {
        let used = [used, &[slot]].concat();
        let mut words = Names::default();
        for (key, rivers) in entries.words {
            words.insert(key.into(), self.index(&rivers, &used));
        }
        let mut elements = Names::default();
        for (key, rivers) in entries.elements {
            let element =
                ElementIndex { index: self.index(&rivers, &used), position: self.elements };
            self.elements += 1;
            elements.insert(key.into(), element);
        }
        let numbers = Numbers::new(&entries.numbers, |rivers| self.index(&rivers, &used));
        SlotIndex { slot, present: self.index(&entries.present, &used), words, numbers, elements }
    }
}

impl<'t> SlotEntries<'t> {
    /// Adds a river under one access of its ways.
    fn add(&mut self, river: usize, access: &Access<'t>, ways: &[Way<'t>]) {
        match access {
            Access::Present(_) => self.present.push(river),
            Access::Equal(_, constant) => match constant.key() {
                Ok(key) => self.words.entry(key).or_default().push(river),
                Err(number) => self.numbers.push((Bounds::exactly(number), river)),
            },
            Access::Holds(_, constant) => match constant.key() {
                Ok(key) => self.elements.entry(key).or_default().push(river),
                Err(_) => self.present.push(river),
            },
            Access::Within(slot, bounds) => {
                let others = ways.iter().filter_map(|way| match way.as_slice() {
                    [Access::Within(other, bounds)] if other == slot => Some(*bounds),
                    _ => None,
                });
                self.numbers.push((others.fold(*bounds, Bounds::and), river));
            }
        }
    }
}
