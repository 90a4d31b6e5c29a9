//! A value as comparisons take it.

use std::borrow::Cow;

use super::tree::Literal;
use crate::json::{Kind, Node, Text};

/// One side of a comparison.
#[derive(Debug, Clone)]
pub(super) enum Operand<'a> {
    /// A query found nothing, or a function yields nothing.
    Nothing,
    Null,
    Bool(bool),
    Number(Cow<'a, str>),
    String(Text<'a>),
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
            Literal::String(text) => Operand::String(Text::from(&**text)),
        }
    }
}
