//! A path: the kind of query that names one place, such as `@.order['line items'][0]`.
//!
//! Memory keys and required fields are paths; a query of an expression begins with one. Reading one
//! from a text is left to [`parse_path`](super::parse_path).

use std::fmt;

use super::notation;
use crate::json::{Node, Step};

/// The steps from a packet to one place in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Path {
    steps: Vec<Step>,
}

/// Whether a text that names a field is a path; if not, it is a key of the top level.
pub(crate) fn is_path(text: &str) -> bool {
    text.starts_with(['@', '$'])
}

impl Path {
    pub(super) fn new(steps: Vec<Step>) -> Self {
        Self { steps }
    }

    /// The steps in their order; none for `@` itself.
    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Goes to the place; `None` where nothing is there. Of repeated keys the first counts.
    pub(crate) fn get<'a>(&self, root: Node<'a>) -> Option<Node<'a>> {
        self.steps.iter().try_fold(root, |node, step| node.step(step))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("@")?;
        notation::steps(&self.steps, formatter)
    }
}
