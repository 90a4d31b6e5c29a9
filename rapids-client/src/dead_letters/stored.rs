//! A dead letter as it lies in the stream, with what has become of it.

use async_nats::HeaderMap;
use async_nats::jetstream::message::StreamMessage;
use bytes::Bytes;
use jiff::Timestamp;

use super::headers::{Reader, VERSION};
use super::state_record::StateRecord;
use super::{DeadLetter, LetterId};
use crate::jetstream::timestamp;
use crate::letter_action::{Action, ActionKind, State};
use crate::names::{DEAD_LETTER_PREFIX, DEAD_LETTERS};
use crate::packet::{Arrival, Packet};
use crate::{Error, Result};

/// Set by the server on a message that it gives without its body: the body's size.
const SIZE: &str = "Nats-Msg-Size";

/// The newest version of letters that can be read. One without a version is of the first, as all are by now. A later
/// one keeps the headers by which a service knows that its letter is written: packet id and epoch.
const KNOWN: u64 = 1;

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
    subject: &'a str,
    headers: Option<&'a HeaderMap>,
    body: &'a Bytes,
    sequence: u64,
    written: Timestamp,
}

impl<'a> Message<'a> {
    /// One that a consumer delivered, with the facts of the stream.
    pub(super) fn delivered(
        message: &'a async_nats::Message,
        sequence: u64,
        written: Timestamp,
    ) -> Self {
        let headers = message.headers.as_ref();
        Self { subject: &message.subject, headers, body: &message.payload, sequence, written }
    }
}

impl<'a> From<&'a StreamMessage> for Message<'a> {
    fn from(message: &'a StreamMessage) -> Self {
        Self {
            subject: &message.subject,
            headers: Some(&message.headers),
            body: &message.payload,
            sequence: message.sequence,
            written: timestamp(message.time),
        }
    }
}

impl StoredLetter {
    /// Reads a letter as it was written: it waits.
    pub(super) fn read(message: &Message<'_>) -> Result<Self> {
        let Message { subject, headers, body, sequence, written } = *message;
        let no_letter = |fault: String| Error::Stream {
            stream: DEAD_LETTERS.to_owned(),
            differences: vec![format!(
                "its message {sequence} is no dead letter: {fault}; `nats stream rmm \
                 {DEAD_LETTERS} {sequence}` deletes it"
            )],
        };
        let version = headers.and_then(|headers| Reader(headers).parsed(VERSION).ok());
        if let Some(version) = version.filter(|version: &u64| *version > KNOWN) {
            let newer = format!(
                "its message {sequence} is of version {version}, this program knows {KNOWN}: update it"
            );
            return Err(Error::Stream {
                stream: DEAD_LETTERS.to_owned(),
                differences: vec![newer],
            });
        }
        let id = subject.strip_prefix(DEAD_LETTER_PREFIX).unwrap_or(subject);
        let id: LetterId = id.parse().map_err(|error: Error| no_letter(error.to_string()))?;
        let none = HeaderMap::new();
        let headers = headers.unwrap_or(&none);
        let size = headers.get(SIZE).and_then(|size| size.as_str().parse().ok());
        let size = size.unwrap_or(body.len());
        let letter = DeadLetter::read(id, headers, body.clone()).map_err(no_letter)?;
        let (state, actions) = (State::Waiting, Vec::new());
        Ok(Self { letter, written, sequence, size, state, actions, again: None })
    }

    /// Adds what was done with it, if the record is about it.
    pub(super) fn settle(&mut self, record: &StateRecord) {
        if record.is_about(self.written) {
            self.state = record.state;
            self.actions = record.actions();
        }
    }

    /// Adds the letter that tells how its replay failed again.
    pub(super) fn fail_again(&mut self, again: LetterId) {
        self.state = State::FailedAgain;
        self.again = Some(again);
    }

    /// The id that the letter of its replay would have, and the packet that it would be about.
    pub(super) fn replayed_as(&self) -> Option<(LetterId, String)> {
        replayed_as(&self.letter.id, &self.letter.packet_id, &self.actions)
    }

    /// What was done with it last, whoever finished that; `None` if nothing was.
    pub fn action(&self) -> Option<&Action> {
        self.actions.iter().rev().find(|action| action.kind != ActionKind::Resume)
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
        let DeadLetter { sequence, stored, packet_id, publisher, .. } = &self.letter;
        Arrival {
            message_id: Some(packet_id.clone()),
            publisher: publisher.as_deref().map(Into::into),
            // When the stream was created, only packets without an id need.
            ..Arrival::at(*sequence, *stored)
        }
    }
}

/// The id that the letter of a replay would have, and the packet that it would be about, if these actions on a
/// letter about a packet have sent one.
pub(super) fn replayed_as(
    id: &LetterId,
    packet_id: &str,
    actions: &[Action],
) -> Option<(LetterId, String)> {
    let (action, again) = actions.iter().rev().find_map(|it| Some((it, id.again(it)?)))?;
    Some((again, action.packet_id.as_deref().unwrap_or(packet_id).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::letter;
    use super::*;

    #[test]
    fn a_letter_of_a_later_version_is_told_and_not_to_be_deleted() {
        let (subject, body) = (format!("{DEAD_LETTER_PREFIX}{}", letter().id), Bytes::new());
        let mut headers = letter().headers();
        let read = |headers: &HeaderMap| {
            let headers = Some(headers);
            let written = Timestamp::UNIX_EPOCH;
            StoredLetter::read(&Message {
                subject: &subject,
                headers,
                body: &body,
                sequence: 7,
                written,
            })
        };
        assert!(read(&headers).is_ok());
        headers.insert(VERSION, "1");
        assert!(read(&headers).is_ok());
        headers.insert(VERSION, "2");
        let told = read(&headers).unwrap_err().to_string();
        assert!(
            told.ends_with("message 7 is of version 2, this program knows 1: update it"),
            "{told}"
        );
    }
}
