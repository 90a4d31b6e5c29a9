//! What each packet and each letter stands below.

use std::collections::HashMap;

use crate::dead_letters::{LetterId, StoredLetter};
use crate::history::scan::sequence;
use crate::letter_action::{ActionKind, State};
use crate::packet::Packet;
use crate::packet::id::effect_id;
use crate::river::recovered_position;

/// How many effects of a replay are told from those of other rivers.
const MOST_EFFECTS: usize = 1_000;

/// What something stands below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parent<'a> {
    None,
    /// A packet or, behind all packets, a letter.
    Entry(usize),
    /// A packet with this id, which is not there.
    Missing(&'a str),
}

/// What leads from ids to packets and letters.
pub(super) struct Parents<'a> {
    packets: &'a [Packet],
    letters: &'a [StoredLetter],
    /// The first packet with each id.
    by_id: HashMap<&'a str, usize>,
    by_letter: HashMap<&'a LetterId, usize>,
    /// The letters that were replayed, by the letters about these replays.
    again: HashMap<&'a LetterId, usize>,
    /// The letters by the packets that were sent in place of theirs.
    sent: HashMap<&'a str, usize>,
    /// The letters that a replay led to effects of, by the ids of these effects.
    effects: HashMap<String, usize>,
}

impl<'a> Parents<'a> {
    pub(super) fn of(packets: &'a [Packet], letters: &'a [StoredLetter]) -> Self {
        let mut by_id = HashMap::new();
        for (place, packet) in packets.iter().enumerate() {
            by_id.entry(packet.id()).or_insert(place);
        }
        let placed = || letters.iter().enumerate();
        let sent = placed().filter_map(|(place, letter)| Some((sent_id(letter)?, place)));
        let again = placed().filter_map(|(place, letter)| Some((letter.again.as_ref()?, place)));
        let mut parents = Self {
            by_letter: placed().map(|(place, letter)| (&letter.letter.id, place)).collect(),
            again: again.collect(),
            sent: sent.collect(),
            effects: HashMap::new(),
            packets,
            letters,
            by_id,
        };
        parents.effects = parents.effects();
        parents
    }

    /// The id of the packet that another one names as its cause; none that names itself has one.
    fn cause(packet: &Packet) -> Option<&str> {
        packet.causation_id().filter(|cause| *cause != packet.id())
    }

    /// The place of the first packet that has caused this one.
    pub(super) fn place_of_cause(&self, packet: &Packet) -> Option<usize> {
        Self::cause(packet).and_then(|id| self.packet(id))
    }

    /// The place of the first packet with this id.
    fn packet(&self, id: &str) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    /// What an entry stands below: a packet or, behind all packets, a letter.
    pub(super) fn of_entry(&self, entry: usize) -> Parent<'a> {
        match entry.checked_sub(self.packets.len()) {
            None => self.of_packet(&self.packets[entry]),
            Some(letter) => self.of_letter(&self.letters[letter]),
        }
    }

    fn of_packet(&self, packet: &'a Packet) -> Parent<'a> {
        let of_replay = self.sent.get(packet.id()).or_else(|| self.effects.get(packet.id()));
        if let Some(letter) = of_replay {
            return self.letter(*letter);
        }
        let Some(cause) = Self::cause(packet) else {
            return Parent::None;
        };
        match (self.packet(cause), self.sent.get(cause)) {
            (Some(packet), _) => Parent::Entry(packet),
            // An edited packet is not on the rapids.
            (None, Some(letter)) => self.letter(*letter),
            (None, None) => Parent::Missing(cause),
        }
    }

    fn of_letter(&self, letter: &'a StoredLetter) -> Parent<'a> {
        let letter = &letter.letter;
        let id = letter.packet_id.as_str();
        if let Some(replayed) = self.again.get(&letter.id) {
            return self.letter(*replayed);
        }
        if let Some(packet) = self.packet(id) {
            // Should a packet have been stored twice, the letter tells which of the two it is about.
            let is_it = |place: &usize| {
                let packet = &self.packets[*place];
                packet.id() == id && sequence(packet) == letter.sequence
            };
            let exactly = self.packets.binary_search_by_key(&letter.sequence, sequence).ok();
            return Parent::Entry(exactly.filter(is_it).unwrap_or(packet));
        }
        let first = letter.first.as_ref().filter(|first| **first != letter.id);
        let first = first.and_then(|first| self.by_letter.get(first));
        match self.sent.get(id).or(first) {
            Some(other) => self.letter(*other),
            None => Parent::Missing(id),
        }
    }

    fn letter(&self, letter: usize) -> Parent<'a> {
        Parent::Entry(self.packets.len() + letter)
    }

    /// The ids that the effects of replays can have: a river that handles a packet again publishes what it
    /// would have published, below the packet. It had published nothing before, so it was the replay; but that
    /// the packet was given up, which stays below the packet.
    fn effects(&self) -> HashMap<String, usize> {
        let mut effects = HashMap::new();
        let mut caused: HashMap<&str, usize> = HashMap::new();
        for cause in self.packets.iter().filter_map(Packet::causation_id) {
            *caused.entry(cause).or_default() += 1;
        }
        for (place, letter) in self.letters.iter().enumerate() {
            let (packet, id) = (letter.letter.packet_id.as_str(), &letter.letter.id);
            if letter.state == State::Replayed && sent_id(letter).is_none() {
                let most = caused.get(packet).copied().unwrap_or_default().min(MOST_EFFECTS);
                for position in 0..most {
                    let effect = effect_id(None, packet, id.service(), id.river(), position);
                    effects.insert(effect.to_string(), place);
                }
                let told = recovered_position(id);
                let told = effect_id(None, packet, id.service(), id.river(), told);
                effects.insert(told.to_string(), place);
            }
        }
        effects
    }
}

/// The id of the packet that was sent in place of a letter's.
fn sent_id(letter: &StoredLetter) -> Option<&str> {
    let action = letter.action()?;
    let is_sent = letter.state != State::Waiting
        && matches!(action.kind, ActionKind::Edit | ActionKind::ReplayToAll);
    action.packet_id.as_deref().filter(|_| is_sent)
}
