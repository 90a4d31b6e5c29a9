//! What a reaction led to.

use crate::packet::Packet;
use crate::timer::TimerChange;

/// What a reaction led to, ready to be published.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Effects {
    /// The packets, in their order.
    pub packets: Vec<Packet>,
    /// The timers that are set or cancelled before that.
    pub timers: Box<[TimerChange]>,
}

impl Effects {
    /// Whether nothing is to be published or done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty() && self.timers.is_empty()
    }

    /// All packets, also those that timers bring.
    pub fn all_packets(&self) -> impl Iterator<Item = &Packet> {
        self.packets.iter().chain(self.timers.iter().filter_map(TimerChange::packet))
    }

    /// These with each packet as this function returns it.
    pub(crate) fn map_packets(self, map: impl Fn(Packet) -> Packet) -> Self {
        Self {
            packets: self.packets.into_iter().map(&map).collect(),
            timers: self.timers.into_iter().map(|timer| timer.map_packet(&map)).collect(),
        }
    }
}
