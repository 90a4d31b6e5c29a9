//! Makes sure that a stream or bucket is as it must be: finds or creates it, checks it, changes it.

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{GetStreamErrorKind, UpdateStreamErrorKind};
use async_nats::jetstream::stream::{Config, Info, Stream};
use tracing::{debug, info, warn};

use super::resource::{Resource, noted_memories};
use crate::config::Provision;
use crate::connection::{Allowance, Connection, in_words, server_answer};
use crate::names::STREAM;
use crate::{Error, Result};

/// The remedy where this program creates and changes nothing.
pub(crate) const PROVISION: &str =
    "this program may not change that (RAPIDS_PROVISIONED): run `rapids provision` as an operator";

/// How many streams and buckets the bus has, beside the memory of each service that has one.
const RESOURCES: usize = 9;

/// Creates a stream or bucket, or checks the one that exists and changes what may be changed. A user
/// who may not create streams can use one that exists.
///
/// # Errors
/// `Stream`, with each difference, if the one that exists cannot be worked with or changed, or
/// another stream holds its subjects; `Limit` if the account or the server has no place for it;
/// `NotPermitted`, `Server`.
pub(crate) async fn ensure(connection: &Connection, resource: &Resource) -> Result<(Stream, Info)> {
    let name = resource.name();
    let mut found = existing(connection, name).await?;
    if found.is_none() && connection.provision().is_provisioned {
        let differences = vec!["it is missing".to_owned(), PROVISION.to_owned()];
        return Err(Error::Stream { stream: name.to_owned(), differences });
    }
    if found.is_none() {
        found = create(connection, resource).await?;
    }
    if found.is_none() {
        found = existing(connection, name).await?;
    }
    let stream = found.ok_or_else(|| Error::Server {
        action: format!("create {}", resource.title()),
        source: "it is deleted as fast as it is created".into(),
    })?;
    let info = Box::pin(adjust(connection, resource, stream.cached_info().clone())).await?;
    Ok((stream, info))
}

/// Checks one that exists, and changes what may be changed.
///
/// # Errors
/// `Stream`, with each difference, if it cannot be worked with or changed; `Server`.
pub(crate) async fn adjust(
    connection: &Connection,
    resource: &Resource,
    found: Info,
) -> Result<Info> {
    let name = resource.name();
    let provision = connection.provision();
    // One that the bus cannot work with anyway is left as it is.
    let is_unfit = !resource.differences(&resource.improved(&found.config), provision).is_empty();
    let (info, refused) =
        if is_unfit { (found, None) } else { follow(connection, resource, found).await? };
    let mut differences = resource.differences(&info.config, provision);
    if !differences.is_empty() {
        differences.extend(refused.map(|reason| format!("it could not be changed: {reason}")));
        return Err(Error::Stream { stream: name.to_owned(), differences });
    }
    for shortfall in resource.shortfalls(&info.config, provision) {
        if connection.is_news(&shortfall) {
            warn!("{shortfall}");
        }
    }
    Ok(info)
}

/// Changes what may be changed on one that exists, whatever its other settings are. Returns the reason
/// if the server or its permissions do not allow the change.
///
/// # Errors
/// `Stream` if something is to be changed and this program changes nothing; `Server`.
pub(crate) async fn follow(
    connection: &Connection,
    resource: &Resource,
    found: Info,
) -> Result<(Info, Option<String>)> {
    let better = resource.improved(&found.config);
    if better == found.config {
        return Ok((found, None));
    }
    if connection.provision().is_provisioned {
        let to_change = changes(&found.config, &better).into_iter();
        let differences = to_change
            .map(|(setting, before, after)| format!("{setting} is {before}, needed is {after}"));
        let differences = differences.chain([PROVISION.to_owned()]).collect();
        return Err(Error::Stream { stream: resource.name().to_owned(), differences });
    }
    match update(connection, better).await? {
        Ok(changed) => {
            let title = resource.title();
            for (setting, before, after) in changes(&found.config, &changed.config) {
                info!("{title} is changed: {setting} was {before} and is {after}");
            }
            Ok((changed, None))
        }
        Err(reason) => Ok((found, Some(reason))),
    }
}

