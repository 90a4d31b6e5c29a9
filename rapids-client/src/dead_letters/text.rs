//! Writes texts as header values, on one line and within a length, and reads them back.

/// Writes a text so that it survives as a header value: a backslash as `\\`, line ends and other
/// control characters as `\n`, `\r`, `\t` or `\u{1b}`, and blanks at either end as `\u{20}`, since
/// readers trim them.
pub(crate) fn escape(text: &str) -> String {
    let length = text.len();
    let begin = length - text.trim_start().len();
    let end = text.trim_end().len();
    let mut escaped = String::with_capacity(length);
    for (position, character) in text.char_indices() {
        let is_outside = position < begin || position >= end;
        push(&mut escaped, character, is_outside);
    }
    escaped
}

fn push(escaped: &mut String, character: char, is_outside: bool) {
    match character {
        '\\' => escaped.push_str(r"\\"),
        '\n' => escaped.push_str(r"\n"),
        '\r' => escaped.push_str(r"\r"),
        '\t' => escaped.push_str(r"\t"),
        _ if character.is_control() || (is_outside && character.is_whitespace()) => {
            escaped.push_str(&format!(r"\u{{{:x}}}", u32::from(character)));
        }
        _ => escaped.push(character),
    }
}

/// Reads back what [`escape`] wrote. Anything else stays as it is.
pub(crate) fn unescape(escaped: &str) -> String {
    let mut text = String::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some(position) = rest.find('\\') {
        let (before, behind) = rest.split_at(position);
        text.push_str(before);
        let (character, length) = character(behind).unwrap_or(('\\', 1));
        text.push(character);
        rest = &behind[length..];
    }
    text.push_str(rest);
    text
}

/// The character that an escape at the beginning of the text stands for, and the escape's length.
fn character(text: &str) -> Option<(char, usize)> {
    match text.as_bytes().get(1)? {
        b'\\' => Some(('\\', 2)),
        b'n' => Some(('\n', 2)),
        b'r' => Some(('\r', 2)),
        b't' => Some(('\t', 2)),
        b'u' => {
            let (code, _) = text.strip_prefix(r"\u{")?.split_once('}')?;
            let character = char::from_u32(u32::from_str_radix(code, 16).ok()?)?;
            Some((character, r"\u{}".len() + code.len()))
        }
        _ => None,
    }
}

/// Shortens a text so that it is at most this many bytes when it is written as a header value. The
/// end is cut between two characters, and a mark tells how much is missing.
pub(crate) fn shortened(text: &str, room: usize) -> String {
    let escaped = escape(text);
    if escaped.len() <= room {
        return escaped;
    }
    let room = room.saturating_sub(mark(text.len()).len());
    let begin = text.len() - text.trim_start().len();
    let (mut kept, mut used) = (0, 0);
    let mut escaped = String::new();
    for (position, character) in text.char_indices() {
        escaped.clear();
        push(&mut escaped, character, position < begin);
        if used + escaped.len() > room {
            break;
        }
        used += escaped.len();
        kept = position + character.len_utf8();
    }
    escape(&format!("{}{}", &text[..kept], mark(text.len() - kept)))
}

fn mark(missing: usize) -> String {
    format!("… [{missing} bytes more]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_read_back_from_one_line() {
        for text in [
            "",
            "plain, with ümläuts and 🦀",
            "two\nlines\r\nand\ta tab",
            r"a \n that was one before, C:\new, \u{20} and \\",
            "  blanks around\u{a0}",
            "\u{1b}[31mred\u{0}\u{85}",
            " ",
        ] {
            let escaped = escape(text);
            assert!(!escaped.contains(|character: char| character.is_control()), "{escaped}");
            assert_eq!(escaped.trim(), escaped);
            assert_eq!(unescape(&escaped), text);
        }
        assert_eq!(escape("a\nb \\ c"), r"a\nb \\ c");
        assert_eq!(escape(" a b "), r"\u{20}a b\u{20}");
    }

    #[test]
    fn what_is_no_escape_stays() {
        for text in [r"\", r"\x", r"\u", r"\u{110000}", r"\u{zz}", r"\ü"] {
            assert_eq!(unescape(text), text);
        }
    }

    #[test]
    fn a_text_that_is_too_long_is_cut_between_characters_with_a_mark() {
        assert_eq!(shortened("short", 5), "short");
        let long = "ä".repeat(100);
        for room in 30..200 {
            let short = shortened(&long, room);
            assert!(short.len() <= room, "{room}: {}", short.len());
            assert!(short.ends_with("bytes more]"), "{short}");
        }
        assert_eq!(shortened(&"ab ".repeat(20), 22), "ab … [57 bytes more]");
        let lines = "\n".repeat(100);
        assert!(shortened(&lines, 50).starts_with(r"\n\n"));
        assert!(shortened(&lines, 50).len() <= 50);
    }
}
