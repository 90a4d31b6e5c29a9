//! What was counted, as it is told to others and read by them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What one river of an instance has counted since the instance started.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct RiverFigures {
    /// Packets that met its conditions and requirements, once more for each delivery.
    pub taken: u64,
    /// Packets that it has handled: what its reaction returned is stored.
    pub handled: u64,
    /// Attempts that failed, without those that were rejected.
    pub failed: u64,
    /// Packets that came after their memory had ended, about; of a river that gathers, the answers among them.
    pub late_packets: u64,
    /// Dead letters by their kind, such as `rejected`.
    pub letters: BTreeMap<String, u64>,
    /// How long its reactions took that succeeded.
    pub reaction_seconds: Durations,
    /// How long those took that failed, by the type of the error: `rejected`, `timed_out`, `panicked` or
    /// `failed`.
    pub failed_seconds: BTreeMap<String, Durations>,
    /// Whether its breaker is open, so that its packets wait.
    pub breaker_open: bool,
    /// For how long one of its reactions has blocked its thread by now, in seconds: the longest; 0 if none
    /// has for five seconds.
    pub blocked_seconds: u64,
}

/// What an instance of a service has counted since it started, beside its rivers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct ServiceFigures {
    /// Packets delivered, redeliveries included.
    pub received: u64,
    /// Of these, for no river of the service.
    pub skipped: u64,
    /// What was no packet at all.
    pub malformed: u64,
    /// Members of `rapids` of the wrong type.
    pub mistyped: u64,
    /// Packets that its rivers published without having declared them; 0 for rivers that declare nothing.
    pub undeclared: u64,
    /// How often somebody else had used the id of an output before, which is published under another one.
    pub ids_taken: u64,
    /// Timers that its reactions have set.
    pub timers_set: u64,
    /// Timers that they have cancelled, also such as did not wait any more.
    pub timers_cancelled: u64,
    /// Packets that are delivered and not acknowledged: at most a second old.
    pub in_flight: u64,
    /// Reactions that wait for more than a free slot: for a time, a breaker, a throttle, a decision about
    /// a suspect, or an earlier packet of their key; at most a second old.
    pub waiting: u64,
    /// Packets that expired before the service read them, as far as this instance knows.
    pub lost: u64,
    /// Whether it asks for no packets, since too many wait.
    pub paused: bool,
    /// Whether it reads packets. In exclusive delivery the other instances stand by.
    pub active: bool,
    /// The highest sequence that an instance of the service was given; at most five seconds old, as is the
    /// next. `None` until it is known, as for an instance that stands by.
    pub position: Option<u64>,
    /// How many packets no instance was given yet.
    pub lag: Option<u64>,
    /// How often its connection was made again.
    pub reconnects: u64,
    /// What its reactions published and the stream did not have already, by the name of the event, need or command. The first 200 names of a
    /// process, of at most 64 bytes, are told apart; the others count as `other`.
    pub published: BTreeMap<String, EventFigures>,
    /// How long the server took to store what a reaction returned.
    pub publish_seconds: Durations,
    /// Its memories.
    pub memory: MemoryFigures,
}

/// Packets of one name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct EventFigures {
    /// How many.
    pub packets: u64,
    /// Their bytes, as the server counts them.
    pub bytes: u64,
}

/// The memories of an instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct MemoryFigures {
    /// Steps that are saved.
    pub steps: u64,
    /// Saves of their records with steps: those that wait share one.
    pub saves: u64,
    /// Saves that did not count: another instance had saved, or the record was loaded anew meanwhile.
    pub conflicts: u64,
}

/// How often something took how long.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct Durations {
    /// All of it, in seconds.
    pub sum: f64,
    /// Upper bounds in seconds, each with how many took no longer, and longer than the bound before it.
    /// `None` is the bound of the longest.
    pub buckets: Vec<(Option<f64>, u64)>,
}
