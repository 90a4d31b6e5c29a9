//! Finds keys that stand more than once where an expression looks.
//!
//! A repeated key (forbidden by RFC 7493) means one thing to one reader and another to the next.
//! Every query of an expression is followed to its end, whatever the others answered, so that a
//! packet is found ambiguous or not regardless of the order of its clauses. What then becomes of
//! the packet is left to the caller.

use std::borrow::Cow;

use super::evaluate::{Key, Scope, children};
use super::path::{Path, Step, position};
use super::place::Place;
use super::tree::{Logic, Origin, Pattern, Query, Segment, Selector, Value};
use crate::json::Node;

/// Finds a repeated key on any path that the condition names.
pub(super) fn in_logic(logic: &Logic, root: Node<'_>) -> Option<String> {
    let search = Search { scope: Scope::of(root), element: &Place::Root };
    search.logic(logic)
}

/// Finds a repeated key on a path.
pub(super) fn in_path(path: &Path, root: Node<'_>) -> Option<String> {
    let search = Search { scope: Scope::of(root), element: &Place::Root };
    search.steps(path.steps(), &[], root, &Place::Root, Use::Presence)
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
struct Search<'a> {
    scope: Scope<'a>,
    element: &'a Place<'a>,
}

impl<'a> Search<'a> {
    fn logic(self, logic: &Logic) -> Option<String> {
        match logic {
            Logic::Or(parts) | Logic::And(parts) => parts.iter().find_map(|part| self.logic(part)),
            Logic::Not(part) => self.logic(part),
            Logic::Exists(query) => self.query(query, Use::Presence),
            Logic::Compare { left, right, .. } => {
                let both = may_be_composite(left) && may_be_composite(right);
                let usage = if both { Use::Content } else { Use::Presence };
                self.value(left, usage).or_else(|| self.value(right, usage))
            }
            Logic::Matches { value, pattern, .. } => {
                self.value(value, Use::Presence).or_else(|| match pattern {
                    Pattern::Constant { .. } => None,
                    Pattern::Found(found) => self.value(found, Use::Presence),
                })
            }
        }
    }

    fn value(self, value: &Value, usage: Use) -> Option<String> {
        match value {
            Value::Literal(_) => None,
            Value::Length(value) => self.value(value, Use::Members),
            Value::Count(query) => self.query(query, Use::Presence),
            Value::Query(query) | Value::Only(query) => self.query(query, usage),
        }
    }

    fn query(self, query: &Query, usage: Use) -> Option<String> {
        let (node, place) = match query.origin {
            Origin::Packet => (self.scope.packet, &Place::Root),
            Origin::Element => (self.scope.element, self.element),
        };
        self.steps(query.path.steps(), &query.segments, node, place, usage)
    }

    fn steps(
        self,
        steps: &[Step],
        segments: &[Segment],
        node: Node<'_>,
        place: &Place<'_>,
        usage: Use,
    ) -> Option<String> {
        let Some((step, rest)) = steps.split_first() else {
            return self.segments(segments, node, place, usage);
        };
        let key = match step {
            Step::Name(name) if node.repeats(name) => return Some(place.member(name)),
            Step::Name(name) => Key::Name(Cow::Borrowed(&**name)),
            Step::Index(index) => Key::Index(position(*index, node.elements().len())?),
        };
        self.steps(rest, segments, step.get(node)?, &Place::Under(place, key), usage)
    }

    fn segments(
        self,
        segments: &[Segment],
        node: Node<'_>,
        place: &Place<'_>,
        usage: Use,
    ) -> Option<String> {
        match segments.split_first() {
            None => match usage {
                Use::Presence => None,
                Use::Members => repeated(node, place),
                Use::Content => anywhere(node, place),
            },
            Some((Segment::Child(selectors), rest)) => {
                self.selectors(selectors, rest, node, place, usage)
            }
            Some((Segment::Descendants(selectors), rest)) => repeated(node, place)
                .or_else(|| self.selectors(selectors, rest, node, place, usage))
                .or_else(|| {
                    children(node).into_iter().find_map(|(key, child)| {
                        self.segments(segments, child, &Place::Under(place, key), usage)
                    })
                }),
        }
    }

    fn selectors(
        self,
        selectors: &[Selector],
        rest: &[Segment],
        node: Node<'_>,
        place: &Place<'_>,
        usage: Use,
    ) -> Option<String> {
        selectors.iter().find_map(|selector| {
            self.ambiguous(selector, node, place).or_else(|| {
                let mut selected = Vec::new();
                let scope = Scope { packet: self.scope.packet, element: node };
                selector.each(node, scope, &mut |key, child| selected.push((key, child)));
                selected.into_iter().find_map(|(key, child)| {
                    self.segments(rest, child, &Place::Under(place, key), usage)
                })
            })
        })
    }

    /// Finds a repeated key that makes the selection itself ambiguous.
    fn ambiguous(self, selector: &Selector, node: Node<'_>, place: &Place<'_>) -> Option<String> {
        match selector {
            Selector::Name(name) => node.repeats(name).then(|| place.member(name)),
            Selector::Index(_) | Selector::Slice { .. } => None,
            Selector::Wildcard => repeated(node, place),
            Selector::Filter(logic) => repeated(node, place).or_else(|| {
                children(node).into_iter().find_map(|(key, child)| {
                    let element = &Place::Under(place, key);
                    Search { scope: self.scope.at(child), element }.logic(logic)
                })
            }),
        }
    }
}

fn may_be_composite(value: &Value) -> bool {
    matches!(value, Value::Query(_) | Value::Only(_))
}

fn repeated(node: Node<'_>, place: &Place<'_>) -> Option<String> {
    node.repeated().map(|name| place.member(&name))
}

fn anywhere(node: Node<'_>, place: &Place<'_>) -> Option<String> {
    repeated(node, place).or_else(|| {
        children(node)
            .into_iter()
            .find_map(|(key, child)| anywhere(child, &Place::Under(place, key)))
    })
}

#[cfg(test)]
mod tests {
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
            let answer = Expression::parse(expression).unwrap().repeated_key(Node::Raw(raw.get()));
            assert_eq!(answer.as_deref(), found, "{expression}");
        }
    }

    #[test]
    fn path_tells_repeated_keys_on_it_only() {
        let raw = RawValue::from_string(r#"{"a":{"b":1,"b":2},"c":1}"#.to_owned()).unwrap();
        for (path, found) in [("@.a.b", Some("@.a.b")), ("@.a", None), ("$.c", None)] {
            let answer = Path::parse(path).unwrap().repeated_key(Node::Raw(raw.get()));
            assert_eq!(answer.as_deref(), found, "{path}");
        }
    }

    #[test]
    fn rapids_object_sent_twice_is_found_behind_its_fall_backs() {
        let packet = Packet::from_bytes(r#"{"rapids":{},"rapids":{}}"#).unwrap();
        let node = packet.node();
        let answer = Expression::parse("@.rapids.read_count < 3").unwrap().repeated_key(node);
        assert_eq!(answer.as_deref(), Some("@.rapids"));
    }
}
