//! `rapids memory forget`: ends what a service remembers of a key.

use anyhow::Result;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use rapids_client::Operation;

use super::Entry;
use crate::author::Author;
use crate::exit::Answer;
use crate::session::Session;

/// Have a service forget what it remembers of a key
///
/// The value is gone at once. What comes of later packets is the river's to say (`.after_end`); unless it
/// says otherwise, they are ignored. The reason is kept for as long as packets are, and `rapids memory get`
/// shows it.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  rapids memory forget payment customers ada --reason 'asked for it, ticket 17'")]
pub(crate) struct Forget {
    #[command(flatten)]
    entry: Entry,

    /// Why, for those who look for it later
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    reason: String,

    #[command(flatten)]
    author: Author,
}

impl Forget {
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let rapids = session.rapids().await?;
        let Entry { service, memory, .. } = &self.entry;
        for key in self.entry.keys() {
            if rapids.forget_memory((service, memory), key.clone(), &self.reason).await? {
                let note = self.author.note(Some(&self.reason));
                let target = format!("{service}/{memory} {key}");
                session.record(&rapids, Operation::new("forget", target, &note)).await;
                session
                    .screen
                    .line(format_args!("forgot `{key}` in memory `{memory}` of `{service}`"))?;
                return Ok(Answer::Yes);
            }
        }
        Err(self.entry.is_missing())
    }
}
