//! One rule of a river: an expression and what it is for.

use super::explanation::ClauseReport;
use crate::condition::{Expression, ExpressionError, Finding, Findings};
use crate::json::Node;
use crate::packet::Packet;

/// What a rule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Not met: silently not for this river.
    Condition,
    /// Not met: meant for this river, but malformed.
    Requirement,
}

#[derive(Debug, Clone)]
pub(crate) struct Clause {
    pub(crate) role: Role,
    expression: Expression,
}

impl Clause {
    pub(crate) fn new(role: Role, text: &str) -> Result<Self, ExpressionError> {
        Ok(Self { role, expression: Expression::parse(text)? })
    }

    pub(crate) fn text(&self) -> &str {
        self.expression.text()
    }

    pub(crate) fn expression(&self) -> &Expression {
        &self.expression
    }

    pub(crate) fn holds(&self, packet: Node<'_>) -> bool {
        self.expression.holds(packet)
    }

    pub(crate) fn repeated_key(&self, packet: Node<'_>) -> Option<String> {
        self.expression.repeated_key(packet)
    }

    pub(crate) fn report(&self, packet: &Packet) -> ClauseReport {
        let node = packet.node();
        let held = self.holds(node);
        let Findings { found, left_out } =
            self.expression.findings(node, !held, packet.shows_values());
        let mismatch = |found: &Finding| Some((found.query.clone(), found.mismatch.clone()?));
        ClauseReport {
            expression: self.text().to_owned(),
            required: self.role == Role::Requirement,
            held,
            mismatches: found.iter().filter_map(mismatch).filter(|_| !held).collect(),
            found: found.into_iter().map(|found| (found.query, found.value)).collect(),
            left_out,
        }
    }
}

/// Two rules are the same if they read the same.
impl PartialEq for Clause {
    fn eq(&self, other: &Self) -> bool {
        (self.role, self.text()) == (other.role, other.text())
    }
}
