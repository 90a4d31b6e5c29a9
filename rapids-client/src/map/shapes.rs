//! What packets of each name look like.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::labels::is_short;
use super::shape::Shape;
use crate::keys::RAPIDS;
use crate::packet::{Packet, PacketKind, PacketName};

/// How many names are told apart, and how many keys of all their packets.
const MOST_NAMES: usize = 2_000;
const MOST_MEMBERS: usize = 50_000;

/// What packets look like, by name: feed it packets, and ask for the JSON Schema of a name.
///
/// ```
/// use rapids_client::map::Shapes;
/// use rapids_client::{Packet, PacketKind, PacketName};
///
/// let mut shapes = Shapes::new();
/// shapes.packet(&Packet::event("paid").with("amount", 7550).with("note", "thanks"));
/// shapes.packet(&Packet::event("paid").with("amount", 12.5));
/// let schema = shapes.schema(&PacketName::new(PacketKind::Event, "paid")).unwrap();
/// assert_eq!(schema["properties"]["amount"]["type"], "number");
/// assert_eq!(schema["required"].as_array().unwrap().len(), 2, "amount and event");
/// ```
///
/// It keeps keys and types, and no value. 2,000 names are told apart, with 50,000 keys in all; a schema
/// from which something is left out has `x-rapids-left-out`.
#[derive(Debug)]
pub struct Shapes {
    shapes: BTreeMap<PacketName, Shape>,
    /// For how many more keys there is room.
    room: usize,
    /// Packets that count for nothing, since their names are too long or too many.
    left_out: u64,
}

impl Default for Shapes {
    fn default() -> Self {
        Self { shapes: BTreeMap::new(), room: MOST_MEMBERS, left_out: 0 }
    }
}

impl Shapes {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in a packet. One that asks for several things counts for each.
    pub fn packet(&mut self, packet: &Packet) {
        let body = packet.body();
        for name in packet.names() {
            let has_room = self.shapes.len() < MOST_NAMES && is_short(&name.name);
            if has_room || self.shapes.contains_key(&name) {
                self.shapes.entry(name).or_default().add(&body, &mut self.room);
            } else {
                self.left_out += 1;
            }
        }
    }

    /// The names that were seen.
    pub fn names(&self) -> impl Iterator<Item = &PacketName> {
        self.shapes.keys()
    }

    /// How many packets were left out, since their names are too long or too many.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The JSON Schema of the packets of this name that were seen, without `rapids`, which belongs to the
    /// bus; `None` if there was none. A key is required if each packet had it.
    pub fn schema(&self, name: &PacketName) -> Option<Map<String, Value>> {
        let mut schema = self.shapes.get(name)?.schema();
        if let Some(Value::Array(required)) = schema.get_mut("required") {
            required.retain(|key| key != RAPIDS);
        }
        if let Some(Value::Object(properties)) = schema.get_mut("properties") {
            properties.remove(RAPIDS);
            // A need may stand in a list with others.
            if name.kind != PacketKind::Need {
                properties.insert(name.kind.key().to_owned(), json!({ "const": name.name }));
            }
        }
        Some(schema)
    }
}
