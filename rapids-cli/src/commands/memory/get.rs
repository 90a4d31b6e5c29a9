//! `rapids memory get`: the value of one key.

use anyhow::Result;
use clap::Args;
use rapids_client::{EntryKey, printable};

use super::{AtLeast, EntryJson};
use crate::exit::{Answer, Fault};
use crate::indented::indented;
use crate::screen::Format;
use crate::session::Session;

/// Print the value of one key
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  rapids memory get open_orders customers ada

Output: the value as JSON, with a line for each member; with -o json an object on one line: `key`, a string,
number or boolean, and `value`.")]
pub(crate) struct Get {
    /// The service
    #[arg(value_name = "SERVICE")]
    service: String,

    /// The memory
    #[arg(value_name = "MEMORY")]
    memory: String,

    /// The key, a text; if there is none, the number or boolean that it reads as
    #[arg(value_name = "KEY", allow_hyphen_values = true)]
    key: String,

    #[command(flatten)]
    at_least: AtLeast,

    /// How to print it
    #[arg(short, long, value_name = "FORMAT", default_value = "line")]
    output: Format,
}

impl Get {
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let rapids = session.rapids().await?;
        let view = self.at_least.view(&rapids, &self.service, &self.memory);
        let text = Some(EntryKey::from(&self.key));
        for key in text.into_iter().chain(EntryKey::number_or_boolean(&self.key)) {
            let Some(value) = view.get(key.clone()).await? else { continue };
            let screen = &session.screen;
            if self.output == Format::Json {
                let (key, value) = (&key, Some(&*value));
                screen.json(&serde_json::to_string(&EntryJson { key, value })?)?;
            } else {
                for line in indented(value.get()).lines() {
                    screen.line(printable(line))?;
                }
            }
            return Ok(Answer::Yes);
        }
        let Self { service, memory, key, .. } = &self;
        let words = format!(
            "memory `{memory}` of service `{service}` has no key `{key}`; `rapids memory list {service} \
             {memory}` lists those that it has"
        );
        Err(Fault::NotFound(words).into())
    }
}
