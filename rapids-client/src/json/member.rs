//! The members of an object: reading them in order, and writing them.

use std::fmt;

use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::text::Text;

/// One member of an object.
#[derive(Debug, Clone)]
pub(crate) struct Member<'a> {
    pub(crate) name: Text<'a>,
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
                let name = Text::read(key).map_err(A::Error::custom)?;
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

/// Appends `"key":value` to an object that is being written. The key is JSON.
pub(crate) fn write_member(text: &mut String, key: &str, value: &str) {
    if !text.ends_with('{') {
        text.push(',');
    }
    text.push_str(key);
    text.push(':');
    text.push_str(value);
}

/// Appends `"key":`. The key needs no escapes.
pub(crate) fn write_key(text: &mut String, key: &str) {
    if !text.ends_with('{') {
        text.push(',');
    }
    text.push('"');
    text.push_str(key);
    text.push_str("\":");
}

/// Writes a text as a JSON string.
pub(crate) fn write_string(json: &mut String, text: &str) {
    // A fold without an early end, which the compiler turns into steps of many bytes.
    let is_plain = |plain, byte| plain & (byte >= b' ') & (byte != b'"') & (byte != b'\\');
    if !text.bytes().fold(true, is_plain) {
        json.push_str(&serde_json::Value::from(text).to_string());
    } else {
        json.push('"');
        json.push_str(text);
        json.push('"');
    }
}
