//! Finds the rivers that the values of a body speak for, however many others there are.
//!
//! Each river is filed under one thing that its conditions need: best a constant at the place
//! that most rivers look at, else an interval, else that anything is there. Those filed under
//! the same are told apart by the next thing. What cannot be filed is always found.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::Unreadable;
use super::access::{Access, Bounds, Way, selectivity, ways};
use super::compare::Constant;
use super::names::Names;
use super::numbers::Numbers;
use super::numeral::Numeral;
use super::paths::Slot;
use super::scan::Scan;
use super::test::Test;
use super::value::{Kind, Value};

/// So many rivers are asked one by one rather than told apart further.
const FEW_RIVERS: usize = 4;
/// So many shelves are gone to one by one; with more, the values found lead to theirs.
const FEW_SHELVES: usize = 6;
/// How often rivers are told apart, so that an index takes memory in proportion to them.
const LEVELS: usize = 2;

/// Rivers, filed.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// The rivers that are always found.
    rest: Vec<usize>,
    shelves: Vec<Shelf>,
    /// Where in `shelves` that of a slot is.
    places: FxHashMap<Slot, usize>,
}

/// The rivers filed under what stands at one place.
#[derive(Debug)]
struct Shelf {
    slot: Slot,
    /// Found by any value.
    present: Index,
    /// By a string or a word; see [`Constant::key`].
    words: Names<Index>,
    numbers: Numbers<Index>,
    /// By an element of an array, or a member of an object.
    held: Names<Holding>,
}

/// The rivers filed under an element.
#[derive(Debug)]
struct Holding {
    index: Index,
    /// Its place among the [`Marks`].
    mark: usize,
}

/// Which elements a body had already: one that repeats them costs no more than others.
#[derive(Debug, Default)]
pub(super) struct Marks {
    scan: u64,
    seen: Vec<u64>,
    /// Decoded strings.
    text: Vec<u8>,
}

impl Marks {
    /// Begins with a new body.
    pub(super) fn begin(&mut self) {
        self.scan += 1;
    }

    fn is_new(&mut self, mark: usize) -> bool {
        std::mem::replace(&mut self.seen[mark], self.scan) != self.scan
    }
}

impl Index {
    /// Files rivers by their position; those without a test are never found.
    pub(super) fn new(rivers: &[Option<Test>]) -> (Self, Marks) {
        let ways = rivers.iter().map(|river| river.as_ref().map(ways).unwrap_or_default());
        let mut filing = Filing { ways: ways.collect(), marks: 0 };
        let positions = (0..rivers.len()).filter(|position| rivers[*position].is_some());
        let index = filing.shelve(&positions.collect::<Vec<_>>(), &[]);
        let marks = Marks { seen: vec![0; filing.marks], ..Marks::default() };
        (index, marks)
    }

    fn list(rivers: &[usize]) -> Self {
        Self { rest: rivers.to_vec(), ..Self::default() }
    }

    fn is_empty(&self) -> bool {
        self.rest.is_empty() && self.shelves.is_empty()
    }

    /// Adds the rivers whose conditions may hold; reads on as far as it must.
    pub(super) fn find(
        &self,
        scan: &mut Scan<'_>,
        marks: &mut Marks,
        found: &mut Vec<usize>,
    ) -> Result<(), Unreadable> {
        if !self.rest.is_empty() {
            found.extend_from_slice(&self.rest);
        }
        if self.shelves.len() <= FEW_SHELVES {
            for shelf in &self.shelves {
                if scan.holds(shelf.slot)? {
                    shelf.find(scan, marks, found)?;
                }
            }
            return Ok(());
        }
        for position in 0..scan.finish()? {
            if let Some(shelf) = self.places.get(&scan.found(position)) {
                self.shelves[*shelf].find(scan, marks, found)?;
            }
        }
        Ok(())
    }
}

impl Shelf {
    /// Goes on from what stands at the slot, which must hold something.
    #[inline]
    fn find(
        &self,
        scan: &mut Scan<'_>,
        marks: &mut Marks,
        found: &mut Vec<usize>,
    ) -> Result<(), Unreadable> {
        // Read from the scan here: a copy handed over would wait for what was just written.
        let value = scan.seen(self.slot);
        if !self.present.is_empty() {
            self.present.find(scan, marks, found)?;
        }
        if value.is_composite() && !self.held.is_empty() {
            return self.find_held(value, scan, marks, found);
        }
        if value.kind == Kind::Number && !self.numbers.is_empty() {
            let number = Numeral::sent(value.bytes(scan.body))?;
            return match self.numbers.find(number, found) {
                Some(index) => index.find(scan, marks, found),
                None => Ok(()),
            };
        }
        if self.words.is_empty() {
            return Ok(());
        }
        let word = key(value, scan.body, &mut marks.text)?.and_then(|key| self.words.get(key));
        word.map_or(Ok(()), |index| index.find(scan, marks, found))
    }

