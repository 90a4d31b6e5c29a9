//! The service's position on the server: a durable consumer.

use std::time::Duration;

use async_nats::jetstream::consumer::pull::Config as PullConfig;
use async_nats::jetstream::consumer::{AckPolicy, Info};
use async_nats::jetstream::stream::ConsumerCreateStrictErrorKind;
use tracing::{info, warn};

use super::exclusive;
use super::losses::Standing;
use super::origin::Origin;
use crate::connection::Connection;
use crate::names::{SERVICES, STREAM, SUBJECT, memory_bucket};
use crate::rapids::stream::{self, StreamFacts};
use crate::rapids::{Start, position};
use crate::service::Service;
use crate::{Error, Result};

/// The position of one service.
pub(crate) struct Consumer<'a> {
    connection: &'a Connection,
    service: &'a str,
}

impl<'a> Consumer<'a> {
    pub(crate) fn new(connection: &'a Connection, service: &'a str) -> Self {
        Self { connection, service }
    }

    /// Makes the position where the service is new, and says where it stands.
    ///
    /// # Errors
    /// `Position` if it does not fit the stream.
    pub(crate) async fn ensure(&self, service: &Service, facts: &StreamFacts) -> Result<Standing> {
        let origin = Box::pin(Origin::open(self.connection, self.service)).await?;
        if let Some(other) = origin.other_than(facts.created) {
            return Err(self.lost(format!(
                "it was in a stream created at {other}, and this one was created at {}; to begin \
                 anew in it, run {}",
                facts.created,
                self.oblivion(service.remembers())
            )));
        }
        let from_exclusive = if origin.is_exclusive() {
            Some(exclusive::release(self.connection, self.service, facts.created).await?)
        } else {
            None
        };
        let start = from_exclusive.map(|floor| Start::Sequence(floor + 1)).or(service.start());
        let found = Box::pin(self.found_or_made(service, start, facts)).await?;
        origin.record(facts.created, false).await?;
        if from_exclusive.is_some() {
            exclusive::forget(self.connection, self.service).await?;
        }
        Ok(Standing {
            first: facts.first_sequence,
            deliveries: found.delivered.consumer_sequence,
            delivered: found.delivered.stream_sequence,
        })
    }

    async fn found_or_made(
        &self,
        service: &Service,
        start: Option<Start>,
        facts: &StreamFacts,
    ) -> Result<Info> {
        let wanted = self.wanted(start.unwrap_or_default(), service.config().ack_wait);
        if let Some(found) = self.info().await? {
            self.resume(&found, &wanted, service).await?;
            return Ok(found);
        }
        position::check(self.connection, self.service, start.unwrap_or_default()).await?;
        match self.create(wanted.clone()).await? {
            Some(created) => {
                self.announce_start(service, start.unwrap_or_default(), facts, &created);
                Ok(created)
            }
            None => {
                let found = self.info().await?.ok_or_else(|| {
                    self.lost("its consumer is deleted as fast as it is created".to_owned())
                })?;
                self.resume(&found, &wanted, service).await?;
                Ok(found)
            }
        }
    }

    /// What the server knows of the position; `None` if there is none.
    pub(crate) async fn info(&self) -> Result<Option<Info>> {
        position::info(self.connection, self.service).await
    }

    pub(crate) async fn last_sequence(&self) -> Result<u64> {
        let info = stream::info(self.connection).await?;
        Ok(info.map_or(0, |info| info.state.last_sequence))
    }

    /// Deletes the position, which is kept elsewhere from now on.
    pub(crate) async fn delete(&self) -> Result<()> {
        let subject = self.connection.api(&format!("CONSUMER.DELETE.{STREAM}.{}", self.service));
        let action = format!("delete the position of `{}` in shared delivery", self.service);
        let jetstream = &self.connection.jetstream;
        let deleting = jetstream.delete_consumer_from_stream(self.service, STREAM);
        self.connection.attempt(&action, &subject, deleting).await?;
        Ok(())
    }

    /// How to remove the position. Without its memories too, packets from before would be folded
    /// into them once more.
    fn removal(&self, remembers: bool) -> String {
        let name = self.service;
        let consumer = format!("`nats consumer rm {STREAM} {name}`");
        if remembers {
            format!("{consumer} and `nats kv rm {}`", memory_bucket(name))
        } else {
            consumer
        }
    }

