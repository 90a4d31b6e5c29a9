//! Which instances are up: those that answer the NATS service API.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::service::Info;
use async_nats::service::endpoint::Info as Endpoint;
use bytes::Bytes;
use futures::StreamExt;
use tokio::time::{Instant, timeout_at};

use super::repetition::Repetition;
use crate::Result;
use crate::connection::Connection;
use crate::names::{ON_RAPIDS, PUBLISHES, RULES, STATE};
use crate::river::{River, Rules};

/// One running instance of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceInfo {
    /// The service's name.
    pub name: String,
    /// The instance's id.
    pub id: String,
    /// The service's version.
    pub version: String,
    /// Each river with its conditions as an expression, and `<river>.requires` with its
    /// requirements: for people. Tools take [`rules`](Self::rules).
    pub rivers: BTreeMap<String, String>,
    /// The rules of each river, clause by clause, in the order of declaration.
    pub rules: Vec<Rules>,
    /// What is true of the instance at the moment, such as `paused` with the reason, or
    /// `<river>.breaker`. Empty as long as all is well.
    pub facts: BTreeMap<String, String>,
    /// By river, what its reaction makes of a packet that it has handled before. A service of an earlier
    /// version says nothing about it.
    pub repetitions: BTreeMap<String, Repetition>,
}

impl ServiceInfo {
    /// The river of this name, without its reaction: to judge packets as the service does, and to
    /// explain why.
    ///
    /// ```no_run
    /// # async fn example(rapids: rapids_client::Rapids) -> rapids_client::Result<()> {
    /// use rapids_client::Packet;
    /// use std::time::Duration;
    ///
    /// let packet = Packet::event("order_placed");
    /// for service in rapids.services(Duration::from_secs(1)).await? {
    ///     if let Some(river) = service.river("charge") {
    ///         println!("{}", river.explain(&packet));
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn river(&self, name: &str) -> Option<River> {
        let rules = self.rules.iter().find(|rules| rules.name == name)?;
        Some(River::from_rules(rules.clone()))
    }

    /// Reads an answer; `None` if it comes from a program that is not on the rapids.
    fn read(info: Info) -> Option<Self> {
        let Info { name, id, version, mut metadata, endpoints, .. } = info;
        metadata.remove(ON_RAPIDS)?;
        let rules = metadata.remove(RULES);
        // A service of another version may have rules that this one cannot read.
        let rules = rules.and_then(|rules| serde_json::from_str(&rules).ok());
        let mut rules: Vec<Rules> = rules.unwrap_or_default();
        for rules in &mut rules {
            let publishes = metadata.remove(&format!("{}{PUBLISHES}", rules.name));
            rules.publishes = publishes.and_then(|text| serde_json::from_str(&text).ok());
        }
        let (mut rivers, mut facts) = (BTreeMap::new(), BTreeMap::new());
        for (key, value) in metadata {
            if let Some(fact) = key.strip_prefix(STATE) {
                facts.insert(fact.to_owned(), value);
            } else if !key.ends_with(PUBLISHES) {
                // That of a river whose rules cannot be read is for nobody.
                rivers.insert(key, value);
            }
        }
        let repetition = |it: Endpoint| Some((it.name, Repetition::read(&it.metadata)?));
        let repetitions = endpoints.into_iter().filter_map(repetition).collect();
        Some(Self { name, id, version, rivers, rules, facts, repetitions })
    }
}

/// Asks all instances, and waits this long for answers.
pub(crate) async fn ask(connection: &Connection, wait: Duration) -> Result<Vec<ServiceInfo>> {
    infos(connection, "$SRV.INFO", wait).await
}

/// As [`ask`], for the instances of one service.
pub(crate) async fn instances_of(
    connection: &Connection,
    service: &str,
    wait: Duration,
) -> Result<Vec<ServiceInfo>> {
    infos(connection, &format!("$SRV.INFO.{service}"), wait).await
}

async fn infos(connection: &Connection, subject: &str, wait: Duration) -> Result<Vec<ServiceInfo>> {
    let answers = answers(connection, subject, wait).await?;
    let mut infos: Vec<_> = answers
        .iter()
        .filter_map(|answer| ServiceInfo::read(serde_json::from_slice(answer).ok()?))
        .collect();
    infos.sort_by(|one, two| (&one.name, &one.id).cmp(&(&two.name, &two.id)));
    Ok(infos)
}

/// All that is answered within this time. Other programs answer too, and so does the server if nobody is
/// there.
///
/// # Errors
/// `Server`, `NotPermitted`.
pub(super) async fn answers(
    connection: &Connection,
    subject: &str,
    wait: Duration,
) -> Result<Vec<Bytes>> {
    let deadline = Instant::now() + wait;
    let client = &connection.client;
    let inbox = client.new_inbox();
    let action = "ask for the services";
    let mut answers = connection.attempt(action, &inbox, client.subscribe(inbox.clone())).await?;
    let since = Instant::now().into_std();
    let asking = client.publish_with_reply(subject.to_owned(), inbox.clone(), Bytes::new());
    connection.attempt(action, subject, asking).await?;
    let mut answered = Vec::new();
    while let Ok(Some(answer)) = timeout_at(deadline, answers.next()).await {
        answered.push(answer.payload);
    }
    // A refusal comes on the connection, instead of answers.
    match connection.refusal(subject, since) {
        Some(refusal) => Err(refusal),
        None => Ok(answered),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_river_publishes_is_told_nowhere_else_even_if_its_rules_cannot_be_read() {
        for rules in [json!([{"name": "charge", "conditions": []}]), json!("of another version")] {
            let info = json!({
                "type": "io.nats.micro.v1.info_response", "name": "payment", "id": "i1",
                "version": "1.0.0", "description": "", "endpoints": [],
                "metadata": {
                    "rapids.stream": "RAPIDS", "rapids.rules": rules.to_string(),
                    "charge": "true", "charge.publishes": r#"{"events":["paid"]}"#,
                },
            });
            let info = ServiceInfo::read(serde_json::from_value(info).unwrap()).unwrap();
            assert_eq!(info.rivers.keys().collect::<Vec<_>>(), ["charge"], "{info:?}");
        }
    }
}
