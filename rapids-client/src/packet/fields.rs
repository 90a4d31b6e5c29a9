//! The fields of a packet, in their order and in their original text.
//!
//! Knows JSON objects; knows nothing of what the keys mean.

use std::fmt::Write as _;

use serde_json::value::RawValue;

use crate::condition::Step;
use crate::json::{MAX_DEPTH, Members};

/// Top-level members in order. A repeated key stays, so that bytes and meaning survive.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields(Vec<(Box<str>, Box<RawValue>)>);

impl Fields {
    /// Reads a body, or says what is wrong with it.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, String> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Err("it is empty".into());
        }
        let text = std::str::from_utf8(body)
            .map_err(|error| format!("not UTF-8 from byte {} on", error.valid_up_to() + 1))?;
        let depth = deepest(text);
        if depth > MAX_DEPTH {
            return Err(format!("nested {depth} levels deep, the limit is {MAX_DEPTH}"));
        }
        if let Some(b'[') = body.iter().find(|byte| !byte.is_ascii_whitespace()) {
            return Err("a JSON array, not an object".into());
        }
        let Members(members) =
            serde_json::from_str(text).map_err(|error| format!("not a JSON object: {error}"))?;
        Ok(Self(members.into_iter().map(|(key, value)| (key.into(), value.to_owned())).collect()))
    }

    /// The first value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&RawValue> {
        self.0.iter().find(|(name, _)| &**name == key).map(|(_, value)| &**value)
    }

    /// Replaces every occurrence of a key by one value, or appends it.
    pub(crate) fn set(&mut self, key: &str, value: Box<RawValue>) {
        match self.0.iter().position(|(name, _)| &**name == key) {
            Some(first) => {
                self.0[first].1 = value;
                let mut position = 0;
                self.0.retain(|(name, _)| {
                    position += 1;
                    position <= first + 1 || &**name != key
                });
            }
            None => self.0.push((key.into(), value)),
        }
    }

    /// Sets a value below a top-level key, making the objects on the way.
    pub(crate) fn set_path(&mut self, steps: &[Step], value: Box<RawValue>) -> Result<(), String> {
        let Some((Step::Name(key), rest)) = steps.split_first() else {
            return Err("does not begin with the name of a field".into());
        };
        let depth = steps.len() + deepest(value.get());
        if depth > MAX_DEPTH {
            return Err(format!("would nest {depth} levels deep, the limit is {MAX_DEPTH}"));
        }
        let value = replaced(self.get(key), rest, value)?;
        self.set(key, value);
        Ok(())
    }

    pub(crate) fn as_slice(&self) -> &[(Box<str>, Box<RawValue>)] {
        &self.0
    }
}

/// The depth of the deepest bracket, whether or not the text is valid JSON.
fn deepest(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// A copy of `old` in which the value at `steps` is `value`.
fn replaced(
    old: Option<&RawValue>,
    steps: &[Step],
    value: Box<RawValue>,
) -> Result<Box<RawValue>, String> {
    let Some((step, rest)) = steps.split_first() else {
        return Ok(value);
    };
    match step {
        Step::Name(name) => {
            let mut members = match old.map(RawValue::get) {
                None => Members::default(),
                Some(text) if text.starts_with('{') => read(text)?,
                Some(text) => return Err(format!("leads through `{}`, no object", cut(text))),
            };
            let inner = members.0.iter().find(|(key, _)| key == name).map(|(_, value)| *value);
            let inner = replaced(inner, rest, value)?;
            match members.0.iter().position(|(key, _)| key == name) {
                Some(first) => {
                    members.0[first].1 = &inner;
                    let mut position = 0;
                    members.0.retain(|(key, _)| {
                        position += 1;
                        position <= first + 1 || key != name
                    });
                }
                None => members.0.push((name.as_str().into(), &inner)),
            }
            joined('{', members.0.iter().map(|(key, value)| (Some(&**key), *value)), '}')
        }
        Step::Index(index) => {
            let mut elements: Vec<&RawValue> = match old.map(RawValue::get) {
                None => Vec::new(),
                Some(text) if text.starts_with('[') => read(text)?,
                Some(text) => return Err(format!("leads through `{}`, no array", cut(text))),
            };
            let length = elements.len();
            let position = usize::try_from(*index)
                .ok()
                .or_else(|| length.checked_sub(usize::try_from(index.unsigned_abs()).ok()?))
                .filter(|position| *position <= length)
                .ok_or_else(|| format!("has index {index}, but the array has {length} elements"))?;
            let inner = replaced(elements.get(position).copied(), rest, value)?;
            match elements.get_mut(position) {
                Some(element) => *element = &inner,
                None => elements.push(&inner),
            }
            joined('[', elements.iter().map(|element| (None, *element)), ']')
        }
    }
}

fn read<'a, T: serde::Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn cut(text: &str) -> String {
    text.chars().take(20).collect()
}

fn joined<'a>(
    open: char,
    parts: impl Iterator<Item = (Option<&'a str>, &'a RawValue)>,
    close: char,
) -> Result<Box<RawValue>, String> {
    let mut text = String::from(open);
    for (key, value) in parts {
        if text.len() > 1 {
            text.push(',');
        }
        write_member(&mut text, key, value);
    }
    text.push(close);
    RawValue::from_string(text).map_err(|error| error.to_string())
}

/// Writes `"key":value`, or the value alone.
pub(crate) fn write_member(text: &mut String, key: Option<&str>, value: &RawValue) {
    if let Some(key) = key {
        // Writing to a String cannot fail.
        let _ = write!(text, "{}:", serde_json::Value::from(key));
    }
    text.push_str(value.get());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::condition::Path;

    fn reason(body: &[u8]) -> String {
        Fields::parse(body).unwrap_err()
    }

    #[test]
    fn bodies_that_are_no_object_are_refused_with_the_reason() {
        assert_eq!(reason(b" \n"), "it is empty");
        assert_eq!(reason(b"[]"), "a JSON array, not an object");
        assert!(reason(b"not json").starts_with("not a JSON object: "));
        assert!(reason(b"{\"a\":1} x").starts_with("not a JSON object: trailing"));
        assert_eq!(reason(b"{\"a\":\"\xff\"}"), "not UTF-8 from byte 7 on");
        for unescaped in ["{\"\u{0}\":1}", "{\"\\n\n\":1}", "{\"a\":\"\t\"}"] {
            let reason = reason(unescaped.as_bytes());
            assert!(reason.contains("control character"), "{unescaped:?}: {reason}");
        }
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(reason(deep.as_bytes()), "nested 10001 levels deep, the limit is 127");
    }

    #[test]
    fn brackets_inside_strings_do_not_count_as_depth() {
        let body = format!(r#"{{"a":"\"{}"}}"#, "[".repeat(500));
        assert!(Fields::parse(body.as_bytes()).is_ok());
    }

    #[test]
    fn setting_a_repeated_key_leaves_one() {
        let mut fields = Fields::parse(br#"{"a":1,"b":2,"a":3}"#).unwrap();
        fields.set("a", RawValue::from_string("9".into()).unwrap());
        let texts: Vec<_> =
            fields.as_slice().iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(texts, ["a=9", "b=2"]);
        let mut fields = Fields::parse(br#"{"o":{"a":1,"b":2,"a":{"c":3}}}"#).unwrap();
        let path = Path::parse("@.o.a").unwrap();
        fields.set_path(path.steps(), RawValue::from_string("9".into()).unwrap()).unwrap();
        assert_eq!(fields.get("o").unwrap().get(), r#"{"a":9,"b":2}"#);
    }
}
