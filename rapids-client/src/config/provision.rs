//! The settings of streams, buckets and consumers that the bus creates on the server.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::variable::{Variables, parse_duration, size};
use super::{Config, DAY, clamp};
use crate::error::Result;

const DEFAULT_MAX_AGE: Duration = Duration::from_secs(30 * DAY);
const DEFAULT_MAX_BYTES: u64 = 1 << 30;

// The server counts nanoseconds in 64 bits, which end after 292 years.
const MAX_AGE: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(36_500 * DAY);
const MAX_BYTES: RangeInclusive<u64> = 1..=i64::MAX as u64;
const MAX_ACK_PENDING: RangeInclusive<u32> = 10..=1_000_000;
/// How many replicas a stream can have.
const REPLICAS: [usize; 3] = [1, 3, 5];

/// The settings as they were stated; `None` accepts the setting of what exists.
#[derive(Debug, Clone, Default)]
pub(crate) struct Provision {
    pub(crate) max_age: Option<Duration>,
    pub(crate) max_bytes: Option<u64>,
    pub(crate) dead_letters_max_bytes: Option<u64>,
    pub(crate) replays_max_bytes: Option<u64>,
    pub(crate) later_max_bytes: Option<u64>,
    pub(crate) bucket_max_bytes: Option<u64>,
    pub(crate) replicas: Option<usize>,
    /// The tags that a server must have to keep what is created.
    pub(crate) placement_tags: Option<Vec<String>>,
    pub(crate) max_ack_pending: Option<u32>,
    /// Whether everything is there, so that nothing is created or changed.
    pub(crate) is_provisioned: bool,
}

impl Provision {
    /// How long new rapids keep packets; zero is no limit.
    pub(crate) fn max_age_or_default(&self) -> Duration {
        self.max_age.unwrap_or(DEFAULT_MAX_AGE)
    }

    /// How many bytes new rapids keep.
    pub(crate) fn max_bytes_or_default(&self) -> u64 {
        self.max_bytes.unwrap_or(DEFAULT_MAX_BYTES)
    }

    pub(super) fn from_variables(variables: &Variables<'_>) -> Result<Self> {
        let bytes = |name| {
            let expected = "a size of at least one byte, such as `512MiB`, `10GB` or `1073741824`";
            let read = |text: &str| size(text).filter(|bytes| MAX_BYTES.contains(bytes));
            variables.parse(name, expected, read)
        };
        Ok(Self {
            max_age: variables.parse(
                "RAPIDS_MAX_AGE",
                "a duration from 1s to 36500d, such as `30d` or `12h`, or `0` for no limit",
                |text| parse_duration(text).filter(|age| age.is_zero() || MAX_AGE.contains(age)),
            )?,
            max_bytes: bytes("RAPIDS_MAX_BYTES")?,
            dead_letters_max_bytes: bytes("RAPIDS_DEAD_LETTERS_MAX_BYTES")?,
            replays_max_bytes: bytes("RAPIDS_REPLAYS_MAX_BYTES")?,
            later_max_bytes: bytes("RAPIDS_LATER_MAX_BYTES")?,
            bucket_max_bytes: bytes("RAPIDS_BUCKET_MAX_BYTES")?,
            replicas: variables.parse(
                "RAPIDS_REPLICAS",
                "a number of servers such as `1`, `3` or `5`",
                |text| text.parse().ok().filter(|replicas| REPLICAS.contains(replicas)),
            )?,
            placement_tags: variables.parse(
                "RAPIDS_PLACEMENT_TAGS",
                "tags of servers with commas between, such as `region:eu,disk:nvme`",
                placement_tags,
            )?,
            max_ack_pending: variables.parse(
                "RAPIDS_MAX_ACK_PENDING",
                "a whole number from 10 to 1000000, such as `50000`",
                |text| text.parse().ok().filter(|packets| MAX_ACK_PENDING.contains(packets)),
            )?,
            is_provisioned: variables.flag("RAPIDS_PROVISIONED")?.unwrap_or_default(),
        })
    }
}

/// The tags in a text such as `region:eu,disk:nvme`.
fn placement_tags(text: &str) -> Option<Vec<String>> {
    let is_tag = |tag: &str| !tag.is_empty() && !tag.contains(char::is_whitespace);
    let tags: Vec<_> = text.split(',').map(|tag| tag.trim().to_owned()).collect();
    tags.iter().all(|tag| is_tag(tag)).then_some(tags)
}

