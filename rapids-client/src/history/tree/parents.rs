//! What each packet and each letter stands below.

use std::collections::HashMap;

use bytestring::ByteString;
use uuid::Uuid;

use crate::dead_letters::{LetterId, StoredLetter};
use crate::history::scan::sequence;
use crate::letter_action::{ActionKind, State};
use crate::packet::Packet;
use crate::packet::id::{attempt_id, effect_id};
use crate::river::recovered_position;

/// How many effects of a replay are told from those of other rivers.
const MOST_EFFECTS: usize = 1_000;

/// The version of the UUIDs that are derived with a key.
const KEYED: usize = 8;

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
        if let Some(letter) = of_replay.copied().or_else(|| self.replay_of_keyed(packet)) {
            return self.letter(letter);
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
                let positions = (0..most).map(|position| position.to_string());
                for position in positions.chain([recovered_position(id)]) {
                    let effect = effect_id(None, packet, id.service(), id.river(), position);
                    effects.insert(self.used_id(effect, (packet, id.service())), place);
                }
            }
        }
        effects
    }

    /// The id under which a service has published this effect of a packet: where others have used the first
    /// ones, the next.
    fn used_id(&self, first: ByteString, (cause, service): (&str, &str)) -> String {
        let is_taken = |id: &ByteString| {
            let found = self.packet(id).map(|place| &self.packets[place]);
            found.is_some_and(|found| !is_effect(found, cause, service))
        };
        let attempts = (1..).map(|attempt| attempt_id(None, &first, attempt));
        let mut ids = std::iter::once(first.clone()).chain(attempts);
        ids.find(|id| !is_taken(id)).unwrap_or(first).to_string()
    }

    /// The letter whose replay led to a packet, where the id of that is derived with a key, which nobody has
    /// here: the last one that was sent before to a river of the service which has published the packet.
    fn replay_of_keyed(&self, packet: &Packet) -> Option<usize> {
        let is_keyed = |id: &Uuid| id.get_version_num() == KEYED;
        Uuid::try_parse(packet.id()).ok().filter(is_keyed)?;
        let stored = packet.arrival()?.stored;
        let sent_at = |letter: &StoredLetter| {
            let is_cause = letter.state == State::Replayed
                && sent_id(letter).is_none()
                && is_effect(packet, &letter.letter.packet_id, letter.letter.id.service());
            letter.action().filter(|_| is_cause).map(|action| action.at)
        };
        let sent = self.letters.iter().enumerate();
        let sent = sent.filter_map(|(place, letter)| Some((sent_at(letter)?, place)));
        sent.filter(|(at, _)| *at <= stored).max().map(|(_, place)| place)
    }
}

/// Whether a packet names this one as its cause, and no other service as the one that has published it.
fn is_effect(packet: &Packet, cause: &str, service: &str) -> bool {
    packet.causation_id() == Some(cause)
        && packet.shown_publisher().is_none_or(|publisher| publisher == service)
}

/// The id of the packet that was sent in place of a letter's.
fn sent_id(letter: &StoredLetter) -> Option<&str> {
    let action = letter.action()?;
    let is_sent = letter.state != State::Waiting
        && matches!(action.kind, ActionKind::Edit | ActionKind::ReplayToAll);
    action.packet_id.as_deref().filter(|_| is_sent)
}
