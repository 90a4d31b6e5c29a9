//! The service's position on the server in shared delivery: a durable consumer.
//!
//! Where it begins is left to [`start_reason`](crate::position::start_reason).

use std::time::Duration;

use async_nats::jetstream::consumer::pull::Config as PullConfig;
use async_nats::jetstream::consumer::{AckPolicy, Config, FromConsumer, Info, PriorityPolicy};
use async_nats::jetstream::stream::ConsumerCreateStrictErrorKind;
use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde_json::{Map, json};

use crate::connection::Connection;
use crate::jetstream::ensure::PROVISION;
use crate::jetstream::form::Form;
use crate::jetstream::read_from::ReadFrom;
use crate::jetstream::{api, stream};
use crate::names::{EPOCH, SERVICES, STARTS, memory_bucket};
use crate::position::entry::ServiceEntry;
use crate::position::status;
use crate::start::Start;
use crate::{Error, Result};

/// For how long the server waits for an acknowledgement, unless another time is asked for.
pub(crate) const ACK_WAIT: Duration = Duration::from_secs(10);

/// The position of one service.
pub(crate) struct Consumer<'a> {
    /// To where the rapids are.
    pub(crate) connection: &'a Connection,
    pub(crate) service: &'a str,
    /// The stream that it is a consumer of.
    pub(crate) read_from: ReadFrom,
}

impl<'a> Consumer<'a> {
    /// That of a service which reads from this stream.
    pub(crate) fn new(connection: &'a Connection, service: &'a str, read_from: ReadFrom) -> Self {
        Self { connection, service, read_from }
    }

    /// That of a service which reads as the settings of this program say.
    pub(crate) fn stated(connection: &'a Connection, service: &'a str) -> Self {
        Self::new(connection, service, ReadFrom::stated(connection))
    }

    /// That of a service of which this is noted.
    pub(crate) fn noted(
        connection: &'a Connection,
        service: &'a str,
        entry: Option<&ServiceEntry>,
    ) -> Self {
        let mirror = entry.and_then(ServiceEntry::mirror);
        Self::new(connection, service, ReadFrom::noted(connection, mirror))
    }

    /// What the server knows of the position; `None` if there is none.
    pub(crate) async fn info(&self) -> Result<Option<Info>> {
        status::info(&self.read_from, self.service).await
    }

    /// Where the rapids end.
    pub(crate) async fn last_sequence(&self) -> Result<u64> {
        let info = stream::info(self.connection).await?;
        Ok(info.map_or(0, |info| info.state.last_sequence))
    }

    /// Deletes the consumer.
    pub(crate) async fn delete(&self) -> Result<()> {
        let (connection, stream) = (self.read_from.connection(), self.read_from.stream());
        let subject = connection.api(&format!("CONSUMER.DELETE.{stream}.{}", self.service));
        let action = format!("delete the position of `{}` in shared delivery", self.service);
        let deleting = connection.jetstream.delete_consumer_from_stream(self.service, stream);
        let deleted = connection.attempt(&action, &subject, deleting).await;
        // Another instance may have been faster.
        match deleted {
            Err(Error::Server { .. }) if self.info().await?.is_none() => Ok(()),
            deleted => deleted.map(drop),
        }
    }

    /// Deletes the consumer of a position that is kept elsewhere from now on. Where this program may not, that is
    /// left to whoever provisions.
    pub(crate) async fn remove(&self) -> Result<()> {
        match self.connection.provision().is_provisioned {
            true => Ok(()),
            false => self.delete().await,
        }
    }

    /// Has the server give out no packets for this long.
    pub(crate) async fn pause(&self, time: Duration) -> Result<()> {
        let request = format!("CONSUMER.PAUSE.{}.{}", self.read_from.stream(), self.service);
        let until = Timestamp::now() + time;
        let body = Map::from_iter([("pause_until".to_owned(), json!(until))]);
        let action = format!("pause the deliveries to `{}`", self.service);
        let paused =
            api::ask::<IgnoredAny>(self.read_from.connection(), &action, &request, &body).await?;
        paused.map(drop).map_err(|error| Error::Server { action, source: error.into() })
    }

    /// The error of a position that is gone or cannot be used.
    pub(crate) fn lost(&self, reason: String) -> Error {
        Error::Position { service: self.service.to_owned(), reason }
    }

    /// Creates the consumer; `None` if another instance was faster.
    pub(crate) async fn create(&self, wanted: PullConfig) -> Result<Option<Info>> {
        let action = format!("create the position of `{}`", self.service);
        create(self.read_from.connection(), (&action, self.read_from.stream()), wanted).await
    }

