//! Carrying out what an operator decided, once, whatever is interrupted.
//!
//! What is to be done is written down first, with all that is needed to do it, then it is sent under
//! an id that the stream recognises, then it is written down that it is done.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::value::RawValue;

use super::headers::EDITED;
use super::ledger::Record;
use super::outbox::{Parcel, Undelivered};
use super::replay::{Addressed, message_id};
use super::{Action, DeadLetters, Deed, LetterId, Refusal, State, StoredLetter, replacement};
use crate::jetstream::resource::largest_message;
use crate::packet::Packet;
use crate::{Error, Result};

/// An action begun less than this ago is surely recognised by the stream that it was sent to.
const RECENT: Duration = Duration::from_secs(60);

impl DeadLetters {
    /// Writes an action down, which nobody else can begin from then on, and carries it out.
    pub(super) async fn begin(
        &self,
        stored: &StoredLetter,
        mut action: Action,
        replacement: impl FnOnce(String) -> Result<Option<Packet>>,
    ) -> Result<Action> {
        let id = &stored.letter.id;
        let (previous, revision) = self.ledger.load(id).await?;
        let number = match &previous {
            None => 1,
            Some(record) if record.is_about(stored.written) && !record.is_waiting() => {
                return Err(taken(stored, record));
            }
            Some(record) => record.number + 1,
        };
        let packet_id = replacement::id(&stored.letter, action.deed, number);
        let packet = match replacement(packet_id)? {
            None => None,
            Some(packet) => {
                action.packet_id = Some(packet.id().to_owned());
                Some(self.written(&packet)?)
            }
        };
        let state = match action.deed {
            Deed::Discard => State::Discarded,
            _ => State::Unfinished,
        };
        let letter = stored.written;
        let record = Record { state, letter, number, action, resumed: None, packet };
        match self.ledger.save(id, &record, revision).await? {
            Some(_) if state == State::Discarded => Ok(record.action),
            Some(revision) => Box::pin(self.finish(stored, record, revision)).await,
            None => match self.ledger.load(id).await?.0 {
                Some(record) => Err(taken(stored, &record)),
                None => Err(refused(id, Refusal::Unknown)),
            },
        }
    }

    /// Sends what an unfinished record says, and writes down that it was sent.
    pub(super) async fn finish(
        &self,
        stored: &StoredLetter,
        mut record: Record,
        revision: u64,
    ) -> Result<Action> {
        let id = &stored.letter.id;
        let parcel = parcel(stored, &record);
        let sequence = match self.sent(&parcel, stored, &record).await? {
            Some(sequence) => sequence,
            None => match parcel.send(&self.connection).await {
                Ok(sequence) => sequence,
                Err(Undelivered { error, is_certain }) => {
                    if is_certain && record.resumed.is_none() {
                        // Best effort: otherwise it stays unfinished, which is true as well.
                        let withdrawn = Record { state: State::Waiting, packet: None, ..record };
                        let _ = self.ledger.save(id, &withdrawn, revision).await;
                    }
                    return Err(error);
                }
            },
        };
        match record.action.deed {
            Deed::ReplayToAll => record.action.sequence = Some(sequence),
            _ => record.action.replay = Some(sequence),
        }
        record.state = record.action.deed.outcome();
        record.packet = None;
        match self.ledger.save(id, &record, revision).await? {
            Some(_) => Ok(record.action),
            // Somebody resumed it meanwhile, and came to the same end.
            None => match self.ledger.load(id).await?.0 {
                Some(record) if record.state != State::Unfinished => Ok(record.action),
                _ => Err(refused(id, Refusal::NothingToResume)),
            },
        }
    }

    /// The sequence of what was sent before the action was interrupted, if the stream may have
    /// forgotten that it has it.
    async fn sent(
        &self,
        parcel: &Parcel,
        stored: &StoredLetter,
        record: &Record,
    ) -> Result<Option<u64>> {
        let age = Timestamp::now().duration_since(record.action.at);
        let is_recent = Duration::try_from(age).is_ok_and(|age| age < RECENT);
        if record.resumed.is_none() || is_recent {
            return Ok(None);
        }
        parcel.find(&self.connection, stored.written).await
    }

    /// A packet as it will be sent, if the streams can take it.
    fn written(&self, packet: &Packet) -> Result<Box<RawValue>> {
        packet.check()?;
        let body = packet.written();
        let limit = largest_message(self.connection.max_payload());
        if body.len() > limit {
            let reason = format!("it has {} bytes, the limit is {limit}", body.len());
            return Err(Error::Refused { id: packet.id().to_owned(), reason });
        }
        serde_json::from_slice(&body)
            .map_err(|error| Error::Malformed { reason: error.to_string() })
    }
}

/// What a record's action sends.
fn parcel(stored: &StoredLetter, record: &Record) -> Parcel {
    let letter = &stored.letter;
    let body = match &record.packet {
        Some(packet) => Bytes::from(packet.get().to_owned()),
        None => letter.body.clone(),
    };
    let packet_id = record.action.packet_id.clone().unwrap_or_else(|| letter.packet_id.clone());
    if record.action.deed == Deed::ReplayToAll {
        return Parcel::to_all(packet_id, body);
    }
    let addressed = Addressed {
        river: letter.id.river().to_owned(),
        packet_id: packet_id.clone(),
        sequence: letter.sequence,
        stored: letter.stored,
        letter: letter.id.clone(),
        first: letter.first.clone().unwrap_or_else(|| letter.id.clone()),
    };
    let mut headers = addressed.headers();
    if record.action.deed == Deed::Edit {
        headers.insert(EDITED, "true");
    }
    let message_id = message_id(&letter.id, record.number);
    Parcel::to_service(letter.id.service(), headers, message_id, packet_id, body)
}

/// Somebody was there before.
fn taken(stored: &StoredLetter, record: &Record) -> Error {
    let state = if stored.again.is_some() { stored.state } else { record.state };
    let action = Box::new(record.action.clone());
    refused(&stored.letter.id, Refusal::Taken { state, action })
}

pub(super) fn refused(id: &LetterId, refusal: Refusal) -> Error {
    Error::Letter { id: id.to_string(), refusal }
}
