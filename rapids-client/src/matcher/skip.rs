//! Finds where a JSON value ends.
//!
//! Trusts that the text is JSON, and notices only some of what is wrong with a text that is not:
//! whoever reads on after a match parses the whole.

use super::block::{Block, Strings};
use super::unreadable::Unreadable;

/// Finds the next byte that is no blank.
#[inline(always)]
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
#[inline(always)]
pub(super) fn string(body: &[u8], start: usize) -> Result<(usize, bool), Unreadable> {
    let (mut at, mut escaped) = (start, false);
    loop {
        let block = Block::at(body, at)?;
        let found = block.quotes_and_backslashes();
        if found == 0 {
            at += Block::LENGTH;
            continue;
        }
        at += found.trailing_zeros() as usize;
        if body[at] == b'"' {
            return Ok((at, escaped));
        }
        escaped = true;
        at += 2;
    }
}

/// Finds the place behind a number or a word such as `true`, which begins at `at`.
#[inline(always)]
pub(super) fn scalar(body: &[u8], at: usize) -> usize {
    let mut end = at;
    while let Ok(block) = Block::at(body, end) {
        let found = block.ends_of_scalars();
        if found != 0 {
            return end + found.trailing_zeros() as usize;
        }
        end += Block::LENGTH;
    }
    body.len()
}

/// Finds the place behind an array or object whose opening bracket stands before `at`.
pub(super) fn composite(body: &[u8], mut at: usize) -> Result<usize, Unreadable> {
    let (mut depth, mut strings) = (1_usize, Strings::default());
    loop {
        let block = Block::at(body, at)?;
        let outside = !strings.inside(&block);
        let (opening, closing) = block.brackets();
        let mut brackets = (opening | closing) & outside;
        while brackets != 0 {
            let place = brackets.trailing_zeros();
            if opening >> place & 1 == 1 {
                depth += 1;
            } else {
                depth -= 1;
                if depth == 0 {
                    return Ok(at + place as usize + 1);
                }
            }
            brackets &= brackets - 1;
        }
        at += Block::LENGTH;
    }
}

/// Finds the place behind the value that begins at `at`; no value is empty.
#[inline(always)]
pub(super) fn value(body: &[u8], at: usize) -> Result<usize, Unreadable> {
    match body.get(at).ok_or(Unreadable)? {
        b'"' => Ok(string(body, at + 1)?.0 + 1),
        b'{' | b'[' => composite(body, at + 1),
        _ => match scalar(body, at) {
            end if end > at => Ok(end),
            _ => Err(Unreadable),
        },
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
    fn what_does_not_end_or_begin_is_unreadable() {
        for text in ["\"", "\"abc", "\"\\\"", "[", "{\"a\":1", "[\"]", "", "}", "]", ",", " "] {
            assert_eq!(value(text.as_bytes(), 0), Err(Unreadable), "{text}");
        }
        let deep = "[{\"a\":".repeat(100_000);
        assert_eq!(value(deep.as_bytes(), 0), Err(Unreadable));
    }
}
