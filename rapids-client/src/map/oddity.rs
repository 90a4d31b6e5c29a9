//! Something odd on the map, in words.

use std::fmt;

use serde::Serialize;

use crate::packet::PacketName;

/// Something odd on the map.
///
/// `{}` prints it as a sentence with names that others wrote: print it through
/// [`printable`](crate::printable).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "odd", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Oddity {
    /// Packets of this name are published, or declared to be, and no river that answers admits them. A
    /// river that takes everything, such as a monitor, does not count. Not told while a service answers
    /// whose rules cannot be read.
    #[non_exhaustive]
    Unread {
        /// The name.
        name: PacketName,
        /// The services that publish it; `None` for what comes from outside.
        publishers: Vec<Option<String>>,
        /// How many packets there were.
        packets: u64,
        /// A name that differs by one or two letters, and that a river waits for.
        similar: Option<PacketName>,
    },
    /// A river waits for this name, which nobody published or declares to publish.
    #[non_exhaustive]
    Unpublished {
        /// The service.
        service: String,
        /// The river.
        river: String,
        /// The name.
        name: PacketName,
        /// A name that differs by one or two letters, and that is published.
        similar: Option<PacketName>,
    },
    /// A river took nothing in the window, although packets came to the rapids.
    #[non_exhaustive]
    Idle {
        /// The service.
        service: String,
        /// The river.
        river: String,
        /// How many packets of the names that it admits there were.
        came: u64,
    },
    /// Of packets that go on coming, none meets the conditions of a river any more.
    Starved(Change),
    /// Of packets that go on coming, none that meets the conditions of a river meets its requirements any
    /// more.
    Invalid(Change),
}

/// What a river took of the packets of a name in the earlier half of the window, and what it fails at in
/// the later.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct Change {
    /// The service.
    pub service: String,
    /// The river.
    pub river: String,
    /// The name.
    pub name: PacketName,
    /// How many packets of the name there were in the earlier half.
    pub earlier: u64,
    /// How many of these were as the river wants them.
    pub met: u64,
    /// How many packets of the name there were in the later half.
    pub later: u64,
    /// Which clause fails in most of these, and what was found last, such as ``takes only `@.a == 1`, but
    /// @.a is missing``; `None` where no single clause fails.
    pub clause: Option<String>,
}

impl Oddity {
    /// Whether it is about this name (`order_placed`, `command place_order`) or river
    /// (`payment/charge`).
    #[must_use]
    pub fn is_about(&self, what: &str) -> bool {
        let is_name = |name: &PacketName| name.to_string() == what;
        let is_river = |service: &str, river: &str| format!("{service}/{river}") == what;
        match self {
            Self::Unread { name, .. } => is_name(name),
            Self::Unpublished { service, river, name, .. } => {
                is_name(name) || is_river(service, river)
            }
            Self::Idle { service, river, .. } => is_river(service, river),
            Self::Starved(change) | Self::Invalid(change) => {
                is_name(&change.name) || is_river(&change.service, &change.river)
            }
        }
    }
}

impl fmt::Display for Oddity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unread { name, publishers, packets, similar } => {
                let words = |it: &Option<String>| it.clone().unwrap_or("outside".to_owned());
                let publishers: Vec<_> = publishers.iter().map(words).collect();
                let publishers = publishers.join(", ");
                write!(
                    formatter,
                    "nobody reacts to `{name}`, of {publishers}: {}",
                    times(*packets)
                )?;
                meant(formatter, similar.as_ref())
            }
            Self::Unpublished { service, river, name, similar } => {
                write!(formatter, "{service}/{river} waits for `{name}`, which nobody publishes")?;
                meant(formatter, similar.as_ref())
            }
            Self::Idle { service, river, came: 0 } => {
                write!(
                    formatter,
                    "{service}/{river} took nothing: there was no packet of its names"
                )
            }
            Self::Idle { service, river, came } => {
                let words = "whose names it admits met its conditions and requirements";
                write!(formatter, "{service}/{river} took nothing: none of {came} packets {words}")
            }
            Self::Starved(change) => change.write(formatter, "met its conditions"),
            Self::Invalid(change) => change.write(formatter, "met its requirements"),
        }
    }
}

impl Change {
    fn write(&self, formatter: &mut fmt::Formatter<'_>, what: &str) -> fmt::Result {
        let Self { service, river, name, earlier, met, later, .. } = self;
        write!(
            formatter,
            "{service}/{river}: of `{name}`, {met} of {earlier} packets {what} in the earlier half \
             of the window, and none of {later} in the later"
        )?;
        match &self.clause {
            Some(clause) => write!(formatter, "; it {clause}"),
            None => Ok(()),
        }
    }
}

fn times(packets: u64) -> String {
    match packets {
        0 => "declared, none published".to_owned(),
        1 => "1 packet".to_owned(),
        packets => format!("{packets} packets"),
    }
}

fn meant(formatter: &mut fmt::Formatter<'_>, similar: Option<&PacketName>) -> fmt::Result {
    similar.map_or(Ok(()), |similar| write!(formatter, "; is `{similar}` meant?"))
}
