//! What is kept of one letter.

use std::sync::Arc;

use rapids_client::State;

/// So much of an id and of a reason is kept, in bytes. Longer ids are found by their hashes.
const LONGEST_ID: usize = 100;
pub(super) const LONGEST_REASON: usize = 200;

/// One letter. `earlier` fields lead to the letter before it of the same kind, as a list does.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) sequence: u64,
    /// In microseconds since 1970.
    pub(super) written: i64,
    /// Hashes of the whole ids.
    pub(super) packet: u64,
    pub(super) conversation: u64,
    /// The sequence of the letter before it about the same packet, of the same conversation; 0 for none.
    pub(super) earlier_of_packet: u64,
    pub(super) earlier_of_conversation: u64,
    /// The place of its group.
    pub(super) group: u32,
    pub(super) attempts: u32,
    /// The number of the job that acted on it last; 0 for none.
    pub(super) job: u32,
    pub(super) name: Option<Arc<str>>,
    pub(super) state: State,
    text: Text,
}

/// The token of the letter's id, the packet's id, the conversation's and the reason, in one piece of memory.
#[derive(Debug)]
struct Text {
    all: Box<str>,
    /// Where the first three end.
    ends: [u16; 3],
}

impl Entry {
    /// An entry that is in no list yet.
    pub(super) fn new(
        sequence: u64,
        written: i64,
        texts: Texts<'_>,
        [packet, conversation]: [u64; 2],
    ) -> Self {
        Self {
            sequence,
            written,
            packet,
            conversation,
            earlier_of_packet: 0,
            earlier_of_conversation: 0,
            group: 0,
            attempts: 0,
            job: 0,
            name: None,
            state: State::Waiting,
            text: texts.in_one(),
        }
    }

    /// What tells the letter apart from others of its river: the end of its id.
    pub(super) fn token(&self) -> &str {
        self.text.part(0)
    }

    /// The beginning of the packet's id.
    pub(super) fn packet_id(&self) -> &str {
        self.text.part(1)
    }

    /// The beginning of the conversation's id.
    pub(super) fn correlation_id(&self) -> &str {
        self.text.part(2)
    }

    /// The beginning of the reason.
    pub(super) fn reason(&self) -> &str {
        self.text.part(3)
    }

    /// How many bytes its text takes beside the entry itself.
    #[cfg(test)]
    pub(super) fn text_size(&self) -> usize {
        self.text.all.len()
    }
}

/// The texts of a letter, as long as they are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Texts<'a> {
    pub(super) token: &'a str,
    pub(super) packet_id: &'a str,
    pub(super) correlation_id: &'a str,
    pub(super) reason: &'a str,
}

impl Texts<'_> {
    fn in_one(self) -> Text {
        let parts = [
            self.token,
            beginning(self.packet_id, LONGEST_ID),
            beginning(self.correlation_id, LONGEST_ID),
            beginning(self.reason, LONGEST_REASON),
        ];
        let (mut all, mut ends) = (String::with_capacity(parts.map(str::len).iter().sum()), [0; 3]);
        for (place, part) in parts.into_iter().enumerate() {
            all.push_str(part);
            if let Some(end) = ends.get_mut(place) {
                // Each part is short.
                *end = u16::try_from(all.len()).unwrap_or(u16::MAX);
            }
        }
        Text { all: all.into_boxed_str(), ends }
    }
}

impl Text {
    fn part(&self, place: usize) -> &str {
        let end =
            |place: usize| self.ends.get(place).map_or(self.all.len(), |end| usize::from(*end));
        let begin = place.checked_sub(1).map_or(0, end);
        self.all.get(begin..end(place)).unwrap_or_default()
    }
}

/// At most so many bytes of a text.
pub(super) fn beginning(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_back_and_long_ones_are_cut_between_characters() {
        let long = "é".repeat(LONGEST_ID);
        let texts =
            Texts { token: "17-2", packet_id: "p-1", correlation_id: &long, reason: "no\nbank" };
        let entry = Entry::new(1, 0, texts, [1, 2]);
        assert_eq!((entry.token(), entry.packet_id(), entry.reason()), ("17-2", "p-1", "no\nbank"));
        assert_eq!(entry.correlation_id(), "é".repeat(LONGEST_ID / 2));
    }
}
