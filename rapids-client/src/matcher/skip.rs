//! Where a JSON value ends, told from its bytes.
//!
//! Trusts that the text is JSON and tells only some of what is wrong with one that is not:
//! whoever reads on after a match parses it as a whole.

use super::Unreadable;

/// How far a string is looked through word by word before the search for long texts sets in.
const SHORT: usize = 32;

/// Finds the next byte that is no blank.
#[inline]
pub(super) fn blanks(body: &[u8], mut at: usize) -> Result<(u8, usize), Unreadable> {
    loop {
        let byte = *body.get(at).ok_or(Unreadable)?;
        // Nearly always at once.
        if byte > b' ' || !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            return Ok((byte, at));
        }
        at += 1;
    }
}

/// Finds the closing quote of the string whose inside begins at `start`, and tells whether there
/// is a backslash before it.
#[inline]
pub(super) fn string(body: &[u8], start: usize) -> Result<(usize, bool), Unreadable> {
    // Most keys, and many values, end within the first word.
    if let Some(word) = body.get(start..).and_then(<[u8]>::first_chunk) {
        let word = u64::from_le_bytes(*word);
        let found = quotes_and_backslashes(word);
        let place = found.trailing_zeros();
        if found == 0 {
            return rest_of_string(body, start + 8);
        }
        if word >> (place & !7) & 0xFF == u64::from(b'"') {
            return Ok((start + place as usize / 8, false));
        }
    }
    rest_of_string(body, start)
}

fn rest_of_string(body: &[u8], start: usize) -> Result<(usize, bool), Unreadable> {
    let (mut at, mut escaped) = (start, false);
    loop {
        at = quote_or_backslash(body, at).ok_or(Unreadable)?;
        if body[at] == b'"' {
            return Ok((at, escaped));
        }
        escaped = true;
        at += 2;
    }
}

fn quote_or_backslash(body: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    while let Some(word) = body.get(at..).and_then(<[u8]>::first_chunk) {
        let found = quotes_and_backslashes(u64::from_le_bytes(*word));
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
        if at - start >= SHORT {
            break;
        }
    }
    memchr::memchr2(b'"', b'\\', body.get(at..)?).map(|found| at + found)
}

/// Marks these bytes of a word, the first of them exactly.
#[inline]
const fn quotes_and_backslashes(word: u64) -> u64 {
    zeros(word ^ repeated(b'"')) | zeros(word ^ repeated(b'\\'))
}

const fn repeated(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Marks the bytes that are zero, the lowest of them exactly ("Bit Twiddling Hacks", haszero).
const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(repeated(0x01)) & !word & repeated(0x80)
}

/// Finds the place behind a number or a word such as `true`, which begins at `at`.
#[inline]
pub(super) fn scalar(body: &[u8], at: usize) -> usize {
    // Both closing brackets are the same but for one bit.
    let ends = |byte: &u8| *byte <= b' ' || *byte == b',' || *byte | 0x20 == b'}';
    let rest = body.get(at..).unwrap_or_default();
    at + rest.iter().position(ends).unwrap_or(rest.len())
}

/// Finds the place behind an array or object whose opening bracket stands before `at`.
pub(super) fn composite(body: &[u8], mut at: usize) -> Result<usize, Unreadable> {
    let mut depth = 1_usize;
    loop {
        match body.get(at).ok_or(Unreadable)? {
            b'"' => at = string(body, at + 1)?.0,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Ok(at);
        }
    }
}

/// Finds the place behind the value that begins at `at`.
#[inline]
pub(super) fn value(body: &[u8], at: usize) -> Result<usize, Unreadable> {
    match body.get(at).ok_or(Unreadable)? {
        b'"' => Ok(string(body, at + 1)?.0 + 1),
        b'{' | b'[' => composite(body, at + 1),
        _ => Ok(scalar(body, at)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_end_where_they_end() {
        let long = format!("\"{}\\\"{}\"", "x".repeat(100), "é".repeat(9));
        for text in [
            "1",
            "-1.5e+3",
            "true",
            "null",
            "\"\"",
            "\"a\\\"b\"",
            "\"\\\\\"",
            "\"1234567\\\"9\"",
            "[]",
            "{}",
            "[[1,2],{\"a]\":\"}\"}]",
            "{\"a\":{\"b\\\"}\":[{}]}}",
            &long,
        ] {
            for rest in [",1]", "}", " \n}", ""] {
                let body = format!("{text}{rest}");
                assert_eq!(value(body.as_bytes(), 0), Ok(text.len()), "{body}");
            }
        }
    }

    #[test]
    fn strings_tell_of_their_escapes_at_every_place() {
        for length in 0..70 {
            let plain = format!("{}\"", "x".repeat(length));
            assert_eq!(string(plain.as_bytes(), 0), Ok((length, false)));
            let escaped = format!("{}\\\"\"", "x".repeat(length));
            assert_eq!(string(escaped.as_bytes(), 0), Ok((length + 2, true)));
        }
    }

    #[test]
    fn what_does_not_end_is_unreadable() {
        for text in ["\"", "\"abc", "\"\\\"", "[", "{\"a\":1", "[\"]", ""] {
            assert_eq!(value(text.as_bytes(), 0), Err(Unreadable), "{text}");
        }
        let deep = "[{\"a\":".repeat(100_000);
        assert_eq!(value(deep.as_bytes(), 0), Err(Unreadable));
    }
}
