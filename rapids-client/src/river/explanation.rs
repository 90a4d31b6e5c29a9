//! Why a river takes a packet or not, for people.

use std::fmt;

use super::Verdict;

/// What a river makes of one packet, clause by clause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The river's name.
    pub river: String,
    /// The packet's id.
    pub packet_id: String,
    /// What follows from the clauses.
    pub verdict: Verdict,
    /// The clauses in the order of their declaration.
    pub clauses: Vec<ClauseReport>,
}

/// How one clause fared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClauseReport {
    /// The expression as it was declared.
    pub expression: String,
    /// Whether this is a requirement; a condition if not.
    pub required: bool,
    /// Whether it held.
    pub held: bool,
    /// Whether that is unknown, because telling takes more steps than there are for a packet.
    pub too_costly: bool,
    /// Each query of the expression with the JSON found, cut to a sane length; `None` if nothing
    /// is there.
    pub found: Vec<(String, Option<String>)>,
}

impl ClauseReport {
    fn findings(&self) -> String {
        let found = self.found.iter().map(|(query, value)| match value {
            Some(value) => format!("{query} = {value}"),
            None => format!("{query} is missing"),
        });
        found.collect::<Vec<_>>().join(", ")
    }
}

/// ``requires `@.total > 0`, but @.total = -5``
impl fmt::Display for ClauseReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.required { "requires" } else { "takes only" };
        write!(formatter, "{verb} `{}`", self.expression)?;
        if self.too_costly {
            return formatter.write_str(", which takes too many steps on this packet");
        }
        if self.found.is_empty() {
            return Ok(());
        }
        let link = if self.held { "and" } else { "but" };
        write!(formatter, ", {link} {}", self.findings())
    }
}

/// `{}` is one line: the verdict and the clauses that did not hold. `{:#}` lists every clause.
impl fmt::Display for Explanation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Matches => "takes",
            Verdict::NotForMe => "passes by",
            Verdict::Looped => "refuses as a loop",
            Verdict::Invalid(_) => "refuses as malformed",
            Verdict::TooCostly(_) => "refuses as too costly",
        };
        write!(formatter, "river `{}` {verdict} packet `{}`", self.river, self.packet_id)?;
        if formatter.alternate() {
            let width = self.clauses.iter().map(|clause| clause.expression.chars().count()).max();
            for clause in &self.clauses {
                let mark = match (clause.held, clause.too_costly) {
                    (true, _) => '✓',
                    (false, false) => '✗',
                    (false, true) => '?',
                };
                let role = if clause.required { "requires" } else { "takes   " };
                let (expression, width) = (&clause.expression, width.unwrap_or(0));
                let findings = clause.findings();
                write!(formatter, "\n  {mark} {role} {expression:width$}  {findings}")?;
            }
            return Ok(());
        }
        let problems: Vec<String> = match &self.verdict {
            Verdict::Matches | Verdict::Looped => Vec::new(),
            Verdict::Invalid(problems) => problems.clone(),
            Verdict::TooCostly(problem) => vec![problem.clone()],
            Verdict::NotForMe => {
                self.clauses.iter().filter(|clause| !clause.held).map(ToString::to_string).collect()
            }
        };
        if problems.is_empty() { Ok(()) } else { write!(formatter, ": {}", problems.join("; ")) }
    }
}
