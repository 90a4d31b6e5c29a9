//! The key of one entry of a memory, as it is written for the server and read back.

use std::cmp::Ordering;
use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::json::{canonical, compare_numbers};
use crate::names::{encoded, encoded_bytes};

/// Longest key in bytes, encoded: it becomes a subject on the server.
pub(super) const MAX_KEY_BYTES: usize = 512;

/// What begins a number.
const NUMBER: &str = "=n";
/// What begins a boolean.
const BOOLEAN: &str = "=b";

/// The key of one entry of a memory: a text, a number or a boolean, as the packets had it.
///
/// The text `7` and the number 7 are two keys, the numbers 7 and 7.0 are one. In order, booleans come first,
/// then numbers by their value, then texts.
///
/// ```
/// use rapids_client::EntryKey;
///
/// assert_eq!(EntryKey::from("o-1").to_string(), "o-1");
/// assert_ne!(EntryKey::from("7"), EntryKey::from(7_u64));
/// assert_eq!(EntryKey::number_or_boolean("7.0"), Some(EntryKey::from(7_u64)));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EntryKey(String);

impl EntryKey {
    /// A text, of which not all bytes need be UTF-8.
    pub(super) fn of_bytes(bytes: &[u8]) -> Self {
        Self(encoded_bytes(bytes))
    }

    /// A number of JSON, as it is written.
    pub(super) fn of_number(literal: &str) -> Self {
        Self(format!("{NUMBER}{}", encoded(&canonical(literal))))
    }

    /// The number or boolean that a text reads as in JSON, such as `7`, `1.5` or `true`; `None` for any
    /// other text.
    pub fn number_or_boolean(text: &str) -> Option<Self> {
        match text {
            "true" => Some(Self::from(true)),
            "false" => Some(Self::from(false)),
            _ => {
                let is_number = text
                    .starts_with(|first: char| first == '-' || first.is_ascii_digit())
                    && serde_json::from_str::<&RawValue>(text).is_ok_and(|raw| raw.get() == text);
                is_number.then(|| Self::of_number(text))
            }
        }
    }

    /// Reads what [`encoded`](Self::encoded) has written; `None` for anything else.
    pub(crate) fn of_encoded(encoded: &str) -> Option<Self> {
        if !encoded.contains('=') {
            return is_plain(encoded).then(|| Self(encoded.to_owned()));
        }
        let key = Self(encoded.to_owned());
        let is_read_back = match key.scalar() {
            Some(scalar) => Self::number_or_boolean(&scalar).as_ref() == Some(&key),
            None => encoded_bytes(&decoded(encoded)?) == encoded,
        };
        is_read_back.then_some(key)
    }

    /// As it is written for the server: one token of a subject.
    ///
    /// Texts stay readable: what is not a letter, a digit, `-` or `_` becomes `=` and two hex digits per
    /// byte. `=n` begins a number, `=b` a boolean, and `=` alone is the empty text.
    pub(crate) fn encoded(&self) -> &str {
        &self.0
    }

    /// Whether it is too long to be the key of anything.
    pub(crate) fn is_too_long(&self) -> bool {
        self.0.len() > MAX_KEY_BYTES
    }

    /// The number or the boolean that it is, in JSON.
    fn scalar(&self) -> Option<String> {
        if let Some(boolean) = self.0.strip_prefix(BOOLEAN) {
            return Some(boolean.to_owned());
        }
        let number = self.0.strip_prefix(NUMBER).and_then(decoded)?;
        String::from_utf8(number).ok()
    }

    /// The text that it is; what is not UTF-8 is shown as `�`.
    fn text(&self) -> String {
        String::from_utf8_lossy(&decoded(&self.0).unwrap_or_default()).into_owned()
    }

    /// Whether it is a text that begins so.
    pub(crate) fn begins_with(&self, prefix: &str) -> bool {
        // Each byte is encoded by itself.
        let is_text = !self.0.starts_with(BOOLEAN) && !self.0.starts_with(NUMBER);
        prefix.is_empty() || (is_text && self.0.starts_with(&encoded(prefix)))
    }
}

/// Whether a text is its own encoding.
fn is_plain(text: &str) -> bool {
    let is_kept = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !text.is_empty() && text.bytes().all(is_kept)
}

/// The bytes of an encoded text; `None` if it is none.
fn decoded(encoded: &str) -> Option<Vec<u8>> {
    if encoded == "=" {
        return Some(Vec::new());
    }
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some(first) = rest.bytes().next() {
        let length = if first == b'=' {
            bytes.push(u8::from_str_radix(rest.get(1..3)?, 16).ok()?);
            3
        } else {
            bytes.push(first);
            1
        };
        rest = rest.get(length..)?;
    }
    Some(bytes)
}

impl Ord for EntryKey {
    fn cmp(&self, other: &Self) -> Ordering {
        if ![self, other].iter().any(|key| key.0.starts_with('=')) {
            return self.0.cmp(&other.0);
        }
        let rank = |key: &Self| match () {
            () if key.0.starts_with(BOOLEAN) => 0,
            () if key.0.starts_with(NUMBER) => 1,
            () => 2,
        };
        rank(self).cmp(&rank(other)).then_with(|| {
            match (rank(self), self.scalar(), other.scalar()) {
                (1, Some(one), Some(two)) => compare_numbers(&one, &two),
                _ => self.0.cmp(&other.0),
            }
        })
    }
}

