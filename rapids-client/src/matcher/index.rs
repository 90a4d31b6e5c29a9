//! Finds the rivers whose conditions a body may meet, however many others there are.
//!
//! Each river is listed under one value that its conditions need. How that value is chosen is left
//! to the [builder](super::index_builder).

use rustc_hash::FxHashMap;

use super::names::Names;
use super::numbers::Numbers;
use super::numeral::Numeral;
use super::paths::Slot;
use super::scan::Scan;
use super::unreadable::Unreadable;
use super::value::{Kind, Value};

/// So many slots are looked at one by one. With more, the values of the body lead to theirs.
pub(super) const FEW_SLOTS: usize = 6;

/// Rivers by the values that they need.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// The rivers that are always found.
    pub(super) always: Vec<usize>,
    pub(super) slots: Vec<SlotIndex>,
    /// The position of each slot in `slots`.
    pub(super) positions: FxHashMap<Slot, usize>,
}

/// The rivers that need a value at one slot.
#[derive(Debug)]
pub(super) struct SlotIndex {
    pub(super) slot: Slot,
    /// Found by any value.
    pub(super) present: Index,
    /// Found by a string, `null`, `true` or `false`.
    pub(super) words: Names<Index>,
    pub(super) numbers: Numbers<Index>,
    /// Found by an element of an array, or by a member of an object.
    pub(super) elements: Names<ElementIndex>,
}

/// The rivers that need one element.
#[derive(Debug)]
pub(super) struct ElementIndex {
    pub(super) index: Index,
    /// Its position in [`SeenElements`].
    pub(super) position: usize,
}

/// Which elements a body had already: one that repeats them costs no more than others.
#[derive(Debug, Default)]
pub(super) struct SeenElements {
    scan: u64,
    /// For each element the last scan that saw it.
    seen: Vec<u64>,
    /// Decoded strings.
    text: Vec<u8>,
}

impl SeenElements {
    pub(super) fn new(elements: usize) -> Self {
        Self { seen: vec![0; elements], ..Self::default() }
    }

    /// Begins with a new body.
    pub(super) fn begin(&mut self) {
        self.scan += 1;
    }

    fn is_new(&mut self, element: usize) -> bool {
        std::mem::replace(&mut self.seen[element], self.scan) != self.scan
    }
}

impl Index {
    fn is_empty(&self) -> bool {
        self.always.is_empty() && self.slots.is_empty()
    }

    /// Adds the rivers whose conditions may hold; reads on as far as it must.
    pub(super) fn find(
        &self,
        scan: &mut Scan<'_>,
        elements: &mut SeenElements,
        found: &mut Vec<usize>,
    ) -> Result<(), Unreadable> {
        if !self.always.is_empty() {
            found.extend_from_slice(&self.always);
        }
        if self.slots.len() <= FEW_SLOTS {
            for index in &self.slots {
                if scan.holds(index.slot)? {
                    index.find(scan, elements, found)?;
                }
            }
            return Ok(());
        }
        for position in 0..scan.finish()? {
            if let Some(index) = self.positions.get(&scan.found(position)) {
                self.slots[*index].find(scan, elements, found)?;
            }
        }
        Ok(())
    }
}

impl SlotIndex {
    /// Adds the rivers that need the value at the slot, which must hold one.
    #[inline]
    fn find(
        &self,
        scan: &mut Scan<'_>,
        elements: &mut SeenElements,
        found: &mut Vec<usize>,
    ) -> Result<(), Unreadable> {
        // Read here rather than handed over by the caller: a copy would wait for the last write.
        let value = scan.seen(self.slot);
        if !self.present.is_empty() {
            self.present.find(scan, elements, found)?;
        }
        if value.is_composite() && !self.elements.is_empty() {
            return self.find_elements(value, scan, elements, found);
        }
        if value.kind == Kind::Number && !self.numbers.is_empty() {
            let number = Numeral::sent(value.bytes(scan.body))?;
            return match self.numbers.find(number, found) {
                Some(index) => index.find(scan, elements, found),
                None => Ok(()),
            };
        }
        if self.words.is_empty() {
            return Ok(());
        }
        let word = key(value, scan.body, &mut elements.text)?.and_then(|key| self.words.get(key));
        word.map_or(Ok(()), |index| index.find(scan, elements, found))
    }

    fn find_elements(
        &self,
        parent: Value,
        scan: &mut Scan<'_>,
        elements: &mut SeenElements,
        found: &mut Vec<usize>,
    ) -> Result<(), Unreadable> {
        let mut children = parent.children(scan.body);
        while let Some((_, child)) = children.next()? {
            let element =
                key(child, scan.body, &mut elements.text)?.and_then(|key| self.elements.get(key));
            if let Some(element) = element
                && elements.is_new(element.position)
            {
                element.index.find(scan, elements, found)?;
            }
        }
        Ok(())
    }
}

/// The key of a string or a word: a string stands behind a quote, so that `"null"` is not `null`.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::condition::Expression;
    use crate::matcher::compile::compile;
    use crate::matcher::index_builder::build;
    use crate::matcher::paths::Paths;
    use crate::matcher::scan::Memory;
    use crate::matcher::test::Test;

    /// The rivers that an index finds for each body, before their tests are asked.
    fn found<const N: usize>(conditions: &[String], bodies: [&str; N]) -> [Vec<usize>; N] {
        let mut paths = Paths::new();
        let test =
            |condition: &String| compile(Expression::parse(condition).unwrap().logic(), &mut paths);
        let tests: Vec<Option<Test>> = conditions.iter().map(test).map(Some).collect();
        let (index, mut elements) = build(&tests);
        let mut memory = Memory::new(&paths);
        bodies.map(|body| {
            let mut found = Vec::new();
            let mut scan = Scan::new(body.as_bytes(), &paths, &mut memory).unwrap();
            elements.begin();
            index.find(&mut scan, &mut elements, &mut found).unwrap();
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
        for count in [FEW_SLOTS, FEW_SLOTS + 1, 500] {
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
