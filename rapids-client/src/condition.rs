//! The one predicate language of rivers: filter expressions of RFC 9535 (JSONPath).
//!
//! `@.total > 100 && @.items[?@.quantity > 10]` is a text that [`Expression`] parses once and
//! evaluates on packets; [`Path`] is the part of it that names one place. Texts are parsed by
//! `jsonpath-rust`; what they mean is decided here, because numbers must be exact, calls of
//! functions type-checked, and regular expressions compiled once.
//!
//! On the way of a text: [`lexis`] reads its tokens, [`parse`] has it parsed and puts faults at
//! their place, [`compile`] makes the [`tree`] that [`cost`] bounds, [`evaluate`] runs, [`render`]
//! writes and [`repeats`] checks for repeated keys. An [`evaluation`] is what is known of one packet
//! and how much work it may still be, as [`budget`] counts it; what [`fixed`] has marked is done once.
//! What follows from a packet that holds an expression, or not, is left to the rivers.

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
mod number;
mod parse;
mod path;
mod pattern;
mod place;
#[cfg(test)]
mod properties;
mod render;
mod repeats;
#[cfg(test)]
mod semantics;
mod tree;

pub(crate) use budget::TooCostly;
pub(crate) use error::ExpressionError;
pub(crate) use evaluation::Evaluation;
pub(crate) use expression::Expression;
pub(crate) use field::Field;
pub(crate) use findings::Finding;
pub(crate) use number::{canonical, compare as compare_numbers};
pub(crate) use parse::text_literal;
pub(crate) use path::{Path, Step, is_path};
pub(crate) use render::{key_query, string_literal};
pub(crate) use tree::{Literal, Logic, Operator, Origin, Query, Segment, Selector, Value};
