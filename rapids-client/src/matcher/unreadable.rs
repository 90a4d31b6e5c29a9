//! That a body cannot be read.

/// The bytes are no JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable;
