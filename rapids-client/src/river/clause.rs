//! One rule of a river: an expression and what it is for.

use super::explanation::ClauseReport;
use crate::condition::{Evaluation, Expression, ExpressionError, Finding, TooCostly};

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

    /// Tells whether the rule holds, or that finding out is too costly.
    pub(crate) fn holds<'a>(&'a self, evaluation: &Evaluation<'a>) -> Result<bool, String> {
        self.expression.holds(evaluation).map_err(|error| self.costs(error))
    }

    /// Finds a key that stands more than once where the rule looks.
    pub(crate) fn repeated_key<'a>(
        &'a self,
        evaluation: &Evaluation<'a>,
    ) -> Result<Option<String>, String> {
        self.expression.repeated_key(evaluation).map_err(|error| self.costs(error))
    }

    fn costs(&self, error: TooCostly) -> String {
        format!("rule `{}` {error}", self.text())
    }

    pub(crate) fn report<'a>(
        &'a self,
        evaluation: &Evaluation<'a>,
        shows_values: bool,
    ) -> ClauseReport {
        let outcome = self.expression.holds(evaluation);
        let (held, is_unmet) = (outcome == Ok(true), outcome == Ok(false));
        // What holds is worth telling even if not everything that was found can be.
        let findings = self.expression.findings(evaluation, is_unmet, shows_values);
        let findings = findings.unwrap_or_default();
        let mismatch = |found: &Finding| Some((found.query.clone(), found.mismatch.clone()?));
        let mismatches = findings.found.iter().filter_map(mismatch).filter(|_| is_unmet).collect();
        let found = findings.found.into_iter().map(|found| (found.query, found.value)).collect();
        ClauseReport {
            expression: self.text().to_owned(),
            required: self.role == Role::Requirement,
            held,
            too_costly: outcome.is_err(),
            found,
            left_out: findings.left_out,
            mismatches,
        }
    }
}

/// Two rules are the same if they read the same.
impl PartialEq for Clause {
    fn eq(&self, other: &Self) -> bool {
        (self.role, self.text()) == (other.role, other.text())
    }
}
