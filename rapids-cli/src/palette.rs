//! The colours of the output.

use std::io::IsTerminal;

use clap::ColorChoice;
use clap::builder::styling::{AnsiColor, Style};

/// The style of each kind of text; all are plain if colours are off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Palette {
    pub(crate) good: Style,
    pub(crate) bad: Style,
    pub(crate) warning: Style,
    pub(crate) name: Style,
    pub(crate) faint: Style,
}

impl Palette {
    /// The palette for a stream such as standard output.
    pub(crate) fn of(stream: &impl IsTerminal, choice: ColorChoice) -> Self {
        let variable = |name: &str| std::env::var(name).unwrap_or_default();
        let coloured = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => stream.is_terminal() && allows_colours(&variable),
        };
        if coloured { Self::coloured() } else { Self::plain() }
    }

    /// No colours at all.
    pub(crate) fn plain() -> Self {
        let plain = Style::new();
        Self { good: plain, bad: plain, warning: plain, name: plain, faint: plain }
    }

    /// All colours, whatever the stream is.
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

/// Whether the environment allows colours.
fn allows_colours(variable: &dyn Fn(&str) -> String) -> bool {
    // By <https://no-color.org>, any value that is not empty turns colours off.
    variable("NO_COLOR").is_empty() && variable("TERM") != "dumb"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_explicit_choice_overrides_the_stream() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(Palette::of(&file, ColorChoice::Auto), Palette::plain());
        assert_eq!(Palette::of(&file, ColorChoice::Never), Palette::plain());
        assert_eq!(Palette::of(&file, ColorChoice::Always), Palette::coloured());
    }

    #[test]
    fn the_environment_may_turn_colours_off() {
        let allows_colours = |set: &str, value: &str| {
            super::allows_colours(&|name| {
                if name == set { value.to_owned() } else { String::new() }
            })
        };
        assert!(allows_colours("TERM", "xterm"));
        assert!(allows_colours("NO_COLOR", ""));
        assert!(!allows_colours("NO_COLOR", "0"));
        assert!(!allows_colours("TERM", "dumb"));
    }
}
