//! What a packet is called: the name of its event, its command, or its needs.

use std::fmt;

use serde::Serialize;

use super::Packet;
use crate::keys::{COMMAND, EVENT, NEED};

/// The kinds of packets that have a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PacketKind {
    /// It states a fact.
    Event,
    /// It gives a directive.
    Command,
    /// It asks for something.
    Need,
}

impl PacketKind {
    /// The key of a packet that holds the name: `event`, `command` or `need`.
    pub fn key(self) -> &'static str {
        match self {
            Self::Event => EVENT,
            Self::Command => COMMAND,
            Self::Need => NEED,
        }
    }
}

/// The name of an event, a command or a need.
///
/// Prints as `order_placed`, `command place_order`, `need car_rental_offer`. The name is whatever a
/// publisher wrote: print it through [`printable`](crate::printable).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct PacketName {
    /// Of which kind.
    pub kind: PacketKind,
    /// The name itself.
    pub name: String,
}

impl PacketName {
    /// The name of an event, a command or a need.
    pub fn new(kind: PacketKind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into() }
    }
}

impl fmt::Display for PacketName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            PacketKind::Event => formatter.write_str(&self.name),
            kind => write!(formatter, "{} {}", kind.key(), self.name),
        }
    }
}

impl Packet {
    /// The names of its event, its command and its needs; empty for a packet of no kind.
    ///
    /// ```
    /// use rapids_client::{Packet, PacketKind, PacketName};
    ///
    /// let asked = Packet::need(["car", "hotel"]).names();
    /// assert_eq!(asked[1], PacketName::new(PacketKind::Need, "hotel"));
    /// assert_eq!(asked[1].to_string(), "need hotel");
    /// ```
    pub fn names(&self) -> Vec<PacketName> {
        let event = self.event_name().map(|name| PacketName::new(PacketKind::Event, name));
        let command = self.command_name().map(|name| PacketName::new(PacketKind::Command, name));
        let needs = self.need_names().into_iter();
        let needs = needs.map(|name| PacketName::new(PacketKind::Need, name));
        event.into_iter().chain(command).chain(needs).collect()
    }
}
