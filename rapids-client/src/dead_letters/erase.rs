//! Removes letters for good, with their bodies, and what people have said of them.
//!
//! [Discarding](DeadLetters::discard) a letter leaves it in the stream.

use std::collections::HashMap;

use jiff::Timestamp;

use super::state_record::StateRecord;
use super::stored::{Message, StoredLetter};
use super::{DeadLetters, LetterId};
use crate::Result;
use crate::erasable::{HeldIn, Judged, Meant, Tally};
use crate::jetstream::delete::delete;
use crate::jetstream::scan::Scan;
use crate::letter_action::{Action, ActionKind, Note, State};
use crate::names::{DEAD_LETTER_SUBJECTS, DEAD_LETTERS};

impl DeadLetters {
    /// Counts the letters whose packets are meant, and those with an unfinished action that sends such a packet;
    /// removes them if there is a note of who does it.
    ///
    /// # Errors
    /// `Record` if it cannot be read what was done with a letter; `NotPermitted`, `Server`.
    pub(crate) async fn erase(
        &self,
        meant: &Meant,
        note: Option<&Note>,
        tally: &mut Tally,
    ) -> Result<()> {
        let mut unfinished = self.unfinished(meant).await?;
        let subjects = DEAD_LETTER_SUBJECTS.to_owned();
        let mut scan = Scan::new(&self.connection, DEAD_LETTERS, subjects);
        while let Some(message) = scan.next().await? {
            let stored = match StoredLetter::read(&Message::from(&message)) {
                Ok(stored) => stored,
                Err(error) => {
                    tally.unread(&error);
                    continue;
                }
            };
            let id = &stored.letter.id;
            let judged = stored.packet().map_or(Judged::Unknown, |packet| meant.packet(&packet));
            if unfinished.remove(id).is_none() && judged != Judged::Meant {
                if judged == Judged::Unknown {
                    tally.unjudged();
                }
                continue;
            }
            tally.found(HeldIn::Letters, id.river_name().to_string());
            if let Some(note) = note {
                self.close(id, stored.written, note).await?;
                self.remove_comments(id).await?;
                // Last, since it is found by its body if this is broken off.
                delete(&self.connection, DEAD_LETTERS, stored.sequence).await?;
            }
        }
        // Of letters that have expired.
        for (id, letter) in unfinished {
            tally.found(HeldIn::Letters, id.river_name().to_string());
            if let Some(note) = note {
                self.close(&id, letter, note).await?;
            }
        }
        Ok(())
    }

    /// The letters with an unfinished action that sends a packet which is meant, and when they were stored.
    async fn unfinished(&self, meant: &Meant) -> Result<HashMap<LetterId, Timestamp>> {
        let records = self.states.all("*", "*").await?.into_iter();
        let sends = |record: &StateRecord| {
            let packet = record.packet.as_ref().map(|packet| packet.get().to_owned());
            packet.is_some_and(|packet| meant.body(&packet.into()) == Judged::Meant)
        };
        let sending = records.filter(|(_, record)| sends(record));
        Ok(sending.map(|(id, record)| (id, record.letter)).collect())
    }

    /// Writes down that a letter is discarded, whatever was begun with it, and nothing else of what was: no one can
    /// begin anything with it then. The count of actions stays, which tells replays apart.
    async fn close(&self, id: &LetterId, letter: Timestamp, note: &Note) -> Result<()> {
        loop {
            let (former, revision) = self.states.load(id).await?;
            let action = Action::new(ActionKind::Discard, note);
            let begun = StateRecord::begun(State::Discarded, letter, action, former.as_ref());
            let record = StateRecord { earlier: Vec::new(), ..begun };
            if self.states.save(id, &record, revision).await?.is_some() {
                return Ok(());
            }
        }
    }
}
