//! `rapids schema`: what packets of a name look like.

use anyhow::Result;
use clap::{Args, ValueEnum};
use rapids_client::{PacketKind, PacketName};

use crate::exit::{Answer, Fault};
use crate::observing::WindowArgument;
use crate::session::Session;

/// Print what packets of a name look like, as a JSON Schema
///
/// It is inferred from the packets of the window: a key is required if each packet had it, and the types
/// that were seen are merged. No value is printed. The object `rapids`, which belongs to the bus, is left
/// out. Another window may have other packets: it tells what was seen, and is no contract.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids schema order_placed
  rapids schema place_order --kind command --since 1d

Where something is left out, since there are too many keys (200 of an object) or levels (16), the schema
has `x-rapids-left-out`.")]
pub(crate) struct Schema {
    /// The name of the event, or of what --kind says
    #[arg(value_name = "NAME")]
    name: String,

    /// What the name is the name of
    #[arg(long, value_name = "KIND", default_value = "event")]
    kind: Kind,

    #[command(flatten)]
    window: WindowArgument,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Event,
    Command,
    Need,
}

impl From<Kind> for PacketKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Event => Self::Event,
            Kind::Command => Self::Command,
            Kind::Need => Self::Need,
        }
    }
}

impl Schema {
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let rapids = session.rapids().await?;
        let name = PacketName::new(self.kind.into(), self.name);
        let shapes = self.window.shapes(&rapids, &name).await?;
        let Some(mut schema) = shapes.schema(&name) else {
            let words = format!("no packet `{name}` was stored in the window; see `--since`");
            return Err(Fault::NotFound(words).into());
        };
        schema.insert("title".to_owned(), name.name.into());
        session.screen.json(&serde_json::to_string(&schema)?)?;
        Ok(Answer::Yes)
    }
}