    fn find_held(
        &self,
        parent: Value,
        scan: &mut Scan<'_>,
        marks: &mut Marks,
        found: &mut Vec<usize>,
    ) -> Result<(), Unreadable> {
        let mut children = parent.children(scan.body);
        while let Some((_, child)) = children.next()? {
            let holding =
                key(child, scan.body, &mut marks.text)?.and_then(|key| self.held.get(key));
            if let Some(holding) = holding
                && marks.is_new(holding.mark)
            {
                holding.index.find(scan, marks, found)?;
            }
        }
        Ok(())
    }
}

/// What a string or a word is filed under: a string behind a quote, so that `"null"` is not `null`.
#[inline]
fn key<'k>(
    value: Value,
    body: &'k [u8],
    memory: &'k mut Vec<u8>,
) -> Result<Option<&'k [u8]>, Unreadable> {
    Ok(Some(match value.kind {
        Kind::Null => b"null",
        Kind::Bool(true) => b"true",
        Kind::Bool(false) => b"false",
        Kind::String { escaped: false } => &body[value.start..value.end - 1],
        Kind::String { escaped: true } => {
            memory.clear();
            memory.push(b'"');
            value.text(body).decode(memory)?;
            memory
        }
        Kind::Number | Kind::Array | Kind::Object => return Ok(None),
    }))
}

impl Constant {
    /// What the constant is filed under; numbers are filed by their value.
    fn key(&self) -> Result<Vec<u8>, &super::numeral::Number> {
        match self {
            Constant::Null => Ok(b"null".to_vec()),
            Constant::Bool(true) => Ok(b"true".to_vec()),
            Constant::Bool(false) => Ok(b"false".to_vec()),
            Constant::String(text) => Ok([b"\"", text.as_bytes()].concat()),
            Constant::Number(number) => Err(number),
        }
    }
}

/// Files rivers, which is done once.
struct Filing<'t> {
    /// The ways in which each river can be found.
    ways: Vec<Vec<Way<'t>>>,
    /// How many marks were given.
    marks: usize,
}

/// What will be a shelf.
#[derive(Default)]
struct Heap<'t> {
    present: Vec<usize>,
    words: BTreeMap<Vec<u8>, Vec<usize>>,
    numbers: Vec<(Bounds<'t>, usize)>,
    held: BTreeMap<Vec<u8>, Vec<usize>>,
}

impl<'t> Filing<'t> {
    /// Files rivers that were told apart by what stands at the `used` slots already.
    fn shelve(&mut self, rivers: &[usize], used: &[Slot]) -> Index {
        if used.len() == LEVELS || (!used.is_empty() && rivers.len() <= FEW_RIVERS) {
            return Index::list(rivers);
        }
        let popularity = self.popularity(rivers, used);
        let mut rest = Vec::new();
        let mut heaps: BTreeMap<Slot, Heap<'t>> = BTreeMap::new();
        for river in rivers {
            let rank = |way: &&Way<'t>| {
                let common = way.iter().map(|access| popularity[&access.slot()]).min();
                (selectivity(way), common)
            };
            // Of equal ones the first that is named: an event, as rivers are mostly written.
            match self.unused(*river, used).rev().max_by_key(rank) {
                Some(way) => {
                    for access in way {
                        let heap = heaps.entry(access.slot()).or_default();
                        heap.add(*river, access, &self.ways[*river]);
                    }
                }
                None => rest.push(*river),
            }
        }
        let shelves: Vec<Shelf> =
            heaps.into_iter().map(|(slot, heap)| self.shelf(slot, heap, used)).collect();
        let places = shelves.iter().enumerate().map(|(place, shelf)| (shelf.slot, place));
        Index { rest, places: places.collect(), shelves }
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

    fn shelf(&mut self, slot: Slot, heap: Heap<'t>, used: &[Slot]) -> Shelf {
        let used = [used, &[slot]].concat();
        let mut words = Names::default();
        for (key, rivers) in heap.words {
            words.insert(key.into(), self.shelve(&rivers, &used));
        }
        let mut held = Names::default();
        for (key, rivers) in heap.held {
            let holding = Holding { index: self.shelve(&rivers, &used), mark: self.marks };
            self.marks += 1;
            held.insert(key.into(), holding);
        }
        let numbers = Numbers::new(&heap.numbers, |rivers| self.shelve(&rivers, &used));
        Shelf { slot, present: self.shelve(&heap.present, &used), words, numbers, held }
    }
}

