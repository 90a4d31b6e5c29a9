//! Comparison of values in a body, as the exact evaluator has it.
//!
//! Arrays and objects are not compared: whether two of them are equal stays unknown.

use std::cmp::Ordering;

use super::Unreadable;
use super::numeral::{Number, Numeral};
use super::text::Text;
use super::truth::Truth;
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
