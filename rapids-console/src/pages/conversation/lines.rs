//! The lines of a conversation: what each says of its packet or letter, and where it leads to.

use std::collections::HashMap;

use rapids_client::{
    Action, ActionKind, Conversation, Node, Packet, StoredLetter, Subject, Timestamp,
};
use rapids_views::Known;

use super::axis::{Axis, Bar, elapsed};
use super::folding::{Fold, LEVELS};
use crate::frame::Frame;
use crate::pages::dead_letters::state_mark::StateMark;
use crate::pages::packet::family::{named, publisher};
use crate::pages::packet::letters::is_open;
use crate::text::{Mask, short};

/// So much of a body is searched.
const SEARCHED: usize = 64 * 1024;

/// A line.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// What links within the page lead to.
    pub(crate) anchor: String,
    pub(crate) class: &'static str,
    /// What stands before the name: `letter`, or nothing for a packet.
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) address: String,
    /// Who published it, with where that is on the map.
    pub(crate) publisher: Option<(String, Option<String>)>,
    pub(crate) sequence: Option<u64>,
    pub(crate) since_first: Option<String>,
    pub(crate) since_cause: Option<String>,
    /// Of a letter: its state, and whether it waits.
    pub(crate) state: Option<(&'static str, bool)>,
    pub(crate) notes: Vec<Note>,
    /// Why a letter was written, or what a packet changes.
    pub(crate) told: String,
    pub(crate) bar: Option<Bar>,
    /// Of a line that stands deeper than lists nest: how deep, and the anchor and words of its cause.
    pub(crate) deep: Option<(usize, String, String)>,
    pub(crate) is_match: bool,
    /// Whether it is the one that the address asks for.
    pub(crate) is_meant: bool,
    pub(crate) fold: Fold,
    /// What is searched, in small letters.
    searched: String,
}

/// Something to know about a line, maybe with where it leads to.
#[derive(Debug)]
pub(crate) struct Note {
    pub(crate) text: String,
    pub(crate) link: Option<(String, String)>,
    /// Whether it is odd.
    pub(crate) is_odd: bool,
}

/// What all lines of a conversation need.
pub(super) struct Drawing<'a> {
    pub(super) conversation: &'a Conversation,
    pub(super) frame: &'a Frame,
    pub(super) mask: &'a Mask,
    pub(super) axis: Axis,
    /// What each packet changes, by its sequence.
    pub(super) changes: HashMap<u64, String>,
}

/// What each packet changes of what is known by then, in the order of the stream, without what is masked.
pub(super) fn changes(conversation: &Conversation, mask: &Mask) -> HashMap<u64, String> {
    let mut known = Known::default();
    let mut changes = HashMap::new();
    for packet in &conversation.packets {
        if let (Some(shown), Some(sequence)) = (mask.packet(packet), sequence(packet)) {
            changes.insert(sequence, short(known.take(&shown).shown()));
        }
    }
    changes
}

