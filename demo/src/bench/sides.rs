//! The work of each side, written as its kind of user would write it.

pub(crate) mod ours;
pub(crate) mod plain;
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

/// What async-nats users publish, without the library's provenance, but as long.
#[derive(Debug, Serialize)]
pub(crate) struct Fact<'a> {
    pub(crate) event: &'a str,
    pub(crate) id: &'a str,
    pub(crate) order_id: &'a str,
    pub(crate) total: u64,
    pub(crate) note: &'a str,
}

/// What a reaction publishes.
pub(crate) const CHECKED: &str = "order_checked";

/// Which order a published packet is about.
pub(crate) fn order_id(number: u64) -> String {
    format!("o-{number:08}")
}
