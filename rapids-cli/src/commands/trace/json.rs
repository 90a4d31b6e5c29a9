//! A conversation as JSON.

use anyhow::Result;
use rapids_client::{Conversation, Node, Packet, StoredLetter, Subject};
use rapids_views::{Changes, Known};
use serde::Serialize;
use serde_json::value::RawValue;

use super::super::dead_letters::letter_json::LetterJson;
use crate::packet_line::kind_and_name;

#[derive(Serialize)]
struct ConversationJson<'a> {
    conversation: &'a str,
    packets: Vec<PacketJson<'a>>,
    letters: Vec<PlacedLetter<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<Known>,
    missing: Vec<&'a str>,
    read_to: u64,
    end: &'a str,
}

#[derive(Serialize)]
struct PacketJson<'a> {
    id: &'a str,
    parent: Option<String>,
    causation_id: Option<&'a str>,
    cause_is_missing: bool,
    kind: &'static str,
    name: String,
    publisher: Option<&'a str>,
    sequence: u64,
    stored: String,
    since_first: Option<f64>,
    since_cause: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<Changes>,
    packet: Box<RawValue>,
}

#[derive(Serialize)]
struct PlacedLetter<'a> {
    parent: Option<String>,
    #[serde(flatten)]
    letter: LetterJson<'a>,
}

/// What came of a conversation later.
#[derive(Serialize)]
struct Addition<'a> {
    conversation: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<Changes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    packet: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    letter: Option<LetterJson<'a>>,
}

/// A conversation as one object, with what each packet changes on request.
///
/// # Errors
/// None that can be expected.
pub(super) fn conversation(conversation: &Conversation, has_state: bool) -> Result<String> {
    let nodes = conversation.tree();
    let (mut packets, mut letters, mut missing) = (Vec::new(), Vec::new(), Vec::new());
    for node in &nodes {
        let parent = node.parent.map(|parent| id(&nodes[parent]));
        match node.subject {
            Subject::Packet(packet) => {
                let above = node.parent.map(|parent| nodes[parent].subject);
                let cause_is_missing = matches!(above, Some(Subject::Missing(_)));
                packets.push(packet_json(packet, node, parent, cause_is_missing)?);
            }
            Subject::Letter(letter) => {
                letters.push(PlacedLetter { parent, letter: LetterJson::of(letter) });
            }
            Subject::Missing(id) => missing.push(id),
            _ => {}
        }
    }
    packets.sort_by_key(|packet| packet.sequence);
    let mut state = has_state.then(Known::default);
    if let Some(state) = &mut state {
        for (packet, json) in conversation.packets.iter().zip(&mut packets) {
            json.changes = Some(state.take(packet));
        }
    }
    let (read_to, end) = (conversation.read_to, conversation.end.as_str());
    let conversation = &conversation.id;
    let json = ConversationJson { conversation, packets, letters, state, missing, read_to, end };
    Ok(serde_json::to_string(&json)?)
}

/// A packet that came later, and what it changes.
///
/// # Errors
/// None that can be expected.
pub(super) fn added_packet(packet: &Packet, changes: Option<Changes>) -> Result<String> {
    let conversation = packet.correlation_id();
    let packet = Some(raw(packet)?);
    Ok(serde_json::to_string(&Addition { conversation, changes, packet, letter: None })?)
}

/// A letter that came later.
///
/// # Errors
/// None that can be expected.
pub(super) fn added_letter(stored: &StoredLetter) -> Result<String> {
    let conversation = &stored.letter.correlation_id;
    let letter = Some(LetterJson::of(stored));
    Ok(serde_json::to_string(&Addition { conversation, changes: None, packet: None, letter })?)
}

fn packet_json<'a>(
    packet: &'a Packet,
    node: &Node<'_>,
    parent: Option<String>,
    cause_is_missing: bool,
) -> Result<PacketJson<'a>> {
    let (kind, name) = kind_and_name(packet);
    Ok(PacketJson {
        id: packet.id(),
        parent,
        causation_id: packet.causation_id(),
        cause_is_missing,
        kind,
        name,
        publisher: packet.shown_publisher(),
        sequence: packet.arrival().map_or(0, |arrival| arrival.sequence),
        stored: super::lines::stored(packet).to_string(),
        since_first: node.since_first.map(|time| time.as_secs_f64()),
        since_cause: node.since_cause.map(|time| time.as_secs_f64()),
        changes: None,
        packet: raw(packet)?,
    })
}

fn id(node: &Node<'_>) -> String {
    match node.subject {
        Subject::Packet(packet) => packet.id().to_owned(),
        Subject::Letter(letter) => letter.letter.id.to_string(),
        Subject::Missing(id) => id.to_owned(),
        _ => String::new(),
    }
}

/// The packet as it is stored.
fn raw(packet: &Packet) -> Result<Box<RawValue>> {
    Ok(RawValue::from_string(packet.to_string())?)
}
