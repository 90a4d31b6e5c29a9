//! Works on a job: prints each letter, shows how far it is, and pauses it at an interrupt.

use anyhow::{Result, anyhow};
use rapids_client::{ActionKind, Error, Job, JobState, JobStep, Jobs, Note};

use crate::exit::{Answer, Fault};
use crate::pace::bar;
use crate::session::Session;

/// Works on a job until it ends; `report` prints a letter that was acted on. A letter that cannot be acted on
/// is told with a warning, and the answer is no then. At an interrupt the job is paused.
///
/// # Errors
/// The errors of the library; [`Fault::Interrupted`]; if the job is paused or cancelled.
pub(crate) async fn work(
    session: &Session,
    (jobs, job, holder): (&Jobs, &Job, &str),
    note: &Note,
    mut report: impl FnMut(&JobStep) -> Result<()>,
) -> Result<Answer> {
    let bar = bar(usize::try_from(job.planned).unwrap_or(usize::MAX));
    let mut reported = Ok(());
    let told = |job: &Job, step: Option<JobStep>| {
        bar.set_position(job.done + job.skipped);
        if let Some(step) = step {
            bar.suspend(|| match &step.outcome {
                Err(error) => session.screen.warning(error),
                Ok(_) if reported.is_ok() => reported = report(&step),
                Ok(_) => {}
            });
        }
    };
    let (ended, is_interrupted) = {
        let mut working = Box::pin(jobs.work(&job.id, holder, told));
        tokio::select! {
            ended = &mut working => (ended?, false),
            () = session.interrupt.received() => {
                match jobs.pause(&job.id, note).await {
                    Ok(_) | Err(Error::Job { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
                (working.await?, true)
            }
        }
    };
    bar.finish_and_clear();
    reported?;
    let far = format!("{} of {} {}", ended.done, counted(ended.planned), done(ended.kind));
    let id = &ended.id;
    match ended.state {
        JobState::Done => {
            if ended.planned > 1 {
                session.screen.note(far);
            }
            Ok(Answer::from(ended.skipped == 0))
        }
        JobState::Paused if is_interrupted => {
            let rest =
                format_args!("interrupted: {far}; `rapids operations resume {id}` does the rest");
            session.screen.note(rest);
            Err(Fault::Interrupted.into())
        }
        JobState::Paused => {
            let why = ended.notice.unwrap_or_default();
            Err(anyhow!("{why}: {far}; `rapids operations resume {id}` does the rest"))
        }
        state => Err(anyhow!("the job `{id}` is {state}: {far}")),
    }
}

/// What was done with letters, in a word.
pub(crate) fn done(kind: ActionKind) -> &'static str {
    match kind {
        ActionKind::Replay => "replayed",
        ActionKind::ReplayToAll => "replayed to all",
        ActionKind::Edit => "edited",
        ActionKind::Discard => "discarded",
        ActionKind::Restore => "restored",
        ActionKind::Resume => "finished",
    }
}

/// `1 letter`, `2 letters`.
pub(crate) fn counted(count: u64) -> String {
    if count == 1 { "1 letter".to_owned() } else { format!("{count} letters") }
}
