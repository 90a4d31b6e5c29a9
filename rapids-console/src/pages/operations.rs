//! What people did, and the jobs that act on many letters: planned, begun, watched, paused, ended.

mod job_row;
mod plan;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{Html, Redirect};
use rapids_client::{Job, Jobs, Operation};

use super::{position, rendered};
use crate::console::Console;
use crate::fault::{Fault, Result};
use crate::frame::Frame;
use crate::guard::Visitor;
use crate::guard::signed::Signed;
use crate::text::{Mask, short};
use crate::times::{Time, count};
use job_row::JobRow;
pub(crate) use plan::{begin, plan};

/// So many entries of the log are shown, and so many jobs, the newest.
const MOST: usize = 200;

#[derive(Template)]
#[template(path = "operations.html")]
struct Page {
    frame: Frame,
    jobs: Vec<JobRow>,
    all_jobs: String,
    log: Vec<LogRow>,
    all_log: String,
}

#[derive(Template)]
#[template(path = "job.html")]
struct JobPage {
    frame: Frame,
    job: JobRow,
}

/// The part of its page that moves.
#[derive(Template)]
#[template(path = "job_part.html")]
struct JobPart {
    frame: Frame,
    job: JobRow,
}

struct LogRow {
    at: Time,
    who: String,
    what: String,
    target: String,
    /// Where the target is shown.
    address: Option<String>,
    outcome: String,
    why: String,
    origin: String,
}

/// The page.
pub(crate) async fn page(State(console): State<Console>, visitor: Visitor) -> Result<Html<String>> {
    let frame = console.frame(&visitor, "/operations");
    let jobs = match Box::pin(console.link.dead_letters()).await? {
        Some(letters) => letters.jobs().all().await?,
        None => Vec::new(),
    };
    let log = console.link.rapids()?.operations().since(None).await?;
    let row = |operation| LogRow::of(operation, &console.mask, &frame);
    let failed = console.letters.failed_again();
    let job = |job| JobRow::of(job, &failed, &console, &frame);
    rendered(&Page {
        all_jobs: count(jobs.len() as u64),
        jobs: jobs.iter().rev().take(MOST).map(job).collect(),
        all_log: count(log.len() as u64),
        log: log.iter().rev().take(MOST).map(row).collect(),
        frame,
    })
}

/// The page of a job.
pub(crate) async fn job(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Html<String>> {
    let frame = console.frame(&visitor, "/operations");
    let job = existing(&jobs(&console).await?, &id).await?;
    let job = JobRow::of(&job, &console.letters.failed_again(), &console, &frame);
    rendered(&JobPage { job, frame })
}

/// The part of it that moves.
pub(crate) async fn part(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Html<String>> {
    let frame = console.frame(&visitor, "/operations");
    let job = existing(&jobs(&console).await?, &id).await?;
    let job = JobRow::of(&job, &console.letters.failed_again(), &console, &frame);
    rendered(&JobPart { job, frame })
}

/// Has a job stand still, go on, or end.
pub(crate) async fn change(
    State(console): State<Console>,
    Path((id, what)): Path<(String, String)>,
    signed: Signed,
) -> Result<Redirect> {
    let (jobs, note) = (jobs(&console).await?, &signed.note);
    let job = match what.as_str() {
        "pause" => jobs.pause(&id, note).await?,
        "resume" => jobs.resume(&id, note).await?,
        "cancel" => jobs.cancel(&id, note).await?,
        _ => return Err(Fault::gone("there is no such change")),
    };
    Ok(to_job(&console, &job))
}

async fn jobs(console: &Console) -> Result<Jobs> {
    Ok(console.dead_letters().await?.jobs())
}

async fn existing(jobs: &Jobs, id: &str) -> Result<Job> {
    let found = jobs.get(id).await?;
    found.ok_or_else(|| {
        let id = short(id);
        Fault::gone(format!("there is no job `{id}`: jobs are kept for 30 days beyond their end"))
    })
}

fn to_job(console: &Console, job: &Job) -> Redirect {
    Redirect::to(&console.links().to("/operations/", &job.id))
}

impl LogRow {
    fn of(operation: &Operation, mask: &Mask, frame: &Frame) -> Self {
        let Operation { what, target, who, at, why, origin, outcome, .. } = operation;
        let address = match what.as_str() {
            _ if what.ends_with("_job") => Some(frame.to("/operations/", target)),
            "replay" | "replay_to_all" | "edit" | "discard" | "restore" | "resume" => {
                Some(frame.to("/dead-letters/", target))
            }
            "comment" => Some(frame.to("/dead-letters/", target)),
            "redirect" | "withdraw_redirect" => Some(frame.at("/dead-letters/redirects")),
            "publish" => Some(frame.to("/packets/", target)),
            "forget" => Some(frame.at("/memories")),
            "move_position" => Some(position::address(frame, target)),
            "retire" => Some(frame.on_map(target)),
            "set_timer" | "cancel_timer" => Some(frame.at("/timers")),
            _ => None,
        };
        Self {
            at: (*at).into(),
            who: short(who),
            what: short(what.replace('_', " ")),
            target: short(target),
            address,
            outcome: outcome.as_ref().map(short).unwrap_or_default(),
            why: why.as_ref().map(|why| mask.sentence(why)).unwrap_or_default(),
            origin: origin.as_ref().map(short).unwrap_or_default(),
        }
    }
}
