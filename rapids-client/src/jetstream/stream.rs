//! The stream `RAPIDS`: its facts, and warnings about its settings.

use std::time::Duration;

use async_nats::jetstream::stream::{Config as StreamConfig, Info};
use jiff::Timestamp;
use tokio::time::{Instant, sleep};
use tracing::{debug, error, warn};

use crate::connection::{CUT_OFF, Connection};
use crate::error::with_causes;
use crate::jetstream::created::Identity;
use crate::jetstream::ensure;
use crate::jetstream::form::Form;
use crate::jetstream::resource::{Resource, largest_message};
use crate::jetstream::timers::TimerPlace;
use crate::jetstream::timestamp;
use crate::names::STREAM;
use crate::{Error, Result};

/// From this share of the size limit on, in percent, the service warns.
const NEARLY_FULL: u128 = 80;

/// The time between two looks at a stream whose end is not believed yet.
const LOOK: Duration = Duration::from_millis(500);

/// The facts of the stream that readers and publishers need.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StreamFacts {
    /// When it was created. Its packets and positions go by that, also once it was restored from a backup.
    pub(crate) created: Timestamp,
    /// When the server made it, as in [`Identity`].
    pub(crate) made: Timestamp,
    pub(crate) form: Form,
    /// How long it keeps packets; zero is for ever.
    pub(crate) max_age: Duration,
    pub(crate) max_message_size: usize,
    pub(crate) first_sequence: u64,
    pub(crate) last_sequence: u64,
    /// How far a mirror is behind the rapids, as it knows; 0 for these.
    pub(crate) lag: u64,
    /// How many packets it holds.
    pub(crate) packets: u64,
    /// Whether it takes atomic batches.
    pub(crate) is_atomic: bool,
    /// Whether the server sends a copy of what it has stored.
    pub(crate) has_live: bool,
}

impl From<&Info> for StreamFacts {
    fn from(info: &Info) -> Self {
        let form = Form::of(&info.config);
        let Identity { created, made } = Identity::of(info);
        Self {
            created,
            made,
            form,
            max_age: info.config.max_age,
            max_message_size: usize::try_from(info.config.max_message_size)
                .ok()
                .filter(|bytes| *bytes > 0)
                .unwrap_or(usize::MAX),
            first_sequence: info.state.first_sequence,
            last_sequence: info.state.last_sequence,
            lag: info.mirror.as_ref().map_or(0, |mirror| mirror.lag),
            packets: info.state.messages,
            is_atomic: info.config.allow_atomic_publish,
            has_live: info.config.republish.as_ref() == Some(&form.republish(&info.config.name)),
        }
    }
}

impl StreamFacts {
    /// What tells it from others of its name.
    pub(crate) fn identity(&self) -> Identity {
        Identity { created: self.created, made: self.made }
    }
}

/// What the stream of all packets holds at a moment, and how much it may.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamContents {
    /// How many packets.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How many bytes it may hold; `None` for no limit.
    pub max_bytes: Option<u64>,
    /// The sequence of the last packet that was stored; 0 if there was none.
    pub last_sequence: u64,
    /// When the oldest of them was stored; `None` if it is empty.
    pub oldest: Option<Timestamp>,
    /// For how long it recognises the id of a packet that it has stored, and stores no second one.
    pub duplicate_window: Duration,
}

impl From<&Info> for StreamContents {
    fn from(info: &Info) -> Self {
        let state = &info.state;
        Self {
            packets: state.messages,
            bytes: state.bytes,
            max_bytes: u64::try_from(info.config.max_bytes).ok().filter(|bytes| *bytes > 0),
            last_sequence: state.last_sequence,
            oldest: (state.messages > 0).then(|| timestamp(state.first_timestamp)),
            duplicate_window: info.config.duplicate_window,
        }
    }
}

