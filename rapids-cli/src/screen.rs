//! Where lines go: data to standard output, words to standard error.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, OnceLock};

use anyhow::{Result, anyhow};
use clap::ColorChoice;

use crate::ending::Fault;
use crate::line::Line;
use crate::palette::Palette;

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
    pub(crate) words: Palette,
    /// Where a command that changes something goes on without output: why that was lost.
    lost: Option<Arc<OnceLock<io::Error>>>,
}

impl Screen {
    pub(crate) fn new(color: ColorChoice) -> Self {
        let (data, words) = (Palette::of(&io::stdout(), color), Palette::of(&io::stderr(), color));
        Self { data, words, lost: None }
    }

    /// The screen for a command that changes something: output that cannot be written does not cut
    /// that short. [`finish`](Self::finish) tells of it.
    pub(crate) fn outlived(self) -> Self {
        Self { lost: Some(Arc::default()), ..self }
    }

    /// Tells whether all output was written, or nobody wanted it.
    ///
    /// # Errors
    /// Why it was not, where the command went on without.
    pub(crate) fn finish(&self) -> Result<()> {
        match self.lost.as_deref().and_then(OnceLock::get) {
            Some(error) if error.kind() != ErrorKind::BrokenPipe => {
                Err(anyhow!("cannot write the output: {error}; what was asked for is done"))
            }
            _ => Ok(()),
        }
    }

    /// Prints a line of data for people.
    ///
    /// # Errors
    /// [`Fault::OutputClosed`] if nobody reads any more, what else the output says; none for a
    /// command that changes something.
    pub(crate) fn line(&self, line: impl Into<Line>) -> Result<()> {
        self.print(line.into().painted().as_bytes(), b"\n")
    }

    /// Prints JSON for programs, on one line. No digit and no character of its values is changed;
    /// those that control a terminal are written as JSON's own escapes.
    ///
    /// # Errors
    /// As for [`line`](Self::line).
    pub(crate) fn json(&self, json: &str) -> Result<()> {
        self.print(on_one_line(json).as_bytes(), b"\n")
    }

    /// Prints data as it is.
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
                // The first one is the cause of all others.
                let _ = lost.set(error);
                Ok(())
            }
            (_, outcome) => written(outcome),
        }
    }

    /// Says something that is not data.
    pub(crate) fn note(&self, words: impl Into<Line>) {
        // Whoever closed standard error does not want to hear of it either.
        let _ = writeln!(io::stderr().lock(), "{}", words.into().painted());
    }

    /// Asks something; the answer is to follow on the same line.
    pub(crate) fn ask(&self, question: impl Into<Line>) {
        let mut output = io::stderr().lock();
        let _ = write!(output, "{}", question.into().painted()).and_then(|()| output.flush());
    }

    /// Says what may be wrong, though the command goes on.
    pub(crate) fn warning(&self, words: impl Display) {
        self.note(Line::new().styled(self.words.warning, "warning:").text(" ").text(words));
    }

    /// Says why the command ends.
    pub(crate) fn error(&self, error: &anyhow::Error) {
        let words = format_args!(" {error:#}");
        self.note(Line::new().styled(self.words.bad, "error:").text(words));
    }
}

/// JSON without the line ends, tabs and control characters that may stand in it.
fn on_one_line(json: &str) -> Cow<'_, str> {
    if !json.contains(char::is_control) {
        return Cow::Borrowed(json);
    }
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            // Inside of strings JSON has these only as escapes, so they stand between tokens here.
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
    use crate::ending::is_worth_words;

    #[test]
    fn json_stays_exact_on_one_line_and_controls_nothing() {
        let json = "{\"event\": \"x\",\r\n\t\"n\": 9007199254740993, \"p\":1.10}";
        let expected = "{\"event\": \"x\",   \"n\": 9007199254740993, \"p\":1.10}";
        assert_eq!(on_one_line(json), expected);
        assert_eq!(on_one_line("{\"a\":\"\u{9b}2J\u{7f}\"}"), r#"{"a":"\u009b2J\u007f"}"#);
        assert_eq!(on_one_line("\"\u{202e}\""), "\"\u{202e}\"");
    }

    #[test]
    fn a_reader_that_has_gone_is_no_news_and_a_full_disk_is() {
        let gone = written(Err(ErrorKind::BrokenPipe.into())).unwrap_err();
        assert!(!is_worth_words(&gone));
        let full = written(Err(ErrorKind::StorageFull.into())).unwrap_err();
        assert!(is_worth_words(&full));
        assert!(format!("{full:#}").starts_with("cannot write the output: "), "{full:#}");
    }
}
