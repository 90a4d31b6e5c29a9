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
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::packet::fields::Fields;
use crate::packet::keys::RAPIDS;
use crate::packet::provenance::Provenance;

/// Deepest nesting of a body; serde_json's own limit, so that what passes here also parses.
pub(crate) const MAX_DEPTH: usize = 127;

/// What some programs write in front of UTF-8.
pub(crate) const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// One member of an object.
#[derive(Debug, Clone)]
pub(crate) struct Member<'a> {
    pub(crate) name: Cow<'a, str>,
    /// The name as it stands in the text: in quotes, with its escapes.
    pub(crate) key: &'a str,
    pub(crate) value: &'a str,
}

/// Shows the members of an object in their order, repeated keys included.
///
/// # Errors
/// If the text is anything but an object; some members may have been shown then.
pub(crate) fn each_member<'a>(
    text: &'a str,
    show: impl FnMut(Member<'a>),
) -> serde_json::Result<()> {
    struct Show<F>(F);

    impl<'de, F: FnMut(Member<'de>)> Visitor<'de> for Show<F> {
        type Value = ();

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a JSON object")
        }

        fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
            while let Some(key) = map.next_key::<&RawValue>()? {
                let key = key.get();
                let name = unescaped(key).map_err(A::Error::custom)?;
                let value = map.next_value::<&RawValue>()?.get();
                (self.0)(Member { name, key, value });
            }
            Ok(())
        }
    }

    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer.deserialize_map(Show(show))?;
    deserializer.end()
}

/// Lists the members of an object in their order; empty for anything else.
fn members_of(text: &str) -> Vec<Member<'_>> {
    let mut members = Vec::new();
    match each_member(text, |member| members.push(member)) {
        Ok(()) => members,
        Err(_) => Vec::new(),
    }
}

/// Writes a text as a JSON string.
pub(crate) fn write_string(json: &mut String, text: &str) {
    // Without an early end, so that it looks at many bytes at a time.
    let is_plain = |plain, byte| plain & (byte >= b' ') & (byte != b'"') & (byte != b'\\');
    if !text.bytes().fold(true, is_plain) {
        json.push_str(&serde_json::Value::from(text).to_string());
    } else {
        json.push('"');
        json.push_str(text);
        json.push('"');
    }
}

/// What a JSON string stands for; borrowed where it holds no escapes, while serde's own `Cow` always
/// copies.
///
/// A lone surrogate escape is legal JSON that a Rust string cannot hold: it reads as U+FFFD, so
/// that one odd string does not hide its whole object.
fn unescaped(string: &str) -> serde_json::Result<Cow<'_, str>> {
    let inner = string.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let inner = inner.ok_or_else(|| serde_json::Error::custom("expected a JSON string"))?;
    if !inner.contains('\\') {
        return Ok(Cow::Borrowed(inner));
    }
    let Unescaped(text) = serde_json::from_str(string)?;
    Ok(Cow::Owned(text))
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

/// What a packet looks like to an expression: its fields, with the effective `rapids` object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Top<'a> {
    /// The fields as they were sent.
    pub(crate) fields: &'a Fields,
    /// What the `rapids` object says with its fall-backs; replaces the field of that name.
    pub(crate) provenance: &'a Provenance,
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
    String(Cow<'a, str>),
    Array,
    Object,
}

impl<'a> Node<'a> {
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
                unescaped(text).unwrap_or_else(|_| Cow::Borrowed(text.trim_matches('"'))),
            ),
            Some(b'[') => Kind::Array,
            Some(b'{') => Kind::Object,
            _ => Kind::Number(text),
        }
    }

    /// Lists an object's members in order, repeated keys included; empty for anything else.
    pub(crate) fn members(self) -> Vec<(Cow<'a, str>, Node<'a>)> {
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
                .chain([(Cow::Borrowed(RAPIDS), Node::Raw(top.provenance.text()))])
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
            Node::Top(top) if name == RAPIDS => Some(Node::Raw(top.provenance.text())),
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
    pub(crate) fn repeated(self) -> Option<Cow<'a, str>> {
        let keys: Vec<Cow<'a, str>> = match self {
            Node::Raw(_) => self.members().into_iter().map(|(key, _)| key).collect(),
            Node::Top(top) => top.fields.iter().map(|field| field.name).collect(),
        };
        let mut seen = HashSet::with_capacity(keys.len());
        keys.iter().find(|key| !seen.insert(&***key)).cloned()
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

    /// The value in its original text.
    pub(crate) fn text(self) -> Cow<'a, str> {
        match self {
            Node::Raw(text) => Cow::Borrowed(text),
            Node::Top(top) => {
                let mut text = String::from("{");
                for (position, (key, value)) in Node::Top(top).members().into_iter().enumerate() {
                    if position > 0 {
                        text.push(',');
                    }
                    write_string(&mut text, &key);
                    text.push(':');
                    text.push_str(&value.text());
                }
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
            assert_eq!(Node::Raw(raw(text).get()).kind(), kind, "{text}");
        }
    }

    #[test]
    fn plain_strings_are_borrowed() {
        let raw = raw(r#"{"key":"value"}"#);
        let (key, value) = Node::Raw(raw.get()).members().remove(0);
        assert!(matches!(key, Cow::Borrowed("key")));
        assert!(matches!(value.kind(), Kind::String(Cow::Borrowed("value"))));
    }

    #[test]
    fn lone_surrogate_does_not_hide_its_object() {
        let raw = raw(r#"{"\ud800":1,"a":"\udc00x"}"#);
        let node = Node::Raw(raw.get());
        assert_eq!(node.members().len(), 2);
        let Some(Kind::String(text)) = node.member("a").map(Node::kind) else {
            panic!("no string");
        };
        assert!(text.starts_with('\u{FFFD}') && text.ends_with('x'), "{text}");
    }

    #[test]
    fn first_of_a_repeated_key_counts_and_the_repetition_is_told() {
        let raw = raw(r#"{"a":1,"b":2,"\u0061":3}"#);
        let node = Node::Raw(raw.get());
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
            assert!(Node::Raw(raw.get()).members().is_empty());
            assert!(Node::Raw(raw.get()).member("a").is_none());
            assert!(!Node::Raw(raw.get()).repeats("a"));
        }
        let raw = raw(r#"{"a":1}"#);
        assert!(Node::Raw(raw.get()).elements().is_empty());
    }

    #[test]
    fn packet_shows_the_effective_rapids_object() {
        let body = r#"{"rapids":{},"a \"b\"":1,"rapids":{}}"#;
        let fields = Fields::parse(body.as_bytes().into()).unwrap();
        let provenance = Provenance::fresh();
        let top = Node::Top(Top { fields: &fields, provenance: &provenance });
        let rapids = provenance.text();
        assert_eq!(top.text(), format!(r#"{{"a \"b\"":1,"rapids":{rapids}}}"#));
        assert_eq!(top.member("rapids").unwrap().text(), rapids);
        assert_eq!(top.member("a \"b\"").unwrap().text(), "1");
        assert_eq!(top.repeated().as_deref(), Some("rapids"));
        assert!(top.repeats("rapids"));
    }
}
