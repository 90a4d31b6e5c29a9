//! Compares values of a body as the exact evaluator does.
//!
//! Whether two arrays or two objects are equal stays unknown.

use std::cmp::Ordering;

use super::numeral::{Number, Numeral};
use super::text::Text;
use super::truth::Truth;
use super::unreadable::Unreadable;
use super::value::{Kind, Value};
use crate::condition::{Literal, Operator};

/// A literal of a condition.
#[derive(Debug, Clone)]
pub(super) enum Constant {
    Null,
    Bool(bool),
    Number(Number),
    String(Box<str>),
}

/// One side of a comparison.
#[derive(Debug, Clone, Copy)]
pub(super) enum Operand<'a> {
    Nothing,
    Null,
    Bool(bool),
    Number(Numeral<'a>),
    String(Text<'a>),
    Array,
    Object,
}

impl Constant {
    pub(super) fn new(literal: &Literal) -> Self {
        match literal {
            Literal::Null => Constant::Null,
            Literal::Bool(value) => Constant::Bool(*value),
            Literal::Number(digits) => Constant::Number(Number::new(digits)),
            Literal::String(text) => Constant::String(text.clone()),
        }
    }

    pub(super) fn operand(&self) -> Operand<'_> {
        match self {
            Constant::Null => Operand::Null,
            Constant::Bool(value) => Operand::Bool(*value),
            Constant::Number(number) => Operand::Number(number.numeral()),
            Constant::String(text) => Operand::String(Text::plain(text.as_bytes())),
        }
    }
}

impl<'a> Operand<'a> {
    /// What stands at a place of the body.
    pub(super) fn of(value: Option<Value>, body: &'a [u8]) -> Result<Self, Unreadable> {
        let Some(value) = value else {
            return Ok(Operand::Nothing);
        };
        Ok(match value.kind {
            Kind::Null => Operand::Null,
            Kind::Bool(value) => Operand::Bool(value),
            Kind::Number => Operand::Number(Numeral::sent(value.bytes(body))?),
            Kind::String { .. } => Operand::String(value.text(body)),
            Kind::Array => Operand::Array,
            Kind::Object => Operand::Object,
        })
    }
}

/// Compares two operands.
pub(super) fn compare(
    left: Operand<'_>,
    operator: Operator,
    right: Operand<'_>,
) -> Result<Truth, Unreadable> {
    let smaller = |left, right| less(left, right).map(Truth::from);
    Ok(match operator {
        Operator::Equal => equal(left, right)?,
        Operator::NotEqual => !equal(left, right)?,
        Operator::Less => smaller(left, right)?,
        Operator::LessOrEqual => smaller(left, right)?.max(equal(left, right)?),
        Operator::Greater => smaller(right, left)?,
        Operator::GreaterOrEqual => smaller(right, left)?.max(equal(left, right)?),
    })
}

fn less(left: Operand<'_>, right: Operand<'_>) -> Result<bool, Unreadable> {
    let order = match (left, right) {
        (Operand::Number(left), Operand::Number(right)) => left.compare(right),
        (Operand::String(left), Operand::String(right)) => left.compare(right)?,
        _ => return Ok(false),
    };
    Ok(order == Ordering::Less)
}

fn equal(left: Operand<'_>, right: Operand<'_>) -> Result<Truth, Unreadable> {
    Ok(match (left, right) {
        (Operand::Nothing, Operand::Nothing) | (Operand::Null, Operand::Null) => Truth::True,
        (Operand::Bool(left), Operand::Bool(right)) => Truth::from(left == right),
        (Operand::Number(left), Operand::Number(right)) => {
            Truth::from(left.compare(right) == Ordering::Equal)
        }
        (Operand::String(left), Operand::String(right)) => Truth::from(left.equals(right)?),
        (Operand::Array, Operand::Array) | (Operand::Object, Operand::Object) => Truth::Unknown,
        _ => Truth::False,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPERATORS: [Operator; 6] = [
        Operator::Equal,
        Operator::NotEqual,
        Operator::Less,
        Operator::LessOrEqual,
        Operator::Greater,
        Operator::GreaterOrEqual,
    ];

    /// The value that a body is; nothing stands in an empty one.
    fn operand(body: &str) -> Result<Operand<'_>, Unreadable> {
        let value = (!body.is_empty()).then(|| Value::read(body.as_bytes(), 0)).transpose()?;
        Operand::of(value, body.as_bytes())
    }

    /// What the six operators say of two bodies.
    fn compared(left: &str, right: &str) -> Result<[Truth; 6], Unreadable> {
        let (left, right) = (operand(left)?, operand(right)?);
        let mut truths = [Truth::Unknown; 6];
        for (truth, operator) in truths.iter_mut().zip(OPERATORS) {
            *truth = compare(left, operator, right)?;
        }
        Ok(truths)
    }

    fn truths(values: [bool; 6]) -> Result<[Truth; 6], Unreadable> {
        Ok(values.map(Truth::from))
    }

    #[test]
    fn values_of_one_kind_are_equal_or_ordered() {
        for (less, greater) in
            [("-1", "0.5"), ("9", "10"), (r#""a""#, r#""b""#), (r#""""#, r#""a""#)]
        {
            let expected = truths([false, true, true, true, false, false]);
            assert_eq!(compared(less, greater), expected, "{less} {greater}");
            let expected = truths([false, true, false, false, true, true]);
            assert_eq!(compared(greater, less), expected, "{greater} {less}");
        }
        for (one, other) in [("1", "1.0"), ("1e2", "100"), (r#""\u0061""#, r#""a""#)] {
            let expected = truths([true, false, false, true, false, true]);
            assert_eq!(compared(one, other), expected, "{one} {other}");
        }
    }

    #[test]
    fn words_and_nothing_are_equal_and_have_no_order() {
        for value in ["null", "true", "false", ""] {
            let expected = truths([true, false, false, true, false, true]);
            assert_eq!(compared(value, value), expected, "{value}");
        }
        let expected = truths([false, true, false, false, false, false]);
        assert_eq!(compared("true", "false"), expected);
    }

    #[test]
    fn values_of_different_kinds_are_neither_equal_nor_ordered() {
        let kinds = ["", "null", "true", "1", r#""1""#, "[1]", r#"{"a":1}"#];
        let pairs = kinds.iter().flat_map(|left| kinds.iter().map(move |right| (left, right)));
        for (left, right) in pairs.filter(|(left, right)| left != right) {
            let expected = truths([false, true, false, false, false, false]);
            assert_eq!(compared(left, right), expected, "{left} {right}");
        }
    }

    #[test]
    fn whether_composites_are_equal_is_unknown() {
        for composite in ["[1]", r#"{"a":1}"#] {
            let unknown = Truth::Unknown;
            let expected = [unknown, unknown, Truth::False, unknown, Truth::False, unknown];
            assert_eq!(compared(composite, composite), Ok(expected), "{composite}");
        }
    }

    #[test]
    fn half_a_surrogate_pair_is_a_character() {
        assert_eq!(
            compared(r#""\ud800""#, r#""\ud801""#),
            truths([false, true, true, true, false, false])
        );
        assert_eq!(compared(r#""\ud800""#, "1"), truths([false, true, false, false, false, false]));
    }
}
