//! How a river can be found: the values without which its conditions are false.
//!
//! These values are necessary, not sufficient: the river's [`Test`](super::test::Test) decides.

use super::compare::Constant;
use super::numeral::Number;
use super::paths::Slot;
use super::test::{Side, Test};
use crate::condition::Operator;

/// What the value at one slot must be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Access<'t> {
    /// This constant.
    Equal(Slot, &'t Constant),
    /// An array or object with this constant in it.
    Holds(Slot, &'t Constant),
    /// A number between these bounds.
    Within(Slot, Bounds<'t>),
    /// Anything.
    Present(Slot),
}

/// What numbers an interval includes; without a bound, all on that side.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bounds<'t> {
    pub(super) lower: Option<Bound<'t>>,
    pub(super) upper: Option<Bound<'t>>,
}

/// One end of an interval.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound<'t> {
    pub(super) number: &'t Number,
    pub(super) is_included: bool,
}

/// A body must meet at least one of these.
pub(super) type Way<'t> = Vec<Access<'t>>;

/// Every way to find the test; none if it may be true of any body.
pub(super) fn ways(test: &Test) -> Vec<Way<'_>> {
    match test {
        Test::And(parts) => parts.iter().flat_map(ways).collect(),
        Test::Or(parts) => {
            let best = |part| ways(part).into_iter().max_by_key(selectivity);
            let way: Option<Vec<Way<'_>>> = parts.iter().map(best).collect();
            way.into_iter().map(|ways| ways.concat()).collect()
        }
        Test::Exists(slot) | Test::Perhaps { slot, .. } => vec![vec![Access::Present(*slot)]],
        Test::Any { slot, operator, constant } => vec![vec![match (operator, constant) {
            (_, Constant::Number(_)) => Access::Present(*slot),
            (Operator::Equal, constant) => Access::Holds(*slot, constant),
            _ => Access::Present(*slot),
        }]],
        Test::Compare { left: Side::Slot(slot), operator, right } => {
            compared(*slot, *operator, right).into_iter().map(|access| vec![access]).collect()
        }
        Test::Compare { .. } | Test::Not(_) | Test::Known(_) => Vec::new(),
    }
}

fn compared<'t>(slot: Slot, operator: Operator, right: &'t Side) -> Option<Access<'t>> {
    Some(match (operator, right) {
        // Nothing equals nothing, and differs from all else.
        (Operator::NotEqual, _) => return None,
        (Operator::Equal | Operator::LessOrEqual | Operator::GreaterOrEqual, Side::Slot(_)) => {
            return None;
        }
        (Operator::Equal, Side::Constant(constant)) => Access::Equal(slot, constant),
        (operator, Side::Constant(Constant::Number(number))) => {
            Access::Within(slot, Bounds::of(operator, number))
        }
        _ => Access::Present(slot),
    })
}

/// Ranks a way: the fewer bodies it lets through, the higher.
pub(super) fn selectivity(way: &Way<'_>) -> u8 {
    let rank = |access: &Access<'_>| match access {
        Access::Equal(..) | Access::Holds(..) => 3,
        Access::Within(..) => 2,
        Access::Present(_) => 1,
    };
    way.iter().map(rank).min().unwrap_or(0)
}

impl Access<'_> {
    pub(super) fn slot(&self) -> Slot {
        match self {
            Access::Equal(slot, _)
            | Access::Holds(slot, _)
            | Access::Within(slot, _)
            | Access::Present(slot) => *slot,
        }
    }
}

impl<'t> Bounds<'t> {
    fn of(operator: Operator, number: &'t Number) -> Self {
        let bound = |is_included| Some(Bound { number, is_included });
        match operator {
            Operator::Less => Self { lower: None, upper: bound(false) },
            Operator::LessOrEqual => Self { lower: None, upper: bound(true) },
            Operator::Greater => Self { lower: bound(false), upper: None },
            Operator::GreaterOrEqual => Self { lower: bound(true), upper: None },
            Operator::Equal | Operator::NotEqual => Self::default(),
        }
    }

    /// The interval of one number.
    pub(super) fn exactly(number: &'t Number) -> Self {
        let bound = Some(Bound { number, is_included: true });
        Self { lower: bound, upper: bound }
    }

    /// The numbers that both include.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            lower: tighter(self.lower, other.lower, std::cmp::Ordering::Greater),
            upper: tighter(self.upper, other.upper, std::cmp::Ordering::Less),
        }
    }
}

/// The bound further towards the inside of the interval.
fn tighter<'t>(
    one: Option<Bound<'t>>,
    other: Option<Bound<'t>>,
    inside: std::cmp::Ordering,
) -> Option<Bound<'t>> {
    let (Some(first), Some(second)) = (one, other) else {
        return one.or(other);
    };
    let order = first.number.numeral().compare(second.number.numeral());
    let first_is_tighter = order == inside || (order.is_eq() && !first.is_included);
    Some(if first_is_tighter { first } else { second })
}