/// The stream of this name; `None` if there is none.
pub(crate) async fn existing(connection: &Connection, name: &str) -> Result<Option<Stream>> {
    let subject = connection.api(&format!("STREAM.INFO.{name}"));
    let reading = Box::pin(async {
        match connection.jetstream.get_stream(name).await {
            Ok(stream) => Ok(Some(stream)),
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
    connection.attempt(&format!("read the stream `{name}`"), &subject, reading).await
}

/// What the server knows of the stream of this name; `None` if there is none.
pub(crate) async fn info_of(connection: &Connection, name: &str) -> Result<Option<Info>> {
    Ok(Box::pin(existing(connection, name)).await?.map(|stream| stream.cached_info().clone()))
}

/// Creates it; `None` if another instance was faster, with other settings.
async fn create(connection: &Connection, resource: &Resource) -> Result<Option<Stream>> {
    let mut wanted = resource.created(connection.provision(), connection.allowance());
    if connection.is_clustered() && resource.name() != STREAM {
        as_the_rapids(connection, &mut wanted).await?;
    }
    let subject = connection.api(&format!("STREAM.CREATE.{}", wanted.name));
    let action = format!("create {}", resource.title());
    let creating = Box::pin(async {
        match connection.jetstream.create_stream(&wanted).await {
            Ok(stream) => Ok(Ok(stream)),
            Err(error) => server_answer(&error).map(Err).ok_or(error),
        }
    });
    let answer = match connection.attempt(&action, &subject, creating).await? {
        Ok(stream) => {
            log_created(connection, resource, &wanted);
            return Ok(Some(stream));
        }
        Err(answer) => answer,
    };
    let code = answer.error_code();
    if code == ErrorCode::STREAM_NAME_EXIST {
        return Ok(None);
    }
    if code == ErrorCode::STREAM_SUBJECT_OVERLAP {
        let differences = overlap(connection, &wanted).await;
        return Err(Error::Stream { stream: wanted.name, differences });
    }
    Err(match obstacle(connection, resource, &wanted, code) {
        Some(reason) => Error::Limit { action, reason: format!("{reason} ({answer})") },
        None => Error::Server { action, source: answer.into() },
    })
}

/// Keeps what is created where the rapids are kept, as far as nothing else is stated.
async fn as_the_rapids(connection: &Connection, wanted: &mut Config) -> Result<()> {
    let Provision { replicas, placement_tags, .. } = connection.provision();
    if let Some(rapids) = info_of(connection, STREAM).await? {
        if replicas.is_none() {
            wanted.num_replicas = rapids.config.num_replicas;
        }
        if placement_tags.is_none() {
            wanted.placement = rapids.config.placement;
        }
    }
    Ok(())
}

/// Logs what was created, and its size if that was not stated and the account demands one.
fn log_created(connection: &Connection, resource: &Resource, created: &Config) {
    let title = resource.title();
    debug!(
        max_age_seconds = created.max_age.as_secs(),
        max_bytes = created.max_bytes,
        replicas = created.num_replicas,
        "created {title}"
    );
    let free = resource.created(connection.provision(), &Allowance::default());
    if created.max_bytes != free.max_bytes {
        info!(
            "{title} keeps {} bytes, as the account has a limit; {} sets it for what is created",
            created.max_bytes,
            resource.kind.variable()
        );
    }
}

/// Says that another stream holds the subjects, and which one.
async fn overlap(connection: &Connection, wanted: &Config) -> Vec<String> {
    let subject = wanted.subjects.concat();
    let asking = Box::pin(connection.jetstream.stream_by_subject(&subject));
    let api = connection.api("STREAM.NAMES");
    let holder = connection.attempt("find the stream", &api, asking).await;
    match holder {
        Ok(holder) => vec![
            format!("the stream `{holder}` holds its subject `{subject}`"),
            format!(
                "take that away with `nats stream edit {holder} --subjects=...`, delete that stream, \
                 or use another account or server"
            ),
        ],
        Err(_) => vec![
            format!("another stream holds its subject `{subject}`"),
            "find it with `nats stream ls`, take that subject away from it, or use another account \
             or server"
                .to_owned(),
        ],
    }
}

/// Why this cannot be created, with the remedy; `None` for a reason that may pass by itself.
fn obstacle(
    connection: &Connection,
    resource: &Resource,
    wanted: &Config,
    code: ErrorCode,
) -> Option<String> {
    let allowance = connection.allowance();
    let variable = resource.kind.variable();
    Some(match code {
        ErrorCode::MAXIMUM_STREAMS_LIMIT => format!(
            "the account allows {} (`max_streams`), and all are there; the bus needs up to \
             {RESOURCES} for streams and buckets, and one more for each service with a memory: raise \
             the limit",
            in_words(allowance.streams, "streams")
        ),
        ErrorCode::STREAM_MAX_BYTES_REQUIRED => {
            format!("the account demands a limit of size: set {variable}")
        }
        ErrorCode::STORAGE_RESOURCES_EXCEEDED
        | ErrorCode::MEMORY_RESOURCES_EXCEEDED
        | ErrorCode::INSUFFICIENT_RESOURCES
        | ErrorCode::ACCOUNT_RESOURCES_EXCEEDED
        | ErrorCode::STREAM_MAX_STREAM_BYTES_EXCEEDED => {
            let bytes = u64::try_from(wanted.max_bytes).unwrap_or_default();
            let limit = match (allowance.stream_bytes, allowance.storage) {
                (Some(limit), _) if bytes > limit => format!(
                    "the account allows {limit} bytes for one stream (`disk_max_stream_bytes`)"
                ),
                (_, Some((limit, left))) => {
                    format!("the account has {limit} bytes (`max_store`), of which {left} are left")
                }
                _ => "the server has no room for that (`max_file_store`)".to_owned(),
            };
            format!(
                "{bytes} bytes are to be reserved for it ({variable}), and {limit}: set {variable} to \
                 less, or raise the limit"
            )
        }
        ErrorCode::STREAM_REPLICAS_NOT_SUPPORTED => format!(
            "it is to have {} replicas (RAPIDS_REPLICAS), and the server is in no cluster: set \
             RAPIDS_REPLICAS to 1, or use a cluster",
            wanted.num_replicas
        ),
        ErrorCode::CLUSTER_NO_PEERS => format!(
            "the cluster has no {} servers (RAPIDS_REPLICAS) with room for {} bytes ({variable}): set \
             these to less, or add servers",
            wanted.num_replicas,
            wanted.max_bytes.max(0)
        ),
        ErrorCode::NO_LIMITS => format!(
            "the account has no limits for {} replicas (RAPIDS_REPLICAS): set RAPIDS_REPLICAS to a \
             number that `nats account info` shows",
            wanted.num_replicas
        ),
        ErrorCode::STREAM_INVALID_CONFIG => {
            "the server does not take its settings: change what it names there".to_owned()
        }
        _ => return None,
    })
}

/// Changes a stream. Returns the reason if the server or its permissions do not allow it.
pub(crate) async fn update(
    connection: &Connection,
    config: Config,
) -> Result<Result<Info, String>> {
    let subject = connection.api(&format!("STREAM.UPDATE.{}", config.name));
    let updating = Box::pin(async {
        match connection.jetstream.update_stream(&config).await {
            Ok(info) => Ok(Ok(info)),
            Err(error) => match error.kind() {
                // A server that is busy or has no leader may do it later.
                UpdateStreamErrorKind::JetStream(answer)
                    if answer.code() < 500
                        || answer.error_code() == ErrorCode::STREAM_REPLICAS_NOT_SUPPORTED =>
                {
                    Ok(Err(answer.to_string()))
                }
                // Nobody listens there where an account was granted less.
                UpdateStreamErrorKind::JetStreamUnavailable => {
                    Ok(Err(format!("nobody answers at `{subject}`; grant it to this account")))
                }
                _ => Err(error),
            },
        }
    });
    let action = format!("update the stream `{}`", config.name);
    match connection.attempt(&action, &subject, updating).await {
        Err(error @ Error::NotPermitted { .. }) => Ok(Err(error.to_string())),
        updated => updated,
    }
}

/// The settings that are changed, each with its values before and after that.
pub(crate) fn changes(before: &Config, after: &Config) -> Vec<(&'static str, String, String)> {
    let mut list = Vec::new();
    let mut compare = |setting, before: String, after: String| {
        if before != after {
            list.push((setting, before, after));
        }
    };
    let seconds = |age: std::time::Duration| match age.as_secs() {
        0 => "without end".to_owned(),
        seconds => format!("{seconds} s"),
    };
    let subjects = |config: &Config| config.subjects.join(", ");
    compare("subjects", subjects(before), subjects(after));
    compare("max_age", seconds(before.max_age), seconds(after.max_age));
    compare("duplicate_window", seconds(before.duplicate_window), seconds(after.duplicate_window));
    let size = |config: &Config| config.max_message_size.to_string();
    compare("max_msg_size", size(before), size(after));
    let atomic = |config: &Config| config.allow_atomic_publish.to_string();
    compare("allow_atomic", atomic(before), atomic(after));
    let ages = |config: &Config| config.allow_message_ttl.to_string();
    compare("allow_msg_ttl", ages(before), ages(after));
    let rollup = |config: &Config| config.allow_rollup.to_string();
    compare("allow_rollup_hdrs", rollup(before), rollup(after));
    let memories = |config: &Config| Vec::from_iter(noted_memories(config)).join(", ");
    compare("the list of its memories", memories(before), memories(after));
    list
}
