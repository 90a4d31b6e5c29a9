//! `rapids console`: shows the rapids in a browser.

use anyhow::Result;
use clap::Args;
use rapids_console::Options;

use crate::exit::Answer;
use crate::session::Session;

/// Show the rapids in a browser: services, packets as they flow, the map, conversations, dead letters
///
/// Serves pages until Ctrl-C, on which dead letters are acted on too, unless --read-only is given. Any number of
/// consoles may run at once: what they show is on the server, or in memory for as long as they run.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids console
  rapids console --mask 'customer,items[*].price'
  rapids console --listen 0.0.0.0:8080 --users users.txt
  rapids console --button 'End the day={\"event\":\"day_ended\"}'

`rapids-console` is the same as a program of its own. Who may look, and what keeps others out, is in
docs/console.md.")]
pub(crate) struct Console {
    #[command(flatten)]
    options: Options,
}

impl Console {
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let Options { listen, prefix, hash, .. } = &self.options;
        if !hash {
            session.screen.note(format_args!("the console is at http://{listen}{prefix}/"));
        }
        let interrupt = session.interrupt.clone();
        let shutdown = async move { interrupt.received().await };
        rapids_console::run(session.config()?, self.options, shutdown).await?;
        Ok(Answer::Yes)
    }
}
