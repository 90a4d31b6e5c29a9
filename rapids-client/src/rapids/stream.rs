//! The stream `RAPIDS`: creating it, and checking one that exists.

use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::{
    Config as StreamConfig, DiscardPolicy, Info, PersistenceMode, Republish, RetentionPolicy,
    StorageType,
};
use jiff::Timestamp;
use tracing::{debug, warn};

use super::differences::{Differences, limit};
use super::start::timestamp;
use crate::config::Config;
use crate::connection::Connection;
use crate::names::{LIVE, STREAM, SUBJECT};
use crate::{Error, Result};

/// How long the server recognises a message id that it has seen.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(600);

/// Left free below the server's largest payload, so that every packet also fits as a dead letter
/// with its headers.
pub(crate) const DEAD_LETTER_HEADROOM: usize = 64 * 1024;

/// From this share of the size limit on, in percent, the service warns.
const NEARLY_FULL: u128 = 80;

/// What readers and publishers need to know of the stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StreamFacts {
    pub(crate) created: Timestamp,
    /// How long it keeps packets; zero is for good.
    pub(crate) max_age: Duration,
    pub(crate) max_message_size: usize,
    pub(crate) first_sequence: u64,
    pub(crate) last_sequence: u64,
    /// How many packets it holds.
    pub(crate) packets: u64,
    /// Whether it takes atomic batches.
    pub(crate) is_atomic: bool,
    /// Whether the server sends a copy of what it has stored.
    pub(crate) has_live: bool,
}

impl From<&Info> for StreamFacts {
    fn from(info: &Info) -> Self {
        Self {
            created: timestamp(info.created),
            max_age: info.config.max_age,
            max_message_size: usize::try_from(info.config.max_message_size).unwrap_or(usize::MAX),
            first_sequence: info.state.first_sequence,
            last_sequence: info.state.last_sequence,
            packets: info.state.messages,
            is_atomic: info.config.allow_atomic_publish,
            has_live: info.config.republish.as_ref() == Some(&republish()),
        }
    }
}

/// Creates the stream, or checks the one that exists.
pub(crate) async fn ensure(connection: &Connection, config: &Config) -> Result<StreamFacts> {
    let wanted = wanted(config, connection.max_payload());
    let mut found = info(connection).await?;
    if found.is_none() {
        found = create(connection, wanted.clone()).await?;
    }
    if found.is_none() {
        found = info(connection).await?;
    }
    let info = found.ok_or_else(|| Error::Server {
        action: "create the stream `RAPIDS`".to_owned(),
        source: "it is deleted as fast as it is created".into(),
    })?;
    let differences = differences(&info.config, &wanted, config);
    if !differences.is_empty() {
        return Err(Error::Stream { stream: STREAM.to_owned(), differences });
    }
    let mut facts = StreamFacts::from(&info);
    if !facts.is_atomic {
        facts.is_atomic = allow_atomic_publish(connection, info.config).await?;
    }
    Ok(facts)
}

/// What the server knows of the stream; `None` if there is none.
pub(crate) async fn info(connection: &Connection) -> Result<Option<Info>> {
    info_of(connection, STREAM).await
}

/// What the server knows of the stream of this name; `None` if there is none.
pub(crate) async fn info_of(connection: &Connection, stream: &str) -> Result<Option<Info>> {
    let subject = connection.api(&format!("STREAM.INFO.{stream}"));
    let reading = Box::pin(async {
        match connection.jetstream.get_stream(stream).await {
            Ok(stream) => Ok(Some(stream.cached_info().clone())),
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(fault)
                    if fault.error_code() == ErrorCode::STREAM_NOT_FOUND =>
                {
                    Ok(None)
                }
                _ => Err(error),
            },
        }
    });
    connection.attempt(&format!("read the stream `{stream}`"), &subject, reading).await
}

/// Says so when the size limit comes near; a full stream refuses every publisher.
pub(crate) fn warn_if_nearly_full(info: &Info) {
    let (bytes, limit) = (info.state.bytes, info.config.max_bytes);
    if let Some(percent) = nearly_full(bytes, limit) {
        warn!(
            bytes,
            limit,
            "the rapids are {percent} % full; at 100 % they refuse every packet: raise the limit \
             (nats stream edit {STREAM} --max-bytes) or shorten the age (--max-age)"
        );
    }
}

/// How full a stream is in percent, if that is worth a warning.
fn nearly_full(bytes: u64, limit: i64) -> Option<u128> {
    let limit = u128::try_from(limit).ok().filter(|limit| *limit > 0)?;
    Some(u128::from(bytes) * 100 / limit).filter(|percent| *percent >= NEARLY_FULL)
}

