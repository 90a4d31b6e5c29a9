//! Compares JSON strings by what they stand for, without a copy.
//!
//! Where a string begins and ends is left to [`skip`](super::skip).

use std::cmp::Ordering;
use std::ops::Range;

use super::unreadable::Unreadable;

/// What stands between the quotes of a string.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'a> {
    bytes: &'a [u8],
    escaped: bool,
}

impl<'a> Text<'a> {
    /// The inside of a string as it was sent; `escaped` if there is a backslash in it.
    #[inline]
    pub(super) fn sent(bytes: &'a [u8], escaped: bool) -> Self {
        Self { bytes, escaped }
    }

    /// A text that needs no decoding.
    #[inline]
    pub(super) fn plain(bytes: &'a [u8]) -> Self {
        Self { bytes, escaped: false }
    }

    /// Compares by characters, whose order is that of their bytes in UTF-8. Half of a surrogate pair
    /// is a character, too, as for the exact evaluator; see [`json::Text`](crate::json::Text).
    #[inline]
    pub(super) fn compare(self, other: Self) -> Result<Ordering, Unreadable> {
        if !self.escaped && !other.escaped {
            return Ok(self.bytes.cmp(other.bytes));
        }
        let (mut left, mut right) = (Decoder::of(self), Decoder::of(other));
        loop {
            match (left.next()?, right.next()?) {
                (None, None) => return Ok(Ordering::Equal),
                (a, b) if a != b => return Ok(a.cmp(&b)),
                _ => {}
            }
        }
    }

    /// Tells whether both are the same text.
    #[inline]
    pub(super) fn equals(self, other: Self) -> Result<bool, Unreadable> {
        if !self.escaped && !other.escaped {
            return Ok(self.bytes == other.bytes);
        }
        self.compare(other).map(Ordering::is_eq)
    }

    /// The content, in `memory` if it has to be decoded.
    #[inline]
    pub(super) fn content<'m>(self, memory: &'m mut Vec<u8>) -> Result<&'m [u8], Unreadable>
    where
        'a: 'm,
    {
        if !self.escaped {
            return Ok(self.bytes);
        }
        memory.clear();
        self.decode(memory)?;
        Ok(memory)
    }

    /// Adds the content.
    pub(super) fn decode(self, memory: &mut Vec<u8>) -> Result<(), Unreadable> {
        let mut decoder = Decoder::of(self);
        while let Some(byte) = decoder.next()? {
            memory.push(byte);
        }
        Ok(())
    }
}

/// Shows a text byte by byte.
struct Decoder<'a> {
    rest: &'a [u8],
    escaped: bool,
    /// The character of an escape, and what of it is still to be shown.
    character: [u8; 4],
    left: Range<usize>,
}

impl<'a> Decoder<'a> {
    fn of(text: Text<'a>) -> Self {
        Self { rest: text.bytes, escaped: text.escaped, character: [0; 4], left: 0..0 }
    }

    fn next(&mut self) -> Result<Option<u8>, Unreadable> {
        if let Some(at) = self.left.next() {
            return Ok(Some(self.character[at]));
        }
        match self.shift() {
            Some(b'\\') if self.escaped => {
                let code = self.escape()?;
                self.left = 1..self.write(code);
                Ok(Some(self.character[0]))
            }
            byte => Ok(byte),
        }
    }

    fn shift(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    fn escape(&mut self) -> Result<u32, Unreadable> {
        Ok(match self.shift().ok_or(Unreadable)? {
            letter @ (b'"' | b'\\' | b'/') => letter.into(),
            b'b' => 0x8,
            b'f' => 0xC,
            b'n' => 0xA,
            b'r' => 0xD,
            b't' => 0x9,
            b'u' => self.code_point()?,
            _ => return Err(Unreadable),
        })
    }

    /// One unit of UTF-16, or two that belong together.
    fn code_point(&mut self) -> Result<u32, Unreadable> {
        let first = self.unit()?;
        if !(0xD800..0xDC00).contains(&first) {
            return Ok(first);
        }
        let behind = self.rest;
        if let Some(rest) = self.rest.strip_prefix(b"\\u") {
            self.rest = rest;
            let second = self.unit()?;
            if (0xDC00..0xE000).contains(&second) {
                return Ok(0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00));
            }
            // The first half is followed by none that belongs to it, so it stands for itself.
            self.rest = behind;
        }
        Ok(first)
    }

