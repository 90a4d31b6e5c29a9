//! Reads the numbers and strings of an expression.
//!
//! What stands around them is left to the reader of tokens.

use super::{Fault, Reader, fault};

/// Largest index of an array: 2^53 - 1, as in RFC 9535, section 2.1.
const MAX_INDEX: u64 = 9_007_199_254_740_991;

impl Reader<'_> {
    pub(super) fn number(&mut self) -> Result<(), Fault> {
        let at = self.at;
        let is_index = self.selects(at);
        self.operand(at)?;
        self.at += usize::from(self.next_is(|next| next == '-'));
        let whole = self.take_while(|c| c.is_ascii_digit());
        let rest = &self.text[self.at..];
        if rest.starts_with('.') && rest[1..].starts_with(|c: char| c.is_ascii_digit()) {
            self.at += 1;
            self.take_while(|c| c.is_ascii_digit());
        }
        let rest = &self.text[self.at..];
        if let Some(power) = rest.strip_prefix(['e', 'E']) {
            let digits = power.strip_prefix(['+', '-']).unwrap_or(power);
            if digits.starts_with(|c: char| c.is_ascii_digit()) {
                self.at += rest.len() - digits.len();
                self.take_while(|c| c.is_ascii_digit());
            }
        }
        let literal = &self.text[at..self.at];
        if whole.len() > 1 && whole.starts_with('0') {
            return fault(at, format!("number `{literal}` begins with a needless zero"));
        }
        if !is_index {
            self.lexis.numbers.push(at..self.at);
            return Ok(());
        }
        // The parser refuses an index with a point.
        if whole.parse().is_ok_and(|whole: u64| whole <= MAX_INDEX) {
            return Ok(());
        }
        fault(at, format!("index `{literal}` is beyond ±{MAX_INDEX}, the largest of RFC 9535"))
    }

    /// Whether what stands here is a selector of its own: an index, or a part of a slice.
    fn selects(&self, at: usize) -> bool {
        let is_bracketed = self.open.last().is_some_and(|open| open.bracket == '[');
        is_bracketed && self.text[..at].trim_end().ends_with(['[', ',', ':'])
    }

    /// Reads a string after its first quote.
    pub(super) fn string(&mut self, at: usize, quote: char) -> Result<(), Fault> {
        while let Some(character) = self.peek() {
            let here = self.at;
            self.at += character.len_utf8();
            match character {
                _ if character == quote => return Ok(()),
                '\\' => self.escape(here, quote)?,
                control if control < ' ' => {
                    let reason = format!("a string holds U+{:04X} unescaped", u32::from(control));
                    return fault(here, reason);
                }
                _ => {}
            }
        }
        fault(at, "the string that begins here never ends")
    }

    fn escape(&mut self, at: usize, quote: char) -> Result<(), Fault> {
        let Some(escaped) = self.peek() else {
            return Ok(());
        };
        self.at += escaped.len_utf8();
        match escaped {
            'b' | 'f' | 'n' | 'r' | 't' | '/' | '\\' => Ok(()),
            _ if escaped == quote => Ok(()),
            'u' => {
                let first = self.unit(at)?;
                let paired =
                    (0xD800..0xDC00).contains(&first) && self.text[self.at..].starts_with("\\u");
                let second = if paired {
                    self.at += 2;
                    Some(self.unit(at)?)
                } else {
                    None
                };
                if char::decode_utf16([first].into_iter().chain(second)).all(|c| c.is_ok()) {
                    Ok(())
                } else {
                    fault(at, "half of a surrogate pair is no character")
                }
            }
            _ => {
                let quotes = if quote == '"' { "double" } else { "single" };
                fault(at, format!("`\\{escaped}` is no escape within {quotes} quotes"))
            }
        }
    }

    /// Reads the four digits of a `\u` escape.
    fn unit(&mut self, at: usize) -> Result<u16, Fault> {
        let digits = self.text.get(self.at..self.at + 4).unwrap_or_default();
        let unit = if digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            u16::from_str_radix(digits, 16).ok()
        } else {
            None
        };
        self.at += digits.len();
        match unit {
            Some(unit) => Ok(unit),
            None => fault(at, "four hexadecimal digits must follow `\\u`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::read;

    #[test]
    fn literals_end_where_they_end() {
        for text in [
            "@.a == 0",
            "@.a == -0.5e+10",
            "@.a == 9007199254740993.25 || @.b == -123456789012345678901234567890",
            "@[-9007199254740991]",
            r"@.a == '\\\'\u00e9\uD83E\uDD80'",
            r#"@.a == "\"'\b\f\n\r\t\/""#,
        ] {
            read(text).unwrap();
        }
    }

    #[test]
    fn faulty_literals_are_told_at_their_fault() {
        for (text, at, reason) in [
            ("@.a == 007", 7, "number `007` begins with a needless zero"),
            (r"@.a == '\u00'", 8, r"four hexadecimal digits must follow `\u`"),
            (r"@.a == '\u+123'", 8, r"four hexadecimal digits must follow `\u`"),
            (r"@.a == '\uéé'", 8, r"four hexadecimal digits must follow `\u`"),
            (r"@.a == '\udc00'", 8, "half of a surrogate pair is no character"),
            (r"@.a == '\ud800\u0041'", 8, "half of a surrogate pair is no character"),
            (r"@.a == '\x'", 8, r"`\x` is no escape within single quotes"),
            (r"@.a == '\", 7, "the string that begins here never ends"),
            ("@.a == 'a\nb'", 9, "a string holds U+000A unescaped"),
        ] {
            let fault = read(text).unwrap_err();
            assert_eq!((fault.at, &*fault.reason), (at, reason), "{text}");
        }
    }
}
