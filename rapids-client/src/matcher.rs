//! Which rivers may react to a body, told from its bytes alone.
//!
//! Nearly every packet that a service receives is for none of its rivers. The [`Matcher`] tells
//! so without building anything from the bytes: one pass, left to right, no further than needed,
//! and no allocation. The exact evaluator decides: a packet that has candidates is parsed, and the
//! evaluator judges exactly these. So the matcher can only rule rivers out, and holds to this:
//!
//! 1. A river whose conditions hold of the parsed packet is a candidate, whatever the bytes.
//! 2. The conditions of a candidate hold if the bytes can tell: if the body parses, and the
//!    conditions ask for nothing but presence and comparisons of scalars at fixed places (not below
//!    `rapids`, which has fall-backs).
//! 3. Where the scan finds the body damaged, all rivers are candidates, so that the packet is
//!    parsed and counted as malformed. A body that no river wants may be damaged behind the place
//!    that decided.
//! 4. Of repeated keys the first counts, as for the exact evaluator.
//! 5. A river with a fault in its declaration is never a candidate.
//!
//! On the way of a body: [`scan`] finds the values at the places that conditions name ([`paths`]), by
//! means of [`skip`], [`block`], [`value`] and [`text`]; [`index`] finds the rivers that need one of
//! these values; the [`test`] of each of them decides, in the logic of [`truth`]. [`compile`] makes
//! the tests; [`access`] tells which values a test needs, and [`index_builder`] lists them. [`admitted`]
//! tells people which names of packets that are.

mod access;
mod admitted;
mod block;
mod compare;
mod compile;
mod index;
mod index_builder;
mod names;
mod numbers;
mod numeral;
mod paths;
#[cfg(test)]
mod properties;
mod scan;
mod skip;
mod test;
mod text;
mod truth;
mod unreadable;
mod value;

pub(crate) use admitted::admitted;

use crate::River;
use crate::json::BYTE_ORDER_MARK;
use index::{Index, SeenElements};
use paths::Paths;
use scan::{Memory, Scan};
use test::Test;
use truth::Truth;
use unreadable::Unreadable;

/// Which rivers may react to a body, told from its bytes alone.
#[derive(Debug)]
pub struct Matcher {
    paths: Paths,
    /// The conditions of each river; none of one that has faults.
    rivers: Vec<Option<Test>>,
    index: Index,
    memory: Memory,
    seen: SeenElements,
    candidates: Vec<usize>,
}

