//! A line for a terminal. Control characters in its texts are escaped.

use std::fmt::{Display, Write};

use clap::builder::styling::Style;
use rapids_client::printable;

/// A line of texts with styles.
///
/// Each text is escaped when it is added, so that somebody else's text can neither move the cursor nor
/// begin another line. All output to a terminal goes through this type. It has no `Display`, so that a
/// line cannot be added to another line as text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Line(String);

impl Line {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a text.
    pub(crate) fn text(self, text: impl Display) -> Self {
        self.styled(Style::new(), text)
    }

    /// Adds a text in a style.
    pub(crate) fn styled(mut self, style: Style, text: impl Display) -> Self {
        let text = text.to_string();
        write!(self.0, "{style}{}{style:#}", printable(&text))
            .expect("writing to a string cannot fail");
        self
    }

    /// Removes blanks at the end.
    pub(crate) fn trimmed(mut self) -> Self {
        self.0.truncate(self.0.trim_end_matches(' ').len());
        self
    }

    /// What to write to the terminal.
    pub(crate) fn painted(&self) -> &str {
        &self.0
    }
}

impl<T: Display> From<T> for Line {
    fn from(text: T) -> Self {
        Self::new().text(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::palette::Palette;

    #[test]
    fn only_styles_put_escape_sequences_into_a_line() {
        let red = Palette::coloured().bad;
        let line = Line::from("a\u{1b}[2J").styled(red, "b\nc").text("  ").trimmed();
        assert_eq!(line.painted(), format!("a\\u{{1b}}[2J{red}b\\nc{red:#}"));
    }
}
