//! Every stream and bucket of the bus, and its settings when it is created.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use async_nats::jetstream::stream::{
    Config, DiscardPolicy, External, Placement, RetentionPolicy, Source, StorageType,
};

use crate::config::Provision;
use crate::connection::{Allowance, api_prefix};
use crate::jetstream::form::Form;
use crate::jetstream::read_from::of_rapids;
use crate::jetstream::stream::StreamFacts;
use crate::jetstream::timers::TimerPlace;
use crate::names::{
    DEAD_LETTER_SUBJECTS, DEAD_LETTERS, HANDLING, LETTERS_BUCKET, MEMORIES, ONCE, OPERATIONS,
    POSITIONS, REPLAY_SUBJECTS, REPLAYS, SERVICES, STREAM, memory_bucket,
};

const DAY: Duration = Duration::from_secs(86_400);

/// How long the server recognises the id of a packet that it has seen.
pub(crate) const DUPLICATE_WINDOW: Duration = Duration::from_secs(600);

/// How long the server recognises a replay that is sent again.
pub(crate) const REPLAY_WINDOW: Duration = DAY;

/// How long the log of operations keeps an entry.
pub(crate) const LOG_AGE: Duration = Duration::from_secs(365 * 86_400);

/// How long the server keeps letters and replays, unless an operator has changed that.
pub(crate) const LETTERS_AGE: Duration = Duration::from_secs(90 * 86_400);

/// For how much longer than a letter the action on it is kept, so that no letter waits again.
const BEYOND_LETTERS: Duration = Duration::from_secs(30 * 86_400);

/// Left free below the server's largest payload, so that every packet also fits as a dead letter
/// with its headers.
const DEAD_LETTER_HEADROOM: usize = 64 * 1024;

/// How much smaller what a timer brings must be than the largest packet: the scheduler adds headers, and
/// one that the rapids cannot take would hold up all behind it.
pub(crate) const TIMER_HEADROOM: usize = 4 * 1024;

/// The key in the metadata of a stream under which the bus notes the largest message that it has
/// set. If the stream has another one, the operator has chosen it.
pub(crate) const OWN_LIMIT: &str = "rapids.max_msg_size";

/// The largest message that earlier versions set without a note, on a server with default settings.
pub(crate) const FORMER_LIMIT: i32 = 983_040;

/// For how long what is said and done about letters is kept, where those are kept for this long. Zero is for
/// ever, `None` the age with which the bus creates their stream.
pub(crate) fn beyond_letters(letters_age: Option<Duration>) -> Duration {
    match letters_age.unwrap_or(LETTERS_AGE) {
        Duration::ZERO => Duration::ZERO,
        age => age.saturating_add(BEYOND_LETTERS),
    }
}

/// The bytes of the largest packet, on a server that takes messages of `max_payload` bytes.
pub(crate) fn largest_message(max_payload: usize) -> usize {
    max_payload.saturating_sub(DEAD_LETTER_HEADROOM).max(1)
}

/// One stream or bucket.
#[derive(Debug, Clone)]
pub(crate) struct Resource {
    pub(super) kind: Kind,
    /// Its settings, without those that depend on the account and on the configuration.
    pub(super) config: Config,
    /// Whether its content must last at least as long as `config.max_age`.
    pub(super) must_last: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Rapids,
    Mirror,
    Later,
    DeadLetters,
    Replays,
    Bucket,
}

impl Kind {
    /// The variable that states its size.
    pub(super) fn variable(self) -> &'static str {
        match self {
            Self::Rapids | Self::Mirror => "RAPIDS_MAX_BYTES",
            Self::DeadLetters => "RAPIDS_DEAD_LETTERS_MAX_BYTES",
            Self::Later => "RAPIDS_LATER_MAX_BYTES",
            Self::Replays => "RAPIDS_REPLAYS_MAX_BYTES",
            Self::Bucket => "RAPIDS_BUCKET_MAX_BYTES",
        }
    }

    pub(super) fn stated(self, provision: &Provision) -> Option<u64> {
        match self {
            Self::Rapids | Self::Mirror => provision.max_bytes,
            Self::DeadLetters => provision.dead_letters_max_bytes,
            Self::Later => provision.later_max_bytes,
            Self::Replays => provision.replays_max_bytes,
            Self::Bucket => provision.bucket_max_bytes,
        }
    }

    /// Its size where none is stated and a limit is needed: bytes, and `n` if it may take `1 / n` of
    /// the account's free bytes.
    fn usual(self, provision: &Provision) -> (u64, u64) {
        match self {
            Self::Rapids | Self::Mirror => (provision.max_bytes_or_default(), 2),
            Self::DeadLetters => (256 << 20, 16),
            Self::Later | Self::Replays | Self::Bucket => (64 << 20, 16),
        }
    }
}

