//! Reads a text that is a path.

use super::error::{ExpressionError, FaultLocation};
use super::parse;
use super::path::Path;
use super::tree::Logic;

impl Path {
    /// Parses a singular query of RFC 9535 that begins with `@` or `$`.
    ///
    /// # Errors
    /// When the text is anything else, with the place of the fault.
    pub(crate) fn parse(text: &str) -> Result<Self, ExpressionError> {
        let whole =
            |reason: &str| ExpressionError::new(text, FaultLocation::Whole, reason.to_owned());
        match parse::expression(text)? {
            Logic::Exists(query) if query.is_singular() => Ok(query.path),
            Logic::Exists(_) => Err(whole("it can name several places; a path names one")),
            _ => Err(whole("it is a condition, not a path such as `@.order.id`")),
        }
    }

    /// Parses the path to a field, which is not the packet itself.
    ///
    /// # Errors
    /// As for [`parse`](Self::parse), and for `@` alone.
    pub(crate) fn to_field(text: &str) -> Result<Self, ExpressionError> {
        let path = Self::parse(text)?;
        if path.steps().is_empty() {
            let reason = "it is the whole packet; a path names a place in it".to_owned();
            return Err(ExpressionError::new(text, FaultLocation::Whole, reason));
        }
        Ok(path)
    }
}
