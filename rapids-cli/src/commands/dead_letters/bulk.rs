//! Applies an action to one letter, or to many as a job.

use anyhow::Result;
use clap::Args;
use rapids_client::{Action, ActionKind, DeadLetters, JobStep, LetterId, NewJob, Note};

use super::letter_json::ActionJson;
use super::wait::SentReplay;
use crate::exit::Answer;
use crate::pace::Pace;
use crate::screen::Format;
use crate::session::Session;
use crate::working::{counted, done, work};

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
        count: u64,
        kind: ActionKind,
    ) -> Result<Answer> {
        match self.output {
            Format::Json => {
                session.screen.json(&serde_json::json!({ "count": count }).to_string())?;
            }
            Format::Line => {
                let words = format_args!("{} would be {}", counted(count), done(kind));
                session.screen.line(words)?;
            }
        }
        Ok(Answer::Yes)
    }

    /// Prints what was done with one letter.
    ///
    /// # Errors
    /// The errors of the action; if the output cannot be written.
    pub(super) fn one(
        &self,
        session: &Session,
        id: &LetterId,
        acted: rapids_client::Result<Action>,
    ) -> Result<Vec<SentReplay>> {
        let action = acted?;
        self.report(session, id, &action)?;
        Ok(sent(id, &action).into_iter().collect())
    }

    /// Begins a job and works on it. Skips a letter with a warning if somebody else has acted on it. An
    /// interrupt pauses it. Returns the replays that were sent, too.
    ///
    /// # Errors
    /// The errors of the library; [`Fault::Interrupted`](crate::exit::Fault::Interrupted).
    pub(super) async fn job(
        &self,
        session: &Session,
        letters: &DeadLetters,
        job: NewJob,
        note: &Note,
    ) -> Result<(Answer, Vec<SentReplay>)> {
        let jobs = letters.jobs();
        let job = jobs.begin_held(&self.pace.of_job(job), note).await?;
        let holder = job.holder.as_deref().unwrap_or(&note.who);
        let mut replays = Vec::new();
        let report = |step: &JobStep| {
            let Ok(action) = &step.outcome else { return Ok(()) };
            replays.extend(sent(&step.id, action));
            self.report(session, &step.id, action)
        };
        let answer = Box::pin(work(session, (&jobs, &job, holder), note, report)).await?;
        Ok((answer, replays))
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

fn sent(id: &LetterId, action: &Action) -> Option<SentReplay> {
    action.replay.map(|_| SentReplay { id: id.clone(), action: action.clone() })
}

/// Where a packet went that did not go to the letter's river.
pub(super) fn to(action: &Action) -> String {
    action.to.as_ref().map_or_else(String::new, |to| format!(" to {to}"))
}

/// The result of an action, in words.
fn outcome(action: &Action) -> String {
    let Action { kind, replay, packet_id, sequence, .. } = action;
    let packet = packet_id.as_deref().unwrap_or("-");
    match (kind, replay, sequence) {
        (ActionKind::ReplayToAll, _, Some(sequence)) => {
            format!("replayed to all as packet {packet}, sequence {sequence}")
        }
        (ActionKind::Edit, Some(replay), _) => {
            format!("edited: packet {packet}, replay {replay}{}", to(action))
        }
        (ActionKind::Replay, Some(replay), _) => format!("replayed: replay {replay}{}", to(action)),
        (kind, ..) => done(*kind).to_owned(),
    }
}