/// Creates the stream in this form, or checks the one that exists, in either. With new rapids the stream of
/// timers is created, too; to others it is added when the first timer is set, since older programs refuse rapids
/// with a source.
pub(crate) async fn ensure(connection: &Connection, new: Form) -> Result<StreamFacts> {
    let info = match info(connection).await? {
        Some(found) => {
            let resource = resource(connection, Form::of(&found.config));
            lower_timers(connection, &resource, &found.config).await?;
            ensure::adjust(connection, &resource, found).await?
        }
        None => {
            // First, since the server looks for a source that is missing only now and then. What is in the
            // way is told to who sets a timer.
            let resource = resource(connection, new);
            let later = Resource::later(&TimerPlace::shared(new), resource.largest_message());
            if let Err(error) = Box::pin(ensure::ensure(connection, &later)).await {
                debug!("no timers can be set: {}", with_causes(&error));
            }
            ensure::ensure(connection, &resource).await?.1
        }
    };
    for shortcoming in shortcomings(&info, connection) {
        if connection.is_news(&shortcoming) {
            warn!("{shortcoming}");
        }
    }
    Ok(StreamFacts::from(&info))
}

/// Lowers the largest message of the streams of timers if that of the rapids is about to be: the server
/// refuses rapids that take less than a stream that they take from.
async fn lower_timers(
    connection: &Connection,
    rapids: &Resource,
    found: &StreamConfig,
) -> Result<()> {
    let largest = rapids.improved(found).max_message_size;
    let is_lowered = found.max_message_size <= 0 || largest < found.max_message_size;
    let places = TimerPlace::all(found).into_iter();
    for place in places.filter(|place| is_lowered && place.is_source_of(found)) {
        if let Some(timers) = ensure::info_of(connection, &place.stream).await? {
            Box::pin(ensure::follow(connection, &Resource::later(&place, largest), timers)).await?;
        }
    }
    Ok(())
}

/// Makes sure that timers of an owner can be set, and that the rapids take what they bring; returns what the
/// server knows of their stream.
///
/// # Errors
/// `Stream` if one of the two streams is not as it must be; `Limit`, `NotPermitted`, `Server`.
pub(crate) async fn ensure_later(connection: &Connection, owner: &str) -> Result<Info> {
    let found = info(connection).await?.ok_or_else(|| deleted(STREAM))?;
    let form = Form::of(&found.config);
    let place = TimerPlace::of(form, owner);
    let improved = resource(connection, form).improved(&found.config);
    let later = Resource::later(&place, improved.max_message_size);
    let (_, timers) = Box::pin(ensure::ensure(connection, &later)).await?;
    if place.is_source_of(&found.config) {
        return Ok(timers);
    }
    let mut sources = found.config.sources.unwrap_or_default();
    let refused = if sources.iter().all(|source| TimerPlace::of_source(form, source).is_some()) {
        sources.push(place.source());
        let config = StreamConfig { sources: Some(sources), ..improved };
        match Box::pin(ensure::update(connection, config)).await? {
            Ok(_) => return Ok(timers),
            Err(reason) => reason,
        }
    } else {
        "it has other sources".to_owned()
    };
    let TimerPlace { stream, due, stored, .. } = place;
    let needed = format!(
        "it does not take what timers bring: it needs the source `{stream}`, with its subject `{due}` as \
         `{stored}`, and no sources but streams of timers"
    );
    Err(Error::Stream {
        stream: STREAM.to_owned(),
        differences: vec![needed, format!("it could not be changed: {refused}")],
    })
}

/// Adapts the stream, and what a service has that must last as long as packets, to settings that an operator
/// changed while it runs. Logs what cannot be changed.
pub(crate) async fn keep_up(
    connection: &Connection,
    (service, has_once): (&str, bool),
    found: Info,
) {
    let form = Form::of(&found.config);
    let rapids = resource(connection, form);
    let max_age = found.config.max_age;
    let largest = rapids.improved(&found.config).max_message_size;
    if let Err(error) = lower_timers(connection, &rapids, &found.config).await {
        connection.warn("the stream of timers is not adapted", &error);
    }
    let place = TimerPlace::of(form, service);
    // Who sets no timers has none, and may not look for it.
    let later = place.is_source_of(&found.config).then(|| Resource::later(&place, largest));
    let mut kept = vec![(rapids, Some(found))];
    let once = has_once.then(|| Resource::once(max_age));
    for resource in [Resource::handling(max_age)].into_iter().chain(later).chain(once) {
        let found = ensure::info_of(connection, resource.name()).await.ok().flatten();
        kept.push((resource, found));
    }
    for (resource, found) in kept {
        let Some(found) = found else {
            continue;
        };
        let refused = match Box::pin(ensure::follow(connection, &resource, found)).await {
            Ok((_, None)) => continue,
            Ok((_, Some(reason))) => reason,
            // The next call tries again.
            Err(error) if error.is_passing() => continue,
            Err(error) => with_causes(&error),
        };
        let name = resource.name();
        let notice = format!(
            "packets may be handled or stored twice, or find no room as dead letters: the stream \
             {name} does not follow what was changed; start the service again to learn what to \
             change by hand: {refused}"
        );
        if connection.is_news(&notice) {
            error!("{notice}");
        }
    }
}

