//! Comparison of values as in RFC 9535, section 2.3.5.2.2, with exact numbers.
//!
//! Where the values come from is left to [`evaluate`](super::evaluate).

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;

use super::number;
use super::tree::{Literal, Operator};
use crate::json::{Kind, Node};

/// One side of a comparison.
#[derive(Debug, Clone)]
pub(super) enum Operand<'a> {
    /// A query found nothing, or a function yields nothing.
    Nothing,
    Null,
    Bool(bool),
    Number(Cow<'a, str>),
    String(Cow<'a, str>),
    Array(Node<'a>),
    Object(Node<'a>),
}

impl<'a> From<Node<'a>> for Operand<'a> {
    fn from(node: Node<'a>) -> Self {
        match node.kind() {
            Kind::Null => Operand::Null,
            Kind::Bool(value) => Operand::Bool(value),
            Kind::Number(literal) => Operand::Number(Cow::Borrowed(literal)),
            Kind::String(text) => Operand::String(text),
            Kind::Array => Operand::Array(node),
            Kind::Object => Operand::Object(node),
        }
    }
}

impl<'a> From<&'a Literal> for Operand<'a> {
    fn from(literal: &'a Literal) -> Self {
        match literal {
            Literal::Null => Operand::Null,
            Literal::Bool(value) => Operand::Bool(*value),
            Literal::Number(digits) => Operand::Number(Cow::Borrowed(digits)),
            Literal::String(text) => Operand::String(Cow::Borrowed(text)),
        }
    }
}

impl<'a> From<Option<Node<'a>>> for Operand<'a> {
    fn from(node: Option<Node<'a>>) -> Self {
        node.map_or(Operand::Nothing, Operand::from)
    }
}

/// Compares two operands.
pub(super) fn compare(left: &Operand<'_>, operator: Operator, right: &Operand<'_>) -> bool {
    match operator {
        Operator::Equal => equal(left, right),
        Operator::NotEqual => !equal(left, right),
        Operator::Less => less(left, right),
        Operator::LessOrEqual => less(left, right) || equal(left, right),
        Operator::Greater => less(right, left),
        Operator::GreaterOrEqual => less(right, left) || equal(left, right),
    }
}

fn less(left: &Operand<'_>, right: &Operand<'_>) -> bool {
    match (left, right) {
        (Operand::Number(a), Operand::Number(b)) => number::compare(a, b) == Ordering::Less,
        // The order of UTF-8 bytes is that of the characters, which the RFC asks for.
        (Operand::String(a), Operand::String(b)) => a < b,
        _ => false,
    }
}

fn equal(left: &Operand<'_>, right: &Operand<'_>) -> bool {
    match (left, right) {
        (Operand::Nothing, Operand::Nothing) | (Operand::Null, Operand::Null) => true,
        (Operand::Bool(a), Operand::Bool(b)) => a == b,
        (Operand::Number(a), Operand::Number(b)) => number::compare(a, b) == Ordering::Equal,
        (Operand::String(a), Operand::String(b)) => a == b,
        (Operand::Array(a), Operand::Array(b)) => {
            let (a, b) = (a.elements(), b.elements());
            a.len() == b.len() && a.into_iter().zip(b).all(|(a, b)| equal_nodes(a, b))
        }
        (Operand::Object(a), Operand::Object(b)) => {
            let (a, b) = (a.distinct_members(), b.distinct_members());
            let others: HashMap<&str, Node<'_>> =
                b.iter().map(|(key, node)| (&**key, *node)).collect();
            a.len() == others.len()
                && a.iter().all(|(key, node)| {
                    others.get(&**key).is_some_and(|other| equal_nodes(*node, *other))
                })
        }
        _ => false,
    }
}

fn equal_nodes(left: Node<'_>, right: Node<'_>) -> bool {
    equal(&left.into(), &right.into())
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
