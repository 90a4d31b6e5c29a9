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
pub struct ExpressionError {
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

    /// The column of the fault, where one is known: the first is 1, in characters of the expression.
    pub fn column(&self) -> Option<usize> {
        match self.place {
            FaultLocation::Column(column) => Some(column),
            FaultLocation::Clause(_) | FaultLocation::Whole => None,
        }
    }

    /// The part of the expression that is at fault, where no column is known and it has several.
    pub fn clause(&self) -> Option<&str> {
        match &self.place {
            FaultLocation::Clause(clause) => Some(clause),
            FaultLocation::Column(_) | FaultLocation::Whole => None,
        }
    }

    /// What is wrong, without the expression and the place.
    pub fn reason(&self) -> &str {
        &self.reason
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
    use crate::condition::Expression;

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

    #[test]
    fn a_fault_tells_its_place_and_reason_one_by_one() {
        let fault = |expression| Expression::parse(expression).unwrap_err();
        let typed = fault("@.ü > 'é' && @.total >> 1");
        assert_eq!((typed.column(), typed.clause()), (Some(23), None));
        let called = fault("@.a && length(@.b)");
        assert!(called.column().is_some() || called.clause().is_some(), "{called}");
        for fault in [typed, called] {
            assert!(fault.to_string().ends_with(&format!(": {}", fault.reason())), "{fault}");
        }
    }
}
