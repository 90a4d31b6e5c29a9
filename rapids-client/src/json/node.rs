//! A JSON value in its original text, opened one level at a time.
//!
//! Reading `@.order.total` costs the levels on the way and nothing beside them. What values mean to
//! each other is left to [`condition`](crate::condition).

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde_json::value::RawValue;

use super::fields::Fields;
use super::member::{Member, each_member, write_key, write_member};
use super::step::{Step, position};
use super::text::Text;
use crate::keys::RAPIDS;

/// What a packet looks like to an expression: its fields, with the effective `rapids` object.
#[derive(Clone, Copy)]
pub(crate) struct Top<'a> {
    /// The fields as they were sent.
    pub(crate) fields: &'a Fields,
    /// The `rapids` object with its fall-backs. It replaces the field of that name, and is written
    /// only when somebody asks for it.
    pub(crate) rapids: &'a dyn AsRef<str>,
}

impl fmt::Debug for Top<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&Node::Top(*self).text())
    }
}

/// One JSON value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Node<'a> {
    /// The text of a value inside a packet, which is valid JSON without blanks around it.
    Raw(&'a str),
    /// A whole packet.
    Top(Top<'a>),
}

/// The type of a [`Node`], with the content of the scalar ones.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind<'a> {
    Null,
    Bool(bool),
    /// The literal as it was written.
    Number(&'a str),
    String(Text<'a>),
    Array,
    Object,
}

impl<'a> Node<'a> {
    /// The text of a value inside a packet.
    pub(crate) fn raw(self) -> Option<&'a str> {
        match self {
            Node::Raw(text) => Some(text),
            Node::Top(_) => None,
        }
    }

    /// Where the value stands in memory, which is different for each value of a packet.
    pub(crate) fn address(self) -> usize {
        self.raw().map_or(0, |text| text.as_ptr().addr())
    }

    /// What it costs to find a member or to list all children, in bytes of a string. The parser
    /// takes longer for brackets and commas than for the bytes of a value.
    pub(crate) fn size(self) -> usize {
        let weight = |byte: &u8| match byte {
            b'{' | b'[' => 30,
            b',' => 10,
            _ => 1,
        };
        match self {
            Node::Raw(text) => text.as_bytes().iter().map(weight).sum(),
            // The fields are known already, and their names are short.
            Node::Top(top) => top.fields.count().saturating_mul(8),
        }
    }

    /// Tells the type, and the content of a scalar.
    pub(crate) fn kind(self) -> Kind<'a> {
        let Node::Raw(text) = self else {
            return Kind::Object;
        };
        match text.as_bytes().first() {
            Some(b'n') => Kind::Null,
            Some(b't') => Kind::Bool(true),
            Some(b'f') => Kind::Bool(false),
            Some(b'"') => Kind::String(
                Text::read(text).unwrap_or_else(|_| Text::from(text.trim_matches('"'))),
            ),
            Some(b'[') => Kind::Array,
            Some(b'{') => Kind::Object,
            _ => Kind::Number(text),
        }
    }

    /// Lists an object's members in order, repeated keys included; empty for anything else.
    pub(crate) fn members(self) -> Vec<(Text<'a>, Node<'a>)> {
        match self {
            Node::Raw(text) => {
                let members = members_of(text).into_iter();
                members.map(|member| (member.name, Node::Raw(member.value))).collect()
            }
            Node::Top(top) => top
                .fields
                .iter()
                .filter(|field| field.name != RAPIDS)
                .map(|field| (field.name, Node::Raw(field.value)))
                .chain([(Text::from(RAPIDS), Node::Raw(top.rapids.as_ref()))])
                .collect(),
        }
    }

    /// Lists an object's members in order, of repeated keys the first; empty for anything else.
    pub(crate) fn distinct_members(self) -> Vec<(Text<'a>, Node<'a>)> {
        let members = self.members();
        let mut seen = HashSet::with_capacity(members.len());
        let first: Vec<bool> = members.iter().map(|(key, _)| seen.insert(key)).collect();
        members
            .into_iter()
            .zip(first)
            .filter_map(|(member, first)| first.then_some(member))
            .collect()
    }

    /// Finds an object's member; of repeated keys the first.
    pub(crate) fn member(self, name: &str) -> Option<Node<'a>> {
        match self {
            Node::Raw(_) => self.find(name).0.map(Node::Raw),
            Node::Top(top) if name == RAPIDS => Some(Node::Raw(top.rapids.as_ref())),
            Node::Top(top) => top.fields.get(name).map(Node::Raw),
        }
    }

    /// Tells whether an object holds the key more than once, as it was sent.
    pub(crate) fn repeats(self, name: &str) -> bool {
        match self {
            Node::Raw(_) => self.find(name).1 > 1,
            Node::Top(top) => top.fields.iter().filter(|field| field.name == name).count() > 1,
        }
    }

    /// Finds the first key that an object holds more than once, as it was sent.
    pub(crate) fn repeated(self) -> Option<Text<'a>> {
        let keys: Vec<Text<'a>> = match self {
            Node::Raw(_) => self.members().into_iter().map(|(key, _)| key).collect(),
            Node::Top(top) => top.fields.iter().map(|field| field.name).collect(),
        };
        let mut seen = HashSet::with_capacity(keys.len());
        keys.iter().find(|key| !seen.insert(*key)).cloned()
    }

    /// Lists an array's elements; empty for anything else.
    pub(crate) fn elements(self) -> Vec<Node<'a>> {
        match self {
            Node::Raw(text) if text.starts_with('[') => {
                let elements: Vec<&'a RawValue> = serde_json::from_str(text).unwrap_or_default();
                elements.into_iter().map(|element| Node::Raw(element.get())).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Goes one step down; `None` where nothing is. Of repeated keys the first counts.
    pub(crate) fn step(self, step: &Step) -> Option<Node<'a>> {
        match step {
            Step::Name(name) => self.member(name),
            Step::Index(index) => {
                let elements = self.elements();
                elements.get(position(*index, elements.len())?).copied()
            }
        }
    }

    /// The value in its original text.
    pub(crate) fn text(self) -> Cow<'a, str> {
        match self {
            Node::Raw(text) => Cow::Borrowed(text),
            Node::Top(top) => {
                let mut text = String::from("{");
                for member in top.fields.iter().filter(|field| field.name != RAPIDS) {
                    write_member(&mut text, member.key, member.value);
                }
                write_key(&mut text, RAPIDS);
                text.push_str(top.rapids.as_ref());
                text.push('}');
                Cow::Owned(text)
            }
        }
    }

    /// Finds the members of one name: the first of them, and how many there are.
    fn find(self, name: &str) -> (Option<&'a str>, usize) {
        let (mut first, mut count) = (None, 0);
        let Node::Raw(text) = self else {
            return (None, 0);
        };
        let shown = each_member(text, |member| {
            if member.name == name {
                first.get_or_insert(member.value);
                count += 1;
            }
        });
        shown.map_or((None, 0), |()| (first, count))
    }
}

