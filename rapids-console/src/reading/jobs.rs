//! Works on the jobs that run: on those that were begun here, and in the place of whoever has died.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rapids_client::{Error, Job, JobState, Jobs};
use tokio::time::sleep;
use tracing::{info, warn};

use super::link::Link;
use crate::fault::with_causes;

/// How often it is looked for jobs.
const LOOK: Duration = Duration::from_secs(2);
/// How often, where this user of NATS may not look.
const RARELY: Duration = Duration::from_secs(60);
/// On so many jobs it works at once, those included that others hold; further ones wait.
const MOST: usize = 64;

/// Works on jobs until the console ends.
pub(crate) async fn work(link: Link, holder: String) {
    let working: Arc<Mutex<HashSet<String>>> = Arc::default();
    loop {
        if link.opened().await.is_none() {
            return;
        }
        let found = match Box::pin(link.dead_letters()).await {
            Ok(Some(letters)) => {
                let jobs = letters.jobs();
                jobs.all().await.map(|all| (jobs, all))
            }
            Ok(None) => {
                sleep(LOOK).await;
                continue;
            }
            Err(error) => Err(error),
        };
        match found {
            Ok((jobs, all)) => {
                for job in all.into_iter().filter(|job| job.state == JobState::Running) {
                    begin(&working, jobs.clone(), job, &holder);
                }
                sleep(LOOK).await;
            }
            Err(error) => {
                warn!("jobs are not worked on: {}", with_causes(&error));
                let is_refused = matches!(error, Error::NotPermitted { .. });
                sleep(if is_refused { RARELY } else { LOOK }).await;
            }
        }
    }
}

/// Begins to work on a job, unless that is done already.
fn begin(working: &Arc<Mutex<HashSet<String>>>, jobs: Jobs, job: Job, holder: &str) {
    let mut present = working.lock().unwrap_or_else(PoisonError::into_inner);
    if present.len() >= MOST || !present.insert(job.id.clone()) {
        return;
    }
    drop(present);
    let (working, holder) = (working.clone(), holder.to_owned());
    tokio::spawn(async move {
        match Box::pin(jobs.work(&job.id, &holder, |_, _| ())).await {
            Ok(ended) => info!(job = ended.id, done = ended.done, "a job is {}", ended.state),
            Err(error) => warn!(job = job.id, "a job is left: {}", with_causes(&error)),
        }
        working.lock().unwrap_or_else(PoisonError::into_inner).remove(&job.id);
    });
}
