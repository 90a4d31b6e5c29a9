//! One pass over a body, left to right, that goes no further than somebody asks.
//!
//! Finds the values at the slots of the [`Paths`]. Of repeated keys the first counts, on every level.
//! What the values mean is left to those who ask.

use super::paths::{PACKET, Paths, Slot};
use super::skip;
use super::unreadable::Unreadable;
use super::value::{Kind, Value, next_element, next_key};

/// What a scan keeps, to be used again by the next one.
#[derive(Debug)]
pub(super) struct Memory {
    /// Counts the scans, so that what an earlier one saw need not be cleared.
    scan: u64,
    seen: Vec<Seen>,
    /// The slots that this scan saw, in their order.
    order: Vec<Slot>,
    open: Vec<Open>,
    /// Decoded keys.
    text: Vec<u8>,
}

/// What stood at a slot.
#[derive(Debug, Clone, Copy)]
struct Seen {
    scan: u64,
    value: Value,
    /// Whether slots below it can still come.
    is_open: bool,
}

/// An array or object that the scan is in.
#[derive(Debug, Clone, Copy)]
struct Open {
    slot: Slot,
    /// How many elements of an array went by; `None` in an object.
    elements: Option<usize>,
}

/// A pass over one body.
#[derive(Debug)]
pub(super) struct Scan<'s> {
    pub(super) body: &'s [u8],
    paths: &'s Paths,
    memory: &'s mut Memory,
    at: usize,
    /// Whether `at` is within an array or object that no condition looks into.
    is_within: bool,
}

impl Memory {
    pub(super) fn new(paths: &Paths) -> Self {
        Self {
            scan: 0,
            seen: vec![Seen { scan: 0, value: Value::packet(0), is_open: false }; paths.len()],
            order: Vec::with_capacity(paths.len()),
            open: Vec::with_capacity(paths.len()),
            text: Vec::new(),
        }
    }
}

impl<'s> Scan<'s> {
    /// Begins at the opening bracket of the packet.
    #[inline]
    pub(super) fn new(
        body: &'s [u8],
        paths: &'s Paths,
        memory: &'s mut Memory,
    ) -> Result<Self, Unreadable> {
        let (b'{', start) = skip::blanks(body, 0)? else {
            return Err(Unreadable);
        };
        memory.scan += 1;
        memory.order.clear();
        memory.open.clear();
        let value = Value::packet(start);
        memory.seen[PACKET] = Seen { scan: memory.scan, value, is_open: true };
        memory.order.push(PACKET);
        memory.open.push(Open { slot: PACKET, elements: None });
        Ok(Self { body, paths, memory, at: start + 1, is_within: false })
    }

    /// What stands at a slot; reads on until that is known.
    pub(super) fn value(&mut self, slot: Slot) -> Result<Option<Value>, Unreadable> {
        Ok(self.holds(slot)?.then(|| self.seen(slot)))
    }

    /// Whether something stands at a slot; reads on until that is known.
    #[inline]
    pub(super) fn holds(&mut self, slot: Slot) -> Result<bool, Unreadable> {
        loop {
            if self.memory.seen[slot].scan == self.memory.scan {
                return Ok(true);
            }
            if !self.can_come(slot) {
                return Ok(false);
            }
            self.step()?;
        }
    }

    /// What stands at a slot that holds something.
    #[inline]
    pub(super) fn seen(&self, slot: Slot) -> Value {
        self.memory.seen[slot].value
    }

    /// Reads on to the end, and tells how many slots hold something.
    pub(super) fn finish(&mut self) -> Result<usize, Unreadable> {
        while !self.memory.open.is_empty() {
            self.step()?;
        }
        Ok(self.memory.order.len())
    }

    /// One of the slots that hold something, in the order of the body.
    pub(super) fn found(&self, position: usize) -> Slot {
        self.memory.order[position]
    }

