//! What JSON values look like, inferred from those that were seen, as a JSON Schema.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, json};

/// How many keys of an object are told apart, how long they may be, how many elements of an array are
/// looked at, and how deep.
const MOST_MEMBERS: usize = 200;
const LONGEST_KEY: usize = 256;
const MOST_ELEMENTS: usize = 1_000;
const DEEPEST: usize = 16;

/// What the values at one place look like.
#[derive(Debug, Default)]
pub(super) struct Shape {
    is_null: bool,
    is_boolean: bool,
    is_integer: bool,
    is_number: bool,
    is_string: bool,
    is_array: bool,
    /// How many of the values were objects.
    objects: u64,
    members: BTreeMap<String, MemberShape>,
    items: Option<Box<Shape>>,
    /// Whether there was more than is kept.
    is_cut: bool,
}

#[derive(Debug, Default)]
struct MemberShape {
    /// How many of the objects had it.
    present: u64,
    /// The last of them by number: one that repeats a key counts once.
    last: u64,
    shape: Shape,
}

/// Takes in one value. There is room for so many more members in all shapes.
struct Feed<'s> {
    shape: &'s mut Shape,
    room: &'s mut usize,
    depth: usize,
}

impl Shape {
    /// Takes in a JSON text. What stands behind something that cannot be read is left out.
    pub(super) fn add(&mut self, json: &[u8], room: &mut usize) {
        let mut reader = serde_json::Deserializer::from_slice(json);
        let is_read = Feed { shape: self, room, depth: 0 }.deserialize(&mut reader).is_ok();
        self.is_cut |= !is_read;
    }

    /// The JSON Schema that all values meet: a key is required where every object had it.
    pub(super) fn schema(&self) -> Map<String, Value> {
        let mut schema = Map::new();
        let types = self.types();
        match types.as_slice() {
            [] => {}
            [only] => drop(schema.insert("type".to_owned(), json!(only))),
            several => drop(schema.insert("type".to_owned(), json!(several))),
        }
        if self.objects > 0 {
            let members = self.members.iter();
            let properties = members
                .clone()
                .map(|(key, member)| (key.clone(), Value::Object(member.shape.schema())));
            schema.insert("properties".to_owned(), Value::Object(properties.collect()));
            let required = members.filter(|(_, member)| member.present == self.objects);
            let required: Vec<_> = required.map(|(key, _)| key).collect();
            if !required.is_empty() {
                schema.insert("required".to_owned(), json!(required));
            }
        }
        if let Some(items) = &self.items {
            schema.insert("items".to_owned(), Value::Object(items.schema()));
        }
        if self.is_cut {
            schema.insert("x-rapids-left-out".to_owned(), json!(true));
        }
        schema
    }

    fn types(&self) -> Vec<&'static str> {
        let types = [
            (self.objects > 0, "object"),
            (self.is_array, "array"),
            (self.is_string, "string"),
            // Each integer is a number, too.
            (self.is_integer && !self.is_number, "integer"),
            (self.is_number, "number"),
            (self.is_boolean, "boolean"),
            (self.is_null, "null"),
        ];
        types.into_iter().filter(|(is_it, _)| *is_it).map(|(_, name)| name).collect()
    }
}

impl<'de> DeserializeSeed<'de> for Feed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.depth >= DEEPEST {
            self.shape.is_cut = true;
            return deserializer.deserialize_ignored_any(IgnoredAny).map(|_| ());
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Feed<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.shape.is_null = true;
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.shape.is_boolean = true;
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        self.shape.is_integer = true;
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.shape.is_integer = true;
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.shape.is_number = true;
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        self.shape.is_string = true;
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        self.shape.is_array = true;
        let depth = self.depth + 1;
        for _ in 0..MOST_ELEMENTS {
            let shape = self.shape.items.get_or_insert_default();
            if elements.next_element_seed(Feed { shape, room: self.room, depth })?.is_none() {
                return Ok(());
            }
        }
        while elements.next_element::<IgnoredAny>()?.is_some() {
            self.shape.is_cut = true;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        self.shape.objects += 1;
        let (object, depth) = (self.shape.objects, self.depth + 1);
        while let Some(key) = members.next_key::<String>()? {
            let has_room = *self.room > 0 && self.shape.members.len() < MOST_MEMBERS;
            if !self.shape.members.contains_key(&key) {
                if !has_room || key.len() > LONGEST_KEY {
                    self.shape.is_cut = true;
                    members.next_value::<IgnoredAny>()?;
                    continue;
                }
                *self.room -= 1;
            }
            let member = self.shape.members.entry(key).or_default();
            if member.last != object {
                member.last = object;
                member.present += 1;
            }
            members.next_value_seed(Feed { shape: &mut member.shape, room: self.room, depth })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(values: &[&str]) -> Value {
        let (mut shape, mut room) = (Shape::default(), 1_000);
        values.iter().for_each(|value| shape.add(value.as_bytes(), &mut room));
        Value::Object(shape.schema())
    }

    #[test]
    fn what_every_object_has_is_required_and_types_are_merged() {
        assert_eq!(
            schema(&[
                r#"{"id":"a","total":1,"items":[{"sku":"x","n":1},{"sku":"y"}]}"#,
                r#"{"id":7,"total":1.5,"note":null,"items":[]}"#,
            ]),
            json!({
                "type": "object",
                "required": ["id", "items", "total"],
                "properties": {
                    "id": {"type": ["string", "integer"]},
                    "total": {"type": "number"},
                    "note": {"type": "null"},
                    "items": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["sku"],
                            "properties": {"sku": {"type": "string"}, "n": {"type": "integer"}},
                        },
                    },
                },
            })
        );
    }

    #[test]
    fn a_key_that_is_repeated_counts_once() {
        let schema = schema(&[r#"{"a":1,"a":2}"#, "{}"]);
        assert_eq!(schema["properties"]["a"]["type"], "integer");
        assert_eq!(schema.get("required"), None);
    }

    #[test]
    fn what_is_beyond_the_limits_is_left_out_and_said_to_be() {
        let keys: Vec<_> = (0..300).map(|n| format!("\"k{n}\":1")).collect();
        let wide = schema(&[&format!("{{{}}}", keys.join(","))]);
        assert_eq!(wide["properties"].as_object().unwrap().len(), MOST_MEMBERS);
        assert_eq!(wide["x-rapids-left-out"], true);
        let deep = schema(&[&format!("{}{}", "[".repeat(100), "]".repeat(100))]).to_string();
        assert!(deep.contains(r#""items":{"x-rapids-left-out":true}"#), "{deep}");
        assert_eq!(schema(&["[1,"])["x-rapids-left-out"], true);
        assert_eq!(schema(&["[]"]), json!({"type": "array", "items": {}}));
    }
}
