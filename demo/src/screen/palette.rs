//! The colours of the output.

use clap::builder::styling::{AnsiColor, Style};

/// The style of each kind of word; all are plain where colours are not wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Palette {
    pub(crate) good: Style,
    pub(crate) bad: Style,
    pub(crate) undone: Style,
    pub(crate) faint: Style,
}

impl Palette {
    pub(crate) fn plain() -> Self {
        let plain = Style::new();
        Self { good: plain, bad: plain, undone: plain, faint: plain }
    }

    pub(crate) fn coloured() -> Self {
        let colour = |colour: AnsiColor| colour.on_default();
        Self {
            good: colour(AnsiColor::Green),
            bad: colour(AnsiColor::Red),
            undone: colour(AnsiColor::Yellow),
            faint: Style::new().dimmed(),
        }
    }

    /// Plain if `NO_COLOR` is set and not empty.
    pub(crate) fn of_the_environment() -> Self {
        match std::env::var_os("NO_COLOR") {
            Some(value) if !value.is_empty() => Self::plain(),
            _ => Self::coloured(),
        }
    }
}

pub(crate) fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}