impl Resource {
    /// The rapids, on a server that takes messages of so many bytes.
    pub(crate) fn rapids(form: Form, provision: &Provision, max_payload: usize) -> Self {
        let largest = i32::try_from(largest_message(max_payload)).unwrap_or(i32::MAX);
        let max_age = provision.max_age_or_default();
        let config = Config {
            max_age,
            max_messages: -1,
            max_messages_per_subject: -1,
            max_message_size: largest,
            duplicate_window: within(DUPLICATE_WINDOW, max_age),
            deny_delete: true,
            deny_purge: true,
            allow_atomic_publish: true,
            republish: Some(form.republish(STREAM)),
            sources: Some(vec![TimerPlace::shared(form).source()]),
            metadata: own_limit(largest),
            ..stream(STREAM, form.subjects(), "every packet of every service")
        };
        Self { kind: Kind::Rapids, config, must_last: false }
    }

    /// A mirror of these rapids, which are in this JetStream domain if it is in another one.
    pub(crate) fn mirror(name: &str, rapids: &StreamFacts, domain: Option<String>) -> Self {
        let external = domain.map(|domain| External {
            api_prefix: api_prefix(Some(&domain)),
            delivery_prefix: None,
        });
        let config = Config {
            subjects: Vec::new(),
            // What the rapids take, a mirror must take, too; they alone refuse what is too much.
            discard: DiscardPolicy::Old,
            max_age: rapids.max_age,
            deny_delete: true,
            deny_purge: true,
            // It would answer direct gets in place of the rapids, and may be behind them. In the JetStream of the
            // rapids the server has it do so all the same.
            mirror_direct: false,
            mirror: Some(Source { name: STREAM.to_owned(), external, ..Source::default() }),
            republish: Some(rapids.form.republish(name)),
            metadata: of_rapids(rapids).into(),
            ..stream(name, "", "a mirror of the rapids, for services that read from it")
        };
        Self { kind: Kind::Mirror, config, must_last: true }
    }

    /// A stream of timers, where the rapids take messages of so many bytes.
    pub(crate) fn later(place: &TimerPlace, largest_packet: i32) -> Self {
        let headroom = i32::try_from(TIMER_HEADROOM).unwrap_or(i32::MAX);
        let largest = largest_packet.saturating_sub(headroom).max(1);
        let description = "packets that are published later, by the scheduler";
        let config = Config {
            subjects: place.subjects(),
            // The only one with which the scheduler works.
            discard: DiscardPolicy::Old,
            max_message_size: largest,
            duplicate_window: DUPLICATE_WINDOW,
            allow_rollup: true,
            allow_message_ttl: true,
            allow_message_schedules: true,
            metadata: own_limit(largest),
            ..stream(&place.stream, &place.due, description)
        };
        Self { kind: Kind::Later, config, must_last: false }
    }

    pub(crate) fn dead_letters() -> Self {
        let description = "packets that a river could not handle, and why";
        let config = Config {
            max_age: LETTERS_AGE,
            ..stream(DEAD_LETTERS, DEAD_LETTER_SUBJECTS, description)
        };
        Self { kind: Kind::DeadLetters, config, must_last: false }
    }

    pub(crate) fn replays() -> Self {
        let config = Config {
            max_age: LETTERS_AGE,
            duplicate_window: REPLAY_WINDOW,
            ..stream(REPLAYS, REPLAY_SUBJECTS, "packets that are to reach one river again")
        };
        Self { kind: Kind::Replays, config, must_last: false }
    }

    pub(crate) fn positions() -> Self {
        bucket(POSITIONS, "positions of the services in exclusive delivery", Duration::ZERO)
    }

    pub(crate) fn services() -> Self {
        bucket(SERVICES, "which stream each service reads, and how far it was", Duration::ZERO)
    }

    /// The actions on letters, where those are kept for this long, as for [`beyond_letters`].
    pub(crate) fn letters(letters_age: Option<Duration>) -> Self {
        let age = beyond_letters(letters_age);
        bucket(LETTERS_BUCKET, "what was done with each dead letter", age)
    }

    /// What operators do.
    pub(crate) fn operations() -> Self {
        let Self { kind, mut config, must_last } =
            bucket(OPERATIONS, "what operators do", Duration::ZERO);
        // Each entry of the log, and each job that has ended, goes by itself.
        config.allow_message_ttl = true;
        Self { kind, config, must_last }
    }

    /// Notes about packets, where the rapids keep packets for this long; zero is for ever.
    pub(crate) fn handling(packets_age: Duration) -> Self {
        bucket(HANDLING, "packets that services have not finished", outlasting(packets_age))
    }

    /// The ledger of reactions that run once, where the rapids keep packets for this long; zero is for
    /// ever.
    pub(crate) fn once(packets_age: Duration) -> Self {
        let description = "reactions that run once, and what came of them";
        bucket(ONCE, description, outlasting(packets_age))
    }