    /// Where to make it so that it begins there, once its stream reaches that. In a mirror that is a sequence: what
    /// the rapids hold by now may come to it later.
    pub(crate) async fn start(&self, start: Start) -> Result<Start> {
        if self.read_from.mirror().is_none() {
            return Ok(start);
        }
        let before = status::before(self.connection, self.service, start).await?;
        self.read_from.reaches(before).await?;
        Ok(Start::Sequence(before + 1))
    }

    /// Makes sure that a consumer that was found can be the position, and updates its settings.
    pub(crate) async fn check(&self, found: &Info, ack_wait: Option<Duration>) -> Result<()> {
        self.connection.known_end().reaches(found.delivered.stream_sequence);
        // Read after the position, since others may publish and read meanwhile.
        let rapids = stream::info(self.connection).await?;
        let form = rapids.as_ref().map(|rapids| Form::of(&rapids.config)).unwrap_or_default();
        let config = &found.config;
        let fits = config.ack_policy == AckPolicy::Explicit
            && config.max_deliver <= 0
            && config.backoff.is_empty()
            && !config.headers_only
            && config.max_batch <= 0
            && config.max_expires.is_zero()
            && config.deliver_subject.is_none()
            && form.passes_all(&config.filter_subject)
            && config.filter_subjects.iter().all(|filter| form.passes_all(filter));
        let (name, stream) = (self.service, self.read_from.stream());
        if !fits {
            return Err(self.lost(format!(
                "the consumer of this name is no pull consumer of all of {stream}, with explicit \
                 acknowledgements and deliveries without limit; delete it with `nats consumer rm \
                 {stream} {name}`, and the service goes on from what is noted of it"
            )));
        }
        let last = rapids.map_or(0, |rapids| rapids.state.last_sequence);
        let at = found.delivered.stream_sequence;
        if at > last {
            return Err(self.lost(format!(
                "it stands at sequence {at}, but the stream ends at {last}: the stream was made \
                 anew or restored; set it with `rapids position {name} --to-end`, or `--set SEQUENCE`"
            )));
        }
        if let Some(changed) =
            adjusted(config, ack_wait, self.connection.provision().max_ack_pending)
        {
            let connection = self.read_from.connection();
            update(connection, ("update the position", stream), (config, changed)).await?;
        }
        Ok(())
    }

    /// The consumer to make with the settings of one that was found, but this start and the epochs of the
    /// entry.
    pub(crate) fn again(&self, found: &Info, start: Start, entry: &ServiceEntry) -> PullConfig {
        let wanted = self.wanted(start, Some(found.config.ack_wait), entry);
        let Ok(config) = PullConfig::try_from_consumer_config(found.config.clone()) else {
            return wanted;
        };
        let PullConfig { deliver_policy, metadata, priority_policy, priority_groups, .. } = wanted;
        let config = PullConfig { deliver_policy, metadata, pause_until: None, ..config };
        PullConfig { priority_policy, priority_groups, ..config }
    }

    /// The consumer to make, with this start and the epochs of the entry.
    pub(crate) fn wanted(
        &self,
        start: Start,
        ack_wait: Option<Duration>,
        entry: &ServiceEntry,
    ) -> PullConfig {
        let mut wanted = PullConfig {
            durable_name: Some(self.service.to_owned()),
            name: Some(self.service.to_owned()),
            description: Some(status::description(self.service)),
            deliver_policy: start.deliver_policy(),
            ack_policy: AckPolicy::Explicit,
            ack_wait: ack_wait.unwrap_or(ACK_WAIT),
            max_deliver: -1,
            max_ack_pending: self.connection.max_ack_pending().into(),
            ..PullConfig::default()
        };
        if entry.epoch() > 0 {
            wanted.metadata.insert(EPOCH.to_owned(), entry.epoch().to_string());
        }
        if let Some(group) = group(entry.memory_epoch()) {
            (wanted.priority_policy, wanted.priority_groups) =
                (PriorityPolicy::Overflow, vec![group]);
        }
        wanted
    }
}

/// The commands by which a service forgets the stream that it was in, and its memories of it.
pub(crate) fn reset_command(service: &str, remembers: bool) -> String {
    let entry = format!("`nats kv del {SERVICES} {service}`");
    match remembers {
        true => format!("{entry} and `nats kv rm {}`", memory_bucket(service)),
        false => entry,
    }
}

