//! How far each service is: its durable consumer in shared delivery, its record in exclusive delivery,
//! and its entry beside both; how a position is made, checked, moved and given up.

pub(crate) mod ack_set;
pub(crate) mod check;
pub(crate) mod consumer;
pub(crate) mod derivation;
pub(crate) mod entries;
pub(crate) mod entry;
pub(crate) mod entry_updater;
pub(crate) mod exclusive;
pub(crate) mod expired;
pub(crate) mod floor;
pub(crate) mod forget;
pub(crate) mod lease;
pub(crate) mod noted_keys;
pub(crate) mod record;
pub(crate) mod replay_consumer;
pub(crate) mod retire;
pub(crate) mod seek;
pub(crate) mod shared;
pub(crate) mod start_reason;
pub(crate) mod status;