/// Creates the stream; `None` if another instance was faster, with other settings.
async fn create(connection: &Connection, wanted: StreamConfig) -> Result<Option<Info>> {
    let subject = connection.api(&format!("STREAM.CREATE.{STREAM}"));
    let max_bytes = wanted.max_bytes;
    let creating = async {
        let error = match connection.jetstream.create_stream(wanted).await {
            Ok(stream) => return Ok(Ok(Some(stream.cached_info().clone()))),
            Err(error) => error,
        };
        let CreateStreamErrorKind::JetStream(fault) = error.kind() else {
            return Err(error);
        };
        match fault.error_code() {
            ErrorCode::STREAM_NAME_EXIST => Ok(Ok(None)),
            ErrorCode::STORAGE_RESOURCES_EXCEEDED | ErrorCode::INSUFFICIENT_RESOURCES => {
                Ok(Err(Error::Config {
                    name: "RAPIDS_MAX_BYTES".to_owned(),
                    value: max_bytes.to_string(),
                    expected: format!("a size within the server's storage: {fault}"),
                }))
            }
            _ => Err(error),
        }
    };
    let created = connection.attempt("create the stream `RAPIDS`", &subject, creating).await??;
    if let Some(info) = &created {
        debug!(
            max_age_seconds = info.config.max_age.as_secs(),
            max_bytes = info.config.max_bytes,
            "created the stream {STREAM}"
        );
    }
    Ok(created)
}

/// Turns on what streams of earlier versions lack and may gain without harm; `false` where this
/// user may not, or the server is too old for it.
async fn allow_atomic_publish(connection: &Connection, found: StreamConfig) -> Result<bool> {
    let subject = connection.api(&format!("STREAM.UPDATE.{STREAM}"));
    let config = StreamConfig { allow_atomic_publish: true, ..found };
    let updating = connection.jetstream.update_stream(config);
    let is_atomic = match connection.attempt("update the stream `RAPIDS`", &subject, updating).await
    {
        Ok(info) => info.config.allow_atomic_publish,
        Err(Error::NotPermitted { .. }) => false,
        Err(error) => return Err(error),
    };
    if is_atomic {
        debug!("allowed atomic publishing on the stream {STREAM}");
    } else {
        warn!(
            "the stream {STREAM} takes no batches: the outputs of one reaction may be stored in \
             part; allow them with a server from 2.12 on: nats stream edit {STREAM} --allow-batch"
        );
    }
    Ok(is_atomic)
}

/// Lets the server send a copy of what it has stored, where an earlier version made the stream;
/// `false` where this user may not, or it sends copies elsewhere.
pub(crate) async fn allow_live(connection: &Connection) -> Result<bool> {
    let subject = connection.api(&format!("STREAM.UPDATE.{STREAM}"));
    let found = info(connection).await?.map(|info| info.config);
    let reason = match found {
        Some(found) if found.republish.is_none() => {
            let config = StreamConfig { republish: Some(republish()), ..found };
            let updating = connection.jetstream.update_stream(config);
            match connection.attempt("update the stream `RAPIDS`", &subject, updating).await {
                Ok(_) => return Ok(true),
                Err(error @ Error::NotPermitted { .. }) => error.to_string(),
                Err(error) => return Err(error),
            }
        }
        Some(StreamConfig { republish: Some(found), .. }) if found != republish() => {
            format!("the stream sends its copies to `{}`", found.destination)
        }
        _ => return Ok(true),
    };
    warn!(
        "there is no live feed, so packets are read from the stream, which costs the server more: \
         {reason}; set it with: nats stream edit {STREAM} --republish-source {SUBJECT} \
         --republish-destination {LIVE}"
    );
    Ok(false)
}

fn republish() -> Republish {
    Republish { source: SUBJECT.to_owned(), destination: LIVE.to_owned(), headers_only: false }
}

fn wanted(config: &Config, max_payload: usize) -> StreamConfig {
    let largest = max_payload.saturating_sub(DEAD_LETTER_HEADROOM);
    StreamConfig {
        name: STREAM.to_owned(),
        subjects: vec![SUBJECT.to_owned()],
        description: Some("every packet of every service".to_owned()),
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        discard: DiscardPolicy::New,
        max_age: config.max_age_or_default(),
        max_bytes: i64::try_from(config.max_bytes_or_default()).unwrap_or(i64::MAX),
        max_messages: -1,
        max_messages_per_subject: -1,
        max_message_size: i32::try_from(largest).unwrap_or(i32::MAX),
        num_replicas: 1,
        duplicate_window: duplicate_window(config.max_age_or_default()),
        deny_delete: true,
        deny_purge: true,
        allow_direct: true,
        allow_atomic_publish: true,
        republish: Some(republish()),
        ..StreamConfig::default()
    }
}