fn resource(connection: &Connection, form: Form) -> Resource {
    Resource::rapids(form, connection.provision(), connection.max_payload())
}

/// The server's facts of the stream; `None` if there is none.
pub(crate) async fn info(connection: &Connection) -> Result<Option<Info>> {
    let (known, since) = (connection.known_end(), Instant::now());
    loop {
        let info = ensure::info_of(connection, STREAM).await?;
        let Some(found) = &info else { return Ok(None) };
        let (created, last) = (timestamp(found.created), found.state.last_sequence);
        if known.takes(created, last) {
            return Ok(info);
        }
        if !connection.is_clustered() || since.elapsed() >= CUT_OFF {
            known.believe(created, last);
            return Ok(info);
        }
        sleep(LOOK).await;
    }
}

/// The form of the stream; where there is none, the one that it is created in unless something else is said.
///
/// # Errors
/// `NotPermitted`, `Server`.
pub(crate) async fn form(connection: &Connection) -> Result<Form> {
    Ok(info(connection).await?.map(|info| Form::of(&info.config)).unwrap_or_default())
}

/// How the stream is now, which has to be there.
///
/// # Errors
/// `Stream` if it was deleted; `NotPermitted`, `Server`.
pub(crate) async fn present(connection: &Connection) -> Result<Info> {
    info(connection).await?.ok_or_else(|| deleted(STREAM))
}

/// As [`present`], what services need of it.
///
/// # Errors
/// As for [`present`].
pub(crate) async fn facts(connection: &Connection) -> Result<StreamFacts> {
    Ok(StreamFacts::from(&present(connection).await?))
}

pub(super) fn deleted(stream: &str) -> Error {
    Error::Stream { stream: stream.to_owned(), differences: vec!["it was deleted".to_owned()] }
}

/// The settings that the bus can work with, but that cost safety or room, each with the remedy.
fn shortcomings(info: &Info, connection: &Connection) -> Vec<String> {
    let mut list = Vec::new();
    if !info.config.allow_atomic_publish {
        list.push(format!(
            "the stream {STREAM} takes no batches: the outputs of one reaction may be stored in \
             part; allow them with a server from 2.12 on: nats stream edit {STREAM} --allow-batch"
        ));
    }
    let possible = largest_message(connection.max_payload());
    let takes = usize::try_from(info.config.max_message_size).ok().filter(|takes| *takes > 0);
    if takes.is_some_and(|takes| takes < possible) {
        list.push(format!(
            "packets may have {} bytes, though the server would take {possible}; to follow it: nats \
             stream edit {STREAM} --max-msg-size={possible}",
            info.config.max_message_size
        ));
    } else if takes != Some(possible) {
        list.push(format!(
            "packets of more than {possible} bytes fit into no dead letter: nats stream edit \
             {STREAM} --max-msg-size={possible}"
        ));
    }
    if info.config.num_replicas < 2 && connection.is_clustered() {
        list.push(
            "the rapids are kept on one server of the cluster, and stand still while it is away: \
             `rapids replicas 3` changes that, also of all streams and buckets beside them"
                .to_owned(),
        );
    }
    list
}

/// Warns when the stream comes near its size limit; a full stream refuses every publisher.
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

/// How full a stream is in percent, if it is nearly full.
fn nearly_full(bytes: u64, limit: i64) -> Option<u128> {
    let limit = u128::try_from(limit).ok().filter(|limit| *limit > 0)?;
    Some(u128::from(bytes) * 100 / limit).filter(|percent| *percent >= NEARLY_FULL)
}

