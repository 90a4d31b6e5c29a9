//! The stream that services read their packets from: the rapids, or a mirror of them.
//!
//! A mirror has the packets of the rapids under the same sequences, a little later. So whatever goes by sequences
//! stays as it is, but that a mirror ends before a known sequence means that it has to be waited for.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::stream::Info;
use tokio::time::sleep;
use tracing::info;

use crate::connection::Connection;
use crate::jetstream::created::Identity;
use crate::jetstream::ensure;
use crate::jetstream::resource::Resource;
use crate::jetstream::stream::{self, StreamFacts, deleted};
use crate::mirror::Mirror;
use crate::names::{CREATED, MADE, STREAM, live_of};
use crate::{Error, Result};

/// The time between two looks at a mirror that is waited for.
const LOOK: Duration = Duration::from_millis(250);

/// Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct ReadFrom(Arc<Place>);

#[derive(Debug)]
struct Place {
    /// Asks the JetStream that the stream is in.
    connection: Connection,
    mirror: Option<Mirror>,
    live: String,
}

impl ReadFrom {
    /// The stream that the settings of this program name.
    pub(crate) fn stated(connection: &Connection) -> Self {
        Self::noted(connection, connection.mirror())
    }

    /// The rapids themselves.
    pub(crate) fn rapids(connection: &Connection) -> Self {
        Self::noted(connection, None)
    }

    /// The stream that is noted of a service.
    pub(crate) fn noted(connection: &Connection, mirror: Option<&Mirror>) -> Self {
        let domain = mirror.and_then(|mirror| mirror.domain.as_deref());
        Self(Arc::new(Place {
            connection: match domain {
                Some(domain) => connection.in_domain(domain),
                None => connection.clone(),
            },
            live: live_of(mirror.map_or(STREAM, |mirror| &mirror.stream)),
            mirror: mirror.cloned(),
        }))
    }

    /// A connection to the JetStream that the stream is in.
    pub(crate) fn connection(&self) -> &Connection {
        &self.0.connection
    }

    /// The name of the stream.
    pub(crate) fn stream(&self) -> &str {
        self.0.mirror.as_ref().map_or(STREAM, |mirror| &mirror.stream)
    }

    /// The stream in words, with its domain where that is another one than that of the rapids.
    pub(crate) fn name(&self) -> String {
        self.0.mirror.as_ref().map_or(STREAM.to_owned(), Mirror::to_string)
    }

    /// The subject of its live feed.
    pub(crate) fn live(&self) -> &str {
        &self.0.live
    }

    /// The mirror; `None` for the rapids.
    pub(crate) fn mirror(&self) -> Option<&Mirror> {
        self.0.mirror.as_ref()
    }

    /// What the server knows of the stream, which has to be there.
    ///
    /// # Errors
    /// `Stream` if it was deleted; `NotPermitted`, `Server`.
    pub(crate) async fn facts(&self) -> Result<StreamFacts> {
        Ok(StreamFacts::from(&self.present().await?))
    }

    async fn present(&self) -> Result<Info> {
        let Some(mirror) = &self.0.mirror else { return stream::present(&self.0.connection).await };
        let info = ensure::info_of(&self.0.connection, &mirror.stream).await?;
        info.ok_or_else(|| deleted(&mirror.stream))
    }

    /// Makes sure that it is there, and of these rapids.
    ///
    /// # Errors
    /// `Stream` if it cannot be used, with what to do; `Limit`, `NotPermitted`, `Server`.
    pub(crate) async fn ensure(
        &self,
        home: &Connection,
        rapids: &StreamFacts,
    ) -> Result<StreamFacts> {
        let Some(mirror) = &self.0.mirror else { return Ok(*rapids) };
        let of_rapids = mirror.domain.as_ref().and_then(|_| home.domain());
        let resource = Resource::mirror(&mirror.stream, rapids, of_rapids);
        let (_, info) = Box::pin(ensure::ensure(&self.0.connection, &resource)).await?;
        let info = self.note_rapids(info, rapids).await?;
        Ok(StreamFacts::from(&info))
    }

