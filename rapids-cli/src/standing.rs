//! Where a service stands: its position, and what its instances tell of themselves.
//!
//! The words for it, and the JSON; where they are printed is left to the commands.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use rapids_client::{Announced, Position, Rapids, Rules};
use serde::Serialize;

/// The fact by which an instance in exclusive delivery tells what it does.
const DELIVERY: &str = "delivery";
/// What it tells while another one is active.
const STANDING_BY: &str = "standing by";

/// All that is known of one service.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    pub(crate) instances: Vec<Announced>,
    pub(crate) position: Option<Position>,
}

/// Whose turn it is in exclusive delivery.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Turn<'a> {
    /// The instance that is active, as the position has it.
    pub(crate) active: Option<&'a str>,
    /// What the active one does; `None` if it does not answer.
    pub(crate) doing: Option<&'a str>,
    pub(crate) standing_by: usize,
}

impl Standing {
    /// Of all services, by name: those that answer within this time, and those with a position.
    ///
    /// # Errors
    /// Those of [`Rapids::positions`] and [`Rapids::services`].
    pub(crate) async fn of_all(rapids: &Rapids, wait: Duration) -> Result<BTreeMap<String, Self>> {
        let positions = rapids.positions().await?;
        let mut found: BTreeMap<String, Self> = BTreeMap::new();
        for instance in rapids.services(wait).await? {
            found.entry(instance.name.clone()).or_default().instances.push(instance);
        }
        for position in positions {
            let service = position.service.clone();
            found.entry(service).or_default().position = Some(position);
        }
        Ok(found)
    }

    /// `exclusive` or `shared`, if that is known.
    pub(crate) fn delivery(&self) -> Option<&'static str> {
        let is_exclusive = match &self.position {
            Some(position) => position.exclusive.is_some(),
            None if self.tells().next().is_none() => return None,
            None => true,
        };
        Some(if is_exclusive { "exclusive" } else { "shared" })
    }

    /// Whose turn it is; `None` in shared delivery.
    pub(crate) fn turn(&self) -> Option<Turn<'_>> {
        if self.delivery() != Some("exclusive") {
            return None;
        }
        let holder = self.position.as_ref().and_then(|position| position.exclusive.as_ref());
        let active = holder.and_then(|holder| holder.instance.as_deref());
        let doing = self.tells().find(|(id, _)| Some(*id) == active).map(|(_, doing)| doing);
        // It may have become the active one just now.
        let is_behind = holder.is_some_and(|holder| holder.is_catching_up);
        let doing = doing.map(|doing| match doing {
            STANDING_BY if is_behind => "catching up",
            STANDING_BY => "live",
            doing => doing,
        });
        let waits = |(id, doing): &(&str, &str)| *doing == STANDING_BY && Some(*id) != active;
        Some(Turn { active, doing, standing_by: self.tells().filter(waits).count() })
    }

    /// What the instances do, by their ids.
    fn tells(&self) -> impl Iterator<Item = (&str, &str)> {
        self.instances.iter().filter_map(|instance| {
            Some((instance.id.as_str(), instance.facts.get(DELIVERY)?.as_str()))
        })
    }

    /// What is true of an instance at the moment and is not as it should be.
    pub(crate) fn troubles(instance: &Announced) -> impl Iterator<Item = (&str, &str)> {
        let facts = instance.facts.iter().map(|(fact, value)| (fact.as_str(), value.as_str()));
        facts.filter(|(fact, _)| *fact != DELIVERY)
    }

    /// All in one line.
    pub(crate) fn line(&self, name: &str) -> String {
        let position = match &self.position {
            Some(at) => format!(
                "done up to {}, read up to {}, {} in hand, {} behind",
                at.acknowledged, at.delivered, at.unacknowledged, at.pending
            ),
            None => "no position".to_owned(),
        };
        let who = match (self.turn(), self.instances.len()) {
            (Some(turn), _) => turn.line(),
            (None, 0) => "down".to_owned(),
            (None, count) => format!("{count} up"),
        };
        let delivery = self.delivery().map(|it| format!("{it}, ")).unwrap_or_default();
        format!("{name}: {delivery}{position}; {who}")
    }

    /// All as JSON.
    pub(crate) fn json(&self, name: &str) -> Result<String> {
        Ok(serde_json::to_string(&Told::of(name, self))?)
    }
}

impl Turn<'_> {
    /// `active i-1, live; 2 stand by`.
    pub(crate) fn line(&self) -> String {
        let active = match (self.active, self.doing) {
            (None, _) => "no instance is active".to_owned(),
            (Some(id), None) => format!("active {id}, which does not answer"),
            (Some(id), Some(doing)) => format!("active {id}, {doing}"),
        };
        let stand = if self.standing_by == 1 { "stands" } else { "stand" };
        format!("{active}; {} {stand} by", self.standing_by)
    }
}

/// A service as JSON.
#[derive(Serialize)]
struct Told<'a> {
    service: &'a str,
    delivery: Option<&'static str>,
    active: Option<&'a str>,
    standing_by: Option<usize>,
    instances: Vec<ToldInstance<'a>>,
    position: Option<ToldPosition>,
}

#[derive(Serialize)]
struct ToldInstance<'a> {
    id: &'a str,
    version: &'a str,
    rivers: &'a [Rules],
    facts: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
struct ToldPosition {
    delivered: u64,
    acknowledged: u64,
    pending: u64,
    unacknowledged: u64,
    catching_up: Option<bool>,
    written: Option<String>,
}

impl<'a> Told<'a> {
    fn of(service: &'a str, standing: &'a Standing) -> Self {
        let instances = standing.instances.iter().map(|instance| ToldInstance {
            id: &instance.id,
            version: &instance.version,
            rivers: &instance.rules,
            facts: &instance.facts,
        });
        let position = standing.position.as_ref().map(|position| ToldPosition {
            delivered: position.delivered,
            acknowledged: position.acknowledged,
            pending: position.pending,
            unacknowledged: position.unacknowledged,
            catching_up: position.exclusive.as_ref().map(|holder| holder.is_catching_up),
            written: position.exclusive.as_ref().map(|holder| holder.written.to_string()),
        });
        let turn = standing.turn();
        Self {
            service,
            delivery: standing.delivery(),
            active: turn.as_ref().and_then(|turn| turn.active),
            standing_by: turn.map(|turn| turn.standing_by),
            instances: instances.collect(),
            position,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(active: Option<&str>, doing: Option<&str>, standing_by: usize) -> String {
        Turn { active, doing, standing_by }.line()
    }

    #[test]
    fn whose_turn_it_is_is_told_in_a_line() {
        assert_eq!(line(Some("i-1"), Some("live"), 2), "active i-1, live; 2 stand by");
        assert_eq!(line(Some("i-1"), None, 1), "active i-1, which does not answer; 1 stands by");
        assert_eq!(line(None, None, 0), "no instance is active; 0 stand by");
    }
}
