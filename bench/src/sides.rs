//! What each side does, written as its kind of user would write it.

mod asking;
pub(crate) mod ours;
pub(crate) mod plain;
pub(crate) mod rust_stream;
pub(crate) mod tuned;
pub(crate) mod unacked;
pub(crate) mod window;

use serde::{Deserialize, Serialize};

/// What the reacting sides read of a packet.
#[derive(Debug, Deserialize)]
pub(crate) struct Placed {
    pub(crate) order_id: String,
    pub(crate) total: u64,
}

/// What users of async-nats publish: without the library's provenance, but of the same length.
#[derive(Debug, Serialize)]
pub(crate) struct Fact<'a> {
    pub(crate) event: &'a str,
    pub(crate) id: &'a str,
    pub(crate) order_id: &'a str,
    pub(crate) total: u64,
    pub(crate) note: &'a str,
}

/// The event that a reaction publishes.
pub(crate) const CHECKED: &str = "order_checked";

/// The order id of the packet with this number.
pub(crate) fn order_id(number: u64) -> String {
    format!("o-{number:08}")
}
