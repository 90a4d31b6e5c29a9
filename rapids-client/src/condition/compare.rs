//! Compares values as in RFC 9535, section 2.3.5.2.2, with exact numbers.
//!
//! Where the values come from is left to [`evaluate`](super::evaluate).

use std::cmp::Ordering;
use std::collections::HashMap;

use super::budget::{NODE, TooCostly};
use super::evaluation::{Evaluation, Key};
use super::operand::Operand;
use super::tree::Operator;
use crate::json::{Node, compare_numbers};

/// Compares two operands.
pub(super) fn compare<'a>(
    evaluation: &Evaluation<'a>,
    left: &Operand<'a>,
    operator: Operator,
    right: &Operand<'a>,
) -> Result<bool, TooCostly> {
    let less = |left, right| {
        evaluation.spend(cost(left, right))?;
        Ok::<_, TooCostly>(less(left, right))
    };
    let equal = || equal(evaluation, left, right);
    match operator {
        Operator::Equal => equal(),
        Operator::NotEqual => Ok(!equal()?),
        Operator::Less => less(left, right),
        Operator::LessOrEqual => Ok(less(left, right)? || equal()?),
        Operator::Greater => less(right, left),
        Operator::GreaterOrEqual => Ok(less(right, left)? || equal()?),
    }
}

/// What comparing two scalars costs: the bytes that are looked at.
fn cost(left: &Operand<'_>, right: &Operand<'_>) -> usize {
    match (left, right) {
        (Operand::Number(a), Operand::Number(b)) => 2 * (a.len() + b.len()),
        (Operand::String(a), Operand::String(b)) => a.bytes().len().min(b.bytes().len()),
        _ => 1,
    }
}

fn less(left: &Operand<'_>, right: &Operand<'_>) -> bool {
    match (left, right) {
        (Operand::Number(a), Operand::Number(b)) => compare_numbers(a, b) == Ordering::Less,
        (Operand::String(a), Operand::String(b)) => a < b,
        _ => false,
    }
}

fn equal<'a>(
    evaluation: &Evaluation<'a>,
    left: &Operand<'a>,
    right: &Operand<'a>,
) -> Result<bool, TooCostly> {
    evaluation.spend(cost(left, right))?;
    Ok(match (left, right) {
        (Operand::Nothing, Operand::Nothing) | (Operand::Null, Operand::Null) => true,
        (Operand::Bool(a), Operand::Bool(b)) => a == b,
        (Operand::Number(a), Operand::Number(b)) => compare_numbers(a, b) == Ordering::Equal,
        (Operand::String(a), Operand::String(b)) => a == b,
        (Operand::Array(a), Operand::Array(b)) => equal_arrays(evaluation, *a, *b)?,
        (Operand::Object(a), Operand::Object(b)) => equal_objects(evaluation, *a, *b)?,
        _ => false,
    })
}

fn equal_arrays<'a>(
    evaluation: &Evaluation<'a>,
    left: Node<'a>,
    right: Node<'a>,
) -> Result<bool, TooCostly> {
    let (left, right) = (evaluation.open(left)?, evaluation.open(right)?);
    if left.children.len() != right.children.len() {
        return Ok(false);
    }
    for ((_, left), (_, right)) in left.children.iter().zip(&right.children) {
        if !equal_nodes(evaluation, *left, *right)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn equal_objects<'a>(
    evaluation: &Evaluation<'a>,
    left: Node<'a>,
    right: Node<'a>,
) -> Result<bool, TooCostly> {
    let (left, right) = (evaluation.open(left)?, evaluation.open(right)?);
    if left.children.len() != right.children.len() {
        return Ok(false);
    }
    let mut others = HashMap::with_capacity(right.children.len());
    for (key, node) in &right.children {
        let Key::Name(name) = key else { continue };
        // The name is hashed twice and compared once.
        evaluation.spend(NODE + name.bytes().len().saturating_mul(3))?;
        others.insert(name, *node);
    }
    for (key, node) in &left.children {
        let Key::Name(name) = key else { continue };
        evaluation.spend(NODE)?;
        let Some(other) = others.get(name) else { return Ok(false) };
        if !equal_nodes(evaluation, *node, *other)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn equal_nodes<'a>(
    evaluation: &Evaluation<'a>,
    left: Node<'a>,
    right: Node<'a>,
) -> Result<bool, TooCostly> {
    equal(evaluation, &evaluation.operand(left)?, &evaluation.operand(right)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::RawValue;

    #[test]
    fn operators_follow_the_table_of_the_rfc() {
        let texts = ["-1", "2.0", "2", "\"a\"", "\"b\"", "true", "null", "[1]", "[1.0]", "{}"];
        let raw = texts.map(|text| RawValue::from_string(text.to_owned()).unwrap());
        let operand = |text: &str| match texts.iter().position(|known| *known == text) {
            Some(position) => Operand::from(Node::Raw(raw[position].get())),
            None => Operand::Nothing,
        };
        for (left, right, equal, less) in [
            ("2", "2.0", true, false),
            ("-1", "2", false, true),
            ("2", "\"a\"", false, false),
            ("\"a\"", "\"b\"", false, true),
            ("true", "true", true, false),
            ("null", "null", true, false),
            ("null", "nothing", false, false),
            ("nothing", "nothing", true, false),
            ("[1]", "[1.0]", true, false),
            ("[1]", "{}", false, false),
            ("{}", "{}", true, false),
        ] {
            let (a, b) = (operand(left), operand(right));
            let compare = |a, operator, b| {
                compare(&Evaluation::of(Node::Raw("{}"), 1), a, operator, b).unwrap()
            };
            for (operator, expected) in [
                (Operator::Equal, equal),
                (Operator::NotEqual, !equal),
                (Operator::Less, less),
                (Operator::LessOrEqual, less || equal),
            ] {
                assert_eq!(compare(&a, operator, &b), expected, "{left} {operator} {right}");
            }
            assert_eq!(compare(&b, Operator::Greater, &a), less, "{right} > {left}");
            assert_eq!(compare(&b, Operator::GreaterOrEqual, &a), less || equal);
        }
    }
}
