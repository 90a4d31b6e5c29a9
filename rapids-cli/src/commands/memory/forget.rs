//! `rapids memory forget`: ends what a service remembers of a key.

use anyhow::Result;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use rapids_client::EntryKey;

use super::no_key;
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
    /// The service
    #[arg(value_name = "SERVICE")]
    service: String,

    /// The memory
    #[arg(value_name = "MEMORY")]
    memory: String,

    /// The key, a text; if there is none, the number or boolean that it reads as
    #[arg(value_name = "KEY", allow_hyphen_values = true)]
    key: String,

    /// Why, for those who look for it later
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    reason: String,
}

impl Forget {
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let rapids = session.rapids().await?;
        let Self { service, memory, key, reason } = &self;
        let text = Some(EntryKey::from(key));
        for key in text.into_iter().chain(EntryKey::number_or_boolean(key)) {
            if rapids.forget_memory((service, memory), key.clone(), reason).await? {
                session
                    .screen
                    .line(format_args!("forgot `{key}` in memory `{memory}` of `{service}`"))?;
                return Ok(Answer::Yes);
            }
        }
        Err(no_key((service, memory), key))
    }
}
