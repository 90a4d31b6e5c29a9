//! One step down in a JSON value.

/// One step down.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// To a member of an object.
    Name(String),
    /// To an element of an array; from its end when negative.
    Index(i64),
}

/// Resolves an index that may count from the end; `None` when it is out of bounds.
pub(crate) fn position(index: i64, length: usize) -> Option<usize> {
    let position = match usize::try_from(index) {
        Ok(position) => position,
        Err(_) => length.checked_sub(usize::try_from(index.unsigned_abs()).ok()?)?,
    };
    (position < length).then_some(position)
}
