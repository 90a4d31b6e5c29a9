//! From what the exact evaluator runs to tests over slots.
//!
//! What bytes cannot tell, or what is not worth telling from them, becomes unknown. Expressions
//! see the effective `rapids` object, with its fall-backs, so nothing below it is in the bytes.

use super::compare::Constant;
use super::paths::{PACKET, Paths, Slot};
use super::test::{Shape, Side, Test};
use super::truth::Truth;
use crate::condition::{Logic, Operator, Origin, Query, Segment, Selector, Step, Value};
use crate::packet::keys::RAPIDS;

/// What is left to the exact evaluator.
const UNKNOWN: Test = Test::Known(Truth::Unknown);

/// A place that the bytes tell of.
enum Place {
    Packet,
    Slot(Slot),
}

/// Compiles a condition; its paths get slots.
pub(super) fn compile(logic: &Logic, paths: &mut Paths) -> Test {
    match logic {
        Logic::Or(parts) => Test::Or(parts.iter().map(|part| compile(part, paths)).collect()),
        Logic::And(parts) => Test::And(parts.iter().map(|part| compile(part, paths)).collect()),
        Logic::Not(part) => Test::Not(Box::new(compile(part, paths))),
        Logic::Exists(query) => exists(query, paths),
        Logic::Compare { left, operator, right } => match (side(left, paths), side(right, paths)) {
            (Some(left @ Side::Constant(_)), Some(right @ Side::Slot(_))) => {
                Test::Compare { left: right, operator: turned(*operator), right: left }
            }
            (Some(left), Some(right)) => Test::Compare { left, operator: *operator, right },
            _ => UNKNOWN,
        },
        // A pattern matches strings only.
        Logic::Matches { value: Value::Query(query), .. } => match place(query, paths) {
            Some(Place::Slot(slot)) => Test::Perhaps { slot, shape: Shape::String },
            _ => UNKNOWN,
        },
        Logic::Matches { .. } => UNKNOWN,
    }
}

fn exists(query: &Query, paths: &mut Paths) -> Test {
    match (place(query, paths), query.segments.as_slice()) {
        (Some(Place::Packet), []) => Test::Known(Truth::True),
        (Some(Place::Slot(slot)), []) => Test::Exists(slot),
        (Some(Place::Slot(slot)), [Segment::Child(selectors)]) => {
            any(slot, selectors).unwrap_or(Test::Perhaps { slot, shape: Shape::Composite })
        }
        (Some(Place::Slot(slot)), _) => Test::Perhaps { slot, shape: Shape::Composite },
        _ => UNKNOWN,
    }
}

/// Compiles the filter `?@ == 'car'`, which is what the need of a river asks of a list.
fn any(slot: Slot, selectors: &[Selector]) -> Option<Test> {
    let [Selector::Filter(Logic::Compare { left, operator, right })] = selectors else {
        return None;
    };
    let (operator, literal) = match (left, right) {
        (Value::Query(query), Value::Literal(literal)) if is_element(query) => (*operator, literal),
        (Value::Literal(literal), Value::Query(query)) if is_element(query) => {
            (turned(*operator), literal)
        }
        _ => return None,
    };
    Some(Test::Any { slot, operator, constant: Constant::new(literal) })
}

/// Whether the query is `@` alone, inside of a filter.
fn is_element(query: &Query) -> bool {
    query.origin == Origin::Element && query.path.steps().is_empty() && query.is_singular()
}

/// The operator that says the same when the sides change places.
fn turned(operator: Operator) -> Operator {
    match operator {
        Operator::Equal | Operator::NotEqual => operator,
        Operator::Less => Operator::Greater,
        Operator::LessOrEqual => Operator::GreaterOrEqual,
        Operator::Greater => Operator::Less,
        Operator::GreaterOrEqual => Operator::LessOrEqual,
    }
}

fn side(value: &Value, paths: &mut Paths) -> Option<Side> {
    match value {
        Value::Literal(literal) => Some(Side::Constant(Constant::new(literal))),
        Value::Query(query) => match place(query, paths)? {
            Place::Slot(slot) => Some(Side::Slot(slot)),
            // An object, of which the bytes do not tell the `rapids` in it.
            Place::Packet => Some(Side::Slot(PACKET)),
        },
        Value::Length(_) | Value::Count(_) | Value::Only(_) => None,
    }
}

/// Where the path of a query leads; `None` where the bytes do not tell.
fn place(query: &Query, paths: &mut Paths) -> Option<Place> {
    match query.path.steps() {
        [] => Some(Place::Packet),
        [Step::Name(name), ..] if name == RAPIDS => None,
        steps => paths.slot(steps).map(Place::Slot),
    }
}
