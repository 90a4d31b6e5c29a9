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
use super::{DeadLetter, DeadLetters, LetterId, StoredLetter, replacement};
use crate::jetstream::resource::largest_message;
use crate::jetstream::stored_message::of_rapids;
use crate::jetstream::trace_headers;
use crate::letter_action::{Action, ActionKind, Note, Refusal, State};
use crate::operations::Operation;
use crate::packet::Packet;
use crate::{Error, Result};

/// A stream surely recognises what it stored less than this ago.
const RECENT: Duration = Duration::from_secs(60);

impl DeadLetters {
    /// Records an action, so that nobody else can begin one, and carries it out.
    pub(super) async fn begin(
        &self,
        stored: &StoredLetter,
        (kind, note): (ActionKind, &Note),
        replacement: impl FnOnce(String) -> Result<Option<Packet>>,
    ) -> Result<Action> {
        let id = &stored.letter.id;
        let to = self.sends_to(kind, &id.river_name()).await?;
        let action = Action { to, ..Action::new(kind, note) };
        let (previous, revision) = self.states.load(id).await?;
        check(stored, action.kind, previous.as_ref())?;
        let state = match action.kind {
            ActionKind::Discard | ActionKind::Restore => action.kind.outcome(),
            _ => State::Unfinished,
        };
        let mut record = StateRecord::begun(state, stored.written, action, previous.as_ref());
        let packet_id = replacement::id(&stored.letter, record.action.kind, record.number);
        if let Some(packet) = replacement(packet_id)? {
            record.action.packet_id = Some(packet.id().to_owned());
            record.packet = Some(self.written(&packet)?);
        }
        let action = match self.states.save(id, &record, revision).await? {
            Some(_) if state != State::Unfinished => record.action,
            Some(revision) => Box::pin(self.finish(stored, record, revision)).await?,
            None => {
                return match self.states.load(id).await?.0 {
                    Some(record) => Err(taken(stored, &record)),
                    None => Err(id.refused(Refusal::Unknown)),
                };
            }
        };
        self.log(id, action.kind, note, &action).await;
        Ok(action)
    }

    /// Adds to the log what somebody did with a letter. What a job does stands in it once, for all letters.
    pub(super) async fn log(&self, id: &LetterId, kind: ActionKind, note: &Note, done: &Action) {
        if note.job.is_some() {
            return;
        }
        let operation = Operation::new(kind.as_str(), id.to_string(), note);
        let Action { replay, packet_id, .. } = done;
        let outcome = match (replay, packet_id) {
            (Some(replay), Some(packet)) => format!("packet {packet} as replay {replay}"),
            (Some(replay), None) => format!("replay {replay}"),
            (None, Some(packet)) => format!("packet {packet}"),
            (None, None) => return self.record(&operation).await,
        };
        self.record(&operation.outcome(outcome)).await;
    }

    /// Sends what an unfinished record says, and writes down that it was sent.
    pub(super) async fn finish(
        &self,
        stored: &StoredLetter,
        mut record: StateRecord,
        revision: u64,
    ) -> Result<Action> {
        let id = &stored.letter.id;
        let outgoing = self.outgoing(stored, &record).await?;
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

    /// The message that a record's action sends.
    async fn outgoing(&self, stored: &StoredLetter, record: &StateRecord) -> Result<Outgoing> {
        let letter = &stored.letter;
        let body = match &record.packet {
            Some(packet) => Bytes::from(packet.get().to_owned()),
            None => letter.body.clone(),
        };
        let packet_id = record.action.packet_id.clone().unwrap_or_else(|| letter.packet_id.clone());
        if record.action.kind == ActionKind::ReplayToAll {
            return Ok(Outgoing::to_all(packet_id, letter.trace.as_ref(), body));
        }
        let to = letter.id.sent_to(&record.action);
        let addressed = Addressed {
            river: to.river().to_owned(),
            packet_id: packet_id.clone(),
            sequence: letter.sequence,
            stored: letter.stored,
            publisher: self.publisher_of(letter).await?,
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
        Ok(Outgoing::to_service(to.service(), headers, message_id, packet_id, body))
    }

    /// Who has published a letter's packet: as the stream says, while it has the packet.
    async fn publisher_of(&self, letter: &DeadLetter) -> Result<Option<String>> {
        let Some(told) = &letter.publisher else { return Ok(None) };
        let found = of_rapids(&self.connection, letter.sequence).await?;
        Ok(match found.filter(|found| found.stored == letter.stored) {
            Some(found) => found.publisher.as_deref().map(str::to_owned),
            None => Some(told.clone()),
        })
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

/// Makes sure that an action is possible after what was done with the letter before.
fn check(stored: &StoredLetter, kind: ActionKind, previous: Option<&StateRecord>) -> Result<()> {
    let previous = previous.filter(|record| record.is_about(stored.written));
    match (kind, previous) {
        (ActionKind::Restore, Some(record)) if record.state == State::Discarded => Ok(()),
        (ActionKind::Restore, _) => Err(stored.letter.id.refused(Refusal::NotDiscarded)),
        (_, Some(record)) if !record.is_waiting() => Err(taken(stored, record)),
        _ => Ok(()),
    }
}

/// Somebody else has acted on the letter.
fn taken(stored: &StoredLetter, record: &StateRecord) -> Error {
    let state = if stored.again.is_some() { stored.state } else { record.state };
    let action = Box::new(record.action.clone());
    stored.letter.id.refused(Refusal::Taken { state, action })
}
