//! A path: the kind of query that names one place, such as `@.order['line items'][0]`.
//!
//! Memory keys and required fields are paths; a query of an expression begins with one.

use std::fmt;

use super::budget::TooCostly;
use super::error::{ExpressionError, Place};
use super::evaluation::Evaluation;
use super::tree::Logic;
use super::{parse, render, repeats};
use crate::json::Node;

/// The steps from a packet to one place in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Path {
    steps: Vec<Step>,
}

/// One step down.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// To a member of an object.
    Name(String),
    /// To an element of an array; from its end when negative.
    Index(i64),
}

/// Whether a text that names a field is a path; if not, it is a key of the top level.
pub(crate) fn is_path(text: &str) -> bool {
    text.starts_with(['@', '$'])
}

impl Path {
    /// Parses a singular query of RFC 9535 that begins with `@` or `$`.
    ///
    /// # Errors
    /// When the text is anything else, with the place of the fault.
    pub(crate) fn parse(text: &str) -> Result<Self, ExpressionError> {
        let whole = |reason: &str| ExpressionError::new(text, Place::Whole, reason.to_owned());
        match parse::expression(text)? {
            Logic::Exists(query) if query.is_singular() => Ok(query.path),
            Logic::Exists(_) => Err(whole("it can name several places; a path names one")),
            _ => Err(whole("it is a condition; a path such as `@.order.id` is wanted")),
        }
    }

    /// Parses the path to a field, which is not the packet itself.
    ///
    /// # Errors
    /// As for [`parse`](Self::parse), and for `@` alone.
    pub(crate) fn to_field(text: &str) -> Result<Self, ExpressionError> {
        let path = Self::parse(text)?;
        if path.steps.is_empty() {
            let reason = "it is the whole packet; a path names a place in it".to_owned();
            return Err(ExpressionError::new(text, Place::Whole, reason));
        }
        Ok(path)
    }

    /// Names a key of the packet itself, whatever characters it holds.
    pub(crate) fn key(name: &str) -> Self {
        Self::new(vec![Step::Name(name.to_owned())])
    }

    pub(super) fn new(steps: Vec<Step>) -> Self {
        Self { steps }
    }

    /// The steps in their order; none for `@` itself.
    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Goes to the place; `None` where nothing is there. Of repeated keys the first counts.
    pub(crate) fn get<'a>(&self, root: Node<'a>) -> Option<Node<'a>> {
        self.steps.iter().try_fold(root, |node, step| step.get(node))
    }

    /// As [`get`](Self::get), as part of an evaluation.
    ///
    /// # Errors
    /// [`TooCostly`]
    pub(crate) fn find<'a>(
        &self,
        evaluation: &Evaluation<'a>,
    ) -> Result<Option<Node<'a>>, TooCostly> {
        evaluation.walk(evaluation.packet(), &self.steps)
    }

    /// Finds a key on the path that its object holds more than once.
    ///
    /// # Errors
    /// [`TooCostly`]
    pub(crate) fn repeated_key<'a>(
        &'a self,
        evaluation: &Evaluation<'a>,
    ) -> Result<Option<String>, TooCostly> {
        repeats::in_path(self, evaluation)
    }
}

impl Step {
    pub(super) fn get<'a>(&self, node: Node<'a>) -> Option<Node<'a>> {
        match self {
            Step::Name(name) => node.member(name),
            Step::Index(index) => {
                let elements = node.elements();
                elements.get(position(*index, elements.len())?).copied()
            }
        }
    }
}

/// Resolves an index that may count from the end; `None` when it is out of bounds.
pub(super) fn position(index: i64, length: usize) -> Option<usize> {
    let position = match usize::try_from(index) {
        Ok(position) => position,
        Err(_) => length.checked_sub(usize::try_from(index.unsigned_abs()).ok()?)?,
    };
    (position < length).then_some(position)
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("@")?;
        render::steps(&self.steps, formatter)
    }
}
