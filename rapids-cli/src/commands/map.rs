//! `rapids map`: who publishes what, who takes it, what follows from it, and what is odd.
//!
//! Reading the window is left to [`observing`](crate::observing), the analysis to the library.

mod text;

use std::time::Duration;

use anyhow::Result;
use clap::{Args, ValueEnum};
use rapids_client::map::RapidsMap;
use rapids_views::Graph;

use crate::exit::Answer;
use crate::line::Line;
use crate::observing::WindowArgument;
use crate::session::Session;
use crate::times::duration;

/// Show who publishes what, who takes it, what follows from it, and what is odd
///
/// What services take and publish is what their rivers announce: the names that their conditions admit
/// (`*` for any), and those that `.publishes` declares. What happened is read from the stream, and judged
/// by the rules that services announce now: packets by name and publisher, what followed from what, and
/// the dead letters that wait.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids map
  rapids map --since 1h -o mermaid > map.mmd
  rapids map --since 1d -o dot | dot -Tsvg > map.svg
  rapids map --check --ignore order_completed --ignore 'command place_order'

What is odd:
  - a name that is published, or declared to be, and that no river admits. A river that takes
    everything, such as a monitor, does not count
  - a name that a river waits for, and that nobody published or declares
  - a river that took nothing, unless there was no packet at all
  - a river that starved: some of at least 20 packets of a name met its conditions in the earlier half
    of the window, and none of at least 20 in the later, where three could be expected. The halves are
    equal parts of the stream, not of the time
  - the same of its requirements, for packets that meet its conditions

The ids of the newest 500,000 packets at least are remembered, to tell what followed from what; 2,000
names are told apart. A warning says if there was more.

With -o json one object: `from`, `to`, `packets`, `malformed`; `rivers_known`, false if this user may not ask
the services, so that nothing is told to be odd; `rivers`, each with `service`, `river`, `admits` (null for
any name), `publishes` (null if nothing is declared), `came`, `took`, `taken` (of these by name, each with
`name` and `packets`) and `refused`; `unreadable`, the services whose rules cannot be read; `published`, with `publisher` (null: from outside), `name`, `packets` and `per_second`; `flows`, with
`cause`, `publisher`, `effect`, `packets` and `per_second`; `letters`, with `service`, `river`, `kind` and
`letters`; `odd`, each with `odd`, one of `unread`, `unpublished`, `idle`, `starved` and `invalid`; and
`left_out`. A name has `kind` and `name`.")]
pub(crate) struct Map {
    #[command(flatten)]
    window: WindowArgument,

    /// How to print the map
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: MapFormat,

    /// Exit with 1 if something is odd, and with 4 if this user may not ask the services; as text, print
    /// only what is odd
    #[arg(long)]
    check: bool,

    /// Nothing about this name (`order_completed`, `command place_order`) or river (`payment/charge`) is
    /// odd; may be given several times
    #[arg(long, value_name = "NAME")]
    ignore: Vec<String>,

    /// How long to wait for the answers of services
    #[arg(long, value_name = "DURATION", default_value = "500ms", value_parser = duration)]
    wait: Duration,
}

/// How the map is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum MapFormat {
    /// Tables for people; their look may change
    Text,
    /// A flowchart of Mermaid, as Markdown pages show it
    Mermaid,
    /// A graph of Graphviz
    Dot,
    /// One JSON object, for programs; keys are added, never renamed
    Json,
}

impl Map {
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let rapids = session.rapids().await?;
        // What is odd is not known without the rivers, so that is no answer to `--check`.
        let up = if self.check {
            Some(rapids.services(self.wait).await?)
        } else {
            session.services_if_known(&rapids, self.wait).await?
        };
        let mut map = self.window.map(session, &rapids, up.as_deref()).await?;
        map.odd.retain(|oddity| !self.ignore.iter().any(|ignored| oddity.is_about(ignored)));
        self.print(&map, session)?;
        Ok(Answer::from(!self.check || map.odd.is_empty()))
    }

    fn print(&self, map: &RapidsMap, session: &Session) -> Result<()> {
        let screen = &session.screen;
        let print = |lines: Vec<Line>| lines.into_iter().try_for_each(|line| screen.line(line));
        match self.output {
            MapFormat::Text if self.check => print(text::odd(map, screen.data)),
            MapFormat::Text => print(text::lines(map, screen.data)),
            MapFormat::Mermaid => screen.bytes(Graph::of(map).mermaid().as_bytes()),
            MapFormat::Dot => screen.bytes(Graph::of(map).dot().as_bytes()),
            MapFormat::Json => screen.json(&serde_json::to_string(map)?),
        }
    }
}
