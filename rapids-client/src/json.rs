//! A read-only view of JSON that never rounds and never copies more than it must.
//!
//! A [`Node`] is a value in its original text. It is opened one level at a time, so reading
//! `@.order.total` costs the levels on the way and nothing beside them. What a packet looks like
//! to an expression, fall-backs of the `rapids` object included, is [`Top`]. What values mean to
//! each other is left to [`condition`](crate::condition).

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Deepest nesting of a body; serde_json's own limit, so that what passes here also parses.
pub(crate) const MAX_DEPTH: usize = 127;

/// The members of an object in their order, repeated keys included.
#[derive(Debug, Clone, Default)]
pub(crate) struct Members<'a>(pub(crate) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(16);
                while let Some(Text(key)) = map.next_key()? {
                    members.push((key, map.next_value()?));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

/// A string that borrows when it holds no escapes; serde's own `Cow` always copies.
///
/// A lone surrogate escape is legal JSON that a Rust string cannot hold: it reads as U+FFFD, so
/// that one odd string does not hide its whole object.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // As it stands first: read as bytes, it could hold control characters, which are no JSON.
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        let inner = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let inner = inner.ok_or_else(|| D::Error::custom("expected a JSON string"))?;
        if !inner.contains('\\') {
            return Ok(Text(Cow::Borrowed(inner)));
        }
        let Unescaped(text) = serde_json::from_str(raw).map_err(D::Error::custom)?;
        Ok(Text(Cow::Owned(text)))
    }
}

/// What a string with escapes stands for.
struct Unescaped(String);

impl<'de> Deserialize<'de> for Unescaped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Lossy;

        impl Visitor<'_> for Lossy {
            type Value = Unescaped;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a JSON string")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Unescaped, E> {
                Ok(Unescaped(String::from_utf8_lossy(bytes).into_owned()))
            }
        }

        deserializer.deserialize_bytes(Lossy)
    }
}

/// Finds the members of one name: the first of them, and how many there are.
struct Find<'n>(&'n str);

impl<'de> Visitor<'de> for Find<'_> {
    type Value = (Option<&'de RawValue>, usize);

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut first, mut count) = (None, 0);
        while let Some(Text(key)) = map.next_key()? {
            if key == self.0 {
                let value = map.next_value()?;
                first.get_or_insert(value);
                count += 1;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok((first, count))
    }
}

/// What a packet looks like to an expression: its fields, with the effective `rapids` object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Top<'a> {
    /// The fields as they were sent.
    pub(crate) fields: &'a [(Box<str>, Box<RawValue>)],
    /// The `rapids` object with its fall-backs filled in; replaces the field of that name.
    pub(crate) rapids: &'a RawValue,
}

