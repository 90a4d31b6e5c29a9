//! What is measured, and what is aimed at.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

/// One kind of figure, in the order in which tables show them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Figure {
    PacketsPerSecond,
    /// What all services got together.
    DeliveriesPerSecond,
    /// What one core of the server carries, by its CPU time per packet.
    ServerCapacity,
    /// Cores that the server kept busy.
    ServerCores,
    /// Cores that all services together kept busy.
    ClientCores,
    /// CPU time of the client per packet, user and system.
    ClientMicros,
    /// CPU time of the server per packet, user and system.
    ServerMicros,
    /// The same, shared out over the services that get the packet.
    ServerMicrosPerService,
    /// CPU time of the server per packet and service, less what publishing alone costs.
    ServerMicrosPerDelivery,
    /// CPU time of the services per packet and service.
    ClientMicrosPerDelivery,
    P50Micros,
    P99Micros,
    StartMillis,
    ResidentMebibytes,
    /// The same, shared out over the services.
    ResidentMebibytesPerService,
    /// From the end of the active instance to the first packet that the next one handles.
    TakeoverMillis,
    /// Packets that nobody answered.
    Lost,
    /// Answers beyond one per packet.
    Doubled,
}

/// What one measurement yields.
pub(crate) type Figures = BTreeMap<Figure, f64>;

impl Figure {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::PacketsPerSecond => "packets/s",
            Self::DeliveriesPerSecond => "deliveries/s",
            Self::ServerCapacity => "packets/s of a server's core",
            Self::ServerCores => "cores busy: server",
            Self::ClientCores => "cores busy: services",
            Self::ClientMicros => "client CPU us/packet",
            Self::ServerMicros => "server CPU us/packet",
            Self::ServerMicrosPerService => "  and service",
            Self::ServerMicrosPerDelivery => "server CPU us/delivery",
            Self::ClientMicrosPerDelivery => "client CPU us/delivery",
            Self::P50Micros => "p50 us",
            Self::P99Micros => "p99 us",
            Self::StartMillis => "start to first packet ms",
            Self::ResidentMebibytes => "resident MiB",
            Self::ResidentMebibytesPerService => "resident MiB/service",
            Self::TakeoverMillis => "to the next one's first packet ms",
            Self::Lost => "packets lost",
            Self::Doubled => "effects doubled",
        }
    }
}

/// How a figure of the first side is to stand to that of another one, or to a bound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Target {
    pub(crate) figure: Figure,
    /// The other one, or the first itself where it is to keep to a bound.
    pub(crate) against: &'static str,
    pub(crate) limit: Limit,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Limit {
    /// At least so many times the other.
    AtLeast(f64),
    /// At most so many times the other.
    AtMost(f64),
    /// At most so much more than the other.
    OnTop(f64),
    /// At most so much, whatever others have.
    UpTo(f64),
}

impl Limit {
    pub(crate) fn is_met(self, ratio: f64, difference: f64) -> bool {
        match self {
            Self::AtLeast(bound) => ratio >= bound,
            Self::AtMost(bound) => ratio <= bound,
            // The latter of the figure itself, which is its difference from none.
            Self::OnTop(bound) | Self::UpTo(bound) => difference <= bound,
        }
    }
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtLeast(bound) => write!(f, ">= {bound}"),
            Self::AtMost(bound) | Self::UpTo(bound) => write!(f, "<= {bound}"),
            Self::OnTop(bound) => write!(f, "<= +{bound}"),
        }
    }
}

impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_themselves_are_within_the_limit() {
        assert!(Limit::AtLeast(0.95).is_met(0.95, 0.0));
        assert!(!Limit::AtLeast(0.95).is_met(0.94, 0.0));
        assert!(Limit::AtMost(1.5).is_met(1.5, 99.0));
        assert!(!Limit::AtMost(1.5).is_met(1.51, 0.0));
        assert!(Limit::OnTop(0.25).is_met(9.0, 0.25));
        assert!(!Limit::OnTop(0.25).is_met(1.0, 0.26));
        assert!(Limit::UpTo(100.0).is_met(1.0, 100.0));
        assert!(!Limit::UpTo(100.0).is_met(0.1, 101.0));
    }
}
