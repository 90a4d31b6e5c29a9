//! What instances have counted: the answers to `$SRV.STATS`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::endpoints::DELIVERY;
use super::instances::answers;
use crate::connection::Connection;
use crate::metrics::figures::{RiverFigures, ServiceFigures};
use crate::names::ON_RAPIDS;
use crate::{Result, Timestamp};

/// What one instance of a service has counted since it started.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ServiceStats {
    /// The service's name.
    pub name: String,
    /// The instance's id.
    pub id: String,
    /// When it started, and with it all counters at zero.
    pub started: Timestamp,
    /// Each river with its figures.
    pub rivers: BTreeMap<String, RiverFigures>,
    /// What concerns the whole service.
    pub all: ServiceFigures,
}

#[derive(Deserialize)]
struct Answer {
    name: String,
    id: String,
    started: Timestamp,
    metadata: BTreeMap<String, String>,
    endpoints: Vec<Endpoint>,
}

#[derive(Deserialize)]
struct Endpoint {
    name: String,
    data: Value,
}

impl ServiceStats {
    /// Reads an answer; `None` if it comes from a program that is not on the rapids.
    fn read(answer: &[u8]) -> Option<Self> {
        let Answer { name, id, started, metadata, mut endpoints } =
            serde_json::from_slice(answer).ok()?;
        metadata.get(ON_RAPIDS)?;
        // A river may have the same name, so it is told by its place.
        let all = endpoints.pop().filter(|last| last.name == DELIVERY)?;
        let all = serde_json::from_value(all.data).ok()?;
        let figures =
            |river: Endpoint| Some((river.name, serde_json::from_value(river.data).ok()?));
        let rivers = endpoints.into_iter().map(figures).collect::<Option<_>>()?;
        Some(Self { name, id, started, rivers, all })
    }
}

/// Asks all instances, and waits this long for answers.
pub(crate) async fn ask(connection: &Connection, wait: Duration) -> Result<Vec<ServiceStats>> {
    let answers = answers(connection, "$SRV.STATS", wait).await?;
    let mut stats: Vec<_> =
        answers.iter().filter_map(|answer| ServiceStats::read(answer)).collect();
    stats.sort_by(|one, two| (&one.name, &one.id).cmp(&(&two.name, &two.id)));
    Ok(stats)
}
