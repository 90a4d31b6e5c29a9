//! Looks at 32 bytes of a body at once.
//!
//! The answer is a [`Mask`], whose lowest bit stands for the first byte. The functions are always
//! inlined, here and where they are used for each key: a call would cost as much as they do.

use wide::u8x32;

use super::unreadable::Unreadable;

/// One bit for each byte of a block.
pub(super) type Mask = u32;

/// A stretch of a body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    bytes: u8x32,
    /// How many of the bytes stand before the place that was asked for.
    before: usize,
}

impl Block {
    pub(super) const LENGTH: usize = 32;

    /// The bytes from `at` on; nothing is found behind the end of the body.
    #[inline(always)]
    pub(super) fn at(body: &[u8], at: usize) -> Result<Self, Unreadable> {
        let rest = body.get(at..).ok_or(Unreadable)?;
        match rest.first_chunk() {
            Some(bytes) => Ok(Self { bytes: u8x32::new(*bytes), before: 0 }),
            None => Self::last(body, rest.len()),
        }
    }

    fn last(body: &[u8], length: usize) -> Result<Self, Unreadable> {
        if length == 0 {
            return Err(Unreadable);
        }
        if let Some(bytes) = body.last_chunk() {
            return Ok(Self { bytes: u8x32::new(*bytes), before: Self::LENGTH - length });
        }
        // A byte that nobody looks for.
        let mut bytes = [b'x'; Self::LENGTH];
        bytes[..length].copy_from_slice(&body[body.len() - length..]);
        Ok(Self { bytes: u8x32::new(bytes), before: 0 })
    }

    #[inline(always)]
    fn mask(&self, marked: u8x32) -> Mask {
        marked.to_bitmask() >> self.before
    }

    #[inline(always)]
    fn marked(&self, byte: u8) -> u8x32 {
        self.bytes.simd_eq(u8x32::splat(byte))
    }

    /// The bytes at which a string ends, or an escape begins.
    #[inline(always)]
    pub(super) fn quotes_and_backslashes(&self) -> Mask {
        self.mask(self.marked(b'"') | self.marked(b'\\'))
    }

    /// The bytes that end a number or a word: blanks, commas and closing brackets.
    #[inline(always)]
    pub(super) fn ends_of_scalars(&self) -> Mask {
        let blanks = self.bytes.min(u8x32::splat(b' ')).simd_eq(self.bytes);
        self.mask(blanks | self.marked(b',') | self.braces().simd_eq(u8x32::splat(b'}')))
    }

    /// Opening brackets, and closing ones.
    #[inline(always)]
    pub(super) fn brackets(&self) -> (Mask, Mask) {
        let of = |brace| self.mask(self.braces().simd_eq(u8x32::splat(brace)));
        (of(b'{'), of(b'}'))
    }

    /// The bytes with square brackets made curly: they are the same but for one bit.
    #[inline(always)]
    fn braces(&self) -> u8x32 {
        self.bytes | u8x32::splat(b'[' ^ b'{')
    }
}

/// Tells which bytes are inside of strings, block by block.
#[derive(Debug, Default)]
pub(super) struct Strings {
    /// All bits, if the last block ended inside of a string.
    inside: Mask,
    /// Whether the last block ended with a backslash that escapes what follows.
    is_escaping: bool,
}

impl Strings {
    /// Which bytes of the next block are inside of a string.
    #[inline(always)]
    pub(super) fn inside(&mut self, block: &Block) -> Mask {
        let mut quotes = block.mask(block.marked(b'"'));
        let backslashes = block.mask(block.marked(b'\\'));
        if backslashes != 0 || self.is_escaping {
            quotes &= !self.escaped(backslashes);
        }
        // Each bit becomes the parity of the quotes up to it.
        let mut inside = quotes;
        for step in 0..Mask::BITS.ilog2() {
            inside ^= inside << (1 << step);
        }
        inside ^= self.inside;
        self.inside = if inside >> (Mask::BITS - 1) == 1 { Mask::MAX } else { 0 };
        inside
    }

    /// The bytes behind a backslash that is not escaped itself.
    fn escaped(&mut self, backslashes: Mask) -> Mask {
        let mut escaped = Mask::from(std::mem::take(&mut self.is_escaping));
        let mut rest = backslashes & !escaped;
        while rest != 0 {
            let backslash = rest & rest.wrapping_neg();
            self.is_escaping = backslash >> (Mask::BITS - 1) == 1;
            escaped |= backslash << 1;
            rest &= !(backslash | backslash << 1);
        }
        escaped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each character of `marks` that is no blank stands under a byte that is found.
    fn mask(marks: &str) -> Mask {
        marks.bytes().rev().fold(0, |mask, mark| mask << 1 | Mask::from(mark != b' '))
    }

    #[test]
    fn bytes_are_found_wherever_the_body_ends() {
        for length in 1..100 {
            for at in 0..length {
                let mut body = vec![b'x'; length];
                body[at..].copy_from_slice(&vec![b'"'; length - at]);
                body[at] = b'[';
                let found = (length - at).min(Block::LENGTH);
                let quotes = (2_u64.pow(found as u32) - 2) as Mask;
                let block = Block::at(&body, at).unwrap();
                assert_eq!(block.quotes_and_backslashes(), quotes, "{at} of {length}");
                assert_eq!(block.brackets(), (1, 0), "{at} of {length}");
            }
        }
        assert!(Block::at(b"", 0).is_err());
        assert!(Block::at(b"x", 1).is_err());
        assert!(Block::at(b"x", 2).is_err());
    }

    #[test]
    fn brackets_are_told_from_what_looks_like_them() {
        let block = Block::at(br#"[{]};z|~Z\^_"#, 0).unwrap();
        assert_eq!(block.brackets(), (mask("xx"), mask("  xx")));
    }

    #[test]
    fn escaped_quotes_end_no_string() {
        for (body, inside) in [
            (r#"{"a":1,"b""#, " xx    xx "),
            (r#""a\"b" "c""#, "xxxxx  xx "),
            (r#""\\" "\\\"""#, "xxx  xxxxx "),
            (r#""""#, "x "),
        ] {
            let block = Block::at(body.as_bytes(), 0).unwrap();
            let found = Strings::default().inside(&block) & mask(&"x".repeat(body.len()));
            assert_eq!(found, mask(inside), "{body}");
        }
    }

    #[test]
    fn strings_and_escapes_go_on_in_the_next_block() {
        for backslashes in 0..4 {
            let escapes = "\\".repeat(backslashes);
            let body = format!("\"{}{escapes}\"]", "x".repeat(Block::LENGTH - 1 - backslashes));
            let mut strings = Strings::default();
            let first = Block::at(body.as_bytes(), 0).unwrap();
            assert_eq!(strings.inside(&first), Mask::MAX);
            let second = Block::at(body.as_bytes(), Block::LENGTH).unwrap();
            let is_inside = strings.inside(&second) & 0b10 != 0;
            assert_eq!(is_inside, backslashes % 2 == 1, "{body}");
        }
    }
}
