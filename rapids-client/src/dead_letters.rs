//! Dead letters: packets that a river could not handle, kept until somebody decides on them.
//!
//! Reads letters, and takes what an operator decides. Carrying that out is left to [`act`], storing
//! letters to [`LetterStore`], handling a replay to the service.

mod act;
mod comment;
mod editions;
mod erase;
mod filter;
mod group;
mod headers;
mod history;
mod job;
mod job_letters;
mod job_step;
mod job_worker;
mod jobs;
mod known_letters;
mod letter;
mod letter_change;
mod letter_tail;
mod letter_watch;
mod listing;
mod lookup;
mod masked_reason;
mod outgoing;
mod redirect;
mod replacement;
pub(crate) mod replay;
mod replays;
mod state_record;
mod state_store;
mod store;
mod stored;
#[cfg(test)]
pub(crate) mod testing;
mod text;

use bytes::Bytes;
use tracing::warn;

pub use comment::Comment;
pub use filter::Filter;
pub use group::{LetterGroup, Tag};
pub(crate) use headers::sequence_of;
pub use job::{Chosen, Job, NewJob, Plan};
pub use job_worker::JobStep;
pub use jobs::Jobs;
pub use letter::DeadLetter;
pub use letter_change::LetterChange;
pub use letter_tail::LetterTail;
pub use letter_watch::LetterWatch;
pub use listing::Listing;
pub use masked_reason::masked_reason;
pub use redirect::Redirect;
pub(crate) use replay::{Addressed, Letters};
pub use replays::Replays;
pub(crate) use store::LetterStore;
pub use stored::StoredLetter;

pub use crate::letter_id::LetterId;
pub use crate::letter_kind::Kind;

use crate::Result;
use crate::config::Config;
use crate::connection::Connection;
use crate::error::with_causes;
use crate::jetstream::ensure::{adjust, follow, info_of};
use crate::jetstream::resource::Resource;
use crate::letter_action::{Action, ActionKind, Note, Refusal, State};
use crate::operations::{Operation, Operations};
use crate::packet::Packet;
use crate::position::replay_consumer;
use editions::{Edition, find};
use state_record::StateRecord;
use state_store::StateStore;
use stored::Message;

/// The dead letters of all services, for operators and their tools. Cloning is cheap and shares the connection.
///
/// A letter waits until somebody acts on it, and can be acted on once: of two operators the second
/// is told who was first. A packet that fails again has a letter of its own, which waits in turn.
/// An action that is interrupted is `unfinished`, and [`resume`](Self::resume) finishes it.
///
/// ```no_run
/// use rapids_client::{Config, DeadLetters, Filter, Note, State};
///
/// # async fn example() -> rapids_client::Result<()> {
/// let Some(letters) = DeadLetters::open(&Config::from_env()?).await? else {
///     return Ok(());
/// };
/// let note = Note::new("ada").why("the bank is back");
/// let mut waiting = letters.list(&Filter::new().service("payment").state(State::Waiting)).await?;
/// while let Some(stored) = waiting.next().await? {
///     letters.replay(&stored.letter.id, &note).await?;
/// }
/// # Ok(())
/// # }
/// ```
pub struct DeadLetters {
    connection: Connection,
    states: StateStore,
    operations: Operations,
}

impl DeadLetters {
    /// Connects to the dead letters. They exist from the first start of a service on: `None` if
    /// there are none yet. Creates nothing until an action has to be recorded.
    ///
    /// # Errors
    /// [`Error::Connect`](crate::Error::Connect); [`Error::Stream`](crate::Error::Stream) if a
    /// stream has settings that lose letters; [`Error::NotPermitted`](crate::Error::NotPermitted).
    pub async fn open(config: &Config) -> Result<Option<Self>> {
        let connection = Box::pin(Connection::open(config, "dead-letters")).await?;
        let mut letters_age = None;
        for wanted in [Resource::replays(), Resource::dead_letters()] {
            let Some(found) = Box::pin(info_of(&connection, wanted.name())).await? else {
                return Ok(None);
            };
            letters_age = Some(found.config.max_age);
            Box::pin(adjust(&connection, &wanted, found)).await?;
        }
        // The states have to be kept for as long as the letters.
        let done = Resource::letters(letters_age);
        if let Some(found) = Box::pin(info_of(&connection, done.name())).await?
            && let (_, Some(reason)) = Box::pin(follow(&connection, &done, found)).await?
        {
            warn!("letters that were decided on will wait again, as {reason}");
        }
        Ok(Some(Self::over(connection)))
    }

    pub(crate) fn over(connection: Connection) -> Self {
        let states = StateStore::new(connection.clone());
        let operations = Operations::over(connection.clone());
        Self { connection, states, operations }
    }

