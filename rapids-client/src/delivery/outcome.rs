//! What came of a chore, and what of it the service is to know.

use super::entry_keeper::Learned;
use super::look::Looked;
use crate::Error;

/// What came of a chore.
pub(super) enum Outcome {
    Nothing,
    Looked(Looked),
    Learned(Learned),
    /// How far the service is, is not noted.
    Unnoted(Error),
}

/// What a service is to know of a chore that is done.
pub(crate) enum News {
    None,
    /// Its position has to be taken up anew.
    Gone(&'static str),
    /// What to show of other programs of its name.
    Rivers(Option<String>),
}
