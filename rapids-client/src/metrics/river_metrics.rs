//! What one river of a service counts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::counter::{Counter, Flag};
use super::error_type::ErrorType;
use super::figures::{Durations, RiverFigures};
use super::histogram::Histogram;
use crate::river::River;

/// An error that is longer is cut off here: it goes into each answer.
const ERROR_CHARS: usize = 200;

#[derive(Debug, Default)]
pub(crate) struct RiverMetrics {
    name: Box<str>,
    /// Packets that met its conditions and requirements, once more for each delivery.
    pub(crate) taken: Counter,
    /// Reactions that succeeded, and what they returned is stored.
    pub(crate) handled: Counter,
    /// Attempts that failed, and were tried again unless they were too many.
    pub(crate) failed: Counter,
    /// How long its reactions took that succeeded, and those that did not.
    reaction_time: Histogram,
    failed_times: [Histogram; ErrorType::ALL.len()],
    /// Packets that came after their memory had ended, which the river counts itself.
    late_packets: Arc<AtomicU64>,
    pub(crate) is_breaker_open: Flag,
    /// For how many seconds one of its reactions has blocked its thread by now.
    pub(crate) blocked_seconds: Counter,
    // A lock, since others read; held for a moment, and taken only when something goes wrong.
    errors: Mutex<Errors>,
}

#[derive(Debug, Default, Clone)]
struct Errors {
    /// Attempts that failed, and packets that were given up without one.
    count: u64,
    /// The latter.
    unreacted: u64,
    last: String,
    /// Dead letters by their kind.
    letters: BTreeMap<String, u64>,
}

impl Errors {
    fn add(&mut self, words: &str) {
        let end = words.char_indices().nth(ERROR_CHARS).map_or(words.len(), |(end, _)| end);
        self.count += 1;
        words[..end].clone_into(&mut self.last);
    }
}

impl RiverMetrics {
    pub(super) fn of(river: &River) -> Self {
        let late_packets = river.memory_use().map(|it| it.late_packets.clone()).unwrap_or_default();
        Self { name: river.name().into(), late_packets, ..Self::default() }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The times of reactions that succeeded, or failed like this.
    pub(super) fn time(&self, error: Option<ErrorType>) -> &Histogram {
        match error {
            None => &self.reaction_time,
            Some(error) => &self.failed_times[error as usize],
        }
    }

    /// How many reactions have ended, and how long they took together.
    pub(crate) fn reactions(&self) -> (u64, Duration) {
        let times = || self.failed_times.iter().chain([&self.reaction_time]);
        (times().map(Histogram::count).sum(), times().map(Histogram::total).sum())
    }

    /// Counts a reaction that failed, and keeps the first words of its error.
    pub(crate) fn error(&self, error: &str) {
        self.errors().add(error);
    }

    /// Counts a packet that is given up without a reaction, and keeps the first words of the reason.
    pub(crate) fn given_up(&self, reason: &str) {
        let mut errors = self.errors();
        errors.unreacted += 1;
        errors.add(reason);
    }

    /// Packets given up without a reaction.
    pub(crate) fn unreacted(&self) -> u64 {
        self.errors().unreacted
    }

    /// How often something went wrong, and what did last; empty if nothing has.
    pub(crate) fn last_error(&self) -> (u64, String) {
        let errors = self.errors();
        (errors.count, errors.last.clone())
    }

    pub(crate) fn dead_letter(&self, kind: &str) {
        *self.errors().letters.entry(kind.to_owned()).or_default() += 1;
    }

    /// Dead letters by their kind.
    pub(crate) fn letters(&self) -> BTreeMap<String, u64> {
        self.errors().letters.clone()
    }

    pub(crate) fn figures(&self) -> RiverFigures {
        RiverFigures {
            taken: self.taken.get(),
            handled: self.handled.get(),
            failed: self.failed.get(),
            late_packets: self.late_packets.load(Ordering::Relaxed),
            letters: self.letters(),
            reaction_seconds: self.reaction_time.figures(),
            failed_seconds: self.failed_seconds(),
            breaker_open: self.is_breaker_open.get(),
            blocked_seconds: self.blocked_seconds.get(),
        }
    }

    fn failed_seconds(&self) -> BTreeMap<String, Durations> {
        let failed =
            ErrorType::ALL.map(|error| (error.as_str().to_owned(), self.time(Some(error))));
        let failed = failed.into_iter().filter(|(_, time)| time.count() > 0);
        failed.map(|(error, time)| (error, time.figures())).collect()
    }

    fn errors(&self) -> MutexGuard<'_, Errors> {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_count_by_their_kind() {
        let river = RiverMetrics::of(&River::new("charge"));
        for kind in ["invalid", "exhausted", "invalid"] {
            river.dead_letter(kind);
        }
        let expected = BTreeMap::from([("exhausted".to_owned(), 1), ("invalid".to_owned(), 2)]);
        assert_eq!(river.figures().letters, expected);
    }

    #[test]
    fn a_long_error_is_cut_between_characters() {
        let river = RiverMetrics::of(&River::new("charge"));
        assert_eq!(river.last_error(), (0, String::new()));
        river.error(&"\u{fc}".repeat(300));
        assert_eq!(river.last_error(), (1, "\u{fc}".repeat(ERROR_CHARS)));
    }
}
