//! Who is on the rapids: the services that answer the NATS service API.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::service::Info;
use bytes::Bytes;
use futures::StreamExt;
use tokio::time::{Instant, timeout_at};

use crate::Result;
use crate::connection::Connection;
use crate::names::ON_RAPIDS;

/// One running instance of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// The service's name.
    pub name: String,
    /// The instance's id.
    pub id: String,
    /// The service's version.
    pub version: String,
    /// Each river with its conditions as an expression, and `<river>.requires` with its
    /// requirements.
    pub rivers: BTreeMap<String, String>,
}

/// Asks who is there, and listens this long for answers.
pub(super) async fn ask(connection: &Connection, wait: Duration) -> Result<Vec<Announced>> {
    let deadline = Instant::now() + wait;
    let client = &connection.client;
    let inbox = client.new_inbox();
    let action = "ask for the services";
    let mut answers = connection.attempt(action, &inbox, client.subscribe(inbox.clone())).await?;
    let asking = client.publish_with_reply("$SRV.INFO", inbox.clone(), Bytes::new());
    connection.attempt(action, "$SRV.INFO", asking).await?;
    let mut announced = Vec::new();
    while let Ok(Some(answer)) = timeout_at(deadline, answers.next()).await {
        // Other programs answer here too, and nobody at all is an answer of its own.
        let Ok(info) = serde_json::from_slice::<Info>(&answer.payload) else {
            continue;
        };
        let mut rivers: BTreeMap<_, _> = info.metadata.into_iter().collect();
        if rivers.remove(ON_RAPIDS).is_some() {
            let Info { name, id, version, .. } = info;
            announced.push(Announced { name, id, version, rivers });
        }
    }
    announced.sort_by(|one, two| (&one.name, &one.id).cmp(&(&two.name, &two.id)));
    Ok(announced)
}
