//! What a service counts since it started, for those who watch it: one registry of facts.
//!
//! The service's own thread counts, and any thread may read. How it is shown is left to
//! [`announcement`](crate::announcement), and what happened to a single packet to the logs.

mod counter;
mod error_type;
mod event_counts;
pub(crate) mod figures;
mod histogram;
mod river_metrics;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::packet::Packet;
use crate::river::River;
use counter::{Counter, Flag};
pub(crate) use error_type::ErrorType;
use event_counts::EventCounts;
use figures::{MemoryFigures, ServiceFigures};
use histogram::Histogram;
pub(crate) use river_metrics::RiverMetrics;

/// The facts of one instance of a service.
#[derive(Debug, Default)]
pub(crate) struct ServiceMetrics {
    /// Packets delivered, redeliveries included.
    pub(crate) received: Counter,
    /// Of these, for no river of the service.
    pub(crate) skipped: Counter,
    /// Not packets at all.
    pub(crate) malformed: Counter,
    /// Members of `rapids` of the wrong type.
    pub(crate) mistyped: Counter,
    /// Packets that rivers published without having declared them.
    pub(crate) undeclared: Counter,
    /// Outputs that are stored under another id, since somebody else had used theirs.
    pub(crate) ids_taken: Counter,
    /// Timers that were set, and that were cancelled.
    pub(crate) timers_set: Counter,
    pub(crate) timers_cancelled: Counter,
    /// What its reactions published, by the names of events.
    published_events: EventCounts,
    /// How long the server took to store the outputs of a reaction.
    publish_time: Histogram,
    /// Steps of memories that were saved.
    pub(crate) memory_steps: Counter,
    /// Saves of their records: steps that wait share one.
    pub(crate) memory_saves: Counter,
    /// Saves that did not count: another instance had saved, or the record was loaded anew meanwhile.
    pub(crate) memory_conflicts: Counter,
    /// Packets that are delivered and not acknowledged.
    pub(crate) in_flight: Counter,
    /// Turns that wait for more than a free slot: for a time, a breaker, a throttle, a decision about a
    /// suspect, or an earlier packet of their key.
    pub(crate) waiting: Counter,
    /// Packets that expired before the service read them.
    pub(crate) lost: Counter,
    pub(crate) is_paused: Flag,
    /// Whether it reads packets, and does not stand by.
    pub(crate) is_active: Flag,
    /// The highest sequence that was given to an instance, and how many packets none was given yet; `None`
    /// until this is known. A lock, since others read; held for a moment.
    place: Mutex<Option<(u64, u64)>>,
    /// How often the connection was made again.
    pub(crate) reconnects: Counter,
    /// By the position of the river in the declaration.
    rivers: Vec<RiverMetrics>,
    /// What becomes of replays to rivers that the service has no more.
    gone: RiverMetrics,
}

impl ServiceMetrics {
    pub(crate) fn of(rivers: &[River]) -> Self {
        let rivers = rivers.iter().map(RiverMetrics::of).collect();
        Self { rivers, ..Self::default() }
    }

    pub(crate) fn river(&self, river: usize) -> &RiverMetrics {
        self.rivers.get(river).unwrap_or(&self.gone)
    }

    pub(crate) fn rivers(&self) -> &[RiverMetrics] {
        &self.rivers
    }

    /// Learns the highest sequence that was given to an instance, and how many packets none was given yet.
    pub(crate) fn set_place(&self, position: u64, lag: u64) {
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = Some((position, lag));
    }

    /// What concerns the whole service.
    pub(crate) fn figures(&self) -> ServiceFigures {
        let place = *self.place.lock().unwrap_or_else(PoisonError::into_inner);
        ServiceFigures {
            received: self.received.get(),
            skipped: self.skipped.get(),
            malformed: self.malformed.get(),
            mistyped: self.mistyped.get(),
            undeclared: self.undeclared.get(),
            ids_taken: self.ids_taken.get(),
            timers_set: self.timers_set.get(),
            timers_cancelled: self.timers_cancelled.get(),
            in_flight: self.in_flight.get(),
            waiting: self.waiting.get(),
            lost: self.lost.get(),
            paused: self.is_paused.get(),
            active: self.is_active.get(),
            position: place.map(|(position, _)| position),
            lag: place.map(|(_, lag)| lag),
            reconnects: self.reconnects.get(),
            published: self.published_events.figures(),
            publish_seconds: self.publish_time.figures(),
            memory: MemoryFigures {
                steps: self.memory_steps.get(),
                saves: self.memory_saves.get(),
                conflicts: self.memory_conflicts.get(),
            },
        }
    }

    /// Takes note of a reaction that has ended, well or with an error. One that did not run took no time.
    pub(crate) fn reacted(&self, river: usize, took: Duration, error: Option<ErrorType>) {
        if !took.is_zero() {
            self.river(river).time(error).record(took);
        }
    }

    /// Takes note of the outputs of a reaction, with their bytes, which are stored after this time. The
    /// stream had some already, at these positions.
    pub(crate) fn published(
        &self,
        outputs: &[Packet],
        repeated: &[usize],
        (size, took): (impl Fn(usize) -> usize, Duration),
    ) {
        if !outputs.is_empty() {
            self.publish_time.record(took);
        }
        for (position, packet) in outputs.iter().enumerate() {
            if !repeated.contains(&position) {
                self.published_events.add(packet, size(position));
            }
        }
    }

    fn sum(&self, of: impl Fn(&RiverMetrics) -> u64) -> u64 {
        self.rivers.iter().map(of).sum()
    }
}

/// As a service says it when it stops.
impl fmt::Display for ServiceMetrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let handled = self.sum(|river| river.handled.get());
        let (received, skipped) = (self.received.get(), self.skipped.get());
        write!(formatter, "received {received}, skipped {skipped}, handled {handled}")?;
        let failed = self.sum(|river| river.failed.get());
        let exceptions = [
            ("malformed", self.malformed.get()),
            ("failed attempts", failed),
            ("mistyped keys", self.mistyped.get()),
            ("undeclared", self.undeclared.get()),
            ("ids taken by others", self.ids_taken.get()),
        ];
        let mut letters = BTreeMap::<String, u64>::new();
        for (kind, count) in self.rivers.iter().chain([&self.gone]).flat_map(RiverMetrics::letters)
        {
            *letters.entry(kind).or_default() += count;
        }
        let letters = letters.iter().map(|(kind, count)| (kind.as_str(), *count));
        for (name, count) in exceptions.into_iter().chain(letters).filter(|(_, count)| *count > 0) {
            write!(formatter, ", {name} {count}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_says_what_it_did_and_what_went_wrong() {
        let metrics = ServiceMetrics::of(&[River::new("charge"), River::new("refund")]);
        metrics.received.add(9);
        metrics.skipped.add(3);
        assert_eq!(metrics.to_string(), "received 9, skipped 3, handled 0");
        for river in metrics.rivers() {
            river.handled.add(2);
            river.dead_letter("rejected");
        }
        metrics.malformed.add(1);
        assert_eq!(
            metrics.to_string(),
            "received 9, skipped 3, handled 4, malformed 1, rejected 2"
        );
        metrics.river(2).dead_letter("rejected");
        assert!(metrics.to_string().ends_with("rejected 3"), "{metrics}");
    }
}