/// One JSON value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Node<'a> {
    /// A value inside a packet.
    Raw(&'a RawValue),
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
    String(Cow<'a, str>),
    Array,
    Object,
}

impl<'a> Node<'a> {
    /// Tells the type, and the content of a scalar.
    pub(crate) fn kind(self) -> Kind<'a> {
        let Node::Raw(raw) = self else {
            return Kind::Object;
        };
        let text = raw.get();
        match text.as_bytes().first() {
            Some(b'n') => Kind::Null,
            Some(b't') => Kind::Bool(true),
            Some(b'f') => Kind::Bool(false),
            Some(b'"') => Kind::String(
                serde_json::from_str::<Text<'_>>(text)
                    .map_or_else(|_| Cow::Borrowed(text.trim_matches('"')), |text| text.0),
            ),
            Some(b'[') => Kind::Array,
            Some(b'{') => Kind::Object,
            _ => Kind::Number(text),
        }
    }

    /// Lists an object's members in order, repeated keys included; empty for anything else.
    pub(crate) fn members(self) -> Vec<(Cow<'a, str>, Node<'a>)> {
        match self {
            Node::Raw(raw) if raw.get().starts_with('{') => {
                let members: Members<'a> = serde_json::from_str(raw.get()).unwrap_or_default();
                members.0.into_iter().map(|(key, raw)| (key, Node::Raw(raw))).collect()
            }
            Node::Raw(_) => Vec::new(),
            Node::Top(top) => top
                .fields
                .iter()
                .filter(|(key, _)| &**key != crate::packet::keys::RAPIDS)
                .map(|(key, raw)| (Cow::Borrowed(&**key), Node::Raw(raw)))
                .chain([(Cow::Borrowed(crate::packet::keys::RAPIDS), Node::Raw(top.rapids))])
                .collect(),
        }
    }

    /// Lists an object's members in order, of repeated keys the first; empty for anything else.
    pub(crate) fn distinct_members(self) -> Vec<(Cow<'a, str>, Node<'a>)> {
        let members = self.members();
        let mut seen = HashSet::with_capacity(members.len());
        let first: Vec<bool> = members.iter().map(|(key, _)| seen.insert(&**key)).collect();
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
            Node::Top(top) if name == crate::packet::keys::RAPIDS => Some(Node::Raw(top.rapids)),
            Node::Top(top) => {
                top.fields.iter().find(|(key, _)| **key == *name).map(|(_, raw)| Node::Raw(raw))
            }
        }
    }

    /// Tells whether an object holds the key more than once, as it was sent.
    pub(crate) fn repeats(self, name: &str) -> bool {
        match self {
            Node::Raw(_) => self.find(name).1 > 1,
            Node::Top(top) => top.fields.iter().filter(|(key, _)| **key == *name).count() > 1,
        }
    }

    /// Finds the first key that an object holds more than once, as it was sent.
    pub(crate) fn repeated(self) -> Option<Cow<'a, str>> {
        let keys: Vec<Cow<'a, str>> = match self {
            Node::Raw(_) => self.members().into_iter().map(|(key, _)| key).collect(),
            Node::Top(top) => top.fields.iter().map(|(key, _)| Cow::Borrowed(&**key)).collect(),
        };
        let mut seen = HashSet::with_capacity(keys.len());
        keys.iter().find(|key| !seen.insert(&***key)).cloned()
    }

    /// Lists an array's elements; empty for anything else.
    pub(crate) fn elements(self) -> Vec<Node<'a>> {
        match self {
            Node::Raw(raw) if raw.get().starts_with('[') => {
                let elements: Vec<&'a RawValue> =
                    serde_json::from_str(raw.get()).unwrap_or_default();
                elements.into_iter().map(Node::Raw).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The value in its original text.
    pub(crate) fn text(self) -> Cow<'a, str> {
        match self {
            Node::Raw(raw) => Cow::Borrowed(raw.get()),
            Node::Top(top) => {
                let mut text = String::from("{");
                for (position, (key, value)) in Node::Top(top).members().into_iter().enumerate() {
                    if position > 0 {
                        text.push(',');
                    }
                    text.push_str(&serde_json::Value::from(key).to_string());
                    text.push(':');
                    text.push_str(&value.text());
                }
                text.push('}');
                Cow::Owned(text)
            }
        }
    }

    fn find(self, name: &str) -> (Option<&'a RawValue>, usize) {
        match self {
            Node::Raw(raw) if raw.get().starts_with('{') => {
                serde_json::Deserializer::from_str(raw.get())
                    .deserialize_map(Find(name))
                    .unwrap_or_default()
            }
            _ => (None, 0),
        }
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
            (r#""a\u0062c""#, Kind::String("abc".into())),
            (r#""\uD83E\uDD80""#, Kind::String("🦀".into())),
            ("[1]", Kind::Array),
            (" {} ", Kind::Object),
        ] {
            assert_eq!(Node::Raw(&raw(text)).kind(), kind, "{text}");
        }
    }

    #[test]
    fn plain_strings_are_borrowed() {
        let raw = raw(r#"{"key":"value"}"#);
        let (key, value) = Node::Raw(&raw).members().remove(0);
        assert!(matches!(key, Cow::Borrowed("key")));
        assert!(matches!(value.kind(), Kind::String(Cow::Borrowed("value"))));
    }

    #[test]
    fn lone_surrogate_does_not_hide_its_object() {
        let raw = raw(r#"{"\ud800":1,"a":"\udc00x"}"#);
        let node = Node::Raw(&raw);
        assert_eq!(node.members().len(), 2);
        let Some(Kind::String(text)) = node.member("a").map(Node::kind) else {
            panic!("no string");
        };
        assert!(text.starts_with('\u{FFFD}') && text.ends_with('x'), "{text}");
    }

    #[test]
    fn first_of_a_repeated_key_counts_and_the_repetition_is_told() {
        let raw = raw(r#"{"a":1,"b":2,"\u0061":3}"#);
        let node = Node::Raw(&raw);
        assert_eq!(node.member("a").unwrap().text(), "1");
        assert_eq!(node.members().len(), 3);
        assert_eq!(node.distinct_members().len(), 2);
        assert!(node.repeats("a") && !node.repeats("b") && !node.repeats("c"));
        assert_eq!(node.repeated().as_deref(), Some("a"));
    }

    #[test]
    fn scalars_and_arrays_have_no_members_and_objects_no_elements() {
        for text in ["1", "\"a\"", "[1]", "null"] {
            let raw = raw(text);
            assert!(Node::Raw(&raw).members().is_empty());
            assert!(Node::Raw(&raw).member("a").is_none());
            assert!(!Node::Raw(&raw).repeats("a"));
        }
        let raw = raw(r#"{"a":1}"#);
        assert!(Node::Raw(&raw).elements().is_empty());
    }

    #[test]
    fn packet_shows_the_effective_rapids_object() {
        let fields: Vec<(Box<str>, Box<RawValue>)> = vec![
            ("rapids".into(), raw("{}")),
            ("a \"b\"".into(), raw("1")),
            ("rapids".into(), raw("{}")),
        ];
        let rapids = raw(r#"{"read_count":0}"#);
        let top = Node::Top(Top { fields: &fields, rapids: &rapids });
        assert_eq!(top.text(), r#"{"a \"b\"":1,"rapids":{"read_count":0}}"#);
        assert_eq!(top.member("rapids").unwrap().text(), r#"{"read_count":0}"#);
        assert_eq!(top.member("a \"b\"").unwrap().text(), "1");
        assert_eq!(top.repeated().as_deref(), Some("rapids"));
        assert!(top.repeats("rapids"));
    }
}
