//! Which names of packets the conditions of a river admit.

use std::collections::BTreeSet;

use super::access::{Access, Way, ways};
use super::compare::Constant;
use super::compile::compile;
use super::paths::{Paths, Slot};
use super::test::Test;
use crate::json::Step;
use crate::packet::{PacketKind, PacketName};
use crate::river::River;

const KINDS: [PacketKind; 3] = [PacketKind::Event, PacketKind::Command, PacketKind::Need];

/// The names of events, commands and needs one of which a packet must have, or the conditions of the
/// river are false; `None` if they may hold of a packet of any name, or of none. A river with a fault
/// in its declaration admits no name.
pub(crate) fn admitted(river: &River) -> Option<BTreeSet<PacketName>> {
    let Some(conditions) = river.conditions() else {
        return Some(BTreeSet::new());
    };
    let mut paths = Paths::new();
    let tests = conditions.map(|condition| compile(condition.logic(), &mut paths)).collect();
    let slots = KINDS.map(|kind| paths.slot(&[Step::Name(kind.key().to_owned())]));
    let test = Test::And(tests);
    let named: Vec<_> = ways(&test).iter().filter_map(|way| names(way, &slots)).collect();
    (!named.is_empty()).then(|| joined(&named))
}

/// The names of a way; `None` if it leads to anything else, too.
fn names(way: &Way<'_>, slots: &[Option<Slot>; 3]) -> Option<BTreeSet<PacketName>> {
    let name = |access: &Access<'_>| {
        let position = slots.iter().position(|slot| *slot == Some(access.slot()))?;
        match access {
            Access::Equal(_, Constant::String(name)) | Access::Holds(_, Constant::String(name)) => {
                Some(PacketName::new(KINDS[position], &**name))
            }
            _ => None,
        }
    };
    way.iter().map(name).collect()
}

/// A packet must meet all ways. It has one event and one command, but may have several needs.
fn joined(ways: &[BTreeSet<PacketName>]) -> BTreeSet<PacketName> {
    let mut joined = BTreeSet::new();
    for kind in KINDS {
        let is_of = |way: &&BTreeSet<PacketName>| way.iter().all(|name| name.kind == kind);
        let of_kind = ways.iter().filter(is_of).cloned();
        let names = match kind {
            PacketKind::Need => Some(of_kind.flatten().collect()),
            _ => of_kind.reduce(|one, other| &one & &other),
        };
        joined.extend(names.into_iter().flatten());
    }
    let is_mixed = |way: &&BTreeSet<PacketName>| {
        way.iter().any(|name| Some(name.kind) != way.first().map(|first| first.kind))
    };
    joined.extend(ways.iter().filter(is_mixed).flatten().cloned());
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(river: &River) -> String {
        match admitted(river) {
            Some(names) => names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            None => "*".to_owned(),
        }
    }

    fn when(condition: &str) -> String {
        of(&River::new("r").when(condition))
    }

    #[test]
    fn the_names_of_shorthands_are_those_that_were_given() {
        let river = || River::new("r");
        assert_eq!(of(&river()), "*");
        assert_eq!(of(&river().event(["b", "a"]).forbid("level")), "a, b");
        assert_eq!(of(&river().command("go").when("@.total > 100")), "command go");
        assert_eq!(of(&river().need(["car", "hotel"])), "need car, need hotel");
        assert_eq!(of(&river().need("car").need("hotel")), "need car, need hotel");
        assert_eq!(of(&river().event("a").command("b")), "a, command b");
        assert_eq!(of(&river().event("it's \"\n")), "it's \"\n");
    }

    #[test]
    fn names_are_found_in_any_expression_that_needs_one() {
        assert_eq!(when("'a' == @['event'] && @.total > 1"), "a");
        assert_eq!(when("@.event == 'a' || $.command == 'b'"), "a, command b");
        assert_eq!(when("(@.event == 'a' || @.event == 'b') && @.event == 'b'"), "b");
        assert_eq!(when("@.event == 'a' && @.event == 'b'"), "");
        assert_eq!(when("@.event == 'a' && @.x || @.event == 'b' && @.y"), "a, b");
    }

    #[test]
    fn what_may_hold_of_any_name_is_told_as_such() {
        for condition in [
            "@.total > 100",
            "@.event",
            "@.event != 'a'",
            "@.event == 'a' || @.total > 100",
            "match(@.event, 'order_.*')",
            "!(@.event == 'a')",
            "@.event == 7",
            "@.rapids.read_count < 3",
        ] {
            assert_eq!(when(condition), "*", "{condition}");
        }
        assert_eq!(when("@.total >"), "", "a faulty river takes nothing");
    }
}
