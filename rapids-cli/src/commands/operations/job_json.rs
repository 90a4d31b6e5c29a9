//! A job as JSON.

use rapids_client::Job;
use serde::Serialize;

/// A job as JSON.
#[derive(Serialize)]
pub(super) struct JobJson<'a> {
    id: &'a str,
    kind: &'a str,
    state: &'a str,
    planned: u64,
    done: u64,
    skipped: u64,
    rate: Option<f64>,
    at_once: Option<u32>,
    who: &'a str,
    why: Option<&'a str>,
    origin: Option<&'a str>,
    begun: String,
    holder: Option<&'a str>,
    notice: Option<&'a str>,
}

impl<'a> From<&'a Job> for JobJson<'a> {
    fn from(job: &'a Job) -> Self {
        Self {
            id: &job.id,
            kind: job.kind.as_str(),
            state: job.state.as_str(),
            planned: job.planned,
            done: job.done,
            skipped: job.skipped,
            rate: job.rate,
            at_once: job.at_once,
            who: &job.who,
            why: job.why.as_deref(),
            origin: job.origin.as_deref(),
            begun: job.begun.to_string(),
            holder: job.holder.as_deref(),
            notice: job.notice.as_deref(),
        }
    }
}
