//! What a JSON string stands for, compared and counted by its code points.
//!
//! Where a string begins and ends is left to the JSON parser.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// The characters of a JSON string; borrowed where it holds no escapes, and cheap to clone.
///
/// JSON can write half of a surrogate pair (`"\ud800"`), which no string of Rust holds. Here it has
/// the three bytes that UTF-8 would give to its code point, as in WTF-8, so that it is one
/// character, equal to itself only.
#[derive(Debug, Clone)]
pub(crate) enum Text<'a> {
    Sent(&'a [u8]),
    Decoded(Rc<[u8]>),
}

impl<'a> Text<'a> {
    /// Reads a JSON string, which is in quotes.
    ///
    /// # Errors
    /// If the text is no JSON string.
    pub(crate) fn read(string: &'a str) -> serde_json::Result<Self> {
        let inner = string.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let inner = inner.ok_or_else(|| serde_json::Error::custom("expected a JSON string"))?;
        if !inner.contains('\\') {
            return Ok(Self::Sent(inner.as_bytes()));
        }
        let Decoded(bytes) = serde_json::from_str(string)?;
        Ok(Self::Decoded(bytes))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Sent(bytes) => bytes,
            Self::Decoded(bytes) => bytes,
        }
    }

    /// How many characters there are.
    pub(crate) fn characters(&self) -> usize {
        self.bytes().iter().filter(|byte| !is_continuation(**byte)).count()
    }

    /// The text for people: half of a surrogate pair is shown as U+FFFD.
    pub(crate) fn shown(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.bytes())
    }
}

/// Whether a byte of UTF-8 is not the first one of a character.
fn is_continuation(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self::Sent(text.as_bytes())
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for Text<'_> {}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        self.bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for Text<'_> {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl PartialOrd for Text<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The order of the bytes is that of the code points, which RFC 9535 asks for.
impl Ord for Text<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.bytes().cmp(other.bytes())
    }
}

impl Hash for Text<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes().hash(state);
    }
}

/// What a string with escapes stands for.
struct Decoded(Rc<[u8]>);

impl<'de> Deserialize<'de> for Decoded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl Visitor<'_> for Bytes {
            type Value = Decoded;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a JSON string")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Decoded, E> {
                Ok(Decoded(bytes.into()))
            }
        }

        // serde_json reads half a pair into bytes, as WTF-8, but refuses to read it into a string.
        deserializer.deserialize_bytes(Bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(string: &str) -> Text<'_> {
        Text::read(string).unwrap()
    }

    #[test]
    fn half_a_surrogate_pair_is_one_character_and_equal_to_itself_only() {
        let halves = [
            r#""\ud800""#,
            r#""\ud801""#,
            r#""\udbff""#,
            r#""\udc00""#,
            r#""\udfff""#,
            r#""\ufffd""#,
            "\"\u{fffd}\\u0041\"",
            r#""\ud800\ud800""#,
            r#""\udc00\ud800""#,
            r#""\ud800\u0041""#,
            r#""\ud800x""#,
            r#""\ud800\n""#,
            r#""\ud800\udc00""#,
        ];
        for (position, one) in halves.iter().enumerate() {
            for (other_position, other) in halves.iter().enumerate() {
                assert_eq!(read(one) == read(other), position == other_position, "{one} {other}");
            }
        }
        let counts = halves.map(|half| read(half).characters());
        assert_eq!(counts, [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 1]);
        assert_eq!(read(r#""\ud83e\udd80""#), "🦀");
        assert_eq!(read(r#""a\ud800""#).shown(), "a\u{fffd}\u{fffd}\u{fffd}");
    }

    #[test]
    fn order_is_that_of_the_code_points() {
        for (less, greater) in [
            (r#""\ud7ff""#, r#""\ud800""#),
            (r#""\ud800""#, r#""\udc00""#),
            (r#""\udfff""#, r#""\ue000""#),
            (r#""\udfff""#, r#""🦀""#),
        ] {
            assert!(read(less) < read(greater), "{less} {greater}");
        }
    }
}