    /// Whether a slot that was not seen is still to be: what is above it decides.
    #[inline]
    fn can_come(&self, slot: Slot) -> bool {
        let mut above = self.paths.parent(slot);
        loop {
            let seen = &self.memory.seen[above];
            if seen.scan == self.memory.scan {
                return seen.is_open;
            }
            above = self.paths.parent(above);
        }
    }

    /// Reads on to the next slot, or to the end of an array or object.
    #[inline]
    fn step(&mut self) -> Result<(), Unreadable> {
        if self.is_within {
            self.at = skip::composite(self.body, self.at)?;
            self.is_within = false;
        }
        match self.memory.open.last().copied() {
            Some(Open { slot, elements: None }) => self.member(slot),
            Some(Open { slot, elements: Some(count) }) => self.element(slot, count),
            None => Ok(()),
        }
    }

    #[inline(always)]
    fn member(&mut self, of: Slot) -> Result<(), Unreadable> {
        while let Some((key, value)) = next_key(self.body, self.at)? {
            self.at = value;
            let name = key.content(&mut self.memory.text)?;
            if let Some(slot) = self.paths.member(of, name)
                && self.memory.seen[slot].scan != self.memory.scan
            {
                return self.see(slot);
            }
            self.at = skip::value(self.body, self.at)?;
        }
        self.close();
        Ok(())
    }

    fn element(&mut self, of: Slot, first: usize) -> Result<(), Unreadable> {
        for position in first..self.paths.elements(of) {
            let Some(value) = next_element(self.body, self.at)? else {
                self.close();
                return Ok(());
            };
            self.at = value;
            if let Some(slot) = self.paths.element(of, position) {
                if let Some(open) = self.memory.open.last_mut() {
                    open.elements = Some(position + 1);
                }
                return self.see(slot);
            }
            self.at = skip::value(self.body, self.at)?;
        }
        self.leave();
        self.is_within = true;
        Ok(())
    }

    /// Takes down the value that begins here, and goes into it where conditions do.
    #[inline(always)]
    fn see(&mut self, slot: Slot) -> Result<(), Unreadable> {
        let value = Value::read(self.body, self.at)?;
        let elements = match value.kind {
            Kind::Object if self.paths.has_members(slot) => Some(None),
            Kind::Array if self.paths.elements(slot) > 0 => Some(Some(0)),
            _ => None,
        };
        let memory = &mut *self.memory;
        memory.seen[slot] = Seen { scan: memory.scan, value, is_open: elements.is_some() };
        memory.order.push(slot);
        if let Some(elements) = elements {
            memory.open.push(Open { slot, elements });
        }
        self.at = value.end;
        self.is_within = elements.is_none() && value.is_composite();
        Ok(())
    }

    /// Leaves an array or object at its closing bracket.
    fn close(&mut self) {
        self.leave();
        if let Ok((b'}' | b']', bracket)) = skip::blanks(self.body, self.at) {
            self.at = bracket + 1;
        }
    }

