//! Where lines go: data to standard output, words to standard error.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

use anyhow::Result;
use clap::ColorChoice;

use crate::ending::Fault;
use crate::palette::{Palette, paint};

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
}

impl Screen {
    pub(crate) fn new(color: ColorChoice) -> Self {
        Self { data: Palette::of(&io::stdout(), color), words: Palette::of(&io::stderr(), color) }
    }

    /// Prints a line of data.
    ///
    /// # Errors
    /// [`Fault::OutputClosed`] if nobody reads any more; what else the output says.
    pub(crate) fn line(&self, line: impl Display) -> Result<()> {
        written(writeln!(io::stdout().lock(), "{line}"))
    }

    /// Prints data as it is.
    ///
    /// # Errors
    /// As for [`line`](Self::line).
    pub(crate) fn bytes(&self, bytes: &[u8]) -> Result<()> {
        let mut output = io::stdout().lock();
        written(output.write_all(bytes).and_then(|()| output.flush()))
    }

    /// Says something that is not data.
    pub(crate) fn note(&self, words: impl Display) {
        // Whoever closed standard error does not want to hear of it either.
        let _ = writeln!(io::stderr().lock(), "{words}");
    }

    /// Asks something; the answer is to follow on the same line.
    pub(crate) fn ask(&self, question: impl Display) {
        let mut output = io::stderr().lock();
        let _ = write!(output, "{question}").and_then(|()| output.flush());
    }

    /// Says what may be wrong, though the command goes on.
    pub(crate) fn warning(&self, words: impl Display) {
        self.note(format_args!("{} {words}", paint(self.words.warning, "warning:")));
    }

    /// Says why the command ends.
    pub(crate) fn error(&self, error: &anyhow::Error) {
        self.note(format_args!("{} {error:#}", paint(self.words.bad, "error:")));
    }
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
    fn a_reader_that_has_gone_is_no_news_and_a_full_disk_is() {
        let gone = written(Err(ErrorKind::BrokenPipe.into())).unwrap_err();
        assert!(!is_worth_words(&gone));
        let full = written(Err(ErrorKind::StorageFull.into())).unwrap_err();
        assert!(is_worth_words(&full));
        assert!(format!("{full:#}").starts_with("cannot write the output: "), "{full:#}");
    }
}
