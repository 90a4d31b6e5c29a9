//! `rapids memory get`: the value of one key.

use anyhow::Result;
use clap::Args;
use rapids_client::{MemoryEnd, printable};
use rapids_views::indented;

use super::{AtLeast, Entry, EntryJson};
use crate::exit::{Answer, Fault};
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
    #[command(flatten)]
    entry: Entry,

    #[command(flatten)]
    at_least: AtLeast,

    /// How to print it
    #[arg(short, long, value_name = "FORMAT", default_value = "line")]
    output: Format,
}

impl Get {
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let rapids = session.rapids().await?;
        let Entry { service, memory, key } = &self.entry;
        let view = self.at_least.view(&rapids, service, memory);
        let mut end = None;
        for key in self.entry.keys() {
            let Some(value) = view.get(key.clone()).await? else {
                end = end.or(view.end(key).await?);
                continue;
            };
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
        Err(match end {
            Some(MemoryEnd { reason, written, .. }) => Fault::NotFound(format!(
                "what `{memory}` of service `{service}` remembered of `{key}` has ended, at {written}: \
                 {reason}"
            ))
            .into(),
            None => self.entry.is_missing(),
        })
    }
}
