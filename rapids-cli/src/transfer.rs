//! Shows how far a backup or a restore is: a line for each stream, and on a terminal the bytes as they pass.

use std::io::{self, IsTerminal};

use anyhow::Result;
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use rapids_client::BackupStep;

use crate::screen::{Format, Screen};
use crate::session::Session;

/// The streams that pass.
pub(crate) struct Transfer<'a> {
    screen: &'a Screen,
    output: Format,
    bar: ProgressBar,
    printed: Result<()>,
}

impl<'a> Transfer<'a> {
    pub(crate) fn new(session: &'a Session, output: Format) -> Self {
        let bar = if io::stderr().is_terminal() { spinner() } else { ProgressBar::hidden() };
        Self { screen: &session.screen, output, bar, printed: Ok(()) }
    }

    /// Shows how far it is.
    pub(crate) fn show(&mut self, step: &BackupStep) {
        let BackupStep { stream, number, streams, bytes: done, is_done, .. } = step;
        let size = bytes(*done);
        self.bar.set_message(format!("{number}/{streams}  {stream}  {size}"));
        self.bar.tick();
        if *is_done && self.output == Format::Line && self.printed.is_ok() {
            self.printed = self.bar.suspend(|| self.screen.line(format!("{stream}: {size}")));
        }
    }

    /// Ends it; returns whether its lines were printed.
    ///
    /// # Errors
    /// If a line could not be printed.
    pub(crate) fn finish(self) -> Result<()> {
        self.bar.finish_and_clear();
        self.printed
    }
}

/// A size, such as `1.5 MiB`.
pub(crate) fn bytes(count: u64) -> String {
    HumanBytes(count).to_string()
}

fn spinner() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg}");
    ProgressBar::new_spinner()
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
}