/// Lets the server send a copy of each packet that it has stored, if an earlier version created the
/// stream without that. `false` if this user may not, or the copies go elsewhere.
pub(crate) async fn allow_live(connection: &Connection, name: &str) -> Result<bool> {
    let subject = connection.api(&format!("STREAM.UPDATE.{name}"));
    let found = ensure::info_of(connection, name).await?.map(|info| info.config);
    let form = found.as_ref().map(Form::of).unwrap_or_default();
    let wanted = form.republish(name);
    let reason = match found {
        Some(found) if found.republish.is_none() => {
            let config = StreamConfig { republish: Some(wanted.clone()), ..found };
            let updating = connection.jetstream.update_stream(config);
            let action = format!("update the stream `{name}`");
            match connection.attempt(&action, &subject, updating).await {
                Ok(_) => return Ok(true),
                Err(error @ Error::NotPermitted { .. }) => error.to_string(),
                Err(error) => return Err(error),
            }
        }
        Some(StreamConfig { republish: Some(found), .. }) if found != wanted => {
            format!("the stream sends its copies to `{}`", found.destination)
        }
        _ => return Ok(true),
    };
    warn!(
        "there is no live feed, so packets are read from the stream, which costs the server more: \
         {reason}; set it with: nats stream edit {name} --republish-source '{}' \
         --republish-destination {}",
        wanted.source, wanted.destination
    );
    Ok(false)
}

#[cfg(test)]
mod tests {
    use rapids_test::NatsServer;

    use super::*;
    use crate::Config;
    use crate::jetstream::bucket::Bucket;
    use crate::rapids::Rapids;

    #[tokio::test]
    async fn settings_that_are_changed_while_a_service_runs_are_kept_up_with() {
        const DAY: Duration = Duration::from_secs(86_400);
        let server = NatsServer::start().unwrap();
        let config = Config::new(server.url());
        // That is stated counts when a service starts.
        let config = config.max_age(2 * DAY);
        Rapids::connect(&config).await.unwrap();
        let connection = Connection::open(&config, "test").await.unwrap();
        let buckets = [Resource::once(2 * DAY), Resource::handling(2 * DAY)];
        for bucket in &buckets {
            Bucket::open(&connection, bucket).await.unwrap();
        }
        let mut changed = info(&connection).await.unwrap().unwrap().config;
        (changed.max_age, changed.duplicate_window) = (30 * DAY, Duration::from_secs(5));
        let found = connection.jetstream.update_stream(changed).await.unwrap();
        keep_up(&connection, ("order", true), found).await;
        let rapids = info(&connection).await.unwrap().unwrap().config;
        assert_eq!(rapids.duplicate_window, Duration::from_secs(600));
        for bucket in &buckets {
            let bucket = ensure::info_of(&connection, bucket.name()).await.unwrap().unwrap();
            assert_eq!(bucket.config.max_age, 30 * DAY, "{}", bucket.config.name);
        }
    }

    async fn with_rapids(url: String) -> Connection {
        let config = Config::new(url);
        let connection = loop {
            match Connection::open(&config, "test").await {
                Ok(connection) => break connection,
                // The cluster has no leader yet.
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        };
        ensure::ensure(&connection, &resource(&connection, Form::Simple)).await.unwrap();
        connection
    }

    #[tokio::test]
    async fn in_a_cluster_an_end_that_is_before_a_known_one_is_not_believed_at_once() {
        let servers = NatsServer::cluster(3, "").unwrap();
        let connection = with_rapids(servers[0].url()).await;
        // As where the server that answers was cut off from those who store.
        connection.known_end().reaches(1);
        let mut asking = Box::pin(info(&connection));
        assert!(tokio::time::timeout(LOOK * 3, &mut asking).await.is_err());
        connection.client.publish("rapids", r#"{"event":"x"}"#.into()).await.unwrap();
        assert_eq!(asking.await.unwrap().unwrap().state.last_sequence, 1);
    }

    #[tokio::test]
    async fn one_replica_is_told_of_in_a_cluster_alone() {
        let told = async |url: String| {
            let connection = with_rapids(url).await;
            let info = info(&connection).await.unwrap().unwrap();
            shortcomings(&info, &connection).concat()
        };
        let server = NatsServer::start().unwrap();
        assert_eq!(told(server.url()).await, "");
        let servers = NatsServer::cluster(3, "").unwrap();
        let words = told(servers[0].url()).await;
        assert!(words.contains("rapids replicas 3"), "{words}");
    }

    #[test]
    fn a_stream_is_nearly_full_from_eighty_percent_on() {
        assert_eq!(nearly_full(799, 1_000), None);
        assert_eq!(nearly_full(800, 1_000), Some(80));
        assert_eq!(nearly_full(u64::MAX, i64::MAX), Some(200));
        assert_eq!(nearly_full(u64::MAX, -1), None);
    }
}
