//! `rapids dead-letters comment`: says something of a letter.

use anyhow::Result;
use clap::Args;
use rapids_client::LetterId;

use crate::author::Author;
use crate::exit::Answer;
use crate::session::Session;

/// Say something of a letter, for those who look at it later
///
/// `rapids dead-letters show` and the console print comments. They change nothing: the letter waits as before.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids dead-letters comment payment.charge.17 'I ask the bank'")]
pub(crate) struct Comment {
    /// The letter, such as `payment.charge.17`
    #[arg(value_name = "ID")]
    id: LetterId,

    /// What is to be said
    #[arg(value_name = "TEXT")]
    text: String,

    #[command(flatten)]
    author: Author,
}

impl Comment {
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let letters = session.dead_letters().await?;
        letters.comment(&self.id, &self.text, &self.author.note(None)).await?;
        Ok(Answer::Yes)
    }
}
