//! What is wrong with an expression, and where.
//!
//! Finding the fault is left to [`parse`](super::parse); the wording of its place is here.

use std::fmt;

/// Describes why a text is no expression, with the place of the fault.
///
/// The place is a column where one is known, else the clause between `&&` or `||` that is at
/// fault. `Display` writes the expression, the place and the reason on one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expression `{expression}` is wrong{place}: {reason}")]
pub(crate) struct ExpressionError {
    expression: String,
    place: FaultLocation,
    reason: String,
}

/// Where a fault is, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FaultLocation {
    /// One-based, in characters of the expression.
    Column(usize),
    /// A part of the expression.
    Clause(String),
    /// The expression is a single clause.
    Whole,
}

impl ExpressionError {
    pub(crate) fn new(expression: &str, place: FaultLocation, reason: String) -> Self {
        Self { expression: expression.to_owned(), place, reason }
    }
}

impl fmt::Display for FaultLocation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FaultLocation::Column(column) => write!(formatter, " at column {column}"),
            FaultLocation::Clause(clause) => write!(formatter, " in `{clause}`"),
            FaultLocation::Whole => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_is_part_of_the_line() {
        for (place, text) in [
            (FaultLocation::Column(3), "expression `@ @` is wrong at column 3: no"),
            (FaultLocation::Clause("@".into()), "expression `@ @` is wrong in `@`: no"),
            (FaultLocation::Whole, "expression `@ @` is wrong: no"),
        ] {
            let error = ExpressionError::new("@ @", place, "no".to_owned());
            assert_eq!(error.to_string(), text);
        }
    }
}
