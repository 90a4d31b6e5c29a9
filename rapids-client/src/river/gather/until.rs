//! When the answers to a need are complete, and for how long they are waited for.

use std::time::Duration;

/// When a river that [gathers](crate::River::gather) reacts.
///
/// ```
/// use std::time::Duration;
/// use rapids_client::Until;
///
/// let three = Until::answers(3).or_after(Duration::from_secs(2));
/// let everything = Until::all().or_after(Duration::from_secs(2));
/// let whatever_comes = Until::after(Duration::from_secs(2));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Until {
    pub(super) complete: Complete,
    pub(super) after: Option<Duration>,
}

/// What makes answers complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Complete {
    /// So many.
    Answers(usize),
    /// A solution for each name of the need.
    All,
    /// Nothing does.
    Never,
}

impl Until {
    /// When so many answers have come. Without [`or_after`](Self::or_after) it waits without end.
    #[must_use]
    pub const fn answers(answers: usize) -> Self {
        Self { complete: Complete::Answers(answers), after: None }
    }

    /// When there is a solution for each name of the need, which may be several answers. Without
    /// [`or_after`](Self::or_after) it waits without end.
    #[must_use]
    pub const fn all() -> Self {
        Self { complete: Complete::All, after: None }
    }

    /// When this time is up, with whatever has come.
    #[must_use]
    pub const fn after(time: Duration) -> Self {
        Self { complete: Complete::Never, after: Some(time) }
    }

    /// Or when this time is up, with what has come until then.
    #[must_use]
    pub const fn or_after(self, time: Duration) -> Self {
        Self { after: Some(time), ..self }
    }

    /// What is wrong with it.
    pub(super) fn fault(self) -> Option<String> {
        let is_none = self.complete == Complete::Answers(0);
        is_none
            .then(|| "it gathers no answers; `Until::answers` takes a number from 1 on".to_owned())
    }
}
