//! Watches the dead letters: which there are, and what becomes of each.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep_until};

use crate::config::Config;
use crate::connection::Connection;
use crate::dead_letters::StoredLetter;
use crate::dead_letters::known_letters::KnownLetters;
use crate::dead_letters::letter_change::LetterChange;
use crate::dead_letters::letter_tail::LETTERS;
use crate::dead_letters::state_store::{Kept, kept, prefix, stream};
use crate::dead_letters::stored::Message;
use crate::jetstream::ensure::info_of;
use crate::jetstream::follower::{Delivered, Followed, Follower};
use crate::jetstream::lasting_follower::{LastingFollower, Received};
use crate::jetstream::timestamp;
use crate::names::{DEAD_LETTER_SUBJECTS, DEAD_LETTERS};
use crate::start::Start;
use crate::{Error, Result};

/// How often it is looked whether letters have expired.
const LOOK: Duration = Duration::from_secs(10);

/// How far the watch is.
#[derive(Debug, Clone, Copy)]
enum Phase {
    /// It reads the records that there are, so that letters come with their states.
    Records,
    /// It reads the letters that there are.
    Letters,
    /// It waits for what is new.
    News,
}

/// The dead letters and what becomes of them, without end; see [`DeadLetters::watch`](super::DeadLetters::watch).
///
/// First comes every letter that there is, oldest first, then [`LetterChange::CaughtUp`], then each letter as
/// it is written and each change of a state as it happens. A letter whose replay failed again comes as
/// replayed, and as failed again once the letter about that has come, which is before `CaughtUp`.
///
/// Every ten seconds it looks whether letters have expired. A single letter that somebody deletes from the
/// middle of the stream is not told of. While the server is away it waits, and goes on behind what it gave
/// last.
pub struct LetterWatch {
    connection: Connection,
    letters: LastingFollower,
    records: LastingFollower,
    known: KnownLetters,
    phase: Phase,
    /// What is to be told next.
    pending: VecDeque<LetterChange>,
    /// When to look whether letters have expired.
    look: Instant,
    /// The first sequence of the stream at the last look.
    first: u64,
}

/// What happened while it waited.
enum News {
    Letter(Option<Delivered>),
    Record(Option<Delivered>),
    LookDue,
}

impl LetterWatch {
    pub(super) async fn open(config: &Config) -> Result<Self> {
        let connection = Box::pin(Connection::open(config, "dead-letters")).await?;
        // With subjects, it ends well also where the last message was deleted by itself.
        let letters = Followed { subjects: Some(DEAD_LETTER_SUBJECTS.to_owned()), ..LETTERS };
        let records = Followed {
            stream: Cow::Owned(stream()),
            subjects: Some(format!("{}>", prefix())),
            action: "watch the states of dead letters",
            headers_only: false,
        };
        let begin = Start::Beginning;
        let letters = Box::pin(LastingFollower::open(&connection, letters, begin)).await?;
        let records = Box::pin(LastingFollower::open(&connection, records, begin)).await?;
        Ok(Self {
            connection,
            letters,
            records,
            known: KnownLetters::default(),
            phase: Phase::Records,
            pending: VecDeque::new(),
            look: Instant::now(),
            first: 0,
        })
    }

    /// Waits for what is to be told next. Dropping the future loses nothing.
    ///
    /// # Errors
    /// Go on with the next one after [`Error::Stream`] for a message that is no letter, with its sequence, and
    /// [`Error::Record`] if it cannot be read what has become of a letter: it keeps the state that it had.
    /// [`Error::NotPermitted`]: it ends there.
    pub async fn next(&mut self) -> Result<LetterChange> {
        loop {
            if let Some(change) = self.pending.pop_front() {
                return Ok(change);
            }
            match self.phase {
                Phase::Records => match Box::pin(self.records.next_stored()).await? {
                    Received::Message(delivered) => self.take_record(&delivered)?,
                    Received::Lost => self.lose_records(),
                    Received::End => self.phase = Phase::Letters,
                },
                Phase::Letters => match Box::pin(self.letters.next_stored()).await? {
                    Received::Message(delivered) => self.take_letter(&delivered)?,
                    Received::Lost => self.lose_letters(),
                    Received::End => {
                        self.phase = Phase::News;
                        return Ok(LetterChange::CaughtUp);
                    }
                },
                Phase::News => match Box::pin(self.news()).await? {
                    News::Record(Some(delivered)) => self.take_record(&delivered)?,
                    News::Record(None) => self.lose_records(),
                    News::Letter(Some(delivered)) => self.take_letter(&delivered)?,
                    News::Letter(None) => self.lose_letters(),
                    News::LookDue => Box::pin(self.look_for_expired()).await?,
                },
            }
        }
    }

    async fn news(&mut self) -> Result<News> {
        Ok(tokio::select! {
            letter = self.letters.next() => News::Letter(letter?),
            record = self.records.next() => News::Record(record?),
            () = sleep_until(self.look) => News::LookDue,
        })
    }

    fn take_letter(&mut self, delivered: &Delivered) -> Result<()> {
        let Delivered { message, sequence, stored } = delivered;
        let mut letter = StoredLetter::read(&Message::delivered(message, *sequence, *stored))?;
        let of_first = self.known.take(&mut letter);
        self.pending.push_back(LetterChange::Letter(Box::new(letter)));
        self.pending.extend(of_first);
        Ok(())
    }

    fn take_record(&mut self, delivered: &Delivered) -> Result<()> {
        let change = match kept(&delivered.message.subject, &delivered.message.payload)? {
            Some(Kept::Record(id, record)) => self.known.record(&id, *record),
            Some(Kept::Deleted(id)) => self.known.forget_record(&id),
            None => None,
        };
        self.pending.extend(change);
        Ok(())
    }

    fn lose_letters(&mut self) {
        self.known.forget_letters();
        self.first = 0;
        self.phase = Phase::Letters;
        self.pending.push_back(LetterChange::Anew);
    }

    fn lose_records(&mut self) {
        self.pending.extend(self.known.forget_records());
    }

    /// Looks at the stream, and forgets the letters that are gone.
    async fn look_for_expired(&mut self) -> Result<()> {
        let made = self.letters.present().map(Follower::made);
        let looked = Box::pin(info_of(&self.connection, DEAD_LETTERS)).await;
        self.look = Instant::now() + LOOK;
        let info = match looked {
            // Another stream, or none: whoever follows it notices that.
            Ok(info) => info.filter(|info| Some(timestamp(info.created)) == made),
            Err(Error::Server { .. }) => None,
            Err(error) => return Err(error),
        };
        let Some(state) = info.map(|info| info.state) else {
            return Ok(());
        };
        let first = state.first_sequence;
        if first > self.first {
            self.first = first;
            // An empty stream tells no time, and what was done may be of letters that are yet to come.
            let since = match state.messages {
                0 => Timestamp::MIN,
                _ => timestamp(state.first_timestamp),
            };
            let is_news = self.known.expire(first, since);
            self.pending.extend(is_news.then_some(LetterChange::ExpiredBefore(first)));
        }
        Ok(())
    }
}

impl fmt::Debug for LetterWatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("LetterWatch").field("phase", &self.phase).finish_non_exhaustive()
    }
}
