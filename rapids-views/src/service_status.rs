//! The status of a service: its position, and what its instances announce.

use std::collections::BTreeMap;

use rapids_client::{Position, ServiceInfo};

use crate::state::State;

/// The fact in which an instance in exclusive delivery announces what it does.
const DELIVERY: &str = "delivery";
/// The fact that tells where an instance is probed.
const HTTP: &str = "http";
/// The fact in which an instance announces how far it has remembered the past anew.
const REBUILDING: &str = State::Rebuilding.as_str();
/// What it announces while another one is active.
const STANDING_BY: &str = State::StandingBy.as_str();

/// Holds everything that is known about a service.
#[derive(Debug, Default)]
pub struct ServiceStatus {
    /// The instances that answer.
    pub instances: Vec<ServiceInfo>,
    /// How far it is, if that is known.
    pub position: Option<Position>,
}

/// Tells the active and the other instances of a service in exclusive delivery apart.
#[derive(Debug, PartialEq, Eq)]
pub struct ExclusiveStatus<'a> {
    /// The id of the active instance, according to the position.
    pub active: Option<&'a str>,
    /// What the active instance does, `live` or `catching up`; `None` if it does not answer.
    pub activity: Option<&'a str>,
    /// How many others wait to take over.
    pub standing_by: usize,
}

impl ServiceStatus {
    /// Puts together the positions and the instances that answer, by service.
    #[must_use]
    pub fn of_all(positions: Vec<Position>, instances: Vec<ServiceInfo>) -> BTreeMap<String, Self> {
        let mut found: BTreeMap<String, Self> = BTreeMap::new();
        for instance in instances {
            found.entry(instance.name.clone()).or_default().instances.push(instance);
        }
        for position in positions {
            let service = position.service.clone();
            found.entry(service).or_default().position = Some(position);
        }
        found
    }

    /// Tells in a word how the service is: the worst of what its instances announce, and of what is known
    /// of who reads its packets.
    #[must_use]
    pub fn state(&self) -> State {
        let facts = self.instances.iter().flat_map(|instance| instance.facts.keys());
        facts.filter_map(|fact| State::told_by(fact)).fold(self.reading(), State::max)
    }

    /// Who reads its packets, in a word.
    fn reading(&self) -> State {
        let is_read = self.position.as_ref().is_some_and(|position| position.is_read);
        if self.instances.is_empty() {
            return State::absent(is_read);
        }
        let Some(exclusive) = self.exclusive() else {
            return State::Live;
        };
        // Without a position it is not known which one is active, so each speaks for itself.
        let mut activities = self.activities().map(|(_, activity)| activity);
        let activity = match exclusive.active {
            Some(_) => exclusive.activity,
            None => activities.find(|activity| *activity != STANDING_BY),
        };
        State::exclusive(activity, is_read)
    }

    /// Tells its delivery, `exclusive` or `shared`, if that is known.
    #[must_use]
    pub fn delivery(&self) -> Option<&'static str> {
        let is_exclusive = match &self.position {
            Some(position) => position.exclusive.is_some(),
            None if self.activities().next().is_none() => return None,
            None => true,
        };
        Some(if is_exclusive { "exclusive" } else { "shared" })
    }

    /// Tells the instances in exclusive delivery apart; `None` in shared delivery.
    #[must_use]
    pub fn exclusive(&self) -> Option<ExclusiveStatus<'_>> {
        if self.delivery() != Some("exclusive") {
            return None;
        }
        let holder = self.position.as_ref().and_then(|position| position.exclusive.as_ref());
        let active = holder.and_then(|holder| holder.instance.as_deref());
        let activity =
            self.activities().find(|(id, _)| Some(*id) == active).map(|(_, activity)| activity);
        // An instance that has just become the active one may still announce that it stands by.
        let is_behind = holder.is_some_and(|holder| holder.is_catching_up);
        let activity = activity.map(|activity| match activity {
            STANDING_BY if is_behind => State::CatchingUp.as_str(),
            STANDING_BY => State::Live.as_str(),
            activity => activity,
        });
        let waits = |(id, activity): &(&str, &str)| *activity == STANDING_BY && Some(*id) != active;
        Some(ExclusiveStatus {
            active,
            activity,
            standing_by: self.activities().filter(waits).count(),
        })
    }

    /// The id of each instance, and what it does.
    fn activities(&self) -> impl Iterator<Item = (&str, &str)> {
        self.instances.iter().filter_map(|instance| {
            Some((instance.id.as_str(), instance.facts.get(DELIVERY)?.as_str()))
        })
    }

    /// Tells how far an instance has remembered the past anew, while it does so, such as `40 of 90 packets`.
    #[must_use]
    pub fn rebuilding(instance: &ServiceInfo) -> Option<&str> {
        instance.facts.get(REBUILDING).map(String::as_str)
    }

    /// Names the facts of an instance that call for attention, such as that it is `paused`, each with its
    /// details.
    pub fn problems(instance: &ServiceInfo) -> impl Iterator<Item = (&str, &str)> {
        let facts = instance.facts.iter().map(|(fact, value)| (fact.as_str(), value.as_str()));
        facts.filter(|(fact, _)| ![DELIVERY, HTTP, REBUILDING].contains(fact))
    }
}

impl ExclusiveStatus<'_> {
    /// Whether there is nothing to warn of: the active instance answers, or there is none.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.active.is_none() || self.activity.is_some()
    }
}