    /// Leaves an array or object: what was not seen in it is not there.
    fn leave(&mut self) {
        if let Some(open) = self.memory.open.pop() {
            self.memory.seen[open.slot].is_open = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::condition::Path;

    const BODY: &str =
        r#"{"x":[9], "a" :{"c":1,"b":{"c":2}}, "l":[0,{"b":"3"},[4]], "c":null, "b":{}}"#;

    /// The slots of paths, with all that is needed to scan for them.
    fn prepared<const N: usize>(texts: [&str; N]) -> (Paths, [Slot; N], Memory) {
        let mut paths = Paths::new();
        let slots = texts.map(|text| {
            let path = Path::parse(text).unwrap();
            paths.slot(path.steps()).unwrap()
        });
        let memory = Memory::new(&paths);
        (paths, slots, memory)
    }

    /// What stands at each slot, asked in their order; `-` where nothing does.
    fn found(body: &str, texts: [&str; 4]) -> Result<[String; 4], Unreadable> {
        let (paths, slots, mut memory) = prepared(texts);
        let mut scan = Scan::new(body.as_bytes(), &paths, &mut memory)?;
        let mut shown = [const { String::new() }; 4];
        for (shown, slot) in shown.iter_mut().zip(slots) {
            *shown = match scan.value(slot)? {
                Some(value) => String::from_utf8_lossy(value.bytes(body.as_bytes())).into_owned(),
                None => "-".to_owned(),
            };
        }
        Ok(shown)
    }

    #[test]
    fn slots_are_found_in_whatever_order_they_are_asked_for() {
        for (texts, expected) in [
            (["@.a.c", "@.a.b.c", "@.c", "@.b"], ["1", "2", "null", "{"]),
            (["@.b", "@.c", "@.a.b.c", "@.a.c"], ["{", "null", "2", "1"]),
            (["@.l[2]", "@.l[1].b", "@.l[0]", "@.l"], ["[", "\"3\"", "0", "["]),
            (["@.l[1]", "@.l[2][0]", "@.a", "@"], ["{", "4", "{", "{"]),
            (["@.c", "@.a.b", "@.a.b.c", "@.l[1].b"], ["null", "{", "2", "\"3\""]),
        ] {
            assert_eq!(found(BODY, texts), Ok(expected.map(str::to_owned)), "{texts:?}");
        }
    }

    #[test]
    fn nothing_is_found_where_the_way_leads_nowhere() {
        for texts in [
            ["@.d", "@.a.d", "@.a.b.d", "@.b.c"],
            ["@.l[3]", "@.l[0].b", "@.l[2][1]", "@.l.b"],
            ["@.c.c", "@.a.c.b", "@.a[0]", "@.l[1][0]"],
        ] {
            assert_eq!(found(BODY, texts), Ok(["-"; 4].map(str::to_owned)), "{texts:?}");
        }
    }

    #[test]
    fn an_end_that_is_missing_is_found_when_it_is_reached() {
        let texts = ["@.a.c", "@.l[0]", "@.c", "@.b"];
        for end in 0..BODY.len() {
            assert_eq!(found(&BODY[..end], texts).is_ok(), end > BODY.len() - 3, "{end}");
        }
    }

    #[test]
    fn a_damaged_array_is_left_at_once_however_far_the_scan_has_to_go() {
        for body in [r#"{"a":[}"#, r#"{"a":[1,,1]}"#, "{\"a\":[1\u{1}]}"] {
            let texts = ["@.a[9007199254740991]", "@.a", "@.b", "@"];
            assert_eq!(found(body, texts), Err(Unreadable), "{body}");
        }
    }

    #[test]
    fn reading_to_the_end_shows_the_slots_in_the_order_of_the_body() {
        let (paths, [b, c, of_a, d], mut memory) = prepared(["@.b", "@.c", "@.a.c", "@.d"]);
        let mut scan = Scan::new(BODY.as_bytes(), &paths, &mut memory).unwrap();
        let count = scan.finish().unwrap();
        let slots: Vec<Slot> = (0..count).map(|position| scan.found(position)).collect();
        assert_eq!(slots, [PACKET, paths.parent(of_a), of_a, c, b]);
        assert!(scan.value(d).unwrap().is_none());
    }

    #[test]
    fn what_an_earlier_body_held_is_forgotten() {
        let (paths, [a, b], mut memory) = prepared(["@.a.x", "@.b"]);
        for (body, holds) in [
            (r#"{"a":{"x":1},"b":2}"#, (true, true)),
            (r#"{"b":1,"a":{}}"#, (false, true)),
            ("{}", (false, false)),
            (r#"{"a":{"x":1}}"#, (true, false)),
        ] {
            let mut scan = Scan::new(body.as_bytes(), &paths, &mut memory).unwrap();
            let mut is_there = |slot| scan.value(slot).unwrap().is_some();
            assert_eq!((is_there(a), is_there(b)), holds, "{body}");
        }
    }
}
