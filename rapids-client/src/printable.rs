//! Text that others wrote, made fit for a line on a terminal or in a log.

use std::borrow::Cow;
use std::fmt::{self, Write};

/// Makes text that others wrote printable on one line: control characters, line ends, and what is
/// invisible or reorders its neighbours appear as escapes such as `\n` and `\u{1b}`.
///
/// Whatever came from outside (packets, reasons, names, file names, what other services announce)
/// can hold sequences that move a terminal's cursor, forge a second line, or show another text than
/// it is. The escapes stand for C0 and C1 controls, DEL, line and paragraph separators, and the
/// format and default-ignorable characters of Unicode 16: bidirectional controls, zero-width
/// characters, byte order marks, tags and variation selectors. All other characters stay as they
/// are, backslashes too: for programs, write JSON instead.
///
/// ```
/// use rapids_client::printable;
///
/// assert_eq!(printable("order o-1 für Ada").to_string(), "order o-1 für Ada");
/// assert_eq!(printable("a\n\u{1b}[2J\u{202e}b").to_string(), r"a\n\u{1b}[2J\u{202e}b");
/// ```
#[must_use]
pub fn printable(text: &str) -> Printable<'_> {
    Printable(text)
}

/// A text that is printed without the characters that deceive; see [`printable`].
///
/// Width, fill and alignment count what is printed. Where nothing is to be replaced, nothing is
/// allocated.
#[derive(Debug, Clone, Copy)]
pub struct Printable<'a>(&'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.contains(deceives) {
            return formatter.pad(self.0);
        }
        if formatter.width().is_none() && formatter.precision().is_none() {
            return write(self.0, formatter);
        }
        let mut escaped = String::with_capacity(self.0.len());
        write(self.0, &mut escaped)?;
        formatter.pad(&escaped)
    }
}

fn write(text: &str, output: &mut impl Write) -> fmt::Result {
    let mut rest = text;
    while let Some((at, character)) = rest.char_indices().find(|(_, it)| deceives(*it)) {
        output.write_str(&rest[..at])?;
        match character {
            '\n' => output.write_str("\\n")?,
            '\r' => output.write_str("\\r")?,
            '\t' => output.write_str("\\t")?,
            other => write!(output, "\\u{{{:x}}}", u32::from(other))?,
        }
        rest = &rest[at + character.len_utf8()..];
    }
    output.write_str(rest)
}

/// Makes JSON on one line printable without changing what it says: outside of its strings there are
/// none of these characters, and within them they have escapes of their own.
pub(crate) fn printable_json(json: &str) -> Cow<'_, str> {
    if !json.contains(deceives) {
        return Cow::Borrowed(json);
    }
    let mut printable = String::with_capacity(json.len());
    for character in json.chars() {
        if deceives(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                printable.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            printable.push(character);
        }
    }
    Cow::Owned(printable)
}

/// Whether a reader would not see the character, or would see its neighbours elsewhere.
fn deceives(character: char) -> bool {
    match character {
        ' '..='~' => false,
        _ if character.is_control() => true,
        // Soft hyphen, and a mark that joins others without being seen.
        '\u{ad}' | '\u{34f}' => true,
        // Letters of blank width: Hangul fillers, and Khmer vowels that are not drawn.
        '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{17b4}' | '\u{17b5}' => true,
        // Bidirectional controls, zero-width characters, separators, invisible operators.
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' => true,
        '\u{2060}'..='\u{206f}' | '\u{feff}' => true,
        // Variation selectors, which can carry any bytes behind a letter.
        '\u{180b}'..='\u{180f}' | '\u{fe00}'..='\u{fe0f}' => true,
        // Annotations, shorthand and musical controls, hieroglyph joiners.
        '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' => true,
        '\u{1d173}'..='\u{1d17a}' | '\u{13430}'..='\u{1343f}' => true,
        // Tags and further variation selectors: a copy of ASCII that nobody sees.
        '\u{e0000}'..='\u{e0fff}' => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        printable(text).to_string()
    }

    #[test]
    fn what_can_be_seen_stays_as_it_is() {
        for text in
            ["", "order o-1", "für Ада 注文 שלום مرحبا", "👍 😀", r"C:\new\u{1b}", "e\u{301}"]
        {
            assert_eq!(shown(text), text);
        }
    }

    #[test]
    fn controls_of_every_kind_become_escapes() {
        assert_eq!(shown("a\0b\u{7}\u{1b}[31m\u{7f}"), r"a\u{0}b\u{7}\u{1b}[31m\u{7f}");
        assert_eq!(shown("one\r\ntwo\tthree"), r"one\r\ntwo\tthree");
        assert_eq!(shown("\u{80}\u{9b}2J\u{9f}"), r"\u{80}\u{9b}2J\u{9f}");
        assert_eq!(shown("\u{85}\u{2028}\u{2029}"), r"\u{85}\u{2028}\u{2029}");
    }

    #[test]
    fn what_reorders_or_hides_text_becomes_escapes() {
        for code in (0x202a..=0x202e).chain(0x2066..=0x2069).chain([0x200e, 0x200f, 0x61c]) {
            let character = char::from_u32(code).unwrap();
            assert_eq!(shown(&format!("a{character}b")), format!("a\\u{{{code:x}}}b"));
        }
        assert_eq!(shown("\u{feff}{}"), r"\u{feff}{}");
        assert_eq!(shown("pay\u{200b}ment\u{ad}"), r"pay\u{200b}ment\u{ad}");
        assert_eq!(shown("x\u{e0041}\u{fe0f}"), r"x\u{e0041}\u{fe0f}");
    }

    #[test]
    fn no_character_is_printed_that_controls_a_terminal() {
        for character in ('\0'..=char::MAX).filter(|it| it.is_control()) {
            assert!(!shown(&character.to_string()).contains(char::is_control), "{character:?}");
        }
    }

    #[test]
    fn json_says_the_same_without_characters_that_deceive() {
        let text = "a\n\u{9b}2J\u{202e}\u{2028}b\u{e0041}é";
        let json = serde_json::to_string(text).unwrap();
        let printable = printable_json(&json);
        assert_eq!(printable, r#""a\n\u009b2J\u202e\u2028b\udb40\udc41é""#);
        assert_eq!(serde_json::from_str::<String>(&printable).unwrap(), text);
        assert!(matches!(printable_json(r#"{"a":"é"}"#), Cow::Borrowed(_)));
    }

    #[test]
    fn width_counts_what_is_printed_and_printing_twice_changes_nothing() {
        assert_eq!(format!("{:6}|", printable("a\nb")), "a\\nb  |");
        assert_eq!(format!("{:>3}|", printable("é")), "  é|");
        let once = shown("a\n\u{1b}");
        assert_eq!(shown(&once), once);
    }
}
