//! What a river declares to publish.
//!
//! Holds and compares names. What becomes of a packet that is not declared is left to the service,
//! which warns, and to tests, which fail.

use serde::{Deserialize, Serialize};

use super::River;
use crate::packet::names::NOTHING;
use crate::packet::{Names, Packet, PacketKind, PacketName};

/// The names that a river declares to publish: those of [`River::publishes`],
/// [`River::publishes_commands`] and [`River::publishes_needs`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Publishes {
    /// Events.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// Commands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
    /// Needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
}

impl Publishes {
    /// All names with their kinds.
    pub fn names(&self) -> impl Iterator<Item = PacketName> {
        let of = |kind: PacketKind, names: &[String]| {
            let names = names.iter().map(move |name| PacketName::new(kind, name));
            names.collect::<Vec<_>>()
        };
        let events = of(PacketKind::Event, &self.events);
        let commands = of(PacketKind::Command, &self.commands);
        events.into_iter().chain(commands).chain(of(PacketKind::Need, &self.needs))
    }

    fn of(&mut self, kind: PacketKind) -> &mut Vec<String> {
        match kind {
            PacketKind::Event => &mut self.events,
            PacketKind::Command => &mut self.commands,
            PacketKind::Need => &mut self.needs,
        }
    }

    fn includes(&self, name: &PacketName) -> bool {
        let names = match name.kind {
            PacketKind::Event => &self.events,
            PacketKind::Command => &self.commands,
            PacketKind::Need => &self.needs,
        };
        names.contains(&name.name)
    }
}

impl River {
    /// Declares the events that the reaction publishes, one or several, and those that
    /// [`on_give_up`](Self::on_give_up) and [`on_recovered`](Self::on_recovered) tell. A packet that the river
    /// publishes in spite of that is a problem in a test with `TestRapids`; a running service warns
    /// of it, counts it as `undeclared`, and publishes it. Tools show what is declared, and find
    /// names that nobody publishes or reads.
    ///
    /// Default: nothing is declared, and nothing is checked. Once one of the kinds is declared, all
    /// that the river publishes must be: see [`publishes_commands`](Self::publishes_commands) and
    /// [`publishes_needs`](Self::publishes_needs). Called several times, the names add up.
    ///
    /// ```
    /// use rapids_client::{Packet, River};
    ///
    /// let charge = River::new("charge")
    ///     .event("order_placed")
    ///     .publishes(["payment_received", "payment_declined"])
    ///     .react(|_: Packet| async { Ok(Packet::event("payment_received")) });
    /// assert_eq!(charge.undeclared(&Packet::event("payment_received")), None);
    /// let misspelt = charge.undeclared(&Packet::event("payment_recieved"));
    /// assert_eq!(misspelt.as_deref(), Some("event `payment_recieved`"));
    /// ```
    #[must_use]
    pub fn publishes(self, events: impl Names) -> Self {
        self.declares(PacketKind::Event, ".publishes", events)
    }

    /// Declares the commands that the reaction publishes, as [`publishes`](Self::publishes) does
    /// events.
    #[must_use]
    pub fn publishes_commands(self, commands: impl Names) -> Self {
        self.declares(PacketKind::Command, ".publishes_commands", commands)
    }

    /// Declares the needs that the reaction publishes, as [`publishes`](Self::publishes) does
    /// events: also one that it passes on with an answer.
    #[must_use]
    pub fn publishes_needs(self, needs: impl Names) -> Self {
        self.declares(PacketKind::Need, ".publishes_needs", needs)
    }

    fn declares(mut self, kind: PacketKind, said: &str, names: impl Names) -> Self {
        let names = names.into_names();
        if names.is_empty() {
            return self.fault(format!("`{said}` {NOTHING}"));
        }
        let declared = self.publishes.get_or_insert_default().of(kind);
        for name in names {
            if !declared.contains(&name) {
                declared.push(name);
            }
        }
        self
    }

    /// Whether the river declares what it publishes.
    pub(crate) fn declares_outputs(&self) -> bool {
        self.publishes.is_some()
    }

    /// What of a packet that the river publishes it has not declared, in words such as
    /// ``event `payment_recieved` ``; `None` if all is declared, or the river declares nothing.
    pub fn undeclared(&self, packet: &Packet) -> Option<String> {
        let declared = self.publishes.as_ref()?;
        let names = packet.names();
        if names.is_empty() {
            return Some("a packet without event, command or need".to_owned());
        }
        let undeclared = names.into_iter().find(|name| !declared.includes(name))?;
        Some(format!("{} `{}`", undeclared.kind.key(), undeclared.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(river: &River, packet: &Packet) -> String {
        river.undeclared(packet).unwrap_or_default()
    }

    #[test]
    fn nothing_is_checked_until_something_is_declared() {
        let river = River::new("r");
        assert!(!river.declares_outputs());
        assert_eq!(said(&river, &Packet::event("x")), "");
        assert_eq!(river.rules().publishes, None);
        let river = river.publishes("x");
        assert_eq!(said(&river, &Packet::event("x")), "");
        assert_eq!(said(&river, &Packet::event("y")), "event `y`");
        assert_eq!(said(&river, &Packet::command("x")), "command `x`");
        let none = Packet::from_bytes("{}").unwrap();
        assert_eq!(said(&river, &none), "a packet without event, command or need");
    }

    #[test]
    fn each_kind_has_names_of_its_own_and_they_add_up() {
        let river = River::new("r").publishes("a").publishes(["a", "b"]);
        let river = river.publishes_commands("c").publishes_needs(["d", "e"]);
        for packet in [Packet::event("b"), Packet::command("c"), Packet::need(["e", "d"])] {
            assert_eq!(said(&river, &packet), "");
        }
        assert_eq!(said(&river, &Packet::need(["d", "a"])), "need `a`");
        let rules = river.rules();
        let names: Vec<_> = rules.publishes.iter().flat_map(Publishes::names).collect();
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["a", "b", "command c", "need d", "need e"]);
        assert_eq!(River::from_rules(rules.clone()).rules(), rules);
    }

    #[test]
    fn a_declaration_without_a_name_is_refused() {
        let none: [&str; 0] = [];
        let river = River::new("r").publishes(none).publishes_needs(none);
        let error = river.check().unwrap_err().to_string();
        for said in [".publishes", ".publishes_needs"] {
            let fault = format!("`{said}` names nothing; give it a name, or several");
            assert!(error.contains(&fault), "{error}");
        }
    }
}
