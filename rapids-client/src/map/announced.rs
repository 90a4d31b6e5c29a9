//! The rivers of the services that answer, to ask what they would make of a packet.

use std::collections::BTreeSet;
use std::fmt;

use crate::announcement::instances::ServiceInfo;
use crate::matcher::admitted;
use crate::packet::{Packet, PacketName};
use crate::river::{Explanation, River, Rules, Verdict};

/// A river as its service announces it: what it would make of a packet, and why. Prints as
/// `payment/charge`.
#[derive(Debug, Clone)]
pub struct AnnouncedRiver {
    service: String,
    rules: Rules,
    /// Of the same rules, split so that each part is explained.
    river: River,
    admits: Option<BTreeSet<PacketName>>,
}

impl AnnouncedRiver {
    /// All rivers of the services that answer, in the order of the answers. A river is among them once,
    /// however many instances have it; where instances differ in their rules, once for each difference.
    pub fn all(services: &[ServiceInfo]) -> Vec<Self> {
        let mut rivers: Vec<Self> = Vec::new();
        for service in services {
            for rules in &service.rules {
                let is_known = rivers
                    .iter()
                    .any(|known| known.service == service.name && known.rules == *rules);
                if !is_known {
                    rivers.push(Self::new(&service.name, rules));
                }
            }
        }
        rivers
    }

    /// A river of these rules.
    pub fn new(service: &str, rules: &Rules) -> Self {
        let river = River::from_rules(rules.split());
        let admits = admitted(&river);
        Self { service: service.to_owned(), rules: rules.clone(), river, admits }
    }

    /// The name of its service.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// Its name within the service.
    pub fn name(&self) -> &str {
        self.river.name()
    }

    /// Its rules, as they are announced.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The names without one of which its conditions do not hold; `None` if they may hold of a packet of
    /// any name.
    pub fn admits(&self) -> Option<&BTreeSet<PacketName>> {
        self.admits.as_ref()
    }

    /// Whether it may take a packet of these names, as far as names tell.
    pub fn admits_one_of(&self, names: &[PacketName]) -> bool {
        self.admits.as_ref().is_none_or(|admits| names.iter().any(|name| admits.contains(name)))
    }

    /// Whether it takes every packet, as a monitor does.
    pub(super) fn takes_everything(&self) -> bool {
        self.rules.conditions.is_empty() && self.rules.requirements.is_empty()
    }

    /// What it makes of a packet: as [`River::judge`].
    pub fn judge(&self, packet: &Packet) -> Verdict {
        self.river.judge(packet)
    }

    /// Why: as [`River::explain`], of each part of a rule that is joined with `&&`.
    pub fn explain(&self, packet: &Packet) -> Explanation {
        self.river.explain(packet)
    }

    pub(super) fn river(&self) -> &River {
        &self.river
    }
}

impl fmt::Display for AnnouncedRiver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.service, self.name())
    }
}
