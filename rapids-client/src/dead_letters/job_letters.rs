//! The letters that a job is to go through, from where it is on.

use super::job::Job;
use super::jobs::{Jobs, next};
use super::{LetterId, Listing, StoredLetter};
use crate::Result;

/// The letters that are left of a job.
pub(super) enum JobLetters {
    Matching(Box<Listing>),
    /// Each with its place among those named.
    Named(std::vec::IntoIter<(u64, LetterId)>),
}

/// A letter that a job is to look at.
pub(super) enum JobLetter {
    /// As it lies in the stream, without its body.
    Stored(Box<StoredLetter>),
    Named(LetterId),
}

impl JobLetters {
    pub(super) async fn open(jobs: &Jobs, job: &Job) -> Result<Self> {
        if let Some(filter) = &job.filter {
            let listing = Box::pin(jobs.letters.list_behind(filter, job.cursor)).await?;
            return Ok(Self::Matching(Box::new(listing)));
        }
        let mut left = (1..).zip(jobs.named(&job.id).await?).collect::<Vec<_>>();
        left.retain(|(place, _)| *place > job.cursor);
        Ok(Self::Named(left.into_iter()))
    }

    /// The next one and its place, which is a sequence of the stream for those that a filter means; `None`
    /// after the last one.
    pub(super) async fn next(&mut self, until: u64) -> Result<Option<(u64, JobLetter)>> {
        match self {
            Self::Matching(listing) => {
                let stored = next(listing).await?.filter(|stored| stored.sequence <= until);
                Ok(stored.map(|it| (it.sequence, JobLetter::Stored(Box::new(it)))))
            }
            Self::Named(left) => Ok(left.next().map(|(place, id)| (place, JobLetter::Named(id)))),
        }
    }
}
