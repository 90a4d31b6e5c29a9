//! What can happen to the servers of a cluster.

use std::fmt;
use std::time::Duration;

use clap::ValueEnum;
use fastrand::Rng;
use serde::Serialize;

/// A fault, and how long it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    /// How long a server is away, stopped or cut off.
    pub(crate) length: Duration,
}

/// Which fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FaultKind {
    /// The server that leads the rapids is killed (kill -9).
    StreamLeaderKilled,
    /// The one that leads the position of a service.
    PositionLeaderKilled,
    /// The one that leads the cluster.
    ClusterLeaderKilled,
    /// The server that leads the rapids stands still (kill -STOP) for longer than others wait for it.
    LeaderStopped,
    /// Each server is stopped in order and started again, one after the other.
    RollingRestart,
    /// The server that leads the rapids reaches its clients, and none of the others.
    LeaderCutOff,
    /// No client reaches one of the servers, which reaches the others.
    ClientsCutOff,
    /// A server is killed, and comes back with an empty disk.
    StoreWiped,
    /// The disk of the server that leads the rapids is full. Then it has room, and the server is restarted, before
    /// which it stores nothing more.
    LeaderDiskFull,
    /// The disk of another server is full.
    OtherDiskFull,
    /// Two of the three are killed: nothing can be stored.
    QuorumLost,
}

/// All of them, in the order of the report.
pub(crate) const KINDS: [FaultKind; 11] = [
    FaultKind::StreamLeaderKilled,
    FaultKind::PositionLeaderKilled,
    FaultKind::ClusterLeaderKilled,
    FaultKind::LeaderStopped,
    FaultKind::RollingRestart,
    FaultKind::LeaderCutOff,
    FaultKind::ClientsCutOff,
    FaultKind::StoreWiped,
    FaultKind::LeaderDiskFull,
    FaultKind::OtherDiskFull,
    FaultKind::QuorumLost,
];

impl FaultKind {
    /// Whether a server needs a disk of its own for it.
    pub(crate) fn needs_disk(self) -> bool {
        matches!(self, Self::LeaderDiskFull | Self::OtherDiskFull)
    }

    /// How long it lasts, between these milliseconds. An election takes 4 to 9 seconds.
    fn milliseconds(self) -> (u64, u64) {
        match self {
            Self::StreamLeaderKilled | Self::PositionLeaderKilled | Self::ClusterLeaderKilled => {
                (0, 3_000)
            }
            Self::LeaderStopped | Self::LeaderCutOff | Self::ClientsCutOff => (10_000, 15_000),
            Self::RollingRestart | Self::StoreWiped => (0, 1_000),
            Self::LeaderDiskFull | Self::OtherDiskFull | Self::QuorumLost => (5_000, 10_000),
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::StreamLeaderKilled => "leader of the rapids killed",
            Self::PositionLeaderKilled => "leader of a position killed",
            Self::ClusterLeaderKilled => "leader of the cluster killed",
            Self::LeaderStopped => "leader of the rapids stopped",
            Self::RollingRestart => "rolling restart",
            Self::LeaderCutOff => "leader of the rapids cut off from the others",
            Self::ClientsCutOff => "clients cut off from a server",
            Self::StoreWiped => "store of a server wiped",
            Self::LeaderDiskFull => "disk of the leader of the rapids full",
            Self::OtherDiskFull => "disk of another server full",
            Self::QuorumLost => "two of three killed",
        })
    }
}

/// So many faults of these kinds, in the order in which they come: each kind has its turn before any has its second.
pub(crate) fn faults(count: usize, kinds: &[FaultKind], random: &mut Rng) -> Vec<Fault> {
    let mut deck = Vec::new();
    let mut next = || {
        if deck.is_empty() {
            deck = kinds.to_vec();
            random.shuffle(&mut deck);
        }
        let kind = deck.pop().expect("there are kinds");
        let (least, most) = kind.milliseconds();
        Fault { kind, length: Duration::from_millis(random.u64(least..=most)) }
    };
    (0..count).map(|_| next()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_turn_and_a_seed_gives_the_same_faults() {
        let drawn = |seed| faults(20, &KINDS, &mut Rng::with_seed(seed));
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
        let mut kinds: Vec<_> = drawn(7)[..KINDS.len()].iter().map(|fault| fault.kind).collect();
        kinds.sort_unstable();
        assert_eq!(kinds, KINDS);
    }
}
