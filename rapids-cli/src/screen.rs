//! The outputs: data goes to standard output, messages to standard error.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, OnceLock};

use anyhow::{Result, anyhow};
use clap::ColorChoice;

use crate::exit::Fault;
use crate::line::Line;
use crate::palette::Palette;
use crate::table::Table;

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Format {
    /// Lines for people; their look may change
    #[default]
    Line,
    /// One JSON object per line, for programs; keys are added, never renamed
    Json,
}

/// Both outputs, with the colours of each.
#[derive(Debug, Clone)]
pub(crate) struct Screen {
    /// The colours of standard output.
    pub(crate) data: Palette,
    /// The colours of standard error.
    pub(crate) messages: Palette,
    /// For commands that change something: the first error of standard output, which does not end
    /// them.
    lost: Option<Arc<OnceLock<io::Error>>>,
}

impl Screen {
    pub(crate) fn new(color: ColorChoice) -> Self {
        let (data, messages) =
            (Palette::of(&io::stdout(), color), Palette::of(&io::stderr(), color));
        Self { data, messages, lost: None }
    }

    /// A screen for a command that changes something, which goes on if its output cannot be written.
    /// [`finish`](Self::finish) returns the error.
    pub(crate) fn surviving_closed_output(self) -> Self {
        Self { lost: Some(Arc::default()), ..self }
    }

    /// Checks whether all output was written. A closed output is no error.
    ///
    /// # Errors
    /// Why the output could not be written.
    pub(crate) fn finish(&self) -> Result<()> {
        match self.lost.as_deref().and_then(OnceLock::get) {
            Some(error) if error.kind() != ErrorKind::BrokenPipe => {
                Err(anyhow!("cannot write the output: {error}; what was asked for is done"))
            }
            _ => Ok(()),
        }
    }

    /// Prints a line of data.
    ///
    /// # Errors
    /// [`Fault::OutputClosed`] if the output is closed, or why else it cannot be written; none for a
    /// command that changes something.
    pub(crate) fn line(&self, line: impl Into<Line>) -> Result<()> {
        self.print(line.into().painted().as_bytes(), b"\n")
    }

    /// Prints a table with its titles, and nothing of one without rows.
    ///
    /// # Errors
    /// As for [`line`](Self::line).
    pub(crate) fn table(&self, table: &Table) -> Result<()> {
        if table.is_empty() {
            return Ok(());
        }
        table.lines(self.data.faint).into_iter().try_for_each(|line| self.line(line))
    }

    /// Prints JSON on one line. Values keep every digit and character; control characters become JSON
    /// escapes.
    ///
    /// # Errors
    /// As for [`line`](Self::line).
    pub(crate) fn json(&self, json: &str) -> Result<()> {
        self.print(on_one_line(json).as_bytes(), b"\n")
    }

    /// Prints bytes unchanged.
    ///
    /// # Errors
    /// As for [`line`](Self::line).
    pub(crate) fn bytes(&self, bytes: &[u8]) -> Result<()> {
        self.print(bytes, b"")
    }

    fn print(&self, data: &[u8], end: &[u8]) -> Result<()> {
        if self.lost.as_deref().is_some_and(|lost| lost.get().is_some()) {
            return Ok(());
        }
        let mut output = io::stdout().lock();
        let outcome = output
            .write_all(data)
            .and_then(|()| output.write_all(end))
            .and_then(|()| if end.is_empty() { output.flush() } else { Ok(()) });
        match (&self.lost, outcome) {
            (Some(lost), Err(error)) => {
                // Only the first error is kept; it is the cause of all others.
                let _ = lost.set(error);
                Ok(())
            }
            (_, outcome) => written(outcome),
        }
    }

    /// Prints a message.
    pub(crate) fn note(&self, message: impl Into<Line>) {
        // Fails only if standard error is closed; there is no other place to report that.
        let _ = writeln!(io::stderr().lock(), "{}", message.into().painted());
    }

    /// Prints a question; the user answers on the same line.
    pub(crate) fn ask(&self, question: impl Into<Line>) {
        let mut output = io::stderr().lock();
        let _ = write!(output, "{}", question.into().painted()).and_then(|()| output.flush());
    }

    /// Prints a warning; the command goes on.
    pub(crate) fn warning(&self, words: impl Display) {
        self.note(Line::new().styled(self.messages.warning, "warning:").text(" ").text(words));
    }

    /// Prints the error that ends the command.
    pub(crate) fn error(&self, error: &anyhow::Error) {
        let words = format_args!(" {error:#}");
        self.note(Line::new().styled(self.messages.bad, "error:").text(words));
    }
}

/// JSON without line ends, tabs and control characters.
fn on_one_line(json: &str) -> Cow<'_, str> {
    if !json.contains(char::is_control) {
        return Cow::Borrowed(json);
    }
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            // JSON strings contain these only as escapes, so here they are blanks between tokens.
            '\n' | '\r' | '\t' => text.push(' '),
            control if control.is_control() => {
                text.push_str(&format!("\\u{:04x}", u32::from(control)));
            }
            other => text.push(other),
        }
    }
    Cow::Owned(text)
}

fn written(outcome: io::Result<()>) -> Result<()> {
    outcome.map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Fault::OutputClosed.into(),
        _ => anyhow::Error::new(error).context("cannot write the output"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::is_worth_reporting;

    #[test]
    fn json_stays_exact_on_one_line_without_control_characters() {
        let json = "{\"event\": \"x\",\r\n\t\"n\": 9007199254740993, \"p\":1.10}";
        let expected = "{\"event\": \"x\",   \"n\": 9007199254740993, \"p\":1.10}";
        assert_eq!(on_one_line(json), expected);
        assert_eq!(on_one_line("{\"a\":\"\u{9b}2J\u{7f}\"}"), r#"{"a":"\u009b2J\u007f"}"#);
        assert_eq!(on_one_line("\"\u{202e}\""), "\"\u{202e}\"");
    }

    #[test]
    fn a_full_disk_is_reported_and_a_closed_output_is_not() {
        let gone = written(Err(ErrorKind::BrokenPipe.into())).unwrap_err();
        assert!(!is_worth_reporting(&gone));
        let full = written(Err(ErrorKind::StorageFull.into())).unwrap_err();
        assert!(is_worth_reporting(&full));
        assert!(format!("{full:#}").starts_with("cannot write the output: "), "{full:#}");
    }
}