/// The group that instances name when they ask for packets, of a service that began to remember in this
/// epoch; none for the first. The server refuses who names none, or another: an instance from before would
/// fold the packets into what is forgotten, and acknowledge them.
pub(crate) fn group(memory_epoch: u64) -> Option<String> {
    (memory_epoch > 0).then(|| format!("e{memory_epoch}"))
}

/// The epoch in which the service began to remember, as its consumer says it; 0 where it does not.
pub(crate) fn memory_epoch_of(found: &Info) -> u64 {
    let mut groups = found.config.priority_groups.iter();
    groups.find_map(|group| group.strip_prefix('e')?.parse().ok()).unwrap_or_default()
}

/// Whether a consumer is from before a move of the position. One that the operator made by hand says no
/// epoch.
pub(crate) fn is_outdated(found: &Info, entry: &ServiceEntry) -> bool {
    let epoch = epoch_of(found);
    epoch < entry.epoch() && (epoch > 0 || entry.target().is_some())
}

/// The epoch of the service in which its consumer was made; 0 where it does not say so.
pub(crate) fn epoch_of(found: &Info) -> u64 {
    found.config.metadata.get(EPOCH).and_then(|epoch| epoch.parse().ok()).unwrap_or_default()
}

/// Where the service was to start when its consumer was made, if the consumer says so.
pub(crate) fn starts_of(found: &Info) -> Option<&str> {
    found.config.metadata.get(STARTS).map(String::as_str)
}

/// The consumer with the settings that have to change; `None` if none has to. What cannot be changed,
/// and what the operator set, stays as it was found.
pub(crate) fn adjusted(
    found: &Config,
    ack_wait: Option<Duration>,
    max_ack_pending: Option<u32>,
) -> Option<PullConfig> {
    let changed = PullConfig {
        ack_wait: ack_wait.unwrap_or(found.ack_wait),
        max_ack_pending: max_ack_pending.map_or(found.max_ack_pending, i64::from),
        ..PullConfig::try_from_consumer_config(found.clone()).ok()?
    };
    let is_same =
        changed.ack_wait == found.ack_wait && changed.max_ack_pending == found.max_ack_pending;
    (!is_same).then_some(changed)
}

/// Creates a consumer of a stream; `None` if there is one with other settings.
///
/// # Errors
/// `Position` where this program creates nothing; `NotPermitted`, `Limit`, `Server`.
pub(crate) async fn create(
    connection: &Connection,
    (action, stream): (&str, &str),
    wanted: PullConfig,
) -> Result<Option<Info>> {
    if connection.provision().is_provisioned {
        return Err(unprovisioned(&wanted, format!("it has no consumer on {stream}; {PROVISION}")));
    }
    let creating = async {
        match connection.jetstream.create_consumer_strict_on_stream(wanted, stream).await {
            Ok(consumer) => Ok(Some(consumer.cached_info().clone())),
            Err(error) if error.kind() == ConsumerCreateStrictErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(error),
        }
    };
    connection.attempt(action, &creation(connection, stream), creating).await
}

/// Updates the settings of a consumer of a stream.
///
/// # Errors
/// As for [`create`].
pub(crate) async fn update(
    connection: &Connection,
    (action, stream): (&str, &str),
    (found, changed): (&Config, PullConfig),
) -> Result<()> {
    if connection.provision().is_provisioned {
        let reason = format!(
            "its consumer on {stream} waits {} s for an acknowledgement and lets {} packets be \
             unacknowledged, which is to be {} s (RAPIDS_ACK_WAIT) and {} (RAPIDS_MAX_ACK_PENDING); \
             {PROVISION} with the same variables",
            found.ack_wait.as_secs(),
            found.max_ack_pending,
            changed.ack_wait.as_secs(),
            changed.max_ack_pending
        );
        return Err(unprovisioned(&changed, reason));
    }
    let updating = connection.jetstream.update_consumer_on_stream(changed, stream);
    connection.attempt(action, &creation(connection, stream), updating).await.map(drop)
}

/// The subject of requests that create a consumer, and of those that update one.
fn creation(connection: &Connection, stream: &str) -> String {
    connection.api(&format!("CONSUMER.CREATE.{stream}.>"))
}

/// The error of a service whose consumer is to be like this, and which may not change that.
fn unprovisioned(wanted: &PullConfig, reason: String) -> Error {
    Error::Position { service: wanted.durable_name.clone().unwrap_or_default(), reason }
}
