//! A job as it is shown.

use std::collections::HashMap;
use std::time::Duration;

use rapids_client::{ActionKind, Job, JobState, State};

use crate::console::Console;
use crate::frame::Frame;
use crate::pages::dead_letters::letters_of_job;
use crate::reading::letters::job_number;
use crate::text::short;
use crate::times::{Time, count, rate, since};

/// For so long after the end of a job it is looked for packets that fail again.
const SETTLING: Duration = Duration::from_secs(60);

/// A job as it is shown.
pub(super) struct JobRow {
    pub(super) id: String,
    pub(super) address: String,
    /// Such as `Retry 1,000 letters`.
    pub(super) title: String,
    pub(super) state: &'static str,
    pub(super) mark: &'static str,
    pub(super) class: &'static str,
    pub(super) is_running: bool,
    pub(super) is_final: bool,
    pub(super) planned: u64,
    /// How many letters it has looked at, of those planned.
    pub(super) past: u64,
    pub(super) done: String,
    pub(super) skipped: String,
    pub(super) left: String,
    /// How many of its packets have failed again, with the address of their letters.
    pub(super) failed_again: Option<(String, String)>,
    /// The letters that it has acted on.
    pub(super) letters: String,
    /// Whether something may still come of it.
    pub(super) moves: bool,
    pub(super) ended: Option<Time>,
    pub(super) pace: String,
    pub(super) who: String,
    pub(super) why: Option<String>,
    pub(super) origin: Option<String>,
    pub(super) begun: Time,
    pub(super) holder: Option<String>,
    pub(super) notice: Option<String>,
}

impl JobRow {
    /// `failed` says how many letters of each job have failed again.
    pub(super) fn of(
        job: &Job,
        failed: &HashMap<u32, u64>,
        console: &Console,
        frame: &Frame,
    ) -> Self {
        let (mark, class) = match job.state {
            JobState::Running => ("▶", "good"),
            JobState::Paused => ("❚❚", "warning"),
            JobState::Cancelled => ("✗", "settled"),
            JobState::Done => ("✓", "settled"),
        };
        let past = (job.done + job.skipped).min(job.planned);
        let mut pace = match job.rate {
            Some(per_second) => format!("at most {} a second", rate(per_second)),
            None => "as fast as it goes".to_owned(),
        };
        if let Some(at_once) = job.at_once {
            pace.push_str(&format!(", at most {at_once} under way"));
        }
        let letters = |state| letters_of_job(frame, &job.id, state);
        let failed = job_number(&job.id).and_then(|job| failed.get(&job).copied());
        let is_final = job.state.is_final();
        Self {
            failed_again: failed.map(|failed| (count(failed), letters(Some(State::FailedAgain)))),
            letters: letters(None),
            // What it has sent last may fail after its end.
            moves: !is_final || since(job.written) < SETTLING,
            ended: is_final.then(|| job.written.into()),
            id: short(&job.id),
            address: frame.to("/operations/", &job.id),
            title: title(job.kind, job.planned),
            state: job.state.as_str(),
            mark,
            class,
            is_running: job.state == JobState::Running,
            is_final,
            planned: job.planned,
            past,
            done: count(job.done),
            skipped: count(job.skipped),
            left: count(job.planned - past),
            pace,
            who: short(&job.who),
            why: job.why.as_ref().map(|why| console.mask.sentence(why)),
            origin: job.origin.as_ref().map(short),
            begun: job.begun.into(),
            holder: job.holder.as_ref().map(short),
            notice: job.notice.as_ref().map(|notice| console.mask.sentence(notice)),
        }
    }
}

/// What is done with so many letters, as a button says it.
pub(super) fn title(kind: ActionKind, letters: u64) -> String {
    let letters = crate::times::several(letters, "letter");
    match kind {
        ActionKind::Replay => format!("Retry {letters}"),
        ActionKind::ReplayToAll => format!("Replay {letters} to all services"),
        ActionKind::Edit => format!("Edit {letters}"),
        ActionKind::Discard => format!("Discard {letters}"),
        ActionKind::Restore => format!("Restore {letters}"),
        ActionKind::Resume => format!("Finish {letters}"),
    }
}
