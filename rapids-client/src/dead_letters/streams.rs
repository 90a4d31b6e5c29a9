//! The streams `DEAD_LETTERS` and `REPLAYS`: creating them, and checking those that exist.
//!
//! Neither has a limit of size, since a letter that finds no room holds up its service, and from
//! both an operator may delete and purge: to make room, or because a packet must not be kept.

use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::CreateStreamErrorKind;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{
    Config, DirectGetErrorKind, DiscardPolicy, Info, RetentionPolicy, StorageType,
};
use tracing::debug;

use super::LetterId;
use crate::connection::Connection;
use crate::names::{DEAD_LETTER_SUBJECTS, DEAD_LETTERS, REPLAY_SUBJECTS, REPLAYS};
use crate::rapids::differences::Differences;
use crate::rapids::stream::info_of;
use crate::{Error, Result};

const DAY: Duration = Duration::from_secs(86_400);

/// How long letters and replays are kept.
pub(super) const MAX_AGE: Duration = Duration::from_secs(90 * 86_400);

/// How long a replay that is sent again is recognised.
const REPLAY_WINDOW: Duration = DAY;

/// The stream of dead letters as it is created.
pub(super) fn dead_letters() -> Config {
    Config {
        name: DEAD_LETTERS.to_owned(),
        subjects: vec![DEAD_LETTER_SUBJECTS.to_owned()],
        description: Some("packets that a river could not handle, and why".to_owned()),
        ..common()
    }
}

/// The stream of replays as it is created.
pub(super) fn replays() -> Config {
    Config {
        name: REPLAYS.to_owned(),
        subjects: vec![REPLAY_SUBJECTS.to_owned()],
        description: Some("packets that are to reach one river again".to_owned()),
        duplicate_window: REPLAY_WINDOW,
        ..common()
    }
}

fn common() -> Config {
    Config {
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        discard: DiscardPolicy::New,
        max_age: MAX_AGE,
        num_replicas: 1,
        allow_direct: true,
        ..Config::default()
    }
}

/// Creates a stream, or checks the one that exists. A user who may not create streams may use one.
pub(super) async fn ensure(connection: &Connection, wanted: Config) -> Result<Info> {
    let name = wanted.name.clone();
    let mut found = info_of(connection, &name).await?;
    if found.is_none() {
        found = create(connection, wanted.clone()).await?;
    }
    if found.is_none() {
        found = info_of(connection, &name).await?;
    }
    let info = found.ok_or_else(|| Error::Server {
        action: format!("create the stream `{name}`"),
        source: "it is deleted as fast as it is created".into(),
    })?;
    check(info, &wanted)
}

/// Checks a stream; `None` if there is none.
pub(super) async fn existing(connection: &Connection, wanted: &Config) -> Result<Option<Info>> {
    let found = info_of(connection, &wanted.name).await?;
    found.map(|info| check(info, wanted)).transpose()
}

/// The message of a letter; `None` if there is none.
pub(super) async fn letter(
    connection: &Connection,
    id: &LetterId,
) -> Result<Option<StreamMessage>> {
    let subject = id.subject();
    let request = connection.api(&format!("DIRECT.GET.{DEAD_LETTERS}.{subject}"));
    let getting = Box::pin(async {
        let stream = connection.jetstream.get_stream_no_info(DEAD_LETTERS).await?;
        match stream.direct_get_last_for_subject(subject).await {
            Ok(message) => Ok(Some(message)),
            Err(error) if error.kind() == DirectGetErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    });
    connection
        .attempt::<_, Box<dyn std::error::Error + Send + Sync>>(
            &format!("read the dead letter `{id}`"),
            &request,
            getting,
        )
        .await
}

/// Creates a stream; `None` if another was faster, with other settings.
async fn create(connection: &Connection, wanted: Config) -> Result<Option<Info>> {
    let name = wanted.name.clone();
    let subject = connection.api(&format!("STREAM.CREATE.{name}"));
    let creating = Box::pin(async {
        match connection.jetstream.create_stream(wanted).await {
            Ok(stream) => Ok(Some(stream.cached_info().clone())),
            Err(error) => match error.kind() {
                CreateStreamErrorKind::JetStream(fault)
                    if fault.error_code() == ErrorCode::STREAM_NAME_EXIST =>
                {
                    Ok(None)
                }
                _ => Err(error),
            },
        }
    });
    let action = format!("create the stream `{name}`");
    let created = connection.attempt(&action, &subject, creating).await?;
    if created.is_some() {
        debug!("created the stream {name}");
    }
    Ok(created)
}

fn check(info: Info, wanted: &Config) -> Result<Info> {
    let differences = differences(&info.config, wanted);
    if differences.is_empty() {
        return Ok(info);
    }
    Err(Error::Stream { stream: wanted.name.clone(), differences })
}

/// Lists what would lose letters or send them twice. Ages, sizes and replicas are the operator's.
fn differences(found: &Config, wanted: &Config) -> Vec<String> {
    let mut list = Differences::default();
    list.compare("subjects", &found.subjects, &wanted.subjects);
    list.compare("retention", &found.retention, &wanted.retention);
    list.compare("discard", &found.discard, &wanted.discard);
    list.compare("allow_direct", &found.allow_direct, &wanted.allow_direct);
    list.compare("allow_rollup_hdrs", &found.allow_rollup, &wanted.allow_rollup);
    list.compare("no_ack", &found.no_ack, &wanted.no_ack);
    list.compare("sealed", &found.sealed, &wanted.sealed);
    list.compare("mirror", &found.mirror.is_some(), &wanted.mirror.is_some());
    if wanted.name == REPLAYS {
        list.compare("duplicate_window", &found.duplicate_window, &wanted.duplicate_window);
    }
    list.with_remedy(&wanted.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operators_limits_are_no_difference_but_what_loses_letters_is() {
        for wanted in [dead_letters(), replays()] {
            let limited = Config { max_bytes: 1, max_age: DAY, num_replicas: 3, ..wanted.clone() };
            assert!(differences(&limited, &wanted).is_empty());
            let losing = Config { discard: DiscardPolicy::Old, ..wanted.clone() };
            let list = differences(&losing, &wanted);
            assert_eq!(list[0], "discard is Old, needed is New");
            assert_eq!(list.len(), 2, "{list:?}");
        }
        let forgetful = Config { duplicate_window: Duration::from_secs(120), ..replays() };
        assert_eq!(
            differences(&forgetful, &replays())[0],
            "duplicate_window is 120s, needed is 86400s"
        );
    }
}
