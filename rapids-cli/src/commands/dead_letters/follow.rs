//! `rapids dead-letters follow`: prints letters as services write them.

use anyhow::Result;
use clap::Args;
use rapids_client::{DeadLetters, Error, StoredLetter};

use super::letter_json::LetterJson;
use super::list;
use super::selection::Filters;
use crate::exit::Answer;
use crate::screen::{Format, Screen};
use crate::session::Session;

/// Print dead letters as they are written, one per line, until Ctrl-C
///
/// Begins with the next letter that is written, or with --since with those stored since then; with
/// --limit, ends after so many. Each letter is printed once, whatever is done with it later. Also waits
/// for the first letter of all, and for a server that is away.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids dead-letters follow --service payment
  rapids dead-letters follow --since 10m -o json | while read -r letter; do ./alert \"$letter\"; done

With -o json the object that `list` prints.")]
pub(crate) struct Follow {
    #[command(flatten)]
    filters: Filters,

    /// How to print the letters
    #[arg(short, long, value_name = "FORMAT", default_value = "line")]
    output: Format,
}

impl Follow {
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let screen = &session.screen;
        self.filters.warn(screen);
        let mut letters = DeadLetters::follow(&session.config()?, &self.filters.filter()).await?;
        loop {
            match letters.next().await {
                Ok(Some(stored)) => self.print(&stored, screen)?,
                Ok(None) => return Ok(Answer::Yes),
                Err(error @ Error::Stream { .. }) => screen.warning(error),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn print(&self, stored: &StoredLetter, screen: &Screen) -> Result<()> {
        match self.output {
            Format::Json => screen.json(&serde_json::to_string(&LetterJson::of(stored))?),
            Format::Line => {
                let mut table = list::table();
                table.row(list::row(stored, screen.data));
                // Without the headings.
                table
                    .lines(screen.data.faint)
                    .into_iter()
                    .skip(1)
                    .try_for_each(|line| screen.line(line))
            }
        }
    }
}
