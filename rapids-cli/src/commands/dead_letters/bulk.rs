//! Applies an action to many letters: at a rate, with a progress bar, until interrupted.

use anyhow::{Context, Result};
use clap::Args;
use rapids_client::{Action, ActionKind, Error, LetterId};

use super::letter_json::ActionJson;
use crate::exit::{Answer, Fault};
use crate::pace::{Pace, bar};
use crate::screen::Format;
use crate::session::Session;

/// The options of actions on many letters.
#[derive(Debug, Args)]
pub(super) struct BulkOptions {
    /// Only print how many letters it would be
    #[arg(long)]
    pub(super) dry_run: bool,

    #[command(flatten)]
    pace: Pace,

    /// How to print what was done
    #[arg(short, long, value_name = "FORMAT", default_value = "line")]
    pub(super) output: Format,
}

impl BulkOptions {
    /// Prints how many letters it would be.
    ///
    /// # Errors
    /// If the output cannot be written.
    pub(super) fn report_dry_run(
        &self,
        session: &Session,
        count: usize,
        done: &str,
    ) -> Result<Answer> {
        match self.output {
            Format::Json => {
                session.screen.json(&serde_json::json!({ "count": count }).to_string())?
            }
            Format::Line => {
                session.screen.line(format_args!("{} would be {done}", counted(count)))?;
            }
        }
        Ok(Answer::Yes)
    }

    /// Applies the action to each letter. Skips a letter with a warning if somebody else has acted
    /// on it. An interrupt stops it after the current letter.
    ///
    /// # Errors
    /// The errors of the action; [`Fault::Interrupted`].
    pub(super) async fn each(
        &self,
        session: &Session,
        ids: &[LetterId],
        done: &str,
        act: impl AsyncFn(&LetterId) -> rapids_client::Result<Action>,
    ) -> Result<Answer> {
        if ids.is_empty() {
            session.screen.note("there is no such letter");
            return Ok(Answer::Yes);
        }
        let bar = bar(ids.len());
        let (mut count, mut refused) = (0, 0);
        let mut beat = self.pace.beat();
        for id in ids {
            if !beat.next(&session.interrupt).await {
                bar.finish_and_clear();
                if ids.len() > 1 {
                    let total = counted(ids.len());
                    session.screen.note(format_args!("interrupted: {count} of {total} {done}"));
                }
                return Err(Fault::Interrupted.into());
            }
            match Box::pin(act(id)).await {
                Ok(action) => {
                    count += 1;
                    bar.suspend(|| self.report(session, id, &action))?;
                }
                Err(error @ Error::Letter { .. }) if ids.len() > 1 => {
                    refused += 1;
                    bar.suspend(|| session.screen.warning(error));
                }
                Err(error) => {
                    bar.finish_and_clear();
                    let progress = format!("after {count} of {}", counted(ids.len()));
                    let outcome: Result<Answer> = Err(error.into());
                    return if ids.len() > 1 { outcome.context(progress) } else { outcome };
                }
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        if ids.len() > 1 {
            session.screen.note(format_args!("{count} of {} {done}", counted(ids.len())));
        }
        Ok(Answer::from(refused == 0))
    }

    fn report(&self, session: &Session, id: &LetterId, action: &Action) -> Result<()> {
        match self.output {
            Format::Line => session.screen.line(format_args!("{id} {}", outcome(action))),
            Format::Json => {
                let done = ActionJson { id: id.to_string(), action };
                session.screen.json(&serde_json::to_string(&done)?)
            }
        }
    }
}

/// The result of an action, in words.
fn outcome(action: &Action) -> String {
    let Action { kind, replay, packet_id, sequence, .. } = action;
    let packet = packet_id.as_deref().unwrap_or("-");
    match (kind, replay, sequence) {
        (ActionKind::ReplayToAll, _, Some(sequence)) => {
            format!("replayed to all as packet {packet}, sequence {sequence}")
        }
        (ActionKind::Edit, Some(replay), _) => format!("edited: packet {packet}, replay {replay}"),
        (ActionKind::Replay, Some(replay), _) => format!("replayed: replay {replay}"),
        (ActionKind::Discard, ..) => "discarded".to_owned(),
        (kind, ..) => kind.to_string(),
    }
}

/// `1 letter`, `2 letters`.
pub(super) fn counted(count: usize) -> String {
    if count == 1 { "1 letter".to_owned() } else { format!("{count} letters") }
}
