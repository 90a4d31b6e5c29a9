//! The one place that decides what text of others is shown, and how: packets, names, reasons, values.
//!
//! Templates escape HTML; what reorders, hides or controls other text becomes an escape here, and what is to
//! be masked is replaced before anything sees it.

mod mask;

use std::borrow::Cow;
use std::fmt::Display;

use rapids_client::{Packet, printable};
use rapids_views::indented;

pub use mask::Mask;

/// The longest name, id or reason in a table, in characters.
const LONG: usize = 120;
/// So much of a body is shown at first, in bytes.
pub(crate) const BODY: usize = 64 * 1024;

/// A text of others, fit to be shown on one line.
pub(crate) fn shown(text: impl Display) -> String {
    printable(&text.to_string()).to_string()
}

/// The beginning of a text of others, with `…` where something is left out.
pub(crate) fn short(text: impl Display) -> String {
    let text = shown(text);
    match text.char_indices().nth(LONG) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Text of several lines, such as indented JSON.
pub(crate) fn lines(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(shown).collect();
    lines.join("\n")
}

/// A body as it is shown.
#[derive(Debug, Clone, Default)]
pub(crate) struct Body {
    /// With a line for each member; cut if it is long.
    pub(crate) text: String,
    /// The size of the whole in bytes.
    pub(crate) size: usize,
    /// Whether some of it is left out.
    pub(crate) is_cut: bool,
    /// Whether values of it are masked.
    pub(crate) is_masked: bool,
}

impl Mask {
    /// The text of JSON or of anything else, as it is shown: every digit as it is stored.
    pub(crate) fn body(&self, bytes: &[u8], most: usize) -> Body {
        let text = String::from_utf8_lossy(bytes);
        let masked = self.json(&text);
        let is_masked = masked.is_some();
        let text = masked.as_deref().unwrap_or(&text);
        // What is no JSON keeps its blanks.
        let is_json = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
        let mut text = if is_json { lines(&indented(text)) } else { lines(text) };
        let is_cut = text.len() > most;
        if is_cut {
            text.truncate(boundary(&text, most));
        }
        Body { text, size: bytes.len(), is_cut, is_masked }
    }

    /// Whether values of a body are masked.
    pub(crate) fn touches(&self, bytes: &[u8]) -> bool {
        self.json(&String::from_utf8_lossy(bytes)).is_some()
    }

    /// As [`body`](Self::body), on one line and short.
    pub(crate) fn on_a_line(&self, bytes: &[u8], most: usize) -> String {
        let text = String::from_utf8_lossy(bytes);
        let masked = self.json(&text);
        let text = masked.as_deref().unwrap_or(&text);
        // Only what can be shown is looked at: a body may have a megabyte on one line.
        let cut = boundary(text, most);
        let mark = if cut < text.len() { "…" } else { "" };
        format!("{}{mark}", shown(&text[..cut]))
    }

    /// The packet without its masked values, to be worked with; `None` if nothing of it may be shown.
    pub(crate) fn packet<'a>(&self, packet: &'a Packet) -> Option<Cow<'a, Packet>> {
        match self.json(&String::from_utf8_lossy(&packet.body())) {
            None => Some(Cow::Borrowed(packet)),
            Some(masked) => Packet::from_bytes(masked).ok().map(Cow::Owned),
        }
    }

    /// A reason or another sentence that may quote values: with a mask, numbers and quotations are left out.
    pub(crate) fn sentence(&self, text: &str) -> String {
        if self.is_empty() { shown(text) } else { shown(rapids_client::masked_reason(text)) }
    }
}

/// The end of the last character that ends within so many bytes.
fn boundary(text: &str, most: usize) -> usize {
    let most = most.min(text.len());
    (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_as_they_are_stored() {
        let body = Mask::default().body(br#"{"a":9007199254740993,"b":1.10}"#, BODY);
        assert_eq!(body.text, "{\n  \"a\": 9007199254740993,\n  \"b\": 1.10\n}");
    }

    #[test]
    fn what_is_no_json_is_shown_as_it_is() {
        assert_eq!(Mask::default().body(b"no {json}, at all", BODY).text, "no {json}, at all");
    }

    #[test]
    fn what_deceives_becomes_an_escape() {
        let body = |text: &str| Mask::default().body(text.as_bytes(), BODY).text;
        assert_eq!(body("{\"a\":\"x\u{202e}y\"}"), "{\n  \"a\": \"x\\u{202e}y\"\n}");
        // With a raw control character it is no JSON.
        assert_eq!(body("{\"a\":\"\u{1b}[2J\"}"), "{\"a\":\"\\u{1b}[2J\"}");
        assert_eq!(shown("a\nb"), "a\\nb");
    }

    #[test]
    fn a_long_body_is_cut_between_characters() {
        let body = Mask::default().body(format!("\"{}\"", "é".repeat(100)).as_bytes(), 20);
        assert!(body.is_cut && body.text.len() <= 20, "{body:?}");
        assert_eq!(Mask::default().on_a_line("éé".as_bytes(), 3), "é…");
    }
}
