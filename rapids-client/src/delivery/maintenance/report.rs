//! What came of a chore, and what of it the service is to know.

use crate::Error;
use crate::position::check::PositionCheck;
use crate::position::entry_updater::EntryNews;

/// What came of a chore.
pub(crate) enum Outcome {
    Nothing,
    Checked(PositionCheck),
    Entry(EntryNews),
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
