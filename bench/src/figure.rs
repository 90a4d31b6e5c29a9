//! The kinds of figures, and the targets for them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};

/// One kind of figure, in the order in which tables show them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Figure {
    PacketsPerSecond,
    /// Deliveries to all services together.
    DeliveriesPerSecond,
    /// How many packets per second one core of the server could handle, from its CPU time per packet.
    ServerCapacity,
    /// How many cores the server kept busy.
    ServerCores,
    /// How many cores all services together kept busy.
    ClientCores,
    /// CPU time of the client per packet, user and system.
    ClientMicros,
    /// CPU time of the server per packet, user and system.
    ServerMicros,
    /// The same divided by the number of services that get the packet.
    ServerMicrosPerService,
    /// CPU time of the server per packet and service, without the cost of publishing.
    ServerMicrosPerDelivery,
    /// CPU time of the services per packet and service.
    ClientMicrosPerDelivery,
    P50Micros,
    P99Micros,
    StartMillis,
    /// The time of one pass over everything.
    PassMillis,
    ResidentMebibytes,
    /// The same divided by the number of services.
    ResidentMebibytesPerService,
    /// The time from the end of the active instance to the first packet that the next one handles.
    TakeoverMillis,
    /// Packets without an answer.
    Lost,
    /// Answers beyond one per packet.
    Doubled,
}

/// The figures of one measurement.
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
            Self::PassMillis => "one pass ms",
            Self::ResidentMebibytes => "resident MiB",
            Self::ResidentMebibytesPerService => "resident MiB/service",
            Self::TakeoverMillis => "to the next one's first packet ms",
            Self::Lost => "packets lost",
            Self::Doubled => "effects doubled",
        }
    }
}

/// A target for a figure of the first side: relative to another side, or an absolute bound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Target {
    pub(crate) figure: Figure,
    /// The other side; for an absolute bound, the first side itself.
    pub(crate) against: &'static str,
    pub(crate) limit: Limit,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Limit {
    /// At least this many times the other side's figure.
    AtLeast(f64),
    /// At most this many times the other side's figure.
    AtMost(f64),
    /// At most this much above the other side's figure.
    OnTop(f64),
    /// At most this much, whatever the other sides have.
    UpTo(f64),
}

impl Limit {
    pub(crate) fn is_met(self, ratio: f64, difference: f64) -> bool {
        match self {
            Self::AtLeast(bound) => ratio >= bound,
            Self::AtMost(bound) => ratio <= bound,
            // For `UpTo`, the difference is the figure itself.
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
