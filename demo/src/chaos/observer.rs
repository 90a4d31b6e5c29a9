//! Observes a run: the packets on the rapids, the processes, and the progress.

use std::future::Future;
use std::time::Duration;

use anyhow::{Context, Result};
use rapids_client::{Error, Packet, Tail, Timestamp};
use tokio::sync::mpsc;
use tokio::time::{Instant, interval};

use super::event_log::{Event, EventLog};
use super::packet_counts::PacketCounts;
use super::positions::Positions;
use super::report::Report;
use super::servers::{Pauses, Servers};
use crate::fleet::{Ended, Fleet};
use crate::tracker::Tracker;

/// The time between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(5);

/// The time between two checks whether the run is over.
const TICK: Duration = Duration::from_millis(100);

/// How long the observer may need for what is left once the work is done.
const LATE: Duration = Duration::from_secs(60);

/// Everything that was observed.
#[derive(Debug)]
pub(crate) struct Observer<'a> {
    report: &'a Report,
    pub(crate) tracker: Tracker,
    pub(crate) packet_counts: PacketCounts,
    pub(crate) event_log: EventLog,
    /// Between packets of services.
    pauses: Pauses,
}

impl<'a> Observer<'a> {
    pub(crate) fn new(report: &'a Report, tracker: Tracker, pauses: Pauses) -> Self {
        let (packet_counts, event_log) = (PacketCounts::default(), EventLog::new());
        Self { report, tracker, packet_counts, event_log, pauses }
    }

    /// Observes until the work is done and every packet was seen. Returns the result of the work.
    ///
    /// # Errors
    /// If the work fails, the server cannot be started again, or the rapids cannot be read.
    pub(crate) async fn observe(
        mut self,
        work: impl Future<Output = Result<Positions>>,
        mut tail: Tail,
        mut events: mpsc::UnboundedReceiver<Event>,
        fleet: &mut Fleet,
        server: &mut Servers,
    ) -> Result<(Self, Positions)> {
        tokio::pin!(work);
        let mut done: Option<(Positions, Instant)> = None;
        let (mut ticks, mut progress) = (interval(TICK), interval(PROGRESS));
        loop {
            tokio::select! {
                positions = &mut work, if done.is_none() => done = Some((positions?, Instant::now())),
                packet = tail.next() => self.take(packet)?,
                Some(event) = events.recv() => self.record(event)?,
                ended = fleet.ended() => self.record(event_of(&ended?))?,
                error = server.failed() => return Err(error),
                _ = progress.tick() => self.report_progress()?,
                _ = ticks.tick() => {}
            }
            if let Some((positions, since)) = &done
                && (self.packet_counts.total() >= positions.last() || since.elapsed() > LATE)
                && events.is_empty()
            {
                return Ok((self, positions.clone()));
            }
        }
    }

    fn take(&mut self, packet: Result<Packet, Error>) -> Result<()> {
        match packet {
            Ok(packet) => {
                if let Some(stored) = packet.arrival().map(|arrival| arrival.stored)
                    && !packet.breadcrumbs().is_empty()
                {
                    let age = Timestamp::now().duration_since(stored).unsigned_abs();
                    self.pauses.end_at(Instant::now().into_std() - age);
                }
                self.packet_counts.take(&packet);
                self.tracker.take(&packet);
            }
            Err(Error::Malformed { .. }) => self.packet_counts.take_malformed(),
            Err(error) => return Err(error).context("cannot read the rapids"),
        }
        Ok(())
    }

    fn record(&mut self, event: Event) -> Result<()> {
        let line = self.event_log.record(event);
        self.report.note(&line).map_err(Into::into)
    }

    fn report_progress(&self) -> Result<()> {
        let Tracker { orders, packets, .. } = &self.tracker;
        let over = orders.iter().filter(|order| order.is_over()).count();
        let seconds = self.event_log.elapsed().as_secs_f64();
        let (placed, orders) = (self.tracker.commanded(), orders.len());
        let line = format!(
            "{seconds:>8.2} s  {placed} of {orders} orders placed, {over} over; {packets} packets"
        );
        self.report.note(&line).map_err(Into::into)
    }
}

fn event_of(ended: &Ended) -> Event {
    if ended.aborted() {
        Event::Aborted { service: ended.name.clone() }
    } else {
        Event::Ended(ended.to_string())
    }
}