impl<'t> Heap<'t> {
    /// Adds a river under one access of its ways.
    fn add(&mut self, river: usize, access: &Access<'t>, ways: &[Way<'t>]) {
        match access {
            Access::Present(_) => self.present.push(river),
            Access::Equal(_, constant) => match constant.key() {
                Ok(key) => self.words.entry(key).or_default().push(river),
                Err(number) => self.numbers.push((Bounds::exactly(number), river)),
            },
            Access::Holds(_, constant) => match constant.key() {
                Ok(key) => self.held.entry(key).or_default().push(river),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::condition::Expression;
    use crate::matcher::compile::compile;
    use crate::matcher::paths::Paths;
    use crate::matcher::scan::Memory;

    /// The rivers that an index finds for each body, before their tests are asked.
    fn found<const N: usize>(conditions: &[String], bodies: [&str; N]) -> [Vec<usize>; N] {
        let mut paths = Paths::new();
        let test =
            |condition: &String| compile(Expression::parse(condition).unwrap().logic(), &mut paths);
        let tests: Vec<Option<Test>> = conditions.iter().map(test).map(Some).collect();
        let (index, mut marks) = Index::new(&tests);
        let mut memory = Memory::new(&paths);
        bodies.map(|body| {
            let mut found = Vec::new();
            let mut scan = Scan::new(body.as_bytes(), &paths, &mut memory).unwrap();
            marks.begin();
            index.find(&mut scan, &mut marks, &mut found).unwrap();
            found.sort_unstable();
            found
        })
    }

    fn texts<const N: usize>(conditions: [&str; N]) -> Vec<String> {
        conditions.map(str::to_owned).to_vec()
    }

    #[test]
    fn a_value_finds_the_rivers_that_want_it() {
        let conditions = texts([
            "@.e == 'x'",
            "@.e == 'y' || @.e == 'z'",
            "@.e == null",
            "@.e == 'null'",
            "@.e == 100",
            "@.e > 100",
            "@.e >= 50 && @.e < 101",
            "@.e",
            "@.e[?@ == 'x']",
            "!@.e",
        ]);
        let bodies = [
            r#"{"e":"x"}"#,
            r#"{"e":"\u007a"}"#,
            r#"{"e":null}"#,
            r#"{"e":"null"}"#,
            r#"{"e":1e2}"#,
            r#"{"e":100.5}"#,
            r#"{"e":["y","x"]}"#,
            r#"{"e":[1]}"#,
            "{}",
        ];
        let expected: [&[usize]; 9] = [
            &[0, 7, 9],
            &[1, 7, 9],
            &[2, 7, 9],
            &[3, 7, 9],
            &[4, 6, 7, 9],
            &[5, 6, 7, 9],
            &[7, 8, 9],
            &[7, 9],
            &[9],
        ];
        assert_eq!(found(&conditions, bodies), expected);
    }

    #[test]
    fn rivers_of_one_event_are_told_apart_by_what_else_they_need() {
        let condition = |number| format!("@.e == 'x' && @.k == 'k{number}' && @.n > {number}");
        let conditions: Vec<String> = (0..100).map(condition).collect();
        let bodies = [r#"{"e":"x","k":"k7"}"#, r#"{"e":"x"}"#, r#"{"k":"k7","e":"y"}"#];
        assert_eq!(found(&conditions, bodies), [vec![7], vec![], vec![]]);
    }

    #[test]
    fn many_places_find_as_few_do() {
        let condition = |number| format!("@.k{number} == {number}");
        let bodies = [r#"{"k1":1,"k0":0.0}"#, r#"{"k2":2,"k0":1}"#, "{}"];
        for count in [FEW_SHELVES, FEW_SHELVES + 1, 500] {
            let conditions: Vec<String> = (0..count).map(condition).collect();
            assert_eq!(found(&conditions, bodies), [vec![0, 1], vec![2], vec![]], "{count}");
        }
    }

    #[test]
    fn an_element_that_is_repeated_finds_its_rivers_once() {
        let conditions = texts(["@.l[?@ == 'x']", "@.l[?@ == 'y']"]);
        let bodies = [r#"{"l":["x","x","\u0078"]}"#, r#"{"l":{"a":"y","b":"x"}}"#];
        assert_eq!(found(&conditions, bodies), [vec![0], vec![0, 1]]);
    }
}