impl Matcher {
    /// Compiles the conditions of rivers, in their order.
    pub fn new<'r>(rivers: impl IntoIterator<Item = &'r River>) -> Self {
        let mut paths = Paths::new();
        let rivers: Vec<Option<Test>> = rivers
            .into_iter()
            .map(|river| {
                let conditions = river.conditions()?;
                let tests =
                    conditions.map(|condition| compile::compile(condition.logic(), &mut paths));
                Some(Test::And(tests.collect()))
            })
            .collect();
        let (index, seen) = index_builder::build(&rivers);
        let memory = Memory::new(&paths);
        let candidates = Vec::with_capacity(rivers.len());
        Self { paths, rivers, index, memory, seen, candidates }
    }

    /// Tells the positions of the rivers whose conditions may hold, in ascending order.
    pub fn candidates(&mut self, body: &[u8]) -> &[usize] {
        self.candidates.clear();
        if self.scan(body).is_err() {
            self.candidates.clear();
            let sound =
                |(position, river): (usize, &Option<Test>)| river.is_some().then_some(position);
            self.candidates.extend(self.rivers.iter().enumerate().filter_map(sound));
        }
        &self.candidates
    }

    /// What one river's test says, without the index; `None` where the bytes do not tell.
    #[cfg(test)]
    fn truth(&mut self, position: usize, body: &[u8]) -> Option<bool> {
        let mut scan = Scan::new(body, &self.paths, &mut self.memory).ok()?;
        match self.rivers[position].as_ref()?.ask(&mut scan).ok()? {
            Truth::False => Some(false),
            Truth::Unknown => None,
            Truth::True => Some(true),
        }
    }

    fn scan(&mut self, body: &[u8]) -> Result<(), Unreadable> {
        let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
        let mut scan = Scan::new(body, &self.paths, &mut self.memory)?;
        self.seen.begin();
        self.index.find(&mut scan, &mut self.seen, &mut self.candidates)?;
        if self.candidates.is_empty() {
            return Ok(());
        }
        // A river that needs one of several values is found by each of them.
        self.candidates.sort_unstable();
        self.candidates.dedup();
        let mut kept = 0;
        for found in 0..self.candidates.len() {
            let position = self.candidates[found];
            let Some(test) = &self.rivers[position] else {
                continue;
            };
            if test.ask(&mut scan)? != Truth::False {
                self.candidates[kept] = position;
                kept += 1;
            }
        }
        self.candidates.truncate(kept);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(conditions: &[&str], body: &str) -> Vec<usize> {
        let rivers: Vec<River> =
            conditions.iter().map(|condition| River::new("r").when(condition)).collect();
        Matcher::new(&rivers).candidates(body.as_bytes()).to_vec()
    }

    #[test]
    fn rivers_are_told_apart_by_one_pass() {
        let rivers = [
            River::new("placed").event(["order_placed", "order_changed"]),
            River::new("large").event("order_placed").when("@.total > 100"),
            River::new("offer").need("car"),
            River::new("all"),
            River::new("country").when("@.customer.country == 'DE'").forbid("coupon"),
        ];
        let mut matcher = Matcher::new(&rivers);
        for (body, expected) in [
            (r#"{"event":"order_placed","total":100}"#, vec![0, 3]),
            (r#"{"total":1e3,"event":"order\u005fplaced"}"#, vec![0, 1, 3]),
            (r#"{"total":1e3,"event":"order_placed"}"#, vec![0, 1, 3]),
            (r#"{"need":["bike","car"]}"#, vec![2, 3]),
            (r#"{"need":"car"}"#, vec![2, 3]),
            (r#"{"customer":{"country":"DE"},"coupon":null}"#, vec![3, 4]),
            (r#"{"customer":{"country":"DE"},"coupon":1}"#, vec![3]),
            ("{}", vec![3]),
        ] {
            assert_eq!(matcher.candidates(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn a_body_found_damaged_is_for_all_but_faulty_rivers() {
        let conditions = ["@.event == 'x'", "@.total >", "@.a"];
        for body in
            ["", " ", "[]", "7", "x", "{", r#"{"a" 1}"#, r#"{"event":"y","b":"#, r#"{"\ud80":1}"#]
        {
            assert_eq!(candidates(&conditions, body), [0, 2], "{body}");
        }
        assert!(candidates(&[], "").is_empty());
        assert!(candidates(&["@.total >"], "{}").is_empty());
    }

    #[test]
    fn a_body_is_read_no_further_than_the_value_that_decides() {
        let damaged = r#"{"event":"refused", damaged"#;
        assert!(candidates(&["@.event == 'x' && @.total > 1"], damaged).is_empty());
        assert!(candidates(&["@.a.b == 1 && @.c"], r#"{"a":{"c":1},damaged"#).is_empty());
        assert!(candidates(&["@.a.b == 1 && @.c"], r#"{"a":7,damaged"#).is_empty());
        assert!(candidates(&["@.a[1] == 1 && @.c"], r#"{"a":[0,2,damaged"#).is_empty());
    }

    #[test]
    fn the_first_of_repeated_keys_counts_on_every_level() {
        let body = r#"{"a":{"b":1,"b":2},"a":{"b":3,"c":4},"l":{"k":1,"k":2}}"#;
        for (condition, expected) in [
            ("@.a.b == 1", true),
            ("@.a.b == 2", false),
            ("@.a.b == 3", false),
            ("@.a.c", false),
            ("@.l[?@ == 1]", true),
        ] {
            assert_eq!(!candidates(&[condition], body).is_empty(), expected, "{condition}");
        }
    }

    #[test]
    fn what_bytes_do_not_tell_is_left_to_the_exact_evaluator() {
        let body = r#"{"event":"x","a":[{"b":1}],"t":"text"}"#;
        for (condition, expected) in [
            ("@.rapids.read_count < 3", true),
            ("@.event == 'x' && @.a[?@.b == 2]", true),
            ("@.event == 'y' && @.a[?@.b == 2]", false),
            ("@.t[?@.b == 2]", false),
            ("match(@.t, 'none')", true),
            ("match(@.a, 'none')", false),
            ("@.a[-1].b == 2", true),
            ("@.a == @.a", true),
            ("!(@.a == @.a)", true),
        ] {
            assert_eq!(!candidates(&[condition], body).is_empty(), expected, "{condition}");
        }
    }
}
