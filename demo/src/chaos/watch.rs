//! Watches over a run: what comes over the rapids, what happens to the processes, how far it is.

use std::future::Future;
use std::time::Duration;

use anyhow::{Context, Result};
use rapids_client::{Error, Packet, Tail};
use tokio::sync::mpsc;
use tokio::time::{Instant, interval};

use super::census::Census;
use super::diary::{Diary, Event};
use super::report::Report;
use super::rest::Standing;
use super::server::Server;
use crate::fleet::{Ended, Fleet};
use crate::ledger::Ledger;

/// How often the user hears how far it is.
const PROGRESS: Duration = Duration::from_secs(5);

/// How often is looked whether all was seen.
const TICK: Duration = Duration::from_millis(100);

/// How long the watch may be behind the rapids.
const LATE: Duration = Duration::from_secs(60);

/// Everything that was seen.
#[derive(Debug)]
pub(crate) struct Watch<'a> {
    report: &'a Report,
    pub(crate) ledger: Ledger,
    pub(crate) census: Census,
    pub(crate) diary: Diary,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(report: &'a Report, ledger: Ledger) -> Self {
        Self { report, ledger, census: Census::default(), diary: Diary::new() }
    }

    /// Watches until the work is done and all that came of it was seen; answers with what the work
    /// came to.
    ///
    /// # Errors
    /// If the work fails, the server cannot be started again, or the rapids cannot be watched.
    pub(crate) async fn over(
        mut self,
        work: impl Future<Output = Result<Standing>>,
        mut tail: Tail,
        mut deeds: mpsc::UnboundedReceiver<Event>,
        fleet: &mut Fleet,
        server: &mut Server,
    ) -> Result<(Self, Standing)> {
        tokio::pin!(work);
        let mut rest: Option<(Standing, Instant)> = None;
        let (mut ticks, mut progress) = (interval(TICK), interval(PROGRESS));
        loop {
            tokio::select! {
                standing = &mut work, if rest.is_none() => rest = Some((standing?, Instant::now())),
                packet = tail.next() => self.take(packet)?,
                Some(event) = deeds.recv() => self.note(event)?,
                ended = fleet.ended() => self.note(told(&ended?))?,
                error = server.failed() => return Err(error),
                _ = progress.tick() => self.tell_progress()?,
                _ = ticks.tick() => {}
            }
            if let Some((standing, since)) = &rest
                && (self.census.total() >= standing.last() || since.elapsed() > LATE)
                && deeds.is_empty()
            {
                return Ok((self, standing.clone()));
            }
        }
    }

    fn take(&mut self, packet: Result<Packet, Error>) -> Result<()> {
        match packet {
            Ok(packet) => {
                self.census.take(&packet);
                self.ledger.take(&packet);
            }
            Err(Error::Malformed { .. }) => self.census.take_malformed(),
            Err(error) => return Err(error).context("cannot watch the rapids"),
        }
        Ok(())
    }

    fn note(&mut self, event: Event) -> Result<()> {
        let line = self.diary.note(event);
        self.report.note(&line).map_err(Into::into)
    }

    fn tell_progress(&self) -> Result<()> {
        let Ledger { stories, packets, .. } = &self.ledger;
        let over = stories.iter().filter(|story| story.is_over()).count();
        let seconds = self.diary.elapsed().as_secs_f64();
        let (placed, orders) = (self.ledger.commanded(), stories.len());
        let line = format!(
            "{seconds:>8.2} s  {placed} of {orders} orders placed, {over} over; {packets} packets"
        );
        self.report.note(&line).map_err(Into::into)
    }
}

fn told(ended: &Ended) -> Event {
    if ended.aborted() {
        Event::Aborted { service: ended.name.clone() }
    } else {
        Event::Ended(ended.to_string())
    }
}
