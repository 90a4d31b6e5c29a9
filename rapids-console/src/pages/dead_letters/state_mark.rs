//! The state of a letter as it is shown: a word, and a mark that says the same as the colour.

use rapids_client::State;

/// A state as it is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StateMark {
    pub(crate) word: &'static str,
    pub(crate) mark: &'static str,
    pub(crate) class: &'static str,
}

impl From<State> for StateMark {
    fn from(state: State) -> Self {
        let (word, mark, class) = match state {
            State::Waiting => ("waiting", "!", "warning"),
            State::Unfinished => ("unfinished", "…", "warning"),
            State::Replayed => ("replayed", "↻", "good"),
            State::Edited => ("edited", "✎", "good"),
            State::Discarded => ("discarded", "–", "settled"),
            State::FailedAgain => ("failed again", "✗", "bad"),
        };
        Self { word, mark, class }
    }
}
