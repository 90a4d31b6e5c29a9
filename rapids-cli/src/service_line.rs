//! The status of a service as a line and as JSON.
//!
//! What the status is, is left to `rapids-views`.

use std::collections::BTreeMap;

use anyhow::Result;
use rapids_client::Rules;
use rapids_views::{ExclusiveStatus, ServiceStatus};
use serde::Serialize;

/// The status as a line.
pub(crate) fn line(name: &str, status: &ServiceStatus) -> String {
    let position = match &status.position {
        Some(at) => format!(
            "done up to {}, read up to {}, {} unacknowledged, {} behind",
            at.acknowledged, at.delivered, at.unacknowledged, at.pending
        ),
        None => "no position".to_owned(),
    };
    let who = match (status.exclusive(), status.instances.len()) {
        (Some(exclusive), _) => exclusive_line(&exclusive),
        (None, 0) => status.state().as_str().to_owned(),
        (None, count) => format!("{count} up"),
    };
    let delivery = status.delivery().map(|it| format!("{it}, ")).unwrap_or_default();
    let rebuilding = status.instances.iter().find_map(ServiceStatus::rebuilding);
    let rebuilding = rebuilding.map(|it| format!("; rebuilding: {it}")).unwrap_or_default();
    format!("{name}: {delivery}{position}; {who}{rebuilding}")
}

/// The status as JSON.
///
/// # Errors
/// None: everything in it can be written as JSON.
pub(crate) fn json(name: &str, status: &ServiceStatus) -> Result<String> {
    Ok(serde_json::to_string(&ServiceJson::of(name, status))?)
}

/// The instances of a service in exclusive delivery as a line such as `active i-1, live; 2 stand by`.
pub(crate) fn exclusive_line(exclusive: &ExclusiveStatus<'_>) -> String {
    let active = match (exclusive.active, exclusive.activity) {
        (None, _) => "no instance is active".to_owned(),
        (Some(id), None) => format!("active {id}, which does not answer"),
        (Some(id), Some(activity)) => format!("active {id}, {activity}"),
    };
    let stand = if exclusive.standing_by == 1 { "stands" } else { "stand" };
    format!("{active}; {} {stand} by", exclusive.standing_by)
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
        exclusive_line(&ExclusiveStatus { active, activity, standing_by })
    }

    #[test]
    fn the_active_instance_and_the_others_fit_in_a_line() {
        assert_eq!(line(Some("i-1"), Some("live"), 2), "active i-1, live; 2 stand by");
        assert_eq!(line(Some("i-1"), None, 1), "active i-1, which does not answer; 1 stands by");
        assert_eq!(line(None, None, 0), "no instance is active; 0 stand by");
    }
}
