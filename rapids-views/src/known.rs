//! What each packet of a conversation changes, and what is known behind it.
//!
//! Knows no types: a fact is a key of the top level, and the last packet that has it says its value.

use std::collections::BTreeMap;

use rapids_client::Packet;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::own_facts::own_facts;

/// The longest list or object in a line, in bytes; of a longer one only the size is shown.
const NESTED: usize = 60;

/// Holds what the packets of a conversation so far say, by key. As JSON an object.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub struct Known(BTreeMap<String, Box<RawValue>>);

/// A fact that is new, or has another value than before.
#[derive(Debug, Serialize)]
struct Change {
    #[serde(skip)]
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    old: Option<Box<RawValue>>,
    new: Box<RawValue>,
}

/// What one packet changes of what is [`Known`].
#[derive(Debug, Default)]
pub struct Changes(Vec<Change>);

impl Known {
    /// Takes in the next packet in the order of the stream, and tells what it changes.
    pub fn take(&mut self, packet: &Packet) -> Changes {
        let facts = own_facts(packet).unwrap_or_default().into_iter();
        let facts = facts.filter(|(key, _)| key != "solutions");
        let changed = facts.filter_map(|(key, new)| {
            let old = self.0.insert(key.clone(), new.clone());
            let is_same = old.as_ref().is_some_and(|old| is_same(old, &new));
            (!is_same).then_some(Change { key, old, new })
        });
        Changes(changed.collect())
    }

    /// Tells all that is known, as `key: value`.
    #[must_use]
    pub fn shown(&self) -> String {
        let facts = self.0.iter().map(|(key, value)| format!("{key}: {}", shown(value)));
        facts.collect::<Vec<_>>().join("  ")
    }
}

impl Changes {
    /// Tells them as `key: value`, and `key: old -> new` where there was another value before.
    #[must_use]
    pub fn shown(&self) -> String {
        let change = |Change { key, old, new }: &Change| match old {
            Some(old) => format!("{key}: {} -> {}", shown(old), shown(new)),
            None => format!("{key}: {}", shown(new)),
        };
        self.0.iter().map(change).collect::<Vec<_>>().join("  ")
    }
}

/// An object, each change with `new` and maybe `old`, by key.
impl Serialize for Changes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|change| (&change.key, change)))
    }
}

/// Whether two values are the same, whatever stands between their tokens and in whichever order their
/// members come. Numbers are compared as they were said.
fn is_same(one: &RawValue, other: &RawValue) -> bool {
    if let (Some(one), Some(other)) = (members(one), members(other)) {
        let mut pairs = one.iter().zip(&other);
        return one.len() == other.len()
            && pairs.all(|((key, one), (same, other))| key == same && is_same(one, other));
    }
    if let (Some(one), Some(other)) = (elements(one), elements(other)) {
        let mut pairs = one.iter().zip(&other);
        return one.len() == other.len() && pairs.all(|(one, other)| is_same(one, other));
    }
    compact(one) == compact(other)
}

/// The members of an object; `None` of anything else.
fn members(value: &RawValue) -> Option<BTreeMap<String, &RawValue>> {
    serde_json::from_str(value.get()).ok()
}

/// The elements of a list; `None` of anything else.
fn elements(value: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(value.get()).ok()
}

/// A value as it was said, so that no digit is lost; a long list or object by its size.
fn shown(value: &RawValue) -> String {
    let text = compact(value);
    if text.len() <= NESTED {
        return text;
    }
    let elements = elements(value).map(|elements| format!("[{}]", elements.len()));
    let members = || members(value).map(|members| format!("{{{}}}", members.len()));
    elements.or_else(members).unwrap_or(text)
}

/// JSON without blanks between its tokens.
fn compact(value: &RawValue) -> String {
    let (mut is_text, mut is_escaped) = (false, false);
    let is_kept = |character: &char| {
        let is_blank = !is_text && matches!(character, ' ' | '\t' | '\n' | '\r');
        is_text ^= *character == '"' && !is_escaped;
        is_escaped = *character == '\\' && !is_escaped;
        !is_blank
    };
    value.get().chars().filter(is_kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each of these bodies changes.
    fn changes(bodies: &[&str]) -> (Vec<String>, Known) {
        let mut known = Known::default();
        let packets = bodies.iter().map(|body| Packet::from_bytes(body.to_string()).unwrap());
        let changes = packets.map(|packet| known.take(&packet).shown()).collect();
        (changes, known)
    }

    #[test]
    fn facts_that_are_new_or_have_another_value_are_changes() {
        let (changes, known) = changes(&[
            r#"{"event":"a","total":9007199254740993,"order_id":"o-1","price":1.10,"rapids":{}}"#,
            r#"{"need":["b"],"order_id":"o-1","total": 9007199254740992,"solutions":{"b":1}}"#,
            r#"{"command":"c","price":1.1,"note":"a \" b","order_id":null}"#,
            r#"{"event":"d","note":"a \" b"}"#,
        ]);
        assert_eq!(changes[0], r#"order_id: "o-1"  price: 1.10  total: 9007199254740993"#);
        assert_eq!(changes[1], "total: 9007199254740993 -> 9007199254740992");
        assert_eq!(changes[2], r#"order_id: "o-1" -> null  note: "a \" b"  price: 1.10 -> 1.1"#);
        assert_eq!(changes[3], "");
        let expected = r#"note: "a \" b"  order_id: null  price: 1.1  total: 9007199254740992"#;
        assert_eq!(known.shown(), expected);
    }

    #[test]
    fn blanks_and_the_order_of_members_are_no_change_and_long_lists_are_shown_by_their_size() {
        let long = "1,".repeat(40);
        let (changes, _) = changes(&[
            r#"{"a":{"b": [1, 2], "c d": "e  f"}}"#,
            r#"{"a":{"c d":"e  f","b":[1,2]}}"#,
            r#"{"a":{"c d":"e f","b":[1,2]}}"#,
            &format!(r#"{{"a":[{long}1]}}"#),
            &format!(r#"{{"a":"{long}"}}"#),
        ]);
        assert_eq!(changes[0], r#"a: {"b":[1,2],"c d":"e  f"}"#);
        assert_eq!(changes[1], "");
        assert!(changes[2].ends_with(r#" -> {"c d":"e f","b":[1,2]}"#), "{}", changes[2]);
        assert!(changes[3].ends_with(" -> [41]"), "{}", changes[3]);
        assert_eq!(changes[4], format!("a: [41] -> \"{long}\""), "texts are exact");
    }
}
