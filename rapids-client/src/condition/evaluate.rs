//! Evaluates compiled expressions on JSON, exactly as RFC 9535 says.
//!
//! Of repeated keys the first counts; finding them is left to [`repeats`](super::repeats). The
//! [`Evaluation`](super::evaluation::Evaluation) counts the work, and ends what is too costly.

use std::borrow::Cow;

use super::budget::{NODE, TooCostly};
use super::compare::compare;
use super::evaluation::{Evaluation, Key};
use super::operand::Operand;
use super::path::Path;
use super::tree::{Logic, Origin, Pattern, Query, Segment, Selector, Value};
use crate::json::Node;

/// What `$` and `@` stand for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'e, 'a> {
    pub(super) evaluation: &'e Evaluation<'a>,
    pub(super) element: Node<'a>,
}

impl<'e, 'a> Scope<'e, 'a> {
    /// The scope outside of all filters.
    pub(super) fn of(evaluation: &'e Evaluation<'a>) -> Self {
        Scope { evaluation, element: evaluation.packet() }
    }

    /// The scope of a filter that tests the element.
    pub(super) fn at(self, element: Node<'a>) -> Self {
        Scope { element, ..self }
    }

    /// Where a query begins.
    pub(super) fn origin(self, query: &Query) -> Node<'a> {
        match query.origin {
            Origin::Packet => self.evaluation.packet(),
            Origin::Element => self.element,
        }
    }
}

impl Logic {
    pub(super) fn holds<'a>(&'a self, scope: Scope<'_, 'a>) -> Result<bool, TooCostly> {
        scope.evaluation.spend(1)?;
        match self {
            Logic::Or(parts) => any(parts, |part| part.holds(scope)),
            Logic::And(parts) => Ok(!any(parts, |part| part.holds(scope).map(|holds| !holds))?),
            Logic::Not(part) => Ok(!part.holds(scope)?),
            Logic::Exists(query) => query.finds_any(scope),
            Logic::Compare { left, operator, right } => {
                compare(scope.evaluation, &left.of(scope)?, *operator, &right.of(scope)?)
            }
            Logic::Matches { value, pattern, extent } => {
                let Operand::String(text) = value.of(scope)? else {
                    return Ok(false);
                };
                match pattern {
                    Pattern::Constant { regex, .. } => {
                        regex.is_match(&text, scope.evaluation.budget())
                    }
                    Pattern::Found(found) => {
                        let Operand::String(pattern) = found.of(scope)? else {
                            return Ok(false);
                        };
                        let regex = scope.evaluation.pattern(&pattern, *extent)?;
                        regex.map_or(Ok(false), |regex| {
                            regex.is_match(&text, scope.evaluation.budget())
                        })
                    }
                }
            }
            Logic::Fixed(logic) => scope.evaluation.fixed_truth(self, || logic.holds(scope)),
        }
    }
}

/// Whether one of the parts is true. Stops at the first that is.
fn any<'a>(
    parts: &'a [Logic],
    is_true: impl Fn(&'a Logic) -> Result<bool, TooCostly>,
) -> Result<bool, TooCostly> {
    for part in parts {
        if is_true(part)? {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Value {
    fn of<'a>(&'a self, scope: Scope<'_, 'a>) -> Result<Operand<'a>, TooCostly> {
        let number = |count: usize| Operand::Number(Cow::Owned(count.to_string()));
        let at = |node: Node<'a>| scope.evaluation.operand(node);
        match self {
            Value::Literal(literal) => Ok(Operand::from(literal)),
            Value::Query(query) => query.start(scope)?.map_or(Ok(Operand::Nothing), at),
            Value::Length(value) => Ok(match value.of(scope)? {
                Operand::String(text) => {
                    scope.evaluation.spend(text.bytes().len())?;
                    number(text.characters())
                }
                Operand::Array(node) | Operand::Object(node) => {
                    number(scope.evaluation.open(node)?.children.len())
                }
                _ => Operand::Nothing,
            }),
            Value::Count(query) => Ok(number(query.nodes(scope)?.len())),
            Value::Only(query) => match query.nodes(scope)?.as_slice() {
                [node] => at(*node),
                _ => Ok(Operand::Nothing),
            },
            Value::Fixed(value) => scope.evaluation.fixed_value(self, || value.of(scope)),
        }
    }
}

impl Path {
    /// As [`get`](Self::get), as part of an evaluation.
    ///
    /// # Errors
    /// [`TooCostly`]
    pub(crate) fn find<'a>(
        &self,
        evaluation: &Evaluation<'a>,
    ) -> Result<Option<Node<'a>>, TooCostly> {
        evaluation.walk(evaluation.packet(), self.steps())
    }
}

