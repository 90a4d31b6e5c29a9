//! The dead letters about a packet or a conversation, read one by one.

use std::collections::HashSet;

use futures::{StreamExt, TryStreamExt, stream};
use rapids_client::{LetterId, State, StoredLetter};

use crate::console::Console;
use crate::fault::Result;
use crate::frame::Frame;
use crate::pages::dead_letters::state_mark::StateMark;
use crate::text::{Mask, short};
use crate::times::Time;

/// How many are read.
const MOST: usize = 200;
/// How many are read at once.
const AT_ONCE: usize = 32;

/// Letters as they were read.
#[derive(Debug, Default)]
pub(crate) struct Letters {
    pub(crate) letters: Vec<StoredLetter>,
    /// How many more there are.
    pub(crate) left_out: usize,
    /// Why they are not there.
    pub(crate) missing: Option<String>,
}

/// A letter as a line.
#[derive(Debug)]
pub(crate) struct LetterRow {
    pub(crate) id: String,
    pub(crate) address: String,
    pub(crate) kind: String,
    pub(crate) state: &'static str,
    /// Whether it waits for somebody.
    pub(crate) is_open: bool,
    pub(crate) reason: String,
    pub(crate) written: Time,
}

impl Letters {
    /// Reads these letters. Without the right to read them, tells that in place of the letters.
    pub(crate) async fn read(console: &Console, ids: &[LetterId]) -> Self {
        if ids.is_empty() {
            return Self::default();
        }
        let mut seen = HashSet::new();
        let ids: Vec<_> = ids.iter().filter(|id| seen.insert(*id)).collect();
        let first = &ids[..ids.len().min(MOST)];
        match read(console, first).await {
            Ok(letters) => Self { letters, left_out: ids.len() - first.len(), missing: None },
            Err(fault) => {
                let missing = Some(format!("Its letters cannot be read: {}", short(fault)));
                Self { missing, ..Self::default() }
            }
        }
    }
}

async fn read(console: &Console, ids: &[&LetterId]) -> Result<Vec<StoredLetter>> {
    let letters = console.dead_letters().await?;
    let ids: Vec<LetterId> = ids.iter().copied().cloned().collect();
    let get = async |id: LetterId| Box::pin(letters.get(&id)).await;
    let read: Vec<_> = stream::iter(ids).map(get).buffered(AT_ONCE).try_collect().await?;
    Ok(read.into_iter().flatten().collect())
}

/// Whether a letter waits for somebody to act.
pub(crate) fn is_open(letter: &StoredLetter) -> bool {
    matches!(letter.state, State::Waiting | State::Unfinished)
}

impl LetterRow {
    pub(crate) fn of(stored: &StoredLetter, mask: &Mask, frame: &Frame) -> Self {
        let id = stored.letter.id.to_string();
        Self {
            address: frame.to("/dead-letters/", &id),
            id: short(id),
            kind: short(&stored.letter.kind),
            state: StateMark::from(stored.state).word,
            is_open: is_open(stored),
            reason: short(mask.sentence(&stored.letter.reason)),
            written: stored.written.into(),
        }
    }
}
