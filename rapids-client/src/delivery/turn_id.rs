//! The identity of a turn.

use crate::jetstream::sequence::StreamPlace;

/// One river's part of a packet; `river` is its position in the service's declaration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TurnId {
    pub(crate) place: StreamPlace,
    pub(crate) river: usize,
}