    /// Keeps the bytes of a code point, and tells how many there are.
    fn write(&mut self, code: u32) -> usize {
        if let Some(character) = char::from_u32(code) {
            return character.encode_utf8(&mut self.character).len();
        }
        // Half of a pair, as UTF-8 would have it if it were a character.
        let tail = |shift: u32| 0x80 | (code >> shift & 0x3F) as u8;
        self.character = [0xE0 | (code >> 12) as u8, tail(6), tail(0), 0];
        3
    }

    fn unit(&mut self) -> Result<u32, Unreadable> {
        let (digits, rest) = self.rest.split_at_checked(4).ok_or(Unreadable)?;
        self.rest = rest;
        digits.iter().try_fold(0, |unit, digit| {
            let digit = char::from(*digit).to_digit(16).ok_or(Unreadable)?;
            Ok(unit * 16 + digit)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    fn sent(text: &str) -> Text<'_> {
        Text::sent(text.as_bytes(), text.contains('\\'))
    }

    #[test]
    fn escapes_stand_for_their_characters() {
        for (written, meant) in [
            ("plain", "plain"),
            (r"\u006frder", "order"),
            (r#"\"\\\/\b\f\n\r\t"#, "\"\\/\u{8}\u{c}\n\r\t"),
            (r"\ud83e\udd80", "🦀"),
            (r"\u00FC\u20ac", "ü€"),
            ("é\\u0000", "é\0"),
        ] {
            let plain = Text::plain(meant.as_bytes());
            assert_eq!(sent(written).compare(plain), Ok(Ordering::Equal), "{written}");
            assert_eq!(plain.equals(sent(written)), Ok(true), "{written}");
            let mut memory = Vec::new();
            assert_eq!(sent(written).content(&mut memory), Ok(meant.as_bytes()), "{written}");
        }
    }

    #[test]
    fn order_is_that_of_the_characters() {
        for (less, greater) in [
            (r"\u0061", "b"),
            ("a", r"a\u0000"),
            (r"\uffee", r"\ud83e\udd80"),
            (r"\uffee", "🦀"),
            ("", r"\n"),
        ] {
            assert_eq!(sent(less).compare(sent(greater)), Ok(Ordering::Less), "{less} {greater}");
            assert_eq!(sent(greater).compare(sent(less)), Ok(Ordering::Greater));
        }
    }

    #[test]
    fn half_a_pair_is_what_it_is_for_the_exact_evaluator() {
        let halves = [
            r"\ud800",
            r"\udbff",
            r"\udc00",
            r"\ud800\ud800",
            r"\ud800\ud83e\udd80",
            r"\udc00\ud800",
            r"\ud800\u0041",
            r"\ud800x",
            r"\ud800\n",
            r"\ud800\udc00",
            r"\ud7ff",
            r"\ue000",
            r"\ufffd",
        ];
        for left in halves {
            for right in halves {
                let quoted = |half: &str| format!("\"{half}\"");
                let (one, other) = (quoted(left), quoted(right));
                let order = json::Text::read(&one).unwrap().cmp(&json::Text::read(&other).unwrap());
                assert_eq!(sent(left).compare(sent(right)), Ok(order), "{left} {right}");
            }
        }
    }

    #[test]
    fn damaged_escapes_are_unreadable() {
        for text in [r"\u12", r"\x", "\\", r"\ud800\u12"] {
            assert_eq!(sent(text).compare(Text::plain(b"")), Err(Unreadable), "{text}");
            assert_eq!(sent(text).content(&mut Vec::new()), Err(Unreadable), "{text}");
        }
    }
}
