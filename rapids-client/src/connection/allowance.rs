//! The limits of this login's account, as the server stated them when the connection was opened.

use std::error::Error as StdError;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::account::{Account, Limits};

use super::answer::server_answer;
use crate::config::Provision;
use crate::error::Error;

/// The default of `RAPIDS_MAX_ACK_PENDING`, where the account allows as many.
const MAX_ACK_PENDING: u32 = 50_000;

/// The limits; none where this user may not ask for them. Then refusals show them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Allowance {
    /// Bytes on disk in all, and how many of them are free.
    pub(crate) storage: Option<(u64, u64)>,
    /// The most bytes of one stream.
    pub(crate) stream_bytes: Option<u64>,
    /// Whether each stream must have a limit of size.
    pub(crate) requires_max_bytes: bool,
    pub(crate) streams: Option<u64>,
    pub(crate) consumers: Option<u64>,
    pub(crate) max_ack_pending: Option<u32>,
}

impl Allowance {
    /// The limits for streams of so many replicas. An account may have different limits for each
    /// number of replicas, called tiers.
    pub(crate) fn new(account: &Account, replicas: usize) -> Self {
        let tier = account.tiers.get(&format!("R{replicas}"));
        let limits = tier.map_or(account.limits, |tier| tier.limits);
        let (used, reserved) = tier.map_or((account.storage, account.reserved_storage), |tier| {
            (tier.storage, tier.reserved_storage)
        });
        // Without tiers the bytes of each replica count.
        let copies = if tier.is_some() { 1 } else { replicas.max(1) as u64 };
        let Limits { max_storage, max_streams, max_consumers, .. } = limits;
        let storage = positive(max_storage)
            .map(|limit| (limit, limit.saturating_sub(used.max(reserved)) / copies));
        Self {
            storage,
            stream_bytes: positive(limits.storage_max_stream_bytes),
            requires_max_bytes: limits.max_bytes_required,
            streams: positive(max_streams),
            consumers: positive(max_consumers),
            max_ack_pending: positive(Some(limits.max_ack_pending))
                .and_then(|limit| u32::try_from(limit).ok()),
        }
    }

    /// How many packets may be unacknowledged: the setting, or the default as far as it is allowed.
    pub(crate) fn max_ack_pending(&self, stated: Option<u32>) -> u32 {
        let allowed = self.max_ack_pending.unwrap_or(u32::MAX);
        stated.unwrap_or_else(|| MAX_ACK_PENDING.min(allowed))
    }

    /// The error for a consumer that exceeds a limit, which does not change by itself; `None` if the
    /// server refused it for another reason, or did not answer.
    pub(super) fn exceeded(
        &self,
        action: &str,
        error: &(dyn StdError + 'static),
        provision: &Provision,
    ) -> Option<Error> {
        let answer = server_answer(error)?;
        let reason = match answer.error_code() {
            ErrorCode::MAXIMUM_CONSUMERS_LIMIT => {
                let consumers = in_words(self.consumers, "for each stream");
                format!(
                    "the account or the stream allows {consumers} (`max_consumers`), and all are \
                     there; each service needs one on RAPIDS and one on REPLAYS: raise the limit"
                )
            }
            ErrorCode::CONSUMER_MAX_PENDING_ACK_EXCESS => format!(
                "{} unacknowledged packets are asked for, and the server says: {answer}; set \
                 RAPIDS_MAX_ACK_PENDING to its limit, or raise that",
                self.max_ack_pending(provision.max_ack_pending)
            ),
            _ => return None,
        };
        Some(Error::Limit { action: action.to_owned(), reason })
    }

    /// As many of these bytes as one stream may have, which takes `1 / share` of the free bytes at most.
    pub(crate) fn fitted(&self, bytes: u64, share: u64) -> u64 {
        let left = self.storage.map_or(u64::MAX, |(_, left)| left / share);
        bytes.min(left).min(self.stream_bytes.unwrap_or(u64::MAX)).max(1)
    }
}

/// A limit in words, which also fit where the limit is not known.
pub(crate) fn in_words(limit: Option<u64>, of: &str) -> String {
    limit.map_or_else(|| format!("no more {of}"), |limit| format!("{limit} {of}"))
}

/// A limit, if there is one: the server says "no limit" in several ways.
fn positive(limit: Option<i64>) -> Option<u64> {
    limit.and_then(|limit| u64::try_from(limit).ok()).filter(|limit| *limit > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An account with tiers, as a hosting company has them.
    fn tiered() -> Account {
        let none = r#""max_memory":-1,"memory_max_stream_bytes":-1,"max_consumers":-1"#;
        let tier = |storage: u64, pending: i32| {
            format!(
                r#"{{"memory":0,"storage":10,"reserved_memory":0,"reserved_storage":100,"streams":1,
                "consumers":0,"limits":{{{none},"max_storage":{storage},"max_streams":9,
                "max_bytes_required":true,"max_ack_pending":{pending},"storage_max_stream_bytes":50}}}}"#
            )
        };
        let (one, three) = (tier(1_000, 500), tier(300, 0));
        let json = format!(
            r#"{{"memory":0,"storage":0,"reserved_memory":0,"reserved_storage":0,"streams":0,
            "consumers":0,"limits":{{{none},"max_storage":-1,"max_streams":-1,
            "max_bytes_required":false,"max_ack_pending":-1,"storage_max_stream_bytes":-1}},
            "api":{{"total":1,"errors":0}},"tiers":{{"R1":{one},"R3":{three}}}}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    #[test]
    fn the_tier_of_the_replicas_counts() {
        let one = Allowance::new(&tiered(), 1);
        assert_eq!(
            (one.storage, one.streams, one.stream_bytes),
            (Some((1_000, 900)), Some(9), Some(50))
        );
        assert!(one.requires_max_bytes);
        assert_eq!(one.max_ack_pending(None), 500);
        assert_eq!(one.max_ack_pending(Some(7)), 7);
        let three = Allowance::new(&tiered(), 3);
        assert_eq!((three.storage, three.max_ack_pending(None)), (Some((300, 200)), 50_000));
    }

    #[test]
    fn sizes_are_fitted_to_the_stream_and_to_what_is_left() {
        let allowance = Allowance::new(&tiered(), 1);
        assert_eq!(allowance.fitted(1_000, 2), 50);
        assert_eq!(allowance.fitted(20, 2), 20);
        assert_eq!(allowance.fitted(1_000, 30), 30);
        assert_eq!(Allowance::default().fitted(1_000, 2), 1_000);
    }

    #[test]
    fn without_tiers_each_replica_counts() {
        let mut account = tiered();
        account.limits = account.tiers["R1"].limits;
        account.tiers.clear();
        assert_eq!(Allowance::new(&account, 5).storage, Some((1_000, 200)));
        assert_eq!(Allowance::new(&account, 1).storage, Some((1_000, 1_000)));
    }
}
