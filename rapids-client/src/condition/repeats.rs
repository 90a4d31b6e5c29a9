//! Finds keys that stand more than once where an expression looks.
//!
//! A repeated key (forbidden by RFC 7493) means one thing to one reader and another to the next.
//! Every query of an expression is followed to its end, whatever the others found, so that the order
//! of the clauses does not decide whether a packet is ambiguous. What then becomes of the packet is
//! left to the caller.

use super::budget::NODE;
use super::evaluate::Scope;
use super::evaluation::{Evaluation, Key, RepeatedKey};
use super::node_path::NodePath;
use super::path::Path;
use super::tree::{Logic, Origin, Pattern, Query, Segment, Selector, Value};
use crate::json::{Node, Step, Text, position};

/// Finds a repeated key on any path that the condition names.
pub(super) fn in_logic<'a>(logic: &'a Logic, evaluation: &Evaluation<'a>) -> RepeatedKey {
    Search::of(evaluation).logic(logic)
}

impl Path {
    /// Finds a key on the path that its object holds more than once.
    ///
    /// # Errors
    /// [`TooCostly`](super::budget::TooCostly)
    pub(crate) fn repeated_key<'a>(&'a self, evaluation: &Evaluation<'a>) -> RepeatedKey {
        let search = Search::of(evaluation);
        search.steps(self.steps(), &[], evaluation.packet(), &NodePath::Root, Use::Presence)
    }
}

