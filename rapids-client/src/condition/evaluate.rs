//! Evaluates compiled expressions on JSON, exactly as RFC 9535 says.
//!
//! Of repeated keys the first counts; that there are some is told by
//! [`repeats`](super::repeats).

use std::borrow::Cow;

use super::compare::{Operand, compare};
use super::path::position;
use super::pattern;
use super::tree::{Logic, Origin, Pattern, Query, Segment, Selector, Value};
use crate::json::{Kind, Node};

/// What `$` and `@` stand for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) packet: Node<'a>,
    pub(super) element: Node<'a>,
}

/// Where a child stands in its parent.
#[derive(Debug, Clone)]
pub(super) enum Key<'a> {
    Name(Cow<'a, str>),
    Index(usize),
}

impl<'a> Scope<'a> {
    /// The scope outside of all filters.
    pub(super) fn of(packet: Node<'a>) -> Self {
        Scope { packet, element: packet }
    }

    /// The scope of a filter that tests the element.
    pub(super) fn at(self, element: Node<'a>) -> Self {
        Scope { element, ..self }
    }
}

impl Logic {
    pub(super) fn holds(&self, scope: Scope<'_>) -> bool {
        match self {
            Logic::Or(parts) => parts.iter().any(|part| part.holds(scope)),
            Logic::And(parts) => parts.iter().all(|part| part.holds(scope)),
            Logic::Not(part) => !part.holds(scope),
            Logic::Exists(query) => query.finds_any(scope),
            Logic::Compare { left, operator, right } => {
                compare(&left.of(scope), *operator, &right.of(scope))
            }
            Logic::Matches { value, pattern, extent } => {
                let Operand::String(text) = value.of(scope) else {
                    return false;
                };
                match pattern {
                    Pattern::Constant { regex, .. } => regex.is_match(&text),
                    Pattern::Found(found) => match found.of(scope) {
                        Operand::String(pattern) => pattern::compile(&pattern, *extent)
                            .is_ok_and(|regex| regex.is_match(&text)),
                        _ => false,
                    },
                }
            }
        }
    }
}

impl Value {
    fn of<'a>(&'a self, scope: Scope<'a>) -> Operand<'a> {
        let number = |count: usize| Operand::Number(Cow::Owned(count.to_string()));
        match self {
            Value::Literal(literal) => Operand::from(literal),
            Value::Query(query) => Operand::from(query.start(scope)),
            Value::Length(value) => match value.of(scope) {
                Operand::String(text) => number(text.chars().count()),
                Operand::Array(node) => number(node.elements().len()),
                Operand::Object(node) => number(node.distinct_members().len()),
                _ => Operand::Nothing,
            },
            Value::Count(query) => number(query.nodes(scope).len()),
            Value::Only(query) => match query.nodes(scope).as_slice() {
                [node] => Operand::from(*node),
                _ => Operand::Nothing,
            },
        }
    }
}

impl Query {
    /// Goes as far as the query names a single place.
    fn start<'a>(&self, scope: Scope<'a>) -> Option<Node<'a>> {
        self.path.get(match self.origin {
            Origin::Packet => scope.packet,
            Origin::Element => scope.element,
        })
    }

    fn finds_any(&self, scope: Scope<'_>) -> bool {
        if self.is_singular() {
            return self.start(scope).is_some();
        }
        !self.nodes(scope).is_empty()
    }

    /// Finds every node that the query names, in the order of the RFC.
    pub(super) fn nodes<'a>(&self, scope: Scope<'a>) -> Vec<Node<'a>> {
        let start = self.start(scope).into_iter().collect();
        self.segments.iter().fold(start, |nodes: Vec<Node<'a>>, segment| {
            let mut found = Vec::new();
            for node in nodes {
                segment.select(node, scope, &mut found);
            }
            found
        })
    }
}

