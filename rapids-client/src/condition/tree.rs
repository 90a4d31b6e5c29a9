//! The compiled form of an expression: what the evaluator runs.
//!
//! Every node of it is well typed in the sense of RFC 9535, section 2.4.3; making it so is left
//! to [`compile`](super::compile).

use super::path::Path;
use super::pattern::{Compiled, Extent};

/// A condition, true or false of a packet.
#[derive(Debug)]
pub(crate) enum Logic {
    Or(Vec<Logic>),
    And(Vec<Logic>),
    Not(Box<Logic>),
    /// The query finds something, be it null or empty.
    Exists(Query),
    Compare {
        left: Value,
        operator: Operator,
        right: Value,
    },
    /// The functions `match` and `search`.
    Matches {
        value: Value,
        pattern: Pattern,
        extent: Extent,
    },
    /// Within a filter, what is the same for all elements: evaluated once per packet.
    Fixed(Box<Logic>),
}

/// A comparison operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Something that yields one value, or nothing.
#[derive(Debug)]
pub(crate) enum Value {
    Literal(Literal),
    /// A query that is singular.
    Query(Query),
    Length(Box<Value>),
    Count(Query),
    /// The function `value`: the one node that the query finds.
    Only(Query),
    /// Within a filter, what is the same for all elements: evaluated once per packet.
    Fixed(Box<Value>),
}

/// A value that stands in the expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    /// In the user's own digits.
    Number(Box<str>),
    String(Box<str>),
}

/// The second argument of `match` and `search`.
#[derive(Debug)]
pub(crate) enum Pattern {
    /// A string of the expression.
    Constant { text: Box<str>, regex: Compiled },
    /// Anything else, compiled when the packet is seen.
    Found(Value),
}

/// A query: a path to one place, and whatever follows it that can name several.
#[derive(Debug)]
pub(crate) struct Query {
    pub(crate) origin: Origin,
    pub(crate) path: Path,
    pub(crate) segments: Vec<Segment>,
}

/// Where a query begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// `$`, and `@` outside of any inner filter.
    Packet,
    /// `@` inside a filter.
    Element,
}

/// One step of a query that can name several places.
#[derive(Debug)]
pub(crate) enum Segment {
    Child(Vec<Selector>),
    Descendants(Vec<Selector>),
}

/// What a segment selects below a node.
#[derive(Debug)]
pub(crate) enum Selector {
    Name(String),
    Index(i64),
    Slice { start: Option<i64>, end: Option<i64>, step: i64 },
    Wildcard,
    Filter(Logic),
}

impl Query {
    /// Tells whether the query is a singular one of RFC 9535: it names at most one place.
    pub(crate) fn is_singular(&self) -> bool {
        self.segments.is_empty()
    }
}
