//! The status of a service: its position, and what its instances announce; as a line and as JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use rapids_client::{Position, Rapids, Rules, ServiceInfo};
use serde::Serialize;

use crate::session::Session;

/// The fact in which an instance in exclusive delivery announces what it does.
const DELIVERY: &str = "delivery";
/// The fact that tells where an instance is probed.
const HTTP: &str = "http";
/// The fact in which an instance announces how far it has remembered the past anew.
const REBUILDING: &str = "rebuilding";
/// What it announces while another one is active.
const STANDING_BY: &str = "standing by";

/// Everything that is known about a service.
#[derive(Debug, Default)]
pub(crate) struct ServiceStatus {
    pub(crate) instances: Vec<ServiceInfo>,
    pub(crate) position: Option<Position>,
}

/// The active and the other instances of a service in exclusive delivery.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ExclusiveStatus<'a> {
    /// The id of the active instance, according to the position.
    pub(crate) active: Option<&'a str>,
    /// What the active instance does; `None` if it does not answer.
    pub(crate) activity: Option<&'a str>,
    pub(crate) standing_by: usize,
}

impl ServiceStatus {
    /// The status of every service that answers within this time or has a position, by name.
    ///
    /// # Errors
    /// The errors of [`Session::positions`] and [`Session::services`].
    pub(crate) async fn of_all(
        session: &Session,
        rapids: &Rapids,
        wait: Duration,
    ) -> Result<BTreeMap<String, Self>> {
        let positions = session.positions(rapids).await?;
        let mut found: BTreeMap<String, Self> = BTreeMap::new();
        for instance in session.services(rapids, wait).await? {
            found.entry(instance.name.clone()).or_default().instances.push(instance);
        }
        for position in positions {
            let service = position.service.clone();
            found.entry(service).or_default().position = Some(position);
        }
        Ok(found)
    }

    /// The word for a service of which no instance answers: `silent` if an instance reads its packets
    /// all the same, `down` if not.
    pub(crate) fn absence(&self) -> &'static str {
        let is_read = self.position.as_ref().is_some_and(|position| position.is_read);
        if is_read { "silent" } else { "down" }
    }

    /// `exclusive` or `shared`, if that is known.
    pub(crate) fn delivery(&self) -> Option<&'static str> {
        let is_exclusive = match &self.position {
            Some(position) => position.exclusive.is_some(),
            None if self.activities().next().is_none() => return None,
            None => true,
        };
        Some(if is_exclusive { "exclusive" } else { "shared" })
    }

    /// The instances in exclusive delivery; `None` in shared delivery.
    pub(crate) fn exclusive(&self) -> Option<ExclusiveStatus<'_>> {
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
            STANDING_BY if is_behind => "catching up",
            STANDING_BY => "live",
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

    /// How far an instance has remembered the past anew, while it does so.
    pub(crate) fn rebuilding(instance: &ServiceInfo) -> Option<&str> {
        instance.facts.get(REBUILDING).map(String::as_str)
    }

    /// The facts of an instance that call for attention, such as a paused river.
    pub(crate) fn problems(instance: &ServiceInfo) -> impl Iterator<Item = (&str, &str)> {
        let facts = instance.facts.iter().map(|(fact, value)| (fact.as_str(), value.as_str()));
        facts.filter(|(fact, _)| ![DELIVERY, HTTP, REBUILDING].contains(fact))
    }

    /// The status as a line.
    pub(crate) fn line(&self, name: &str) -> String {
        let position = match &self.position {
            Some(at) => format!(
                "done up to {}, read up to {}, {} unacknowledged, {} behind",
                at.acknowledged, at.delivered, at.unacknowledged, at.pending
            ),
            None => "no position".to_owned(),
        };
        let who = match (self.exclusive(), self.instances.len()) {
            (Some(exclusive), _) => exclusive.line(),
            (None, 0) => self.absence().to_owned(),
            (None, count) => format!("{count} up"),
        };
        let delivery = self.delivery().map(|it| format!("{it}, ")).unwrap_or_default();
        let rebuilding = self.instances.iter().find_map(Self::rebuilding);
        let rebuilding = rebuilding.map(|it| format!("; rebuilding: {it}")).unwrap_or_default();
        format!("{name}: {delivery}{position}; {who}{rebuilding}")
    }

    /// The status as JSON.
    pub(crate) fn json(&self, name: &str) -> Result<String> {
        Ok(serde_json::to_string(&ServiceJson::of(name, self))?)
    }
}

impl ExclusiveStatus<'_> {
    /// A line such as `active i-1, live; 2 stand by`.
    pub(crate) fn line(&self) -> String {
        let active = match (self.active, self.activity) {
            (None, _) => "no instance is active".to_owned(),
            (Some(id), None) => format!("active {id}, which does not answer"),
            (Some(id), Some(activity)) => format!("active {id}, {activity}"),
        };
        let stand = if self.standing_by == 1 { "stands" } else { "stand" };
        format!("{active}; {} {stand} by", self.standing_by)
    }
}

/// A service as JSON.
#[derive(Serialize)]
struct ServiceJson<'a> {
    service: &'a str,
    delivery: Option<&'static str>,
    active: Option<&'a str>,
    standing_by: Option<usize>,
    instances: Vec<InstanceJson<'a>>,
    position: Option<PositionJson>,
}

#[derive(Serialize)]
struct InstanceJson<'a> {
    id: &'a str,
    version: &'a str,
    rivers: &'a [Rules],
    facts: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
struct PositionJson {
    delivered: u64,
    acknowledged: u64,
    pending: u64,
    unacknowledged: u64,
    redelivered: u64,
    is_read: bool,
    catching_up: Option<bool>,
    written: Option<String>,
}

impl<'a> ServiceJson<'a> {
    fn of(service: &'a str, status: &'a ServiceStatus) -> Self {
        let instances = status.instances.iter().map(|instance| InstanceJson {
            id: &instance.id,
            version: &instance.version,
            rivers: &instance.rules,
            facts: &instance.facts,
        });
        let position = status.position.as_ref().map(|position| PositionJson {
            delivered: position.delivered,
            acknowledged: position.acknowledged,
            pending: position.pending,
            unacknowledged: position.unacknowledged,
            redelivered: position.redelivered,
            is_read: position.is_read,
            catching_up: position.exclusive.as_ref().map(|holder| holder.is_catching_up),
            written: position.exclusive.as_ref().map(|holder| holder.written.to_string()),
        });
        let exclusive = status.exclusive();
        Self {
            service,
            delivery: status.delivery(),
            active: exclusive.as_ref().and_then(|exclusive| exclusive.active),
            standing_by: exclusive.map(|exclusive| exclusive.standing_by),
            instances: instances.collect(),
            position,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(active: Option<&str>, activity: Option<&str>, standing_by: usize) -> String {
        ExclusiveStatus { active, activity, standing_by }.line()
    }

    #[test]
    fn the_active_instance_and_the_others_fit_in_a_line() {
        assert_eq!(line(Some("i-1"), Some("live"), 2), "active i-1, live; 2 stand by");
        assert_eq!(line(Some("i-1"), None, 1), "active i-1, which does not answer; 1 stands by");
        assert_eq!(line(None, None, 0), "no instance is active; 0 stand by");
    }
}