impl Drawing<'_> {
    /// The lines of the tree; where they fold is left open.
    pub(super) fn lines(&self, nodes: &[Node<'_>]) -> Vec<Line> {
        let mut lines: Vec<Line> = nodes.iter().map(|node| self.line(node)).collect();
        for (place, node) in nodes.iter().enumerate().filter(|(_, node)| node.depth > LEVELS) {
            let Some(cause) = node.parent.and_then(|parent| lines.get(parent)) else { continue };
            let words = match cause.sequence {
                Some(sequence) => sequence.to_string(),
                None => cause.name.clone(),
            };
            lines[place].deep = Some((node.depth, cause.anchor.clone(), words));
        }
        lines
    }

    fn line(&self, node: &Node<'_>) -> Line {
        let mut line = match node.subject {
            Subject::Packet(packet) => self.packet(packet),
            Subject::Letter(letter) => self.letter(letter),
            Subject::Missing(id) => self.missing(id),
            _ => Line::default(),
        };
        if node.is_in_circle {
            line.notes.push(Note::odd("its cause is one of its effects"));
        }
        line.since_first = node.since_first.map(elapsed);
        line.since_cause = node.since_cause.map(elapsed);
        line.bar = node.since_first.map(|first| self.axis.bar(first, node.since_cause));
        let names = [&line.name, &line.kind, &line.told];
        line.searched = names.map(|text| text.to_lowercase()).join("\n") + "\n" + &line.searched;
        line
    }

    fn packet(&self, packet: &Packet) -> Line {
        let sequence = sequence(packet).unwrap_or_default();
        let on_map = |service| self.frame.on_map(service);
        let mut notes = Vec::new();
        if packet.is_sent_again() {
            notes.push(Note::plain("sent again in place of a letter's packet"));
        }
        if let Some(timer) = packet.timer() {
            notes.push(Note::plain(format!("brought by timer {}", short(timer))));
        }
        if let Some(letter) = packet.dead_letter() {
            notes.push(Note::to_letter("tells of letter", &letter, self.frame));
        }
        let body = self.mask.on_a_line(&packet.body(), SEARCHED);
        let ids = [packet.id(), packet.shown_publisher().unwrap_or_default()].join("\n");
        Line {
            anchor: format!("packet-{sequence}"),
            class: "packet",
            name: named(packet),
            address: self.frame.at(&format!("/packets/{sequence}")),
            publisher: Some((publisher(packet), packet.shown_publisher().map(on_map))),
            sequence: Some(sequence),
            notes,
            told: self.changes.get(&sequence).cloned().unwrap_or_default(),
            searched: format!("{sequence}\n{ids}\n{body}").to_lowercase(),
            ..Line::default()
        }
    }

    fn letter(&self, stored: &StoredLetter) -> Line {
        let letter = &stored.letter;
        let id = letter.id.to_string();
        let mut notes: Vec<_> = stored.actions.iter().map(outcome).map(Note::plain).collect();
        if let Some(again) = &stored.again {
            notes.push(Note::to_letter("failed again as", &again.to_string(), self.frame));
        }
        Line {
            anchor: format!("letter-{id}"),
            class: "letter",
            kind: format!("letter, {}", short(&letter.kind)),
            address: self.frame.to("/dead-letters/", &id),
            name: short(id),
            state: Some((StateMark::from(stored.state).word, is_open(stored))),
            notes,
            told: short(self.mask.sentence(&letter.reason)),
            searched: letter.packet_id.to_lowercase(),
            ..Line::default()
        }
    }

    fn missing(&self, id: &str) -> Line {
        let place = match self.conversation.has_expired {
            true => "is not in the stream any more",
            false => "is not in the conversation",
        };
        Line {
            class: "missing",
            kind: "cause".to_owned(),
            name: short(id),
            address: self.frame.to("/packets/", id),
            notes: vec![Note::odd(place)],
            ..Line::default()
        }
    }
}

impl Line {
    /// Whether it has a text, which is in small letters.
    pub(super) fn has(&self, text: &str) -> bool {
        self.searched.contains(text)
    }
}

impl Note {
    fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), link: None, is_odd: false }
    }

    fn odd(text: &str) -> Self {
        Self { text: text.to_owned(), link: None, is_odd: true }
    }

    fn to_letter(text: &str, id: &str, frame: &Frame) -> Self {
        let link = Some((short(id), frame.to("/dead-letters/", id)));
        Self { text: text.to_owned(), link, is_odd: false }
    }
}

/// Who did what with a letter, with what result.
fn outcome(action: &Action) -> String {
    let Action { kind, who, replay, packet_id, sequence, .. } = action;
    let (who, what) = (short(who), kind.as_str().replace('_', " "));
    match (kind, packet_id, replay, sequence) {
        (ActionKind::ReplayToAll, _, _, Some(sequence)) => {
            format!("{what} by {who}: sequence {sequence}")
        }
        (ActionKind::Edit, Some(packet), Some(replay), _) => {
            format!("{what} by {who}: packet {} as replay {replay}", short(packet))
        }
        (_, _, Some(replay), _) => format!("{what} by {who}: replay {replay}"),
        _ => format!("{what} by {who}"),
    }
}

pub(super) fn sequence(packet: &Packet) -> Option<u64> {
    packet.arrival().map(|arrival| arrival.sequence)
}

pub(super) fn stored(packet: &Packet) -> Timestamp {
    packet.arrival().map_or(packet.created(), |arrival| arrival.stored)
}