/// Finds the first repeated key among parts.
fn first<T>(
    parts: impl IntoIterator<Item = T>,
    mut find: impl FnMut(T) -> RepeatedKey,
) -> RepeatedKey {
    for part in parts {
        let found = find(part)?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// What is done with the nodes that a query finds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// It only matters that they are there, how many, or which scalar.
    Presence,
    /// Their members are counted.
    Members,
    /// They may be compared with everything in them.
    Content,
}

#[derive(Clone, Copy)]
struct Search<'s, 'a> {
    scope: Scope<'s, 'a>,
    element: &'s NodePath<'s>,
}

impl<'s, 'a> Search<'s, 'a> {
    fn of(evaluation: &'s Evaluation<'a>) -> Self {
        Search { scope: Scope::of(evaluation), element: &NodePath::Root }
    }

    fn logic(self, logic: &'a Logic) -> RepeatedKey {
        match logic {
            Logic::Or(parts) | Logic::And(parts) => first(parts, |part| self.logic(part)),
            Logic::Not(part) => self.logic(part),
            Logic::Exists(query) => self.query(query, Use::Presence),
            Logic::Compare { left, right, .. } => {
                let both = may_be_composite(left) && may_be_composite(right);
                let usage = if both { Use::Content } else { Use::Presence };
                first([left, right], |side| self.value(side, usage))
            }
            Logic::Matches { value, pattern, .. } => {
                let found = match pattern {
                    Pattern::Constant { .. } => None,
                    Pattern::Found(found) => Some(found),
                };
                first([value].into_iter().chain(found), |side| self.value(side, Use::Presence))
            }
            Logic::Fixed(part) => {
                let address = std::ptr::from_ref(logic).addr();
                self.scope.evaluation.fixed_repeats(address, || self.logic(part))
            }
        }
    }

    fn value(self, value: &'a Value, usage: Use) -> RepeatedKey {
        match value {
            Value::Literal(_) => Ok(None),
            Value::Length(value) => self.value(value, Use::Members),
            Value::Count(query) => self.query(query, Use::Presence),
            Value::Query(query) | Value::Only(query) => self.query(query, usage),
            Value::Fixed(part) => {
                let address = std::ptr::from_ref(value).addr();
                self.scope.evaluation.fixed_repeats(address, || self.value(part, usage))
            }
        }
    }

    fn query(self, query: &'a Query, usage: Use) -> RepeatedKey {
        let path = match query.origin {
            Origin::Packet => &NodePath::Root,
            Origin::Element => self.element,
        };
        self.steps(query.path.steps(), &query.segments, self.scope.origin(query), path, usage)
    }

    fn steps(
        self,
        steps: &'a [Step],
        segments: &'a [Segment],
        node: Node<'a>,
        path: &NodePath<'_>,
        usage: Use,
    ) -> RepeatedKey {
        let evaluation = self.scope.evaluation;
        let Some((step, rest)) = steps.split_first() else {
            return self.segments(segments, node, path, usage);
        };
        let key = match step {
            Step::Name(name) if evaluation.repeats(node, name)? => {
                return Ok(Some(path.member(name)));
            }
            Step::Name(name) => Key::Name(Text::from(&**name)),
            Step::Index(index) => match position(*index, evaluation.open(node)?.elements().len()) {
                Some(position) => Key::Index(position),
                None => return Ok(None),
            },
        };
        match evaluation.step(node, step)? {
            Some(child) => self.steps(rest, segments, child, &NodePath::Under(path, &key), usage),
            None => Ok(None),
        }
    }

    fn segments(
        self,
        segments: &'a [Segment],
        node: Node<'a>,
        path: &NodePath<'_>,
        usage: Use,
    ) -> RepeatedKey {
        let evaluation = self.scope.evaluation;
        match segments.split_first() {
            None => match usage {
                Use::Presence => Ok(None),
                Use::Members => repeated(evaluation, node, path),
                Use::Content => anywhere(evaluation, node, path),
            },
            Some((Segment::Child(selectors), rest)) => {
                self.selectors(selectors, rest, node, path, usage)
            }
            Some((Segment::Descendants(selectors), rest)) => {
                if let Some(found) = repeated(evaluation, node, path)? {
                    return Ok(Some(found));
                }
                if let Some(found) = self.selectors(selectors, rest, node, path, usage)? {
                    return Ok(Some(found));
                }
                first(&evaluation.open(node)?.children, |(key, child)| {
                    self.segments(segments, *child, &NodePath::Under(path, key), usage)
                })
            }
        }
    }

    fn selectors(
        self,
        selectors: &'a [Selector],
        rest: &'a [Segment],
        node: Node<'a>,
        path: &NodePath<'_>,
        usage: Use,
    ) -> RepeatedKey {
        first(selectors, |selector| {
            if let Some(found) = self.ambiguous(selector, node, path)? {
                return Ok(Some(found));
            }
            let selected = selector.children(node, self.scope.at(node))?;
            first(&selected, |(key, child)| {
                self.segments(rest, *child, &NodePath::Under(path, key), usage)
            })
        })
    }

    /// Finds a repeated key that makes the selection itself ambiguous.
    fn ambiguous(self, selector: &'a Selector, node: Node<'a>, path: &NodePath<'_>) -> RepeatedKey {
        let evaluation = self.scope.evaluation;
        match selector {
            Selector::Name(name) => Ok(evaluation.repeats(node, name)?.then(|| path.member(name))),
            Selector::Index(_) | Selector::Slice { .. } => Ok(None),
            Selector::Wildcard => repeated(evaluation, node, path),
            Selector::Filter(logic) => {
                if let Some(found) = repeated(evaluation, node, path)? {
                    return Ok(Some(found));
                }
                first(&evaluation.open(node)?.children, |(key, child)| {
                    let element = &NodePath::Under(path, key);
                    Search { scope: self.scope.at(*child), element }.logic(logic)
                })
            }
        }
    }
}

fn may_be_composite(value: &Value) -> bool {
    matches!(value.unmarked(), Value::Query(_) | Value::Only(_))
}

fn repeated<'a>(evaluation: &Evaluation<'a>, node: Node<'a>, path: &NodePath<'_>) -> RepeatedKey {
    let opened = evaluation.open(node)?;
    Ok(opened.repeated.as_ref().map(|name| path.member(&name.shown())))
}