impl Config {
    /// Keeps packets for this long; zero is no limit. Default: 30 days, or what an existing
    /// stream has. Clamped to 1 second to 100 years.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        let age = if age.is_zero() { age } else { clamp(age, MAX_AGE) };
        self.provision.max_age = Some(age);
        self
    }

    /// Keeps at most this many bytes of packets; a full stream refuses publishers. Default:
    /// 1 GiB (less where the account has less), or what an existing stream has. At least 1.
    #[must_use]
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.provision.max_bytes = Some(clamp(bytes, MAX_BYTES));
        self
    }

    /// Limits the stream of dead letters to this many bytes when it is created; a letter that finds
    /// no room holds up its packet. Default: no limit, or 256 MiB where the account demands one.
    #[must_use]
    pub fn dead_letters_max_bytes(mut self, bytes: u64) -> Self {
        self.provision.dead_letters_max_bytes = Some(clamp(bytes, MAX_BYTES));
        self
    }

    /// Limits the stream of replays to this many bytes when it is created. Default: no limit, or
    /// 64 MiB where the account demands one.
    #[must_use]
    pub fn replays_max_bytes(mut self, bytes: u64) -> Self {
        self.provision.replays_max_bytes = Some(clamp(bytes, MAX_BYTES));
        self
    }

    /// Limits the stream of timers to this many bytes when it is created; from 90 % on, none is set.
    /// Default: no limit, or 64 MiB where the account demands one.
    #[must_use]
    pub fn later_max_bytes(mut self, bytes: u64) -> Self {
        self.provision.later_max_bytes = Some(clamp(bytes, MAX_BYTES));
        self
    }

    /// Limits each key-value bucket to this many bytes when it is created: each memory, and what
    /// the bus keeps for itself. Default: no limit, or 64 MiB where the account demands one.
    #[must_use]
    pub fn bucket_max_bytes(mut self, bytes: u64) -> Self {
        self.provision.bucket_max_bytes = Some(clamp(bytes, MAX_BYTES));
        self
    }

    /// Keeps every stream and bucket that is created on this many servers of a cluster: 1, 3 or 5;
    /// other numbers become the next of these. Default: as many as the rapids that are there, else 1;
    /// [`Rapids::set_replicas`](crate::Rapids::set_replicas) changes what exists.
    #[must_use]
    pub fn replicas(mut self, replicas: usize) -> Self {
        let [.., most] = REPLICAS;
        let next = REPLICAS.into_iter().find(|next| *next >= replicas).unwrap_or(most);
        self.provision.replicas = Some(next);
        self
    }

    /// Keeps every stream and bucket that is created on servers that have all these tags (`server_tags` in their
    /// configuration), such as `region:eu`. Default: those of the rapids that are there, else on any.
    #[must_use]
    pub fn placement_tags(mut self, tags: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.provision.placement_tags = Some(tags.into_iter().map(Into::into).collect());
        self
    }

    /// Lets this many packets of a service be unacknowledged over all its instances; those that
    /// failed and wait to be tried again count too. Default: 50,000, or the account's limit if that
    /// is lower. Clamped to 10 to 1,000,000.
    #[must_use]
    pub fn max_ack_pending(mut self, packets: u32) -> Self {
        self.provision.max_ack_pending = Some(clamp(packets, MAX_ACK_PENDING));
        self
    }

    /// Creates and changes no stream, bucket or consumer: an operator has done that, with `rapids provision`
    /// or [`Provisioning`](crate::Provisioning). What is missing, or is not as it must be, is an error that
    /// names it. Default: what is missing is created. Same as `RAPIDS_PROVISIONED=1`.
    #[must_use]
    pub fn provisioned(mut self) -> Self {
        self.provision.is_provisioned = true;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config> {
        Config::from_variables(&|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn what_is_not_stated_is_left_open() {
        let provision = Config::new("host").provision;
        assert_eq!((provision.max_age, provision.max_bytes), (None, None));
        assert_eq!(provision.max_age_or_default(), Duration::from_secs(30 * DAY));
        assert_eq!(provision.max_bytes_or_default(), 1 << 30);
    }

    #[test]
    fn setters_bring_values_into_range() {
        let config = Config::new("host")
            .max_age(Duration::from_millis(1))
            .max_bytes(0)
            .replicas(2)
            .max_ack_pending(0);
        assert_eq!(config.provision.max_age, Some(Duration::from_secs(1)));
        assert_eq!(config.provision.max_bytes, Some(1));
        assert_eq!(config.provision.max_ack_pending, Some(10));
        assert_eq!(config.provision.replicas, Some(3));
        assert_eq!(config.replicas(9).provision.replicas, Some(5));
    }

    #[test]
    fn each_has_a_variable() {
        let config = read(&[
            ("RAPIDS_MAX_AGE", "0"),
            ("RAPIDS_MAX_BYTES", "512MiB"),
            ("RAPIDS_DEAD_LETTERS_MAX_BYTES", "20MB"),
            ("RAPIDS_REPLAYS_MAX_BYTES", "1MiB"),
            ("RAPIDS_LATER_MAX_BYTES", "2MiB"),
            ("RAPIDS_BUCKET_MAX_BYTES", "7"),
            ("RAPIDS_REPLICAS", "3"),
            ("RAPIDS_MAX_ACK_PENDING", "1000"),
        ]);
        let provision = config.unwrap().provision;
        assert_eq!(provision.max_age, Some(Duration::ZERO));
        assert_eq!(provision.max_bytes, Some(512 << 20));
        assert_eq!(provision.dead_letters_max_bytes, Some(20_000_000));
        assert_eq!(provision.replays_max_bytes, Some(1 << 20));
        assert_eq!(provision.later_max_bytes, Some(2 << 20));
        assert_eq!(provision.bucket_max_bytes, Some(7));
        assert_eq!((provision.replicas, provision.max_ack_pending), (Some(3), Some(1_000)));
    }

    #[test]
    fn value_out_of_range_is_refused_with_the_range() {
        for (name, value) in [
            ("RAPIDS_MAX_AGE", "500ms"),
            ("RAPIDS_MAX_AGE", "100000d"),
            ("RAPIDS_MAX_BYTES", "0"),
            ("RAPIDS_BUCKET_MAX_BYTES", "16777216TiB"),
            ("RAPIDS_REPLICAS", "2"),
            ("RAPIDS_MAX_ACK_PENDING", "9"),
        ] {
            let error = read(&[(name, value)]).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{name} is `{value}`, expected a")), "{error}");
            assert!(error.contains("such as `"), "{error}");
        }
    }
}