/// Lists each setting in which an existing stream cannot serve as the rapids.
///
/// Retention counts only where it was asked for: otherwise the operator's choice stands.
fn differences(found: &StreamConfig, wanted: &StreamConfig, config: &Config) -> Vec<String> {
    let mut list = Differences::default();
    list.compare("subjects", &found.subjects, &wanted.subjects);
    list.compare("retention", &found.retention, &wanted.retention);
    list.compare("storage", &found.storage, &wanted.storage);
    list.compare("discard", &found.discard, &wanted.discard);
    list.compare("max_msgs", &limit(found.max_messages), &limit(wanted.max_messages));
    list.compare(
        "max_msgs_per_subject",
        &limit(found.max_messages_per_subject),
        &limit(wanted.max_messages_per_subject),
    );
    list.compare("max_msg_size", &found.max_message_size, &wanted.max_message_size);
    let window = duplicate_window(found.max_age);
    list.compare("duplicate_window", &found.duplicate_window, &window);
    list.compare("deny_delete", &found.deny_delete, &wanted.deny_delete);
    list.compare("deny_purge", &found.deny_purge, &wanted.deny_purge);
    list.compare("allow_direct", &found.allow_direct, &wanted.allow_direct);
    list.compare("allow_rollup_hdrs", &found.allow_rollup, &wanted.allow_rollup);
    list.compare("allow_msg_ttl", &found.allow_message_ttl, &wanted.allow_message_ttl);
    list.compare(
        "allow_msg_schedules",
        &found.allow_message_schedules,
        &wanted.allow_message_schedules,
    );
    list.compare(
        "subject_delete_marker_ttl",
        &found.subject_delete_marker_ttl.unwrap_or_default(),
        &wanted.subject_delete_marker_ttl.unwrap_or_default(),
    );
    list.compare("no_ack", &found.no_ack, &wanted.no_ack);
    list.compare("sealed", &found.sealed, &wanted.sealed);
    list.compare("mirror", &found.mirror.is_some(), &wanted.mirror.is_some());
    let sources = |config: &StreamConfig| config.sources.as_ref().map_or(0, Vec::len);
    list.compare("sources", &sources(found), &sources(wanted));
    list.compare(
        "subject_transform",
        &found.subject_transform.is_some(),
        &wanted.subject_transform.is_some(),
    );
    list.compare("allow_msg_counter", &found.allow_message_counter, &wanted.allow_message_counter);
    let is_async = |config: &StreamConfig| config.persist_mode == Some(PersistenceMode::Async);
    list.compare("persist_mode async", &is_async(found), &is_async(wanted));
    if config.max_age.is_some() {
        list.compare("max_age (RAPIDS_MAX_AGE)", &found.max_age, &wanted.max_age);
    }
    if config.max_bytes.is_some() {
        list.compare("max_bytes (RAPIDS_MAX_BYTES)", &found.max_bytes, &wanted.max_bytes);
    }
    list.with_remedy(STREAM)
}

/// The server refuses a window that outlasts the packets.
fn duplicate_window(max_age: Duration) -> Duration {
    if max_age.is_zero() { DUPLICATE_WINDOW } else { DUPLICATE_WINDOW.min(max_age) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config::new("nats://127.0.0.1:4222")
    }

    #[test]
    fn a_stream_as_created_shows_no_difference() {
        let wanted = wanted(&config(), 1 << 20);
        assert_eq!(wanted.max_message_size, (1 << 20) - (64 << 10));
        assert!(differences(&wanted, &wanted, &config()).is_empty());
    }

    #[test]
    fn each_dangerous_setting_is_listed() {
        let wanted = wanted(&config(), 1 << 20);
        let found = StreamConfig {
            discard: DiscardPolicy::Old,
            allow_rollup: true,
            deny_purge: false,
            ..wanted.clone()
        };
        let list = differences(&found, &wanted, &config());
        assert_eq!(
            list[..3],
            [
                "discard is Old, needed is New",
                "deny_purge is false, needed is true",
                "allow_rollup_hdrs is true, needed is false",
            ]
        );
    }

    #[test]
    fn a_stream_is_nearly_full_from_eighty_percent_on() {
        assert_eq!(nearly_full(799, 1_000), None);
        assert_eq!(nearly_full(800, 1_000), Some(80));
        assert_eq!(nearly_full(u64::MAX, i64::MAX), Some(200));
        assert_eq!(nearly_full(u64::MAX, -1), None);
    }

    #[test]
    fn retention_counts_only_where_it_was_asked_for() {
        let asked = config().max_age(Duration::from_secs(60));
        let found = wanted(&config().max_bytes(5), 1 << 20);
        assert!(differences(&found, &wanted(&config(), 1 << 20), &config()).is_empty());
        let list = differences(&found, &wanted(&asked, 1 << 20), &asked);
        assert_eq!(list[0], "max_age (RAPIDS_MAX_AGE) is 2592000s, needed is 60s");
    }
}
