//! `--follow`: prints what comes of conversations, each packet and each letter as a line of its own.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use anyhow::Result;
use rapids_client::{
    Config, Conversation, DeadLetter, DeadLetters, Error, Filter, LetterId, LetterTail, Packet,
    Rapids, Start, StoredLetter, Tail, Timestamp,
};
use rapids_views::{Changes, Known};

use super::json;
use super::lines::{letter_line, packet_line, stored};
use crate::packet_line::facts;
use crate::screen::Screen;
use crate::session::Session;

/// Conversations whose packets so far were printed.
pub(super) struct Following {
    is_json: bool,
    /// When the first packet of each conversation was stored.
    begun: HashMap<String, Timestamp>,
    /// The same by the ids as letters have them.
    begun_of_letters: HashMap<String, Timestamp>,
    /// What is known of each conversation, if that is shown.
    known: Option<HashMap<String, Known>>,
    /// The sequence of each packet, and when it was stored.
    places: HashMap<String, (u64, Timestamp)>,
    /// Letters that were printed, or wait for that.
    letters: HashSet<LetterId>,
    /// Letters about packets that have not come yet: two streams are read, and either may be ahead.
    early: Vec<StoredLetter>,
    /// The sequence up to which packets have come.
    read_to: u64,
}

impl Following {
    pub(super) fn of(conversations: &[Conversation], is_json: bool, has_state: bool) -> Self {
        let mut following = Self {
            is_json,
            known: has_state.then(HashMap::new),
            begun: HashMap::new(),
            begun_of_letters: HashMap::new(),
            places: HashMap::new(),
            letters: HashSet::new(),
            early: Vec::new(),
            read_to: 0,
        };
        for conversation in conversations {
            following.read_to = following.read_to.max(conversation.read_to);
            for packet in &conversation.packets {
                following.note(packet);
                following.change(packet);
            }
            let letters = conversation.letters.iter().map(|stored| stored.letter.id.clone());
            following.letters.extend(letters);
        }
        following
    }

    /// Prints what comes, without end.
    ///
    /// # Errors
    /// If one of the streams is gone; if the output cannot be written.
    pub(super) async fn run(
        mut self,
        rapids: &Rapids,
        config: &Config,
        session: &Session,
    ) -> Result<()> {
        let screen = &session.screen;
        let mut tail = rapids.tail(Start::Sequence(self.read_to + 1)).await?;
        let mut letters = self.follow_letters(config, screen).await?;
        loop {
            tokio::select! {
                packet = next_packet(&mut tail) => {
                    if let Some(packet) = packet? {
                        self.packet(&packet, screen)?;
                        self.early_letters(screen)?;
                    }
                }
                letter = next_letter(&mut letters, screen) => {
                    if let Some(letter) = letter?.filter(|letter| self.is_new(letter)) {
                        self.early.push(letter);
                        self.early_letters(screen)?;
                    }
                }
            }
        }
    }

    /// The letters since the first packet, of which those that were printed are passed over.
    async fn follow_letters(&self, config: &Config, screen: &Screen) -> Result<Option<LetterTail>> {
        let since = self.begun.values().min();
        let filter = since.map_or_else(Filter::new, |since| Filter::new().since(*since));
        match DeadLetters::follow(config, &filter).await {
            Err(error @ Error::NotPermitted { .. }) => {
                screen.warning(format_args!("dead letters are not followed: {error}"));
                Ok(None)
            }
            letters => Ok(Some(letters?)),
        }
    }

    fn packet(&mut self, packet: &Packet, screen: &Screen) -> Result<()> {
        self.read_to = packet.arrival().map_or(self.read_to, |arrival| arrival.sequence);
        let Some(begun) = self.begun.get(packet.correlation_id()) else {
            return Ok(());
        };
        let begun = *begun;
        let changes = self.change(packet);
        if self.is_json {
            screen.json(&json::added_packet(packet, changes)?)?;
        } else {
            let told = changes.map_or_else(|| facts(packet), |changes| changes.shown());
            let cause = packet.causation_id().and_then(|id| self.places.get(id));
            let since_cause = cause.and_then(|(_, at)| between(*at, stored(packet)));
            let times = [between(begun, stored(packet)), since_cause];
            let palette = screen.data;
            let line = packet_line(packet, &told, times, "", palette);
            let line = match (cause, packet.causation_id()) {
                (Some((sequence, _)), _) => {
                    line.styled(palette.faint, format_args!("  after {sequence}"))
                }
                (None, Some(cause)) => line.styled(palette.faint, format_args!("  after {cause}")),
                (None, None) => line,
            };
            screen.line(line)?;
        }
        self.note(packet);
        Ok(())
    }

    /// What a packet changes, if that is shown.
    fn change(&mut self, packet: &Packet) -> Option<Changes> {
        let known = self.known.as_mut()?;
        Some(known.entry(packet.correlation_id().to_owned()).or_default().take(packet))
    }

    /// Whether a letter is about one of the conversations, and was not printed.
    fn is_new(&mut self, StoredLetter { letter, .. }: &StoredLetter) -> bool {
        self.begun_of_letters.contains_key(&letter.correlation_id)
            && self.letters.insert(letter.id.clone())
    }

    /// Prints the letters whose packets have come.
    fn early_letters(&mut self, screen: &Screen) -> Result<()> {
        let read_to = self.read_to;
        let has_come = |stored: &mut StoredLetter| stored.letter.sequence <= read_to;
        let come: Vec<_> = self.early.extract_if(.., has_come).collect();
        come.iter().try_for_each(|letter| self.letter(letter, screen))
    }

    fn letter(&self, stored: &StoredLetter, screen: &Screen) -> Result<()> {
        let letter = &stored.letter;
        let Some(begun) = self.begun_of_letters.get(&letter.correlation_id) else {
            return Ok(());
        };
        if self.is_json {
            return screen.json(&json::added_letter(stored)?);
        }
        let written = stored.written;
        let times = [between(*begun, written), between(letter.stored, written)];
        let palette = screen.data;
        let line = letter_line(stored, times, "", palette);
        screen.line(line.styled(palette.faint, format_args!("  about {}", letter.sequence)))
    }

    fn note(&mut self, packet: &Packet) {
        let at = stored(packet);
        let sequence = packet.arrival().map_or(0, |arrival| arrival.sequence);
        let conversation = packet.correlation_id();
        self.begun.entry(conversation.to_owned()).or_insert(at);
        let short = DeadLetter::shortened_id(conversation);
        self.begun_of_letters.entry(short).or_insert(at);
        self.places.entry(packet.id().to_owned()).or_insert((sequence, at));
    }
}

/// Waits for the next packet; `None` for a body that is none.
async fn next_packet(tail: &mut Tail) -> Result<Option<Packet>> {
    match tail.next().await {
        Ok(packet) => Ok(Some(packet)),
        Err(Error::Malformed { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Waits for the next letter; `None` for a message that is none.
async fn next_letter(
    letters: &mut Option<LetterTail>,
    screen: &Screen,
) -> Result<Option<StoredLetter>> {
    let Some(letters) = letters else {
        return std::future::pending().await;
    };
    match letters.next().await {
        Err(error @ Error::Stream { .. }) => {
            screen.warning(error);
            Ok(None)
        }
        next => Ok(next?),
    }
}

fn between(from: Timestamp, to: Timestamp) -> Option<Duration> {
    Duration::try_from(to.duration_since(from)).ok()
}
