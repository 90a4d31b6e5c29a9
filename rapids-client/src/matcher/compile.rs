//! Compiles conditions to tests over slots.
//!
//! What the bytes cannot tell, or cannot tell cheaply, becomes unknown. Expressions see the effective
//! `rapids` object, with its fall-backs, so the bytes do not tell what is in it.

use super::compare::Constant;
use super::paths::{PACKET, Paths, Slot};
use super::test::{Shape, Side, Test};
use super::truth::Truth;
use crate::condition::{Logic, Operator, Origin, Query, Segment, Selector, Value};
use crate::json::Step;
use crate::keys::RAPIDS;

/// A test that leaves the answer to the exact evaluator.
const UNKNOWN: Test = Test::Known(Truth::Unknown);

/// Where a query leads, if the bytes tell.
enum Target {
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
        Logic::Matches { value: Value::Query(query), .. } => match target(query, paths) {
            Some(Target::Slot(slot)) => Test::Perhaps { slot, shape: Shape::String },
            _ => UNKNOWN,
        },
        Logic::Matches { .. } => UNKNOWN,
        Logic::Fixed(part) => compile(part, paths),
    }
}

fn exists(query: &Query, paths: &mut Paths) -> Test {
    match (target(query, paths), query.segments.as_slice()) {
        (Some(Target::Packet), []) => Test::Known(Truth::True),
        (Some(Target::Slot(slot)), []) => Test::Exists(slot),
        (Some(Target::Slot(slot)), [Segment::Child(selectors)]) => {
            any(slot, selectors).unwrap_or(Test::Perhaps { slot, shape: Shape::Composite })
        }
        (Some(Target::Slot(slot)), _) => Test::Perhaps { slot, shape: Shape::Composite },
        _ => UNKNOWN,
    }
}

/// Compiles the filter `?@ == 'car'`, by which a river finds its need in a list.
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
        Value::Query(query) => match target(query, paths)? {
            Target::Slot(slot) => Some(Side::Slot(slot)),
            // The packet is an object, whose `rapids` the bytes do not tell.
            Target::Packet => Some(Side::Slot(PACKET)),
        },
        Value::Length(_) | Value::Count(_) | Value::Only(_) | Value::Fixed(_) => None,
    }
}

/// Where the path of a query leads; `None` where the bytes do not tell.
fn target(query: &Query, paths: &mut Paths) -> Option<Target> {
    match query.path.steps() {
        [] => Some(Target::Packet),
        [Step::Name(name), ..] if name == RAPIDS => None,
        steps => paths.slot(steps).map(Target::Slot),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::condition::Expression;

    /// A test as text, with `#1` for the first slot.
    fn shown(test: &Test) -> String {
        let all = |parts: &[Test], sign| parts.iter().map(shown).collect::<Vec<_>>().join(sign);
        match test {
            Test::Known(truth) => format!("{truth:?}"),
            Test::And(parts) => format!("({})", all(parts, " and ")),
            Test::Or(parts) => format!("({})", all(parts, " or ")),
            Test::Not(part) => format!("not {}", shown(part)),
            Test::Exists(slot) => format!("#{slot}"),
            Test::Compare { left, operator, right } => {
                format!("{} {operator:?} {}", side(left), side(right))
            }
            Test::Any { slot, operator, constant } => {
                format!("any of #{slot} {operator:?} {}", written(constant))
            }
            Test::Perhaps { slot, shape } => format!("perhaps #{slot} {shape:?}"),
        }
    }

    fn side(side: &Side) -> String {
        match side {
            Side::Slot(slot) => format!("#{slot}"),
            Side::Constant(constant) => written(constant),
        }
    }

    fn written(constant: &Constant) -> String {
        match constant {
            Constant::String(text) => format!("{text:?}"),
            Constant::Number(_) => "number".to_owned(),
            word => format!("{word:?}"),
        }
    }

    fn compiled(condition: &str) -> String {
        shown(&compile(Expression::parse(condition).unwrap().logic(), &mut Paths::new()))
    }

    #[test]
    fn places_become_slots_in_the_order_of_their_naming() {
        for (condition, expected) in [
            ("@.a", "#1"),
            ("@", "True"),
            ("@.a.b && @.a.c", "(#2 and #3)"),
            ("@.a[2] || @.a", "(#2 or #1)"),
            ("!(@.a == @.b)", "not #1 Equal #2"),
            ("@.a == 'x'", "#1 Equal \"x\""),
            ("@ == null", "#0 Equal Null"),
            ("1 == true", "number Equal Bool(true)"),
        ] {
            assert_eq!(compiled(condition), expected, "{condition}");
        }
    }

    #[test]
    fn a_constant_on_the_left_changes_sides() {
        for (condition, expected) in [
            ("1 < @.a", "#1 Greater number"),
            ("1 <= @.a", "#1 GreaterOrEqual number"),
            ("1 > @.a", "#1 Less number"),
            ("1 >= @.a", "#1 LessOrEqual number"),
            ("1 == @.a", "#1 Equal number"),
            ("1 != @.a", "#1 NotEqual number"),
        ] {
            assert_eq!(compiled(condition), expected, "{condition}");
        }
    }

    #[test]
    fn a_filter_that_compares_the_element_asks_for_any() {
        for condition in ["@.a[?@ == 'x']", "@.a[?'x' == @]"] {
            assert_eq!(compiled(condition), "any of #1 Equal \"x\"", "{condition}");
        }
        assert_eq!(compiled("@.a[?1 < @]"), "any of #1 Greater number");
    }

    #[test]
    fn what_bytes_do_not_tell_is_unknown() {
        for (condition, expected) in [
            ("@.rapids.id", "Unknown"),
            ("@.rapids.read_count > 3", "Unknown"),
            ("@.a[-1] == 1", "Unknown"),
            ("length(@.a) > 3", "Unknown"),
            ("@..a", "Unknown"),
            ("match(@.a, 'x')", "perhaps #1 String"),
            ("match('x', 'x')", "Unknown"),
            ("@.a.*", "perhaps #1 Composite"),
            ("@.a[?@.b]", "perhaps #1 Composite"),
            ("@.a[?@ == 1].b", "perhaps #1 Composite"),
            ("@.a && length(@.b) > 3", "(#1 and Unknown)"),
        ] {
            assert_eq!(compiled(condition), expected, "{condition}");
        }
    }
}