/// Lists the members of an object in their order; empty for anything else.
fn members_of(text: &str) -> Vec<Member<'_>> {
    let mut members = Vec::new();
    match each_member(text, |member| members.push(member)) {
        Ok(()) => members,
        Err(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn kinds_are_told_without_rounding() {
        for (text, kind) in [
            ("null", Kind::Null),
            ("true", Kind::Bool(true)),
            ("false", Kind::Bool(false)),
            ("9007199254740993", Kind::Number("9007199254740993")),
            ("-1.50e400", Kind::Number("-1.50e400")),
            (r#""a\u0062c""#, Kind::String(Text::from("abc"))),
            (r#""\uD83E\uDD80""#, Kind::String(Text::from("🦀"))),
            ("[1]", Kind::Array),
            (" {} ", Kind::Object),
        ] {
            assert_eq!(Node::Raw(raw(text).get()).kind(), kind, "{text}");
        }
    }

    #[test]
    fn plain_strings_are_borrowed() {
        let raw = raw(r#"{"key":"value"}"#);
        let (key, value) = Node::Raw(raw.get()).members().remove(0);
        assert!(matches!(key, Text::Sent(b"key")));
        assert!(matches!(value.kind(), Kind::String(Text::Sent(b"value"))));
    }

    #[test]
    fn halves_of_surrogate_pairs_are_keys_and_texts_like_others() {
        let raw = raw(r#"{"\ud800":1,"\ud801":2,"a":"\udc00x","\uD800":3}"#);
        let node = Node::Raw(raw.get());
        assert_eq!((node.members().len(), node.distinct_members().len()), (4, 3));
        let Some(Kind::String(text)) = node.member("a").map(Node::kind) else {
            panic!("no string");
        };
        assert_eq!(text.shown(), "\u{FFFD}\u{FFFD}\u{FFFD}x");
        assert!(node.repeated().is_some_and(|key| key == node.members()[0].0));
    }

    #[test]
    fn first_of_a_repeated_key_counts_and_the_repetition_is_told() {
        let raw = raw(r#"{"a":1,"b":2,"\u0061":3}"#);
        let node = Node::Raw(raw.get());
        assert_eq!(node.member("a").unwrap().text(), "1");
        assert_eq!(node.members().len(), 3);
        assert_eq!(node.distinct_members().len(), 2);
        assert!(node.repeats("a") && !node.repeats("b") && !node.repeats("c"));
        assert_eq!(node.repeated(), Some(Text::from("a")));
    }

    #[test]
    fn scalars_and_arrays_have_no_members_and_objects_no_elements() {
        for text in ["1", "\"a\"", "[1]", "null"] {
            let raw = raw(text);
            assert!(Node::Raw(raw.get()).members().is_empty());
            assert!(Node::Raw(raw.get()).member("a").is_none());
            assert!(!Node::Raw(raw.get()).repeats("a"));
        }
        let raw = raw(r#"{"a":1}"#);
        assert!(Node::Raw(raw.get()).elements().is_empty());
    }

    #[test]
    fn a_packet_shows_the_effective_rapids_object() {
        let body = r#"{"rapids":{},"a \"b\"":1,"rapids":{}}"#;
        let fields = Fields::parse(body.as_bytes().into()).unwrap();
        let rapids = r#"{"read_count":0}"#;
        let top = Node::Top(Top { fields: &fields, rapids: &rapids });
        assert_eq!(top.text(), format!(r#"{{"a \"b\"":1,"rapids":{rapids}}}"#));
        assert_eq!(top.member("rapids").unwrap().text(), rapids);
        assert_eq!(top.member("a \"b\"").unwrap().text(), "1");
        assert_eq!(top.repeated(), Some(Text::from("rapids")));
        assert!(top.repeats("rapids"));
    }
}
