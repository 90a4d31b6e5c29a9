//! The queries of an expression, and the types of value that it wants to find there.

use std::collections::HashMap;

use super::super::tree::{Literal, Logic, Origin, Pattern, Query, Segment, Selector, Value};
use crate::json::{Kind, Node};

/// A query, and what it is compared with.
pub(super) struct AskedQuery<'e> {
    pub(super) query: &'e Query,
    /// The query in its normal form.
    pub(super) text: String,
    pub(super) wanted: Vec<Type>,
}

/// The type of a value, for people.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Null,
    Bool,
    Number,
    Text,
    List,
    Object,
}

impl Type {
    fn of(node: Node<'_>) -> Self {
        match node.kind() {
            Kind::Null => Self::Null,
            Kind::Bool(_) => Self::Bool,
            Kind::Number(_) => Self::Number,
            Kind::String(_) => Self::Text,
            Kind::Array => Self::List,
            Kind::Object => Self::Object,
        }
    }

    /// The type that a comparison with the value wants. `null` compares with every type.
    fn wanted_by(value: &Value) -> Option<Self> {
        match value {
            Value::Literal(Literal::Bool(_)) => Some(Self::Bool),
            Value::Literal(Literal::Number(_)) => Some(Self::Number),
            Value::Literal(Literal::String(_)) => Some(Self::Text),
            Value::Fixed(value) => Self::wanted_by(value),
            _ => None,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "true or false",
            Self::Number => "a number",
            Self::Text => "a text",
            Self::List => "a list",
            Self::Object => "an object",
        }
    }
}

/// `a text, not a number`.
pub(super) fn mismatch(found: Node<'_>, wanted: &[Type]) -> Option<String> {
    let found = Type::of(found);
    if wanted.is_empty() || found == Type::Null || wanted.contains(&found) {
        return None;
    }
    let words: Vec<&str> = wanted.iter().map(|wanted| wanted.words()).collect();
    Some(format!("{}, not {}", found.words(), words.join(" or ")))
}

/// The distinct queries of a condition that begin at the packet or, of a filter, at its element, in
/// the order of the text.
pub(super) fn asked(logic: &Logic, origin: Origin) -> Vec<AskedQuery<'_>> {
    let mut collector = Collector { origin, asked: Vec::new(), positions: HashMap::new() };
    collector.logic(logic);
    collector.asked
}

pub(super) fn selectors(segment: &Segment) -> &[Selector] {
    let (Segment::Child(selectors) | Segment::Descendants(selectors)) = segment;
    selectors
}

struct Collector<'e> {
    origin: Origin,
    asked: Vec<AskedQuery<'e>>,
    /// The position of each query in `asked`.
    positions: HashMap<String, usize>,
}

impl<'e> Collector<'e> {
    fn logic(&mut self, logic: &'e Logic) {
        match logic {
            Logic::Or(parts) | Logic::And(parts) => parts.iter().for_each(|part| self.logic(part)),
            Logic::Not(part) | Logic::Fixed(part) => self.logic(part),
            Logic::Exists(query) => self.query(query, None),
            Logic::Compare { left, right, .. } => {
                self.value(left, Type::wanted_by(right));
                self.value(right, Type::wanted_by(left));
            }
            Logic::Matches { value, pattern, .. } => {
                self.value(value, Some(Type::Text));
                if let Pattern::Found(found) = pattern {
                    self.value(found, Some(Type::Text));
                }
            }
        }
    }

    fn value(&mut self, value: &'e Value, wanted: Option<Type>) {
        match value {
            Value::Literal(_) => {}
            Value::Length(value) => self.value(value, None),
            Value::Fixed(value) => self.value(value, wanted),
            Value::Query(query) => self.query(query, wanted),
            Value::Count(query) | Value::Only(query) => self.query(query, None),
        }
    }

    fn query(&mut self, query: &'e Query, wanted: Option<Type>) {
        if query.origin == self.origin {
            let text = query.to_string();
            let position = *self.positions.entry(text).or_insert_with_key(|text| {
                self.asked.push(AskedQuery { query, text: text.clone(), wanted: Vec::new() });
                self.asked.len() - 1
            });
            let known = &mut self.asked[position].wanted;
            known.extend(wanted.filter(|wanted| !known.contains(wanted)));
        }
        // Inside of a filter, the queries of inner filters belong to inner elements.
        if self.origin == Origin::Packet {
            for selector in query.segments.iter().flat_map(selectors) {
                if let Selector::Filter(logic) = selector {
                    self.logic(logic);
                }
            }
        }
    }
}
