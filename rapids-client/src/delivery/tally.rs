//! What a service counted since it started.

use std::fmt;

/// Counts by what became of packets; from `handled` on, each river of a packet counts.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Delivered, repeats included.
    pub(crate) received: u64,
    /// For no river of the service.
    pub(crate) skipped: u64,
    /// Handled.
    pub(crate) handled: u64,
    /// Not packets at all.
    pub(crate) malformed: u64,
    /// Meant for a river, but not as it requires.
    pub(crate) invalid: u64,
    /// At the limit of hops.
    pub(crate) looped: u64,
    /// Refused by a reaction for good.
    pub(crate) rejected: u64,
    /// Attempts that failed and will be made again.
    pub(crate) failed: u64,
    /// Members of `rapids` of the wrong type.
    pub(crate) mistyped: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            received,
            skipped,
            handled,
            malformed,
            invalid,
            looped,
            rejected,
            failed,
            mistyped,
        } = self;
        write!(formatter, "received {received}, skipped {skipped}, handled {handled}")?;
        let exceptions = [
            ("malformed", malformed),
            ("invalid", invalid),
            ("looped", looped),
            ("rejected", rejected),
            ("failed attempts", failed),
            ("mistyped keys", mistyped),
        ];
        for (name, count) in exceptions.iter().filter(|(_, count)| **count > 0) {
            write!(formatter, ", {name} {count}")?;
        }
        Ok(())
    }
}