    /// Notes in the settings of a mirror that somebody has made by hand which rapids it is of.
    async fn note_rapids(&self, info: Info, rapids: &StreamFacts) -> Result<Info> {
        let notes = &info.config.metadata;
        let noted = notes.get(CREATED).zip(notes.get(MADE));
        let is_of_others = match noted {
            Some((created, made)) => {
                (created, made) != (&rapids.created.to_string(), &rapids.made.to_string())
            }
            None => Identity::of(&info).made < rapids.made,
        };
        let name = self.stream();
        if is_of_others {
            let others = "it is a mirror of other rapids than are there now: they were restored or made anew";
            let remedy =
                format!("delete it with `nats stream rm -f {name}`, and start the service again");
            let differences = vec![others.to_owned(), remedy];
            return Err(Error::Stream { stream: name.to_owned(), differences });
        }
        if noted.is_some() {
            return Ok(info);
        }
        let mut config = info.config.clone();
        config.metadata.extend(of_rapids(rapids));
        match Box::pin(ensure::update(&self.0.connection, config)).await? {
            Ok(info) => Ok(info),
            Err(reason) => Err(Error::Stream {
                stream: name.to_owned(),
                differences: vec![format!("it does not say which rapids it is of: {reason}")],
            }),
        }
    }

    /// Waits until the stream has what a service is done with. A consumer that was made before would be beyond the end
    /// of its stream: with its next start the server moves that back, and gives out once more what comes then.
    ///
    /// # Errors
    /// As for [`facts`](Self::facts).
    pub(crate) async fn reaches(&self, sequence: u64) -> Result<()> {
        let mut is_told = false;
        while self.0.mirror.is_some() {
            let StreamFacts { last_sequence, .. } = self.facts().await?;
            if last_sequence >= sequence {
                break;
            }
            if !is_told {
                is_told = true;
                let name = self.name();
                info!("waiting for {name}, which is at {last_sequence}, to reach {sequence}");
            }
            sleep(LOOK).await;
        }
        Ok(())
    }
}

/// What is noted in the settings of a mirror of these rapids.
pub(super) fn of_rapids(rapids: &StreamFacts) -> [(String, String); 2] {
    [(CREATED, rapids.created), (MADE, rapids.made)]
        .map(|(key, time)| (key.to_owned(), time.to_string()))
}

#[cfg(test)]
mod tests {
    use async_nats::jetstream::stream::{Config as StreamConfig, External, Source};
    use rapids_test::NatsServer;
    use tokio::time::timeout;

    use super::*;
    use crate::rapids::Rapids;
    use crate::{Config, Packet};

    /// Makes a mirror, of rapids that are asked for there.
    async fn mirror(connection: &Connection, external: Option<External>) {
        let source = Source { name: STREAM.to_owned(), external, ..Source::default() };
        let config = StreamConfig {
            name: "RAPIDS_EU".to_owned(),
            mirror: Some(source),
            ..StreamConfig::default()
        };
        connection.jetstream.create_stream(config).await.unwrap();
    }

    #[tokio::test]
    async fn a_mirror_that_is_behind_is_waited_for() {
        let server = NatsServer::start().unwrap();
        let config = Config::new(server.url()).read_from("RAPIDS_EU").unwrap();
        let rapids = Rapids::connect(&config).await.unwrap();
        rapids.publish_all((0..3).map(|_| Packet::event("x"))).await.unwrap();
        let connection = Connection::open(&config, "test").await.unwrap();
        let read_from = ReadFrom::stated(&connection);
        // It gets nothing, since nobody answers there.
        let nowhere = External { api_prefix: "nowhere".to_owned(), delivery_prefix: None };
        mirror(&connection, Some(nowhere)).await;
        read_from.reaches(0).await.unwrap();
        assert!(timeout(LOOK * 3, read_from.reaches(3)).await.is_err());
        connection.jetstream.delete_stream("RAPIDS_EU").await.unwrap();
        mirror(&connection, None).await;
        read_from.reaches(3).await.unwrap();
    }
}
