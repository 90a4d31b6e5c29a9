//! A condition that is tested on a scan.
//!
//! [`compile`](super::compile) makes it from the condition that the exact evaluator runs.

use super::compare::{Constant, Operand, compare};
use super::paths::Slot;
use super::scan::Scan;
use super::text::Text;
use super::truth::Truth;
use super::unreadable::Unreadable;
use super::value::{Kind, Value};
use crate::condition::Operator;

/// Something that is true, false or unknown of a body.
#[derive(Debug)]
pub(super) enum Test {
    Known(Truth),
    And(Vec<Test>),
    Or(Vec<Test>),
    Not(Box<Test>),
    /// Something stands there.
    Exists(Slot),
    /// A constant stands on the right, unless both sides are constants.
    Compare {
        left: Side,
        operator: Operator,
        right: Side,
    },
    /// An element of the array, or a member of the object, compares so.
    Any {
        slot: Slot,
        operator: Operator,
        constant: Constant,
    },
    /// False unless a value of this shape stands there; then unknown.
    Perhaps {
        slot: Slot,
        shape: Shape,
    },
}

/// One side of a comparison.
#[derive(Debug)]
pub(super) enum Side {
    Slot(Slot),
    Constant(Constant),
}

/// The values that a query or a function can look into.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    Composite,
    String,
}

impl Test {
    /// Asks the scan, which reads on as far as it must.
    pub(super) fn ask(&self, scan: &mut Scan<'_>) -> Result<Truth, Unreadable> {
        match self {
            Test::Known(truth) => Ok(*truth),
            Test::And(parts) => fold(parts, scan, Truth::True, Truth::min),
            Test::Or(parts) => fold(parts, scan, Truth::False, Truth::max),
            Test::Not(part) => part.ask(scan).map(|truth| !truth),
            Test::Exists(slot) => Ok(Truth::from(scan.value(*slot)?.is_some())),
            Test::Compare { left, operator, right } => {
                // Both values first, since operands borrow the body that the scan reads.
                let (left_value, right_value) = (left.value(scan)?, right.value(scan)?);
                let left = left.operand(left_value, scan.body)?;
                compare(left, *operator, right.operand(right_value, scan.body)?)
            }
            Test::Any { slot, operator, constant } => match scan.value(*slot)? {
                Some(value) => any(value, *operator, constant.operand(), scan.body),
                None => Ok(Truth::False),
            },
            Test::Perhaps { slot, shape } => Ok(match scan.value(*slot)? {
                Some(value) if shape.includes(value) => Truth::Unknown,
                _ => Truth::False,
            }),
        }
    }
}

/// Asks part by part until the outcome is certain.
fn fold(
    parts: &[Test],
    scan: &mut Scan<'_>,
    start: Truth,
    join: fn(Truth, Truth) -> Truth,
) -> Result<Truth, Unreadable> {
    let mut truth = start;
    for part in parts {
        truth = join(truth, part.ask(scan)?);
        if truth == !start {
            break;
        }
    }
    Ok(truth)
}

/// Looks for a child that compares so.
fn any(
    parent: Value,
    operator: Operator,
    constant: Operand<'_>,
    body: &[u8],
) -> Result<Truth, Unreadable> {
    let mut children = parent.children(body);
    while let Some((key, child)) = children.next()? {
        let truth = compare(Operand::of(Some(child), body)?, operator, constant)?;
        if truth == Truth::False {
            continue;
        }
        // Only the first member of a name counts. Which one this is, the exact evaluator tells.
        return Ok(match key {
            Some(key) if is_repeated(key, child, parent, body)? => Truth::Unknown,
            _ => truth,
        });
    }
    Ok(Truth::False)
}

/// Whether a member before this one has the same key.
fn is_repeated(
    key: Text<'_>,
    child: Value,
    parent: Value,
    body: &[u8],
) -> Result<bool, Unreadable> {
    let mut children = parent.children(body);
    while let Some((earlier, value)) = children.next()? {
        if value.start == child.start {
            break;
        }
        if earlier.map_or(Ok(false), |earlier| earlier.equals(key))? {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Side {
    fn value(&self, scan: &mut Scan<'_>) -> Result<Option<Value>, Unreadable> {
        match self {
            Side::Slot(slot) => scan.value(*slot),
            Side::Constant(_) => Ok(None),
        }
    }

    fn operand<'a>(
        &'a self,
        value: Option<Value>,
        body: &'a [u8],
    ) -> Result<Operand<'a>, Unreadable> {
        match self {
            Side::Slot(_) => Operand::of(value, body),
            Side::Constant(constant) => Ok(constant.operand()),
        }
    }
}

impl Shape {
    fn includes(self, value: Value) -> bool {
        match self {
            Shape::Composite => value.is_composite(),
            Shape::String => matches!(value.kind, Kind::String { .. }),
        }
    }
}
