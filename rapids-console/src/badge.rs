//! How a service is: a word, with a mark and a colour that say the same.

use rapids_views::State;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Badge {
    pub(crate) word: &'static str,
    pub(crate) class: &'static str,
    pub(crate) mark: &'static str,
    pub(crate) is_well: bool,
}

impl From<State> for Badge {
    fn from(state: State) -> Self {
        let (class, mark) = match state {
            state if state.is_well() => ("good", "✓"),
            State::Down | State::Blocked | State::BreakerOpen => ("bad", "✗"),
            _ => ("warning", "!"),
        };
        Self { word: state.as_str(), class, mark, is_well: state.is_well() }
    }
}
