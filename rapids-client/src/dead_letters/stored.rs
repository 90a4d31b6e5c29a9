//! A dead letter as it lies in the stream, with what has become of it.

use async_nats::HeaderMap;
use bytes::Bytes;
use jiff::Timestamp;

use super::state_record::StateRecord;
use super::{DeadLetter, LetterId};
use crate::letter_action::{Action, State};
use crate::names::{DEAD_LETTER_PREFIX, DEAD_LETTERS};
use crate::packet::{Arrival, Packet};
use crate::{Error, Result};

/// Set by the server on a message that it gives without its body: the body's size.
const SIZE: &str = "Nats-Msg-Size";

/// A dead letter as it lies in the stream, with what has become of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLetter {
    /// What the letter says.
    pub letter: DeadLetter,
    /// When it was stored.
    pub written: Timestamp,
    /// Its sequence in the stream of dead letters.
    pub sequence: u64,
    /// The size of the packet in bytes, also where the body was left on the server.
    pub size: usize,
    /// What has become of it.
    pub state: State,
    /// Who did what with it, oldest first.
    pub actions: Vec<Action>,
    /// If its replay failed again: the letter that tells how.
    pub again: Option<LetterId>,
}

/// A message of the stream of dead letters.
pub(super) struct Message<'a> {
    pub(super) subject: &'a str,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: Bytes,
    pub(super) sequence: u64,
    pub(super) written: Timestamp,
}

impl StoredLetter {
    /// Reads a message. `failed_again` takes the id that a letter about its replay would have, and
    /// returns the letter's id if there is one.
    pub(super) fn read(
        message: Message<'_>,
        record: Option<&StateRecord>,
        failed_again: impl FnOnce(LetterId) -> Option<LetterId>,
    ) -> Result<Self> {
        let Message { subject, headers, body, sequence, written } = message;
        let no_letter = |fault: String| Error::Stream {
            stream: DEAD_LETTERS.to_owned(),
            differences: vec![format!(
                "its message {sequence} is no dead letter: {fault}; `nats stream rmm \
                 {DEAD_LETTERS} {sequence}` deletes it"
            )],
        };
        let id = subject.strip_prefix(DEAD_LETTER_PREFIX).unwrap_or(subject);
        let id: LetterId = id.parse().map_err(|error: Error| no_letter(error.to_string()))?;
        let size = headers.get(SIZE).and_then(|size| size.as_str().parse().ok());
        let size = size.unwrap_or(body.len());
        let letter = DeadLetter::read(id, headers, body).map_err(no_letter)?;
        let mut stored = Self {
            letter,
            written,
            sequence,
            size,
            state: State::Waiting,
            actions: Vec::new(),
            again: None,
        };
        if let Some(record) = record.filter(|record| record.is_about(written)) {
            stored.settle(record, failed_again);
        }
        Ok(stored)
    }

    fn settle(
        &mut self,
        record: &StateRecord,
        failed_again: impl FnOnce(LetterId) -> Option<LetterId>,
    ) {
        self.state = record.state;
        self.actions = std::iter::once(&record.action).chain(&record.resumed).cloned().collect();
        self.again = self.replayed_as().and_then(|(id, _)| failed_again(id));
        if self.again.is_some() {
            self.state = State::FailedAgain;
        }
    }

    /// The id that the letter of its replay would have, and the packet that it would be about.
    pub(super) fn replayed_as(&self) -> Option<(LetterId, String)> {
        let action = self.actions.first()?;
        let id = &self.letter.id;
        let id = LetterId::of_replay(id.service(), id.river(), action.replay?);
        let packet_id = action.packet_id.as_ref().unwrap_or(&self.letter.packet_id);
        Some((id, packet_id.clone()))
    }

    /// The packet that the river could not handle, under its own id even if the body names none.
    ///
    /// # Errors
    /// [`Error::Malformed`] if the body is no packet, or nested deeper than one may be.
    pub fn packet(&self) -> Result<Packet> {
        Packet::arrived(self.letter.body.clone(), self.arrival())
    }

    /// The packet to be corrected, however deep it nests.
    pub(super) fn to_correct(&self) -> Result<Packet> {
        Packet::arrived_unjudged(self.letter.body.clone(), self.arrival())
    }

    fn arrival(&self) -> Arrival {
        let DeadLetter { sequence, stored, packet_id, .. } = &self.letter;
        Arrival {
            sequence: *sequence,
            replay: None,
            stored: *stored,
            // Only packets without an id need it.
            stream_created: *stored,
            message_id: Some(packet_id.clone()),
        }
    }
}
