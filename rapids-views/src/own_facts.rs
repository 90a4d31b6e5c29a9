//! What a packet says besides its name.

use std::collections::BTreeMap;

use rapids_client::Packet;
use serde_json::value::RawValue;

/// Reads what a packet says besides its name, ids first, each value with every digit; `None` if it cannot
/// be read.
#[must_use]
pub fn own_facts(packet: &Packet) -> Option<Vec<(String, Box<RawValue>)>> {
    let fields = packet.parse::<BTreeMap<String, Box<RawValue>>>().ok()?;
    let is_fact = |key: &str| !["event", "need", "command", "rapids"].contains(&key);
    let mut facts: Vec<_> = fields.into_iter().filter(|(key, _)| is_fact(key)).collect();
    facts.sort_by_key(|(key, _)| !key.ends_with("_id"));
    Some(facts)
}
