//! `rapids dead-letters resume`: finishing what was interrupted.

use anyhow::Result;
use clap::Args;
use rapids_client::{Filter, LetterId, State};

use super::bulk::Pace;
use super::selection::in_state;
use super::signature::Signature;
use crate::ending::Ending;
use crate::session::Session;

/// Finish actions on dead letters that were begun and interrupted
///
/// Such letters are `unfinished`: somebody's process or the server went away between writing down
/// what is to be done and writing down that it is done. What was sent is not sent again.
#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// The letters; all that are unfinished unless given
    #[arg(value_name = "ID")]
    ids: Vec<LetterId>,

    #[command(flatten)]
    signature: Signature,

    #[command(flatten)]
    pace: Pace,
}

impl Resume {
    pub(crate) async fn run(self, session: &Session) -> Result<Ending> {
        let note = self.signature.note(None);
        let letters = session.interrupt.unless(session.dead_letters()).await?;
        let ids = match self.ids.is_empty() {
            false => self.ids,
            true => {
                let unfinished = Filter::new().state(State::Unfinished);
                let listing = in_state(&letters, &unfinished, &session.screen);
                session.interrupt.unless(listing).await?
            }
        };
        if self.pace.dry_run {
            return self.pace.rehearse(session, ids.len(), "finished");
        }
        if ids.is_empty() {
            session.screen.note("nothing is unfinished");
            return Ok(Ending::Yes);
        }
        let act = async |id: &_| letters.resume(id, &note).await;
        self.pace.each(session, &ids, "finished", act).await
    }
}
