//! The one predicate language of rivers: filter expressions of RFC 9535 (JSONPath).
//!
//! `@.total > 100 && @.items[?@.quantity > 10]` is a text that [`Expression`] parses once and
//! evaluates on packets; [`Path`] is the part of it that names one place. Texts are parsed by
//! `jsonpath-rust`; what they mean is decided here, because numbers must be exact, calls of
//! functions type-checked, and regular expressions compiled once.
//!
//! On the way of a text: [`lexis`] reads its tokens; [`parse`] has it parsed, and puts faults at
//! their place; [`compile`] makes the [`tree`], and [`cost`] refuses one that costs too much. On
//! the way of a packet: [`evaluate`] runs the tree and [`repeats`] looks for repeated keys. Both
//! keep what they know of the packet in an [`evaluation`], whose work [`budget`] limits; parts that
//! [`fixed`] has marked are evaluated once per packet. [`render`] writes a tree out again. What
//! becomes of a packet is left to the rivers.

mod budget;
mod compare;
mod compile;
mod cost;
#[cfg(test)]
mod costs;
mod error;
mod evaluate;
mod evaluation;
mod expression;
#[cfg(test)]
mod faults;
mod field;
mod findings;
mod fixed;
mod hint;
mod lexis;
mod node_path;
mod notation;
mod operand;
mod parse;
mod parse_path;
mod path;
mod pattern;
#[cfg(test)]
mod properties;
mod render;
mod repeats;
#[cfg(test)]
mod semantics;
mod tree;

pub(crate) use budget::TooCostly;
pub use error::ExpressionError;
pub(crate) use evaluation::Evaluation;
pub(crate) use expression::Expression;
pub(crate) use field::Field;
pub(crate) use findings::Finding;
pub(crate) use notation::{key_query, string_literal};
pub(crate) use parse::text_literal;
pub(crate) use path::{Path, is_path};
pub(crate) use tree::{Literal, Logic, Operator, Origin, Query, Segment, Selector, Value};