fn anywhere<'a>(evaluation: &Evaluation<'a>, node: Node<'a>, path: &NodePath<'_>) -> RepeatedKey {
    if let Some(found) = repeated(evaluation, node, path)? {
        return Ok(Some(found));
    }
    first(&evaluation.open(node)?.children, |(key, child)| {
        evaluation.spend(NODE)?;
        anywhere(evaluation, *child, &NodePath::Under(path, key))
    })
}

#[cfg(test)]
mod tests {
    use super::super::evaluation::Evaluation;
    use super::super::expression::Expression;
    use super::super::path::Path;
    use crate::Packet;
    use crate::json::Node;
    use serde_json::value::RawValue;

    #[test]
    fn keys_repeated_where_the_expression_looks_are_found() {
        let body = r#"{"a":1,"b":{"x":1,"x":2,"y":{"z":1}},"a":2,"once":{"k":{"r":1,"r":2}},
            "l":[{"q":1},{"q":2,"q":3,"w":[4]}],"odd.key":{"":1,"":2}}"#;
        for (expression, found) in [
            ("@.a == 1", Some("@.a")),
            ("$['a']", Some("@.a")),
            ("@.once.a", None),
            ("@.b.x == 1", Some("@.b.x")),
            ("@.b.y.z == 1", None),
            ("@.b", None),
            ("@.b != null", None),
            ("@.b == @.once", Some("@.b.x")),
            ("@.once == @.missing", Some("@.once.k.r")),
            ("length(@.b) == 3", Some("@.b.x")),
            ("length(@.once) == 1", None),
            ("count(@.b.*) == 3", Some("@.b.x")),
            ("@.l[?@.q == 1]", Some("@.l[1].q")),
            ("@.l[0].q == 1", None),
            ("@.l[-1].q == 1", Some("@.l[1].q")),
            ("@.l[9].q == 1", None),
            ("@.l[?@.w[0] == 4 && $.once.k.r == 1]", Some("@.once.k.r")),
            ("@.l[0:1].q", None),
            ("@.l[*].q", Some("@.l[1].q")),
            ("@.l[?@.w].q", Some("@.l[1].q")),
            ("@.once..k", Some("@.once.k.r")),
            ("@.l..w", Some("@.l[1].q")),
            ("@['odd.key'][''] == 1", Some("@['odd.key']['']")),
            ("match(@.once.k.r, 'x')", Some("@.once.k.r")),
            ("match('x', @.once.k.r)", Some("@.once.k.r")),
            ("@.missing == 1 && @.a == 1", Some("@.a")),
            ("@.b.y || @.b.x", Some("@.b.x")),
            ("!(@.b.y && @.b.x)", Some("@.b.x")),
        ] {
            let raw = RawValue::from_string(body.to_owned()).unwrap();
            let parsed = Expression::parse(expression).unwrap();
            let answer = parsed.repeated_key(&Evaluation::of(Node::Raw(raw.get()), 1)).unwrap();
            assert_eq!(answer.as_deref(), found, "{expression}");
        }
    }

    #[test]
    fn path_tells_repeated_keys_on_it_only() {
        let raw = RawValue::from_string(r#"{"a":{"b":1,"b":2},"c":1}"#.to_owned()).unwrap();
        for (path, found) in [("@.a.b", Some("@.a.b")), ("@.a", None), ("$.c", None)] {
            let parsed = Path::parse(path).unwrap();
            let answer = parsed.repeated_key(&Evaluation::of(Node::Raw(raw.get()), 1)).unwrap();
            assert_eq!(answer.as_deref(), found, "{path}");
        }
    }

    #[test]
    fn rapids_object_sent_twice_is_found_behind_its_fall_backs() {
        let packet = Packet::from_bytes(r#"{"rapids":{},"rapids":{}}"#).unwrap();
        let expression = Expression::parse("@.rapids.read_count < 3").unwrap();
        let answer = expression.repeated_key(&Evaluation::of(packet.node(), 1)).unwrap();
        assert_eq!(answer.as_deref(), Some("@.rapids"));
    }
}
