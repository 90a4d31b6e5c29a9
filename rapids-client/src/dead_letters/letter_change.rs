//! What a watch of the dead letters tells.

use super::{LetterId, StoredLetter};
use crate::letter_action::{Action, State};

/// What a [`LetterWatch`](super::LetterWatch) tells.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LetterChange {
    /// There is this letter, with what has become of it as far as is known by then. Its body stays on the
    /// server.
    Letter(Box<StoredLetter>),
    /// Something has become of a letter that was given before.
    #[non_exhaustive]
    Settled {
        /// Which letter.
        id: LetterId,
        /// Its sequence in the stream of dead letters.
        sequence: u64,
        /// What has become of it.
        state: State,
        /// Who did what with it, oldest first.
        actions: Vec<Action>,
        /// If its replay failed again: the letter that tells how.
        again: Option<LetterId>,
    },
    /// All letters that were there have been given, with what had become of them. What comes now is new.
    CaughtUp,
    /// The letters with smaller sequences in the stream of dead letters are gone: they have expired, or the
    /// stream was purged.
    ExpiredBefore(u64),
    /// The stream of dead letters was deleted or made anew, and all letters are gone that were given. Those
    /// of the new stream follow, then [`CaughtUp`](Self::CaughtUp).
    Anew,
}
