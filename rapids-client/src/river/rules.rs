//! A river's rules as data.

use serde::{Deserialize, Serialize};

use super::clause::Role;
use super::{Clause, Publishes, River};

/// The rules of a river, to be written out and read back.
///
/// ```
/// use rapids_client::{River, Rules};
///
/// let river = River::new("charge").event("order_placed").require("order_id");
/// let json = serde_json::to_string(&river.rules())?;
/// let rules: Rules = serde_json::from_str(&json)?;
/// assert_eq!(River::from_rules(rules).to_string(), river.to_string());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// The river's name.
    pub name: String,
    /// Expressions that say which packets are meant.
    #[serde(default)]
    pub conditions: Vec<String>,
    /// Expressions that such a packet must meet.
    #[serde(default)]
    pub requirements: Vec<String>,
    /// Whether packets that do not meet the requirements pass by silently. Default: no.
    #[serde(default)]
    pub ignore_invalid: bool,
    /// What the river declares to publish. Default: nothing is declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publishes: Option<Publishes>,
}

impl Rules {
    /// The requirements as one expression; `None` if there are none.
    pub fn requirement(&self) -> Option<String> {
        (!self.requirements.is_empty()).then(|| conjunction(self.requirements.clone()))
    }
}

impl River {
    /// The rules as data.
    pub fn rules(&self) -> Rules {
        let of = |role| {
            let clauses = self.clauses.iter().filter(move |clause: &&Clause| clause.role == role);
            clauses.map(|clause| clause.text().to_owned()).collect()
        };
        Rules {
            name: self.name.clone(),
            conditions: of(Role::Condition),
            requirements: of(Role::Requirement),
            ignore_invalid: !self.reports_invalid,
            publishes: self.publishes.as_deref().cloned(),
        }
    }

    /// A river of these rules, still without a reaction: enough to judge and explain packets.
    pub fn from_rules(rules: Rules) -> Self {
        let river = Self::new(rules.name);
        let river = rules.conditions.iter().fold(river, |river, rule| river.when(rule));
        let river = rules.requirements.iter().fold(river, |river, rule| river.require_that(rule));
        let publishes = rules.publishes.map(Box::new);
        Self { reports_invalid: !rules.ignore_invalid, publishes, ..river }
    }
}

/// Joins expressions with `&&`.
pub(super) fn conjunction(mut expressions: Vec<String>) -> String {
    if let [only] = expressions.as_mut_slice() {
        return std::mem::take(only);
    }
    let parts: Vec<_> = expressions
        .into_iter()
        .map(|text| if text.contains("||") { format!("({text})") } else { text })
        .collect();
    if parts.is_empty() { "@".to_owned() } else { parts.join(" && ") }
}