impl PartialOrd for EntryKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The text, number or boolean, as a person would write it.
impl fmt::Display for EntryKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.scalar().unwrap_or_else(|| self.text()))
    }
}

/// As JSON: a text is in quotes, a number or boolean is not.
impl fmt::Debug for EntryKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scalar() {
            Some(scalar) => formatter.write_str(&scalar),
            None => write!(formatter, "{:?}", self.text()),
        }
    }
}

/// The string, number or boolean of JSON.
impl Serialize for EntryKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.scalar().and_then(|scalar| RawValue::from_string(scalar).ok()) {
            Some(scalar) => scalar.serialize(serializer),
            None => serializer.serialize_str(&self.text()),
        }
    }
}

impl From<&str> for EntryKey {
    fn from(text: &str) -> Self {
        Self(encoded(text))
    }
}

impl From<&String> for EntryKey {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<String> for EntryKey {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<bool> for EntryKey {
    fn from(value: bool) -> Self {
        Self(format!("{BOOLEAN}{value}"))
    }
}

impl From<u64> for EntryKey {
    fn from(number: u64) -> Self {
        Self::of_number(&number.to_string())
    }
}

impl From<i64> for EntryKey {
    fn from(number: i64) -> Self {
        Self::of_number(&number.to_string())
    }
}

impl From<u32> for EntryKey {
    fn from(number: u32) -> Self {
        Self::from(u64::from(number))
    }
}

impl From<i32> for EntryKey {
    fn from(number: i32) -> Self {
        Self::from(i64::from(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_back(key: &EntryKey) -> Option<EntryKey> {
        EntryKey::of_encoded(key.encoded())
    }

    #[test]
    fn every_key_is_read_back_and_shown_as_it_was() {
        for text in ["o-1_A", "a.b =é", "", "=", "n7", "=n7", "btrue", "7", "true", "\u{1f6f6}"] {
            let key = EntryKey::from(text);
            assert_eq!(read_back(&key).as_ref(), Some(&key));
            assert_eq!(key.to_string(), text);
            assert_eq!(serde_json::to_string(&key).unwrap(), serde_json::to_string(text).unwrap());
        }
        for (number, shown) in
            [("7", "7"), ("-7.50", "-7.5"), ("1e400", "1e400"), ("0.1", "0.1"), ("-0", "0")]
        {
            let key = EntryKey::number_or_boolean(number).unwrap();
            assert_eq!(read_back(&key).as_ref(), Some(&key));
            assert_eq!((key.to_string(), format!("{key:?}")), (shown.to_owned(), shown.to_owned()));
            assert_eq!(serde_json::to_string(&key).unwrap(), shown);
        }
        let key = EntryKey::from(true);
        assert_eq!(read_back(&key).as_ref(), Some(&key));
        assert_eq!(
            (key.to_string(), serde_json::to_string(&key).unwrap()),
            ("true".into(), "true".into())
        );
    }

    #[test]
    fn what_no_key_is_written_as_is_none() {
        for encoded in ["a.b", "a b", "=g0", "=4", "=n", "=n7=2E0", "=n07", "=bno", "=41", "é"] {
            assert_eq!(EntryKey::of_encoded(encoded), None, "{encoded}");
        }
    }

    #[test]
    fn texts_numbers_and_booleans_are_kept_apart() {
        assert_ne!(EntryKey::from("7"), EntryKey::from(7_u64));
        assert_eq!(EntryKey::from(7_i64), EntryKey::number_or_boolean("7.0").unwrap());
        assert_ne!(EntryKey::from("true"), EntryKey::from(true));
        for text in ["o-1", "", "-", "1e", "07", " 7", "7 ", "null", "\"7\"", "[7]"] {
            assert_eq!(EntryKey::number_or_boolean(text), None, "{text}");
        }
        assert_eq!(format!("{:?}", EntryKey::from("7")), "\"7\"");
    }

    #[test]
    fn numbers_are_in_their_order_and_texts_behind_them() {
        let mut keys: Vec<EntryKey> = ["b", "a.", "10", "a"].map(EntryKey::from).into();
        keys.extend([10_i64, -2, 9].map(EntryKey::from));
        keys.extend([true, false].map(EntryKey::from));
        keys.sort();
        let shown: Vec<_> = keys.iter().map(|key| format!("{key:?}")).collect();
        assert_eq!(shown.join(" "), r#"false true -2 9 10 "10" "a" "a." "b""#);
    }

    #[test]
    fn a_prefix_is_that_of_a_text() {
        let key = EntryKey::from("a.b=c");
        assert!(["", "a", "a.", "a.b="].iter().all(|prefix| key.begins_with(prefix)));
        assert!(!key.begins_with("a.b=c."));
        assert!(EntryKey::from(7_u64).begins_with("") && !EntryKey::from(7_u64).begins_with("7"));
    }

    #[test]
    fn half_a_character_is_a_key_too() {
        let key = EntryKey::of_bytes(&[b'a', 0xed, 0xa0, 0x80]);
        assert_eq!(read_back(&key).as_ref(), Some(&key));
        assert!(key.to_string().starts_with('a'));
    }
}