impl Query {
    /// Goes along the path with which the query begins.
    fn start<'a>(&'a self, scope: Scope<'_, 'a>) -> Result<Option<Node<'a>>, TooCostly> {
        scope.evaluation.walk(scope.origin(self), self.path.steps())
    }

    fn finds_any<'a>(&'a self, scope: Scope<'_, 'a>) -> Result<bool, TooCostly> {
        if self.is_singular() {
            return Ok(self.start(scope)?.is_some());
        }
        Ok(!self.nodes(scope)?.is_empty())
    }

    /// Finds every node that the query names, in the order of the RFC.
    pub(super) fn nodes<'a>(&'a self, scope: Scope<'_, 'a>) -> Result<Vec<Node<'a>>, TooCostly> {
        let mut nodes: Vec<Node<'a>> = self.start(scope)?.into_iter().collect();
        for segment in &self.segments {
            let mut found = Vec::new();
            for node in nodes {
                segment.select(node, scope, &mut found)?;
            }
            nodes = found;
        }
        Ok(nodes)
    }
}

impl Segment {
    fn select<'a>(
        &'a self,
        node: Node<'a>,
        scope: Scope<'_, 'a>,
        found: &mut Vec<Node<'a>>,
    ) -> Result<(), TooCostly> {
        let (Segment::Child(selectors) | Segment::Descendants(selectors)) = self;
        for selector in selectors {
            for (_, child) in selector.children(node, scope)? {
                found.push(child);
            }
        }
        if matches!(self, Segment::Descendants(_)) {
            for (_, child) in &scope.evaluation.open(node)?.children {
                self.select(*child, scope, found)?;
            }
        }
        Ok(())
    }
}

impl Selector {
    /// The children that the selector selects, in their order.
    pub(super) fn children<'a>(
        &'a self,
        node: Node<'a>,
        scope: Scope<'_, 'a>,
    ) -> Result<Vec<(Key<'a>, Node<'a>)>, TooCostly> {
        let evaluation = scope.evaluation;
        if let Selector::Name(name) = self {
            let child = evaluation.member(node, name)?;
            return Ok(child
                .map(|child| (Key::Name((&**name).into()), child))
                .into_iter()
                .collect());
        }
        let opened = evaluation.open(node)?;
        let selected: Vec<(Key<'a>, Node<'a>)> = match self {
            Selector::Name(_) => Vec::new(),
            Selector::Index(index) => opened.element(*index).into_iter().collect(),
            Selector::Slice { start, end, step } => {
                let elements = opened.elements();
                let positions = slice(*start, *end, *step, elements.len());
                positions.into_iter().map(|position| elements[position].clone()).collect()
            }
            Selector::Wildcard => opened.children.clone(),
            Selector::Filter(logic) => {
                let mut selected = Vec::new();
                for (key, child) in &opened.children {
                    evaluation.spend(NODE)?;
                    if logic.holds(scope.at(*child))? {
                        selected.push((key.clone(), *child));
                    }
                }
                selected
            }
        };
        evaluation.spend(selected.len().saturating_mul(NODE))?;
        Ok(selected)
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
