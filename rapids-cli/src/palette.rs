//! Colours, where they are wanted.

use std::io::IsTerminal;

use clap::ColorChoice;
use clap::builder::styling::{AnsiColor, Style};

/// Paints words, or leaves them as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Palette {
    pub(crate) good: Style,
    pub(crate) bad: Style,
    pub(crate) warning: Style,
    pub(crate) name: Style,
    pub(crate) faint: Style,
}

impl Palette {
    /// The palette for a stream, such as standard output.
    pub(crate) fn of(stream: &impl IsTerminal, choice: ColorChoice) -> Self {
        let variable = |name: &str| std::env::var(name).unwrap_or_default();
        let coloured = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => stream.is_terminal() && is_welcome(&variable),
        };
        if coloured { Self::coloured() } else { Self::plain() }
    }

    /// No colours at all.
    pub(crate) fn plain() -> Self {
        let plain = Style::new();
        Self { good: plain, bad: plain, warning: plain, name: plain, faint: plain }
    }

    /// Whatever the stream is.
    pub(crate) fn coloured() -> Self {
        let colour = |colour: AnsiColor| colour.on_default();
        Self {
            good: colour(AnsiColor::Green),
            bad: colour(AnsiColor::Red).bold(),
            warning: colour(AnsiColor::Yellow),
            name: Style::new().bold(),
            faint: Style::new().dimmed(),
        }
    }
}

/// Whether the environment of a terminal has nothing against colours.
fn is_welcome(variable: &dyn Fn(&str) -> String) -> bool {
    // <https://no-color.org>: any value that is not empty.
    variable("NO_COLOR").is_empty() && variable("TERM") != "dumb"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_counts_more_than_the_stream() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(Palette::of(&file, ColorChoice::Auto), Palette::plain());
        assert_eq!(Palette::of(&file, ColorChoice::Never), Palette::plain());
        assert_eq!(Palette::of(&file, ColorChoice::Always), Palette::coloured());
    }

    #[test]
    fn a_terminal_may_ask_for_none() {
        let is_welcome = |set: &str, value: &str| {
            super::is_welcome(&|name| if name == set { value.to_owned() } else { String::new() })
        };
        assert!(is_welcome("TERM", "xterm"));
        assert!(is_welcome("NO_COLOR", ""));
        assert!(!is_welcome("NO_COLOR", "0"));
        assert!(!is_welcome("TERM", "dumb"));
    }
}
