//! How far consumers are: noted before anything is taken, and made again where they were.
//!
//! The snapshots hold no consumers. Those would be as they were when the rapids were taken, which is later than the
//! records of what was done: what lies between would count as done, and nothing would be known of it.

use async_nats::jetstream::ErrorCode;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use super::manifest::{Manifest, NotedConsumer, NotedRecord};
use crate::connection::Connection;
use crate::jetstream::api::{self, ask};
use crate::jetstream::bucket::Bucket;
use crate::jetstream::read_from::ReadFrom;
use crate::names::{POSITIONS, REPLAYS, STREAM};
use crate::position::entries::ServiceEntries;
use crate::position::record::PositionRecord;
use crate::position::status::description;
use crate::{Error, Result};

/// All durable consumers of packets and replays, also those of others than services.
///
/// # Errors
/// `NotPermitted`, `Server`.
pub(super) async fn noted(connection: &Connection) -> Result<Vec<NotedConsumer>> {
    let mut noted = of_stream(connection, STREAM).await?;
    noted.extend(of_stream(connection, REPLAYS).await?);
    for mirror in ServiceEntries::mirrors(connection).await? {
        let read_from = ReadFrom::noted(connection, Some(&mirror));
        noted.extend(of_stream(read_from.connection(), read_from.stream()).await?);
    }
    Ok(noted)
}

async fn of_stream(connection: &Connection, stream: &str) -> Result<Vec<NotedConsumer>> {
    #[derive(Deserialize)]
    struct Found {
        name: String,
        config: Map<String, Value>,
        ack_floor: Place,
        delivered: Place,
    }
    #[derive(Deserialize)]
    struct Place {
        #[serde(default)]
        stream_seq: u64,
    }
    let action = format!("list the consumers of the stream `{stream}`");
    let found: Vec<Found> = api::consumers(connection, &action, stream).await?;
    let durable = found.into_iter().filter(|found| found.config.contains_key("durable_name"));
    let noted = durable.map(|Found { name, config, ack_floor, delivered }| NotedConsumer {
        stream: stream.to_owned(),
        name,
        floor: ack_floor.stream_seq,
        given: delivered.stream_seq,
        config,
    });
    Ok(noted.collect())
}

/// How far services in exclusive delivery are.
///
/// # Errors
/// `NotPermitted`, `Server`.
pub(super) async fn noted_records(connection: &Connection) -> Result<Vec<NotedRecord>> {
    let Some(bucket) = Bucket::existing(connection, POSITIONS).await? else {
        return Ok(Vec::new());
    };
    let mut noted = Vec::new();
    for service in bucket.keys().await? {
        // One that cannot be read is restored as it is, and its service says so as it did before.
        if let Some((json, _)) = bucket.written(&service).await?
            && let Ok(record) = PositionRecord::read(&json)
        {
            // Nothing behind that was begun, although the record is written only now and then.
            let given = record.begun.max(record.reached());
            noted.push(NotedRecord { service, floor: record.floor, given });
        }
    }
    Ok(noted)
}

/// Notes how far what was noted at the beginning has come since, so that it is known at the end what may have been
/// handled meanwhile. What is gone by now may have come as far as anything.
///
/// # Errors
/// `NotPermitted`, `Server`.
pub(super) async fn note_given(connection: &Connection, manifest: &mut Manifest) -> Result<()> {
    let (now, records) = (noted(connection).await?, noted_records(connection).await?);
    for noted in &mut manifest.consumers {
        let found = now.iter().find(|it| (&it.stream, &it.name) == (&noted.stream, &noted.name));
        noted.given = found.map_or(u64::MAX, |found| found.given.max(noted.given));
    }
    for noted in &mut manifest.exclusive {
        let found = records.iter().find(|it| it.service == noted.service);
        noted.given = found.map_or(u64::MAX, |found| found.given.max(noted.given));
    }
    Ok(())
}

impl NotedConsumer {
    /// The service whose position it is, if it is one.
    pub(super) fn service(&self) -> Option<&str> {
        let described = self.config.get("description").and_then(Value::as_str);
        let is_position = self.stream != REPLAYS && described == Some(&description(&self.name));
        is_position.then_some(self.name.as_str())
    }

    /// Makes it where it was, unless its service was faster and made it itself. Mirrors are not restored: their
    /// services make their consumers by what is noted of them.
    ///
    /// # Errors
    /// `NotPermitted`, `Server`.
    pub(super) async fn make(&self, connection: &Connection) -> Result<()> {
        let Self { stream, name, .. } = self;
        if ![STREAM, REPLAYS].contains(&stream.as_str()) {
            return Ok(());
        }
        let action = format!("make the consumer `{name}` of the stream `{stream}`");
        let filter = self.config.get("filter_subject").and_then(Value::as_str).unwrap_or_default();
        let filter = if filter.is_empty() { String::new() } else { format!(".{filter}") };
        let request = format!("CONSUMER.CREATE.{stream}.{name}{filter}");
        let Value::Object(body) =
            json!({"stream_name": stream, "config": self.behind_floor(), "action": "create"})
        else {
            unreachable!("it is written as an object")
        };
        match ask::<IgnoredAny>(connection, &action, &request, &body).await? {
            Ok(_) => Ok(()),
            Err(error) if error.error_code() == ErrorCode::CONSUMER_ALREADY_EXISTS => Ok(()),
            Err(error) => Err(Error::Server { action, source: error.into() }),
        }
    }

    /// Its settings, but that it begins behind its floor.
    fn behind_floor(&self) -> Map<String, Value> {
        let mut config = self.config.clone();
        for former in ["opt_start_time", "pause_until"] {
            config.remove(former);
        }
        config.insert("deliver_policy".to_owned(), json!("by_start_sequence"));
        config.insert("opt_start_seq".to_owned(), json!(self.floor + 1));
        if let Some(metadata) = config.get_mut("metadata").and_then(Value::as_object_mut) {
            // What the server says of itself.
            metadata.retain(|key, _| !key.starts_with("_nats."));
        }
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_consumer_is_made_behind_its_floor_with_all_else_as_it_was() {
        let Value::Object(config) = json!({
            "durable_name": "payment", "description": "position of the service payment",
            "deliver_policy": "by_start_time", "opt_start_time": "2026-11-21T09:30:00Z",
            "metadata": {"rapids.epoch": "2", "_nats.level": "1"}, "unknown": 7,
        }) else {
            panic!()
        };
        let noted = NotedConsumer {
            stream: "RAPIDS".into(),
            name: "payment".into(),
            floor: 16,
            given: 20,
            config,
        };
        assert_eq!(noted.service(), Some("payment"));
        let Value::Object(made) = json!({
            "durable_name": "payment", "description": "position of the service payment",
            "deliver_policy": "by_start_sequence", "opt_start_seq": 17,
            "metadata": {"rapids.epoch": "2"}, "unknown": 7,
        }) else {
            panic!()
        };
        assert_eq!(noted.behind_floor(), made);
        let replays = NotedConsumer { stream: "REPLAYS".into(), ..noted };
        assert_eq!(replays.service(), None);
    }
}
