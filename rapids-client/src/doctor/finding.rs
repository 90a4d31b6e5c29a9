//! What was found out about one thing.

use crate::access::{Holder, Lack, remedy};

use super::rights::{Checked, State};

/// How a thing is that was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Assessment {
    /// As it has to be.
    Well,
    /// The service works, with less than there could be.
    Less,
    /// Something is missing, or wrong, and has to be mended.
    Missing,
    /// Not told to this login, or there is nothing yet to try it on.
    Unknown,
}

/// What was found out about one thing that a service needs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What was looked at, such as ``publish to `rapids` ``, or `the clock`.
    pub what: String,
    /// How it is.
    pub assessment: Assessment,
    /// What was found, or what it is needed for.
    pub found: String,
    /// What to do about it, if there is something to be done.
    pub remedy: Option<String>,
}

impl Finding {
    /// That something is as it has to be.
    pub(super) fn well(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self::of(Assessment::Well, what, found)
    }

    pub(super) fn of(
        assessment: Assessment,
        what: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self { what: what.into(), assessment, found: found.into(), remedy: None }
    }

    pub(super) fn with_remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }

    /// What was found out about a right.
    pub(super) fn of_right(holder: Holder<'_>, Checked { right, state }: &Checked) -> Self {
        let purpose = right.purpose(holder.name);
        let found = |assessment, found: String| Self::of(assessment, right.described(), found);
        match state {
            State::Granted => found(Assessment::Well, purpose.to_owned()),
            State::InPart => {
                let words = format!("{purpose}; allowed in part, which may do");
                found(Assessment::Less, words)
            }
            State::Untold(why) => found(Assessment::Unknown, format!("{purpose}; {why}")),
            State::Lacking(why) => {
                let lack = Lack { right: right.clone(), why: why.clone() };
                let remedy = remedy(holder, &[lack]);
                found(Assessment::Missing, purpose.to_owned()).with_remedy(remedy)
            }
        }
    }
}
