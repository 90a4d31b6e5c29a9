//! A line for a terminal, in which no text does harm.

use std::fmt::{Display, Write};

use clap::builder::styling::Style;
use rapids_client::printable;

/// A line in the making: texts in their styles.
///
/// Each text is made printable as it is added, so that what others wrote neither moves the cursor
/// nor begins another line. There is no other way to a terminal than this type; any text becomes
/// one. It has no `Display`, lest a line be put into another one as text.
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
            .expect("a string takes whatever is written");
        self
    }

    /// The line without blanks at its end.
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
    fn only_styles_put_sequences_into_a_line() {
        let red = Palette::coloured().bad;
        let line = Line::from("a\u{1b}[2J").styled(red, "b\nc").text("  ").trimmed();
        assert_eq!(line.painted(), format!("a\\u{{1b}}[2J{red}b\\nc{red:#}"));
    }
}
