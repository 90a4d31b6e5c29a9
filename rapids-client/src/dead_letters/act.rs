//! Carries out what an operator decided: once, also if it is interrupted.
//!
//! First the action is recorded, with everything that it needs. Then its message is sent under an id
//! that the stream recognises. Then it is recorded that the action is done.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::value::RawValue;

use super::headers::EDITED;
use super::outgoing::{Outgoing, Undelivered};
use super::replay::{Addressed, Letters, message_id};
use super::state_record::StateRecord;
use super::{DeadLetters, StoredLetter, replacement};
use crate::jetstream::resource::largest_message;
use crate::jetstream::trace_headers;
use crate::letter_action::{Action, ActionKind, Refusal, State};
use crate::packet::Packet;
use crate::{Error, Result};

/// A stream surely recognises what it stored less than this ago.
const RECENT: Duration = Duration::from_secs(60);

impl DeadLetters {
    /// Records an action, so that nobody else can begin one, and carries it out.
    pub(super) async fn begin(
        &self,
        stored: &StoredLetter,
        mut action: Action,
        replacement: impl FnOnce(String) -> Result<Option<Packet>>,
    ) -> Result<Action> {
        let id = &stored.letter.id;
        let (previous, revision) = self.states.load(id).await?;
        let number = match &previous {
            None => 1,
            Some(record) if record.is_about(stored.written) && !record.is_waiting() => {
                return Err(taken(stored, record));
            }
            Some(record) => record.number + 1,
        };
        let packet_id = replacement::id(&stored.letter, action.kind, number);
        let packet = match replacement(packet_id)? {
            None => None,
            Some(packet) => {
                action.packet_id = Some(packet.id().to_owned());
                Some(self.written(&packet)?)
            }
        };
        let state = match action.kind {
            ActionKind::Discard => State::Discarded,
            _ => State::Unfinished,
        };
        let letter = stored.written;
        let record = StateRecord { state, letter, number, action, resumed: None, packet };
        match self.states.save(id, &record, revision).await? {
            Some(_) if state == State::Discarded => Ok(record.action),
            Some(revision) => Box::pin(self.finish(stored, record, revision)).await,
            None => match self.states.load(id).await?.0 {
                Some(record) => Err(taken(stored, &record)),
                None => Err(id.refused(Refusal::Unknown)),
            },
        }
    }

    /// Sends what an unfinished record says, and writes down that it was sent.
    pub(super) async fn finish(
        &self,
        stored: &StoredLetter,
        mut record: StateRecord,
        revision: u64,
    ) -> Result<Action> {
        let id = &stored.letter.id;
        let outgoing = outgoing(stored, &record);
        let sequence = match self.sent(&outgoing, stored, &record).await? {
            Some(sequence) => sequence,
            None => match outgoing.send(&self.connection).await {
                Ok(sequence) => sequence,
                Err(Undelivered { error, is_certain }) => {
                    if is_certain && record.resumed.is_none() {
                        // If this fails, the letter stays unfinished, which is true as well.
                        let withdrawn =
                            StateRecord { state: State::Waiting, packet: None, ..record };
                        let _ = self.states.save(id, &withdrawn, revision).await;
                    }
                    return Err(error);
                }
            },
        };
        match record.action.kind {
            ActionKind::ReplayToAll => record.action.sequence = Some(sequence),
            _ => record.action.replay = Some(sequence),
        }
        record.state = record.action.kind.outcome();
        record.packet = None;
        match self.states.save(id, &record, revision).await? {
            Some(_) => Ok(record.action),
            // Somebody resumed it meanwhile, and came to the same end.
            None => match self.states.load(id).await?.0 {
                Some(record) if record.state != State::Unfinished => Ok(record.action),
                _ => Err(id.refused(Refusal::NothingToResume)),
            },
        }
    }

    /// The sequence of what was sent before the action was interrupted, if the stream may have
    /// forgotten that it has it.
    async fn sent(
        &self,
        outgoing: &Outgoing,
        stored: &StoredLetter,
        record: &StateRecord,
    ) -> Result<Option<u64>> {
        let age = Timestamp::now().duration_since(record.action.at);
        let is_recent = Duration::try_from(age).is_ok_and(|age| age < RECENT);
        if record.resumed.is_none() || is_recent {
            return Ok(None);
        }
        outgoing.find(&self.connection, stored.written).await
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

/// The message that a record's action sends.
fn outgoing(stored: &StoredLetter, record: &StateRecord) -> Outgoing {
    let letter = &stored.letter;
    let body = match &record.packet {
        Some(packet) => Bytes::from(packet.get().to_owned()),
        None => letter.body.clone(),
    };
    let packet_id = record.action.packet_id.clone().unwrap_or_else(|| letter.packet_id.clone());
    if record.action.kind == ActionKind::ReplayToAll {
        return Outgoing::to_all(packet_id, letter.trace.as_ref(), body);
    }
    let addressed = Addressed {
        river: letter.id.river().to_owned(),
        packet_id: packet_id.clone(),
        sequence: letter.sequence,
        stored: letter.stored,
        letters: Some(Letters {
            letter: letter.id.clone(),
            first: letter.first.clone().unwrap_or_else(|| letter.id.clone()),
        }),
    };
    let mut headers = addressed.headers();
    if record.action.kind == ActionKind::Edit {
        headers.insert(EDITED, "true");
    }
    if let Some(trace) = &letter.trace {
        trace_headers::write(trace, &mut headers);
    }
    let message_id = message_id(&letter.id, record.number);
    Outgoing::to_service(letter.id.service(), headers, message_id, packet_id, body)
}

/// Somebody else has acted on the letter.
fn taken(stored: &StoredLetter, record: &StateRecord) -> Error {
    let state = if stored.again.is_some() { stored.state } else { record.state };
    let action = Box::new(record.action.clone());
    stored.letter.id.refused(Refusal::Taken { state, action })
}