    /// Follows the letters that a filter means, as services write them: from the next one on, or
    /// with [`Filter::since`] from the first one stored since then. For alerts; to go through the
    /// letters that are there, take [`list`](Self::list). It waits for the first letter also where no
    /// service has started yet, and creates nothing.
    ///
    /// ```no_run
    /// use rapids_client::{Config, DeadLetters, Filter};
    ///
    /// # async fn example() -> rapids_client::Result<()> {
    /// let mut letters = DeadLetters::follow(&Config::from_env()?, &Filter::new()).await?;
    /// while let Some(stored) = letters.next().await? {
    ///     println!("{}: {}", stored.letter.id, stored.letter.reason);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for a service or river that can be none;
    /// [`Error::Connect`](crate::Error::Connect), [`Error::Server`](crate::Error::Server),
    /// [`Error::NotPermitted`](crate::Error::NotPermitted).
    pub async fn follow(config: &Config, filter: &Filter) -> Result<LetterTail> {
        Box::pin(LetterTail::open(config, filter)).await
    }

    /// Watches all letters and what becomes of them: first those that are there, then each that is written and
    /// each change. For programs that show them; for alerts, take [`follow`](Self::follow). It waits also where
    /// no service has started yet, and creates nothing.
    ///
    /// ```no_run
    /// use rapids_client::{Config, DeadLetters, LetterChange};
    ///
    /// # async fn example() -> rapids_client::Result<()> {
    /// let mut watch = DeadLetters::watch(&Config::from_env()?).await?;
    /// loop {
    ///     match watch.next().await? {
    ///         LetterChange::Letter(stored) => println!("{}: {}", stored.letter.id, stored.state),
    ///         LetterChange::Settled { id, state, .. } => println!("{id}: {state}"),
    ///         LetterChange::CaughtUp => println!("that is all so far"),
    ///         LetterChange::ExpiredBefore(sequence) => println!("before {sequence}: expired"),
    ///         LetterChange::Anew => println!("all letters are gone"),
    ///         _ => {}
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Connect`](crate::Error::Connect), [`Error::Server`](crate::Error::Server),
    /// [`Error::NotPermitted`](crate::Error::NotPermitted).
    pub async fn watch(config: &Config) -> Result<LetterWatch> {
        Box::pin(LetterWatch::open(config)).await
    }

    /// Goes through the letters that a filter means, oldest first, without their bodies.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for a service or river that can be none;
    /// [`Error::Server`](crate::Error::Server),
    /// [`Error::NotPermitted`](crate::Error::NotPermitted).
    pub async fn list(&self, filter: &Filter) -> Result<Listing> {
        Box::pin(Listing::open(&self.connection, &self.states, filter, 0)).await
    }

    /// As [`list`](Self::list), in every state, and those behind a sequence of the stream.
    async fn list_behind(&self, filter: &Filter, sequence: u64) -> Result<Listing> {
        let filter = filter.in_every_state();
        Box::pin(Listing::open(&self.connection, &self.states, &filter, sequence)).await
    }

    /// Actions on many letters.
    pub fn jobs(&self) -> Jobs {
        Jobs { letters: self.clone() }
    }

    /// The log of what people did.
    pub fn operations(&self) -> Operations {
        self.operations.clone()
    }

    /// Reads one letter, with its body; `None` if there is none of this id.
    ///
    /// # Errors
    /// [`Error::Stream`](crate::Error::Stream) if what lies there is no letter;
    /// [`Error::Server`](crate::Error::Server),
    /// [`Error::NotPermitted`](crate::Error::NotPermitted).
    pub async fn get(&self, id: &LetterId) -> Result<Option<StoredLetter>> {
        let Some(message) = lookup::letter(&self.connection, id).await? else {
            return Ok(None);
        };
        let mut stored = StoredLetter::read(&Message::from(&message))?;
        self.settle(&mut stored).await?;
        Ok(Some(stored))
    }

    /// Sends a waiting letter's packet again, as it is and under its own id, to the river that
    /// failed and to no other.
    ///
    /// # Errors
    /// [`Error::Letter`](crate::Error::Letter) if there is no such letter, or somebody has acted on
    /// it; [`Error::Full`](crate::Error::Full);
    /// [`Error::NotPermitted`](crate::Error::NotPermitted); [`Error::Server`](crate::Error::Server)
    /// if the server did not answer for 30 seconds: the letter is unfinished then.
    pub async fn replay(&self, id: &LetterId, note: &Note) -> Result<Action> {
        let stored = self.existing(id).await?;
        self.begin(&stored, (ActionKind::Replay, note), |_| Ok(None)).await
    }

    /// Sends a waiting letter's packet to every service, as a new one that the original caused, with
    /// `replayed` in its `rapids` object: whoever handled the original handles this one too.
    ///
    /// # Errors
    /// As for [`replay`](Self::replay), and [`Error::Malformed`](crate::Error::Malformed) if the
    /// body is no packet.
    pub async fn replay_to_all(&self, id: &LetterId, note: &Note) -> Result<Action> {
        let stored = self.existing(id).await?;
        let original = stored.packet()?;
        let kind = ActionKind::ReplayToAll;
        let replacement = |id| Ok(Some(original.clone().in_place_of(&original, id, false)));
        self.begin(&stored, (kind, note), replacement).await
    }

    /// Sends a corrected packet to the river that failed and to no other: a new packet that the
    /// original caused, of the same conversation, with `edited` in its `rapids` object. What `body`
    /// says in `rapids` does not count.
    ///
    /// # Errors
    /// As for [`replay`](Self::replay); [`Error::Malformed`](crate::Error::Malformed) if `body` is
    /// no packet, and [`Error::Refused`](crate::Error::Refused) if it is too large.
    pub async fn edit(&self, id: &LetterId, body: impl Into<Bytes>, note: &Note) -> Result<Action> {
        let edited = Packet::from_bytes(body)?;
        let stored = self.existing(id).await?;
        let original = stored.to_correct()?;
        let replacement = |id| Ok(Some(edited.in_place_of(&original, id, true)));
        Box::pin(self.begin(&stored, (ActionKind::Edit, note), replacement)).await
    }

    /// Discards a waiting letter. It stays in the stream, and waits no more.
    ///
    /// # Errors
    /// [`Error::Letter`](crate::Error::Letter) if there is no such letter, or somebody has acted on
    /// it; [`Error::NotPermitted`](crate::Error::NotPermitted),
    /// [`Error::Server`](crate::Error::Server).
    pub async fn discard(&self, id: &LetterId, note: &Note) -> Result<Action> {
        let stored = self.existing(id).await?;
        self.begin(&stored, (ActionKind::Discard, note), |_| Ok(None)).await
    }

    /// Takes back that a letter was discarded: it waits again, for as long as the stream keeps it.
    ///
    /// # Errors
    /// [`Error::Letter`](crate::Error::Letter) if there is no such letter, or it is not discarded;
    /// [`Error::NotPermitted`](crate::Error::NotPermitted), [`Error::Server`](crate::Error::Server).
    pub async fn restore(&self, id: &LetterId, note: &Note) -> Result<Action> {
        let stored = self.existing(id).await?;
        self.begin(&stored, (ActionKind::Restore, note), |_| Ok(None)).await
    }

    /// Finishes an action that was begun and, since its operator or the server went away, is not
    /// known to be finished. What was sent is not sent again.
    ///
    /// # Errors
    /// [`Error::Letter`](crate::Error::Letter) if there is no such letter, or nothing to finish;
    /// otherwise as for [`replay`](Self::replay).
    pub async fn resume(&self, id: &LetterId, note: &Note) -> Result<Action> {
        let stored = self.existing(id).await?;
        let (record, revision) = self.states.load(id).await?;
        let unfinished = |record: &StateRecord| {
            record.is_about(stored.written) && record.state == State::Unfinished
        };
        let Some(record) = record.filter(unfinished) else {
            return Err(id.refused(Refusal::NothingToResume));
        };
        let resumed = Some(Action::new(ActionKind::Resume, note));
        let action = self.finish(&stored, StateRecord { resumed, ..record }, revision).await?;
        self.log(id, ActionKind::Resume, note, &action).await;
        Ok(action)
    }

    /// Whether the river is done with what an action on a letter sent to it: it has handled the packet, or
    /// failed again, which a [letter of its own](StoredLetter::again) tells. A replay is not done before the
    /// earlier ones of the same service are. An action that sent nothing to one river is done.
    ///
    /// # Errors
    /// [`Error::NotPermitted`](crate::Error::NotPermitted),
    /// [`Error::Server`](crate::Error::Server).
    pub async fn is_done(&self, id: &LetterId, action: &Action) -> Result<bool> {
        let Some(replay) = action.replay else { return Ok(true) };
        let to = id.sent_to(action);
        Ok(replay_consumer::floor(&self.connection, to.service()).await? >= replay)
    }

    /// Adds to the log what somebody did. That it was done stands in the record of the letter or job, too.
    async fn record(&self, operation: &Operation) {
        if let Err(error) = self.operations.record(operation).await {
            warn!("what was done is not in the log of operations: {}", with_causes(&error));
        }
    }

    async fn existing(&self, id: &LetterId) -> Result<StoredLetter> {
        self.get(id).await?.ok_or_else(|| id.refused(Refusal::Unknown))
    }

    /// Adds what has become of a letter.
    async fn settle(&self, stored: &mut StoredLetter) -> Result<()> {
        if let (Some(record), _) = self.states.load(&stored.letter.id).await? {
            stored.settle(&record);
        }
        // The letter about a replay was stored after the letter that was replayed.
        if let Some((id, packet_id)) = stored.replayed_as()
            && let Edition::Stored(again) =
                find(&self.connection, &id, (&packet_id, 0), stored.written).await?
        {
            stored.fail_again(again.id);
        }
        Ok(())
    }
}

impl Clone for DeadLetters {
    fn clone(&self) -> Self {
        let (connection, operations) = (self.connection.clone(), self.operations.clone());
        Self { states: StateStore::new(connection.clone()), connection, operations }
    }
}

impl std::fmt::Debug for DeadLetters {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("DeadLetters").finish_non_exhaustive()
    }
}
