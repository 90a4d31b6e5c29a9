//! The map as an AsyncAPI document: <https://www.asyncapi.com/docs/reference/specification/v3.0.0>.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{AnnouncedRiver, RapidsMap, Shapes};
use crate::announcement::instances::ServiceInfo;
use crate::names::SUBJECT;
use crate::packet::{PacketKind, PacketName};
use crate::river::Publishes;

/// Describes the rapids as an AsyncAPI 3.0 document: one channel, `rapids`; a message for each name that
/// is published, declared or admitted, with the schema of the packets that were seen; and of each service
/// what it receives and sends. The rules of its rivers are under `x-rapids-rivers`.
///
/// A service whose rivers admit any name receives all messages.
pub fn asyncapi(services: &[ServiceInfo], map: &RapidsMap, shapes: &Shapes) -> Value {
    let rivers = AnnouncedRiver::all(services);
    let keys = message_keys(&rivers, map);
    let messages = keys.iter().map(|(name, key)| (key.clone(), message(name, shapes)));
    let references = keys
        .values()
        .map(|key| (key.clone(), json!({ "$ref": format!("#/components/messages/{key}") })));
    let messages: Map<String, Value> = messages.collect();
    let references: Map<String, Value> = references.collect();
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Rapids",
            "version": "1.0.0",
            "description": format!(
                "Inferred from {} packets from {} to {}, and from what services announce.",
                map.packets, map.from, map.to
            ),
        },
        "defaultContentType": "application/json",
        "channels": { SUBJECT: { "address": SUBJECT, "messages": references } },
        "operations": operations(&rivers, map, &keys),
        "components": { "messages": messages },
    })
}

fn message(name: &PacketName, shapes: &Shapes) -> Value {
    let mut message = json!({ "name": name.name, "x-rapids-kind": name.kind.key() });
    if let Some(schema) = shapes.schema(name) {
        message["payload"] = Value::Object(schema);
    }
    message
}

/// All names, each with the key of its message.
fn message_keys(rivers: &[AnnouncedRiver], map: &RapidsMap) -> BTreeMap<PacketName, String> {
    let mut names: BTreeSet<PacketName> = BTreeSet::new();
    names.extend(map.published.iter().filter_map(|published| published.name.clone()));
    for river in rivers {
        names.extend(river.admits().into_iter().flatten().cloned());
        names.extend(river.rules().publishes.iter().flat_map(Publishes::names));
    }
    let wanted = names.iter().map(|name| match name.kind {
        PacketKind::Event => name.name.clone(),
        kind => format!("{}.{}", kind.key(), name.name),
    });
    let keys = distinct(wanted);
    names.into_iter().zip(keys).collect()
}

/// Keys that the specification allows, of letters of ASCII, digits, `.`, `-` and `_`: no two are the
/// same.
fn distinct(wanted: impl Iterator<Item = String>) -> Vec<String> {
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || ['.', '-', '_'].contains(c);
    let mut taken = BTreeSet::new();
    // By key, the number that the next one of the same gets.
    let mut next: BTreeMap<String, u64> = BTreeMap::new();
    let key = |wanted: String| {
        let plain: String = wanted.chars().map(|c| if is_plain(&c) { c } else { '_' }).collect();
        let plain = if plain.is_empty() { "_".to_owned() } else { plain };
        if taken.insert(plain.clone()) {
            return plain;
        }
        let number = next.entry(plain.clone()).or_insert(2);
        loop {
            let key = format!("{plain}-{number}");
            *number += 1;
            if taken.insert(key.clone()) {
                return key;
            }
        }
    };
    wanted.map(key).collect()
}

/// What each service receives and sends.
fn operations(
    rivers: &[AnnouncedRiver],
    map: &RapidsMap,
    keys: &BTreeMap<PacketName, String>,
) -> Map<String, Value> {
    let publishers = map.published.iter().filter_map(|published| published.publisher.as_deref());
    let services: BTreeSet<&str> =
        rivers.iter().map(AnnouncedRiver::service).chain(publishers).collect();
    let ids = distinct(services.iter().map(|service| (*service).to_owned()));
    let mut operations = Map::new();
    for (service, id) in services.into_iter().zip(ids) {
        let own: Vec<_> = rivers.iter().filter(|river| river.service() == service).collect();
        if !own.is_empty() {
            operations.insert(format!("{id}.receive"), receives(service, &own, keys));
        }
        let sent = sent(service, &own, map);
        if !sent.is_empty() {
            let mut operation = operation("send", service);
            operation["messages"] = messages(&sent, keys);
            operations.insert(format!("{id}.send"), operation);
        }
    }
    operations
}

fn receives(
    service: &str,
    rivers: &[&AnnouncedRiver],
    keys: &BTreeMap<PacketName, String>,
) -> Value {
    let mut operation = operation("receive", service);
    let admitted: Option<Vec<_>> = rivers.iter().map(|river| river.admits()).collect();
    if let Some(admitted) = admitted {
        let names = admitted.into_iter().flatten().cloned().collect();
        operation["messages"] = messages(&names, keys);
    }
    let rules: Vec<_> = rivers.iter().map(|river| json!(river.rules())).collect();
    operation["x-rapids-rivers"] = Value::Array(rules);
    operation
}

/// The names that a service declares to publish, or was seen to.
fn sent(service: &str, rivers: &[&AnnouncedRiver], map: &RapidsMap) -> BTreeSet<PacketName> {
    let declared = rivers.iter().filter_map(|river| river.rules().publishes.as_ref());
    let seen = map.published.iter().filter(|it| it.publisher.as_deref() == Some(service));
    let seen = seen.filter_map(|published| published.name.clone());
    declared.flat_map(Publishes::names).chain(seen).collect()
}

fn operation(action: &str, service: &str) -> Value {
    json!({
        "action": action,
        "channel": { "$ref": format!("#/channels/{SUBJECT}") },
        "x-rapids-service": service,
    })
}

fn messages(names: &BTreeSet<PacketName>, keys: &BTreeMap<PacketName, String>) -> Value {
    let reference = |key| json!({ "$ref": format!("#/channels/{SUBJECT}/messages/{key}") });
    names.iter().filter_map(|name| keys.get(name)).map(reference).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_plain_and_no_two_are_the_same() {
        let wanted = ["order_placed", "größe", "gr__e", "", "a/b~c", "a b c", "gr__e-2"];
        let keys = distinct(wanted.into_iter().map(str::to_owned));
        assert_eq!(
            keys,
            ["order_placed", "gr__e", "gr__e-2", "_", "a_b_c", "a_b_c-2", "gr__e-2-2"]
        );
    }
}