impl Segment {
    fn select<'a>(&self, node: Node<'a>, scope: Scope<'a>, found: &mut Vec<Node<'a>>) {
        let (Segment::Child(selectors) | Segment::Descendants(selectors)) = self;
        for selector in selectors {
            selector.each(node, scope, &mut |_, child| found.push(child));
        }
        if matches!(self, Segment::Descendants(_)) {
            for (_, child) in children(node) {
                self.select(child, scope, found);
            }
        }
    }
}

impl Selector {
    /// Shows the children that the selector selects.
    pub(super) fn each<'a>(
        &self,
        node: Node<'a>,
        scope: Scope<'a>,
        show: &mut dyn FnMut(Key<'a>, Node<'a>),
    ) {
        match self {
            Selector::Name(name) => {
                if let Some(child) = node.member(name) {
                    show(Key::Name(Cow::Owned(name.clone())), child);
                }
            }
            Selector::Index(index) => {
                let elements = node.elements();
                if let Some(position) = position(*index, elements.len()) {
                    show(Key::Index(position), elements[position]);
                }
            }
            Selector::Slice { start, end, step } => {
                let elements = node.elements();
                for position in slice(*start, *end, *step, elements.len()) {
                    show(Key::Index(position), elements[position]);
                }
            }
            Selector::Wildcard => {
                for (key, child) in children(node) {
                    show(key, child);
                }
            }
            Selector::Filter(logic) => {
                for (key, child) in children(node) {
                    if logic.holds(scope.at(child)) {
                        show(key, child);
                    }
                }
            }
        }
    }
}

/// Lists the children of an array or object.
pub(super) fn children(node: Node<'_>) -> Vec<(Key<'_>, Node<'_>)> {
    match node.kind() {
        Kind::Array => {
            let keyed = |(position, child)| (Key::Index(position), child);
            node.elements().into_iter().enumerate().map(keyed).collect()
        }
        Kind::Object => {
            let keyed = |(key, child)| (Key::Name(key), child);
            node.distinct_members().into_iter().map(keyed).collect()
        }
        _ => Vec::new(),
    }
}

/// The positions of a slice, RFC 9535 section 2.3.4.2.2; none where the step is zero.
fn slice(start: Option<i64>, end: Option<i64>, step: i64, length: usize) -> Vec<usize> {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let normal = |bound: i64| {
        if bound < 0 { length.saturating_add(bound) } else { bound }
    };
    let (mut at, end) = match step {
        0 => return Vec::new(),
        1.. => (
            start.map_or(0, |start| normal(start).clamp(0, length)),
            end.map_or(length, |end| normal(end).clamp(0, length)),
        ),
        _ => (
            start.map_or(length - 1, |start| normal(start).clamp(-1, length - 1)),
            end.map_or(-1, |end| normal(end).clamp(-1, length - 1)),
        ),
    };
    let mut positions = Vec::new();
    while if step > 0 { at < end } else { at > end } {
        positions.extend(usize::try_from(at));
        at = at.saturating_add(step);
    }
    positions
}

#[cfg(test)]
mod tests {
    use super::slice;

    #[test]
    fn slices_take_the_positions_of_the_rfc() {
        for (start, end, step, expected) in [
            (None, None, 1, vec![0, 1, 2, 3, 4]),
            (Some(1), Some(3), 1, vec![1, 2]),
            (Some(1), None, 2, vec![1, 3]),
            (Some(-2), None, 1, vec![3, 4]),
            (None, Some(-3), 1, vec![0, 1]),
            (None, None, -1, vec![4, 3, 2, 1, 0]),
            (Some(4), Some(0), -2, vec![4, 2]),
            (Some(10), Some(-10), -3, vec![4, 1]),
            (Some(2), Some(1), 1, vec![]),
            (None, None, 0, vec![]),
            (Some(i64::MIN), Some(i64::MAX), i64::MAX, vec![0]),
            (Some(i64::MAX), Some(i64::MIN), i64::MIN, vec![4]),
        ] {
            assert_eq!(slice(start, end, step, 5), expected, "{start:?}:{end:?}:{step}");
        }
        assert!(slice(None, None, -1, 0).is_empty());
    }
}