    /// How to make the service forget the stream that it was in, with what it remembers of it.
    pub(crate) fn oblivion(&self, remembers: bool) -> String {
        let name = self.service;
        let entry = format!("`nats kv del {SERVICES} {name}`");
        if remembers { format!("{entry} and `nats kv rm {}`", memory_bucket(name)) } else { entry }
    }

    /// That the position is gone or does not fit.
    pub(crate) fn lost(&self, reason: String) -> Error {
        Error::Position { service: self.service.to_owned(), reason }
    }

    /// Creates the consumer; `None` if another instance was faster.
    async fn create(&self, wanted: PullConfig) -> Result<Option<Info>> {
        let subject = self.connection.api(&format!("CONSUMER.CREATE.{STREAM}.>"));
        let action = format!("create the position of `{}`", self.service);
        let creating = async {
            let jetstream = &self.connection.jetstream;
            match jetstream.create_consumer_strict_on_stream(wanted, STREAM).await {
                Ok(consumer) => Ok(Some(consumer.cached_info().clone())),
                Err(error) if error.kind() == ConsumerCreateStrictErrorKind::AlreadyExists => {
                    Ok(None)
                }
                Err(error) => Err(error),
            }
        };
        self.connection.attempt(&action, &subject, creating).await
    }

    async fn resume(&self, found: &Info, wanted: &PullConfig, service: &Service) -> Result<()> {
        let config = &found.config;
        let fits = config.ack_policy == AckPolicy::Explicit
            && config.max_deliver <= 0
            && config.backoff.is_empty()
            && !config.headers_only
            && config.max_batch <= 0
            && config.max_expires.is_zero()
            && config.deliver_subject.is_none()
            && ["", SUBJECT].contains(&config.filter_subject.as_str())
            && config.filter_subjects.iter().all(|subject| subject == SUBJECT);
        if !fits {
            return Err(self.lost(format!(
                "the consumer of this name is no pull consumer of all of {STREAM}, with explicit \
                 acknowledgements and deliveries without limit; delete it with {}",
                self.removal(service.remembers())
            )));
        }
        // Read after the position: others may have published and read meanwhile.
        let (at, last) = (found.delivered.stream_sequence, self.last_sequence().await?);
        if at > last {
            return Err(self.lost(format!(
                "it stands at sequence {at}, but the stream ends at {last}: the stream was made \
                 anew or restored; delete it with {}",
                self.removal(service.remembers())
            )));
        }
        if config.ack_wait != wanted.ack_wait || config.max_ack_pending != wanted.max_ack_pending {
            let subject = self.connection.api(&format!("CONSUMER.CREATE.{STREAM}.>"));
            // What cannot be changed stays as it was found.
            let changed = PullConfig { deliver_policy: config.deliver_policy, ..wanted.clone() };
            let updating = self.connection.jetstream.update_consumer_on_stream(changed, STREAM);
            self.connection.attempt("update the position", &subject, updating).await?;
        }
        let behind = found.num_pending + u64::try_from(found.num_ack_pending).unwrap_or_default();
        let name = self.service;
        info!(
            sequence = at,
            behind, "{name} continues after sequence {at}, {behind} packets behind"
        );
        if let Some(start) = service.start() {
            warn!(
                "{start:?} is ignored, since the service has a position; to start over, stop it \
                 and run {}",
                self.removal(service.remembers())
            );
        }
        Ok(())
    }

    fn announce_start(&self, service: &Service, start: Start, facts: &StreamFacts, created: &Info) {
        let (name, behind) = (self.service, created.num_pending);
        let skipped = facts.packets.saturating_sub(behind);
        let remedy = if skipped == 0 {
            String::new()
        } else {
            let removal = self.removal(service.remembers());
            format!(
                "; to read them too, stop it, run {removal} and start it with `.from_beginning()`"
            )
        };
        info!(
            sequence = facts.last_sequence,
            behind,
            skipped,
            "{name} is new and starts {start}: {behind} packets to read, {skipped} earlier ones \
             skipped{remedy}"
        );
    }

    fn wanted(&self, start: Start, ack_wait: Duration) -> PullConfig {
        PullConfig {
            durable_name: Some(self.service.to_owned()),
            name: Some(self.service.to_owned()),
            description: Some(position::description(self.service)),
            deliver_policy: start.deliver_policy(),
            ack_policy: AckPolicy::Explicit,
            ack_wait,
            max_deliver: -1,
            max_ack_pending: self.connection.max_ack_pending().into(),
            ..PullConfig::default()
        }
    }
}
