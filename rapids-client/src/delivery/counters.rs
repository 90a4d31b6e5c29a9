//! What a service counted since it started.

use std::collections::BTreeMap;
use std::fmt;

use crate::dead_letters::Kind;

/// Counts by what became of packets; from `handled` on, each river of a packet counts.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Delivered, redeliveries included.
    pub(crate) received: u64,
    /// For no river of the service.
    pub(crate) skipped: u64,
    pub(crate) handled: u64,
    /// Not packets at all.
    pub(crate) malformed: u64,
    /// Dead letters, by their kind.
    pub(crate) letters: BTreeMap<Kind, u64>,
    /// Attempts that failed.
    pub(crate) failed: u64,
    /// Members of `rapids` of the wrong type.
    pub(crate) mistyped: u64,
}

impl Counters {
    pub(crate) fn dead_letter(&mut self, kind: Kind) {
        *self.letters.entry(kind).or_default() += 1;
    }
}

impl fmt::Display for Counters {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { received, skipped, handled, malformed, letters, failed, mistyped } = self;
        write!(formatter, "received {received}, skipped {skipped}, handled {handled}")?;
        let exceptions =
            [("malformed", malformed), ("failed attempts", failed), ("mistyped keys", mistyped)];
        for (name, count) in exceptions.iter().filter(|(_, count)| **count > 0) {
            write!(formatter, ", {name} {count}")?;
        }
        for (kind, count) in letters {
            write!(formatter, ", {kind} {count}")?;
        }
        Ok(())
    }
}