    /// The memories of a service, which have these names. An operator may let them end after a time.
    pub(crate) fn memory<'a>(service: &str, memories: impl IntoIterator<Item = &'a str>) -> Self {
        let description = format!("what the rivers of {service} remember");
        let Self { kind, mut config, .. } =
            bucket(&memory_bucket(service), &description, Duration::ZERO);
        // What is left of a memory that has ended goes by itself, and takes the place of what was.
        (config.allow_message_ttl, config.allow_rollup) = (true, true);
        note_memories(&mut config, memories);
        Self { kind, config, must_last: false }
    }

    /// The bytes of the largest message that it is created to take.
    pub(crate) fn largest_message(&self) -> i32 {
        self.config.max_message_size
    }

    /// The name of its stream.
    pub(crate) fn name(&self) -> &str {
        &self.config.name
    }

    /// Such as "the bucket `RAPIDS_ONCE`".
    pub(crate) fn title(&self) -> String {
        match (self.kind, self.config.name.strip_prefix("KV_")) {
            (Kind::Bucket, Some(bucket)) => format!("the bucket `{bucket}`"),
            _ => format!("the stream `{}`", self.config.name),
        }
    }

    /// The settings to create it with. Without a stated size it gets no limit, or the usual size as far
    /// as the account allows, where a limit is needed.
    pub(super) fn created(&self, provision: &Provision, allowance: &Allowance) -> Config {
        let needs_limit = self.kind == Kind::Rapids || allowance.requires_max_bytes;
        let bytes = self.kind.stated(provision).or_else(|| {
            let (bytes, share) = self.kind.usual(provision);
            needs_limit.then(|| allowance.fitted(bytes, share))
        });
        Config {
            max_bytes: bytes.map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
            num_replicas: provision.replicas.unwrap_or(1),
            placement: provision.placement_tags.clone().and_then(placed_by),
            ..self.config.clone()
        }
    }
}

/// Where a stream is kept whose servers must have these tags.
fn placed_by(tags: Vec<String>) -> Option<Placement> {
    (!tags.is_empty()).then_some(Placement { cluster: None, tags })
}

/// The names of memories that are noted in the settings of a bucket.
pub(crate) fn noted_memories(config: &Config) -> BTreeSet<&str> {
    config.metadata.get(MEMORIES).into_iter().flat_map(|names| names.split_whitespace()).collect()
}

/// Notes further names of memories.
pub(super) fn note_memories<'a>(config: &mut Config, memories: impl IntoIterator<Item = &'a str>) {
    let mut all: BTreeSet<_> = noted_memories(config).into_iter().map(str::to_owned).collect();
    let noted = all.len();
    all.extend(memories.into_iter().map(str::to_owned));
    if all.len() > noted {
        let all = all.into_iter().collect::<Vec<_>>().join(" ");
        config.metadata.insert(MEMORIES.to_owned(), all);
    }
}

/// The note of a largest message that the bus has set.
fn own_limit(largest: i32) -> HashMap<String, String> {
    [(OWN_LIMIT.to_owned(), largest.to_string())].into()
}

fn stream(name: &str, subjects: &str, description: &str) -> Config {
    Config {
        name: name.to_owned(),
        subjects: vec![subjects.to_owned()],
        description: Some(description.to_owned()),
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        discard: DiscardPolicy::New,
        allow_direct: true,
        ..Config::default()
    }
}

/// A bucket whose keys keep their last value only, for this long; zero is for ever.
fn bucket(name: &str, description: &str, max_age: Duration) -> Resource {
    let config = Config {
        max_age,
        max_messages_per_subject: 1,
        deny_delete: true,
        // A roll-up of all subjects deletes the keys of all who share the bucket.
        allow_rollup: false,
        ..stream(&format!("KV_{name}"), &format!("$KV.{name}.>"), description)
    };
    Resource { kind: Kind::Bucket, config, must_last: true }
}

/// A window that is no longer than the age of messages, since the server refuses others.
pub(crate) fn within(window: Duration, max_age: Duration) -> Duration {
    window.min(lasts(max_age))
}

/// An age in which zero is for ever, to be compared.
pub(crate) fn lasts(max_age: Duration) -> Duration {
    if max_age.is_zero() { Duration::MAX } else { max_age }
}

/// How long to keep notes about packets that are kept for this long. At least a day, since replays,
/// which are kept for longer, are redelivered too.
fn outlasting(packets_age: Duration) -> Duration {
    if packets_age.is_zero() { packets_age } else { packets_age.max(DAY) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_limited_only_where_somebody_asks_for_it() {
        let (open, free) = (Provision::default(), Allowance::default());
        let demanding = Allowance { requires_max_bytes: true, ..Allowance::default() };
        let stated = Provision { bucket_max_bytes: Some(7), replicas: Some(3), ..open.clone() };
        let once = Resource::once(DAY);
        assert_eq!(once.created(&open, &free).max_bytes, -1);
        assert_eq!(once.created(&open, &demanding).max_bytes, 64 << 20);
        assert_eq!(once.created(&stated, &demanding).max_bytes, 7);
        assert_eq!(once.created(&stated, &demanding).num_replicas, 3);
        assert_eq!(Resource::dead_letters().created(&open, &demanding).max_bytes, 256 << 20);
    }
}
