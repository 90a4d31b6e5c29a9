//! What is known of a packet beside its body.

use rapids_client::{Packet, PacketName, RawMessage};

use super::family::publisher;
use crate::frame::Frame;
use crate::pages::map::focus::name_key;
use crate::text::short;
use crate::times::Time;

/// How many headers are shown.
const MOST_HEADERS: usize = 50;
/// How many names are shown: a packet may need many things.
const MOST_NAMES: usize = 50;

/// What is known of a packet beside its body.
#[derive(Debug)]
pub(crate) struct Facts {
    /// What it is called, each with where that is on the map.
    pub(crate) names: Vec<(String, String)>,
    pub(crate) id: String,
    /// Another id, which its body claims.
    pub(crate) claimed: Option<String>,
    pub(crate) stored: Time,
    pub(crate) created: Option<Time>,
    /// Who has published it, with where that is on the map.
    pub(crate) publisher: Option<(String, Option<String>)>,
    /// The services that were passed, the oldest first, with where each is on the map.
    pub(crate) breadcrumbs: Vec<(String, String)>,
    pub(crate) read_count: Option<u64>,
    pub(crate) conversation: Option<String>,
    pub(crate) timer: Option<String>,
    /// The letter that it tells of, with its address.
    pub(crate) told: Option<(String, String)>,
    pub(crate) is_sent_again: bool,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) headers_left_out: usize,
}

impl Facts {
    pub(crate) fn of(
        message: &RawMessage,
        packet: Option<&Packet>,
        id: &str,
        frame: &Frame,
    ) -> Self {
        let crumbs = packet.map(Packet::breadcrumbs).unwrap_or_default().iter();
        let on_map = |service: &String| (short(service), frame.on_map(service));
        let told = packet.and_then(Packet::dead_letter);
        let headers = message.headers.iter().take(MOST_HEADERS);
        let names = packet.map(Packet::names).unwrap_or_default();
        let named = |name: &PacketName| (short(name), frame.to("/map?focus=", &name_key(name)));
        Self {
            names: names.iter().take(MOST_NAMES).map(named).collect(),
            id: short(id),
            claimed: packet.and_then(Packet::claimed_id).map(short),
            stored: message.stored.into(),
            created: packet.map(|packet| packet.created().into()),
            publisher: packet.map(|packet| {
                (publisher(packet), packet.shown_publisher().map(|name| frame.on_map(name)))
            }),
            breadcrumbs: crumbs.map(on_map).collect(),
            read_count: packet.map(Packet::read_count),
            conversation: packet.map(|packet| short(packet.correlation_id())),
            timer: packet.and_then(Packet::timer).map(short),
            told: told.map(|id| (short(&id), frame.to("/dead-letters/", &id))),
            is_sent_again: packet.is_some_and(Packet::is_sent_again),
            headers: headers.map(|(name, value)| (short(name), short(value))).collect(),
            headers_left_out: message.headers.len().saturating_sub(MOST_HEADERS),
        }
    }
}
