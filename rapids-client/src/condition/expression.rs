//! An expression: parsed once, asked of every packet.

use std::fmt;
use std::sync::Arc;

use super::budget::TooCostly;
use super::error::ExpressionError;
use super::evaluate::Scope;
use super::evaluation::Evaluation;
use super::tree::{Logic, Origin, Pattern, Query, Segment, Selector, Value};
use super::{parse, repeats};
use crate::json::Node;

/// Longest value of a [`Finding`] in characters.
const MAX_VALUE: usize = 80;

/// A filter expression of RFC 9535; cloning it is cheap.
#[derive(Clone)]
pub(crate) struct Expression(Arc<Parsed>);

struct Parsed {
    text: String,
    logic: Logic,
}

/// What a query of an expression found in a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The query in its normal form.
    pub(crate) query: String,
    /// The JSON text of what is there, several values in brackets, cut to 80 characters; `None`
    /// where nothing is.
    pub(crate) value: Option<String>,
}

impl Expression {
    /// Parses an expression.
    ///
    /// # Errors
    /// When the text is no filter expression of RFC 9535, with the place of the fault.
    pub(crate) fn parse(text: &str) -> Result<Self, ExpressionError> {
        let logic = parse::expression(text)?;
        Ok(Self(Arc::new(Parsed { text: text.to_owned(), logic })))
    }

    /// The expression as it was written.
    pub(crate) fn text(&self) -> &str {
        &self.0.text
    }

    /// What the text means, for another way to tell whether it is true.
    pub(crate) fn logic(&self) -> &Logic {
        &self.0.logic
    }

    /// Tells whether the expression is true of a packet. Of repeated keys the first counts.
    ///
    /// # Errors
    /// [`TooCostly`], as for all that looks at a packet.
    pub(crate) fn holds<'a>(&'a self, evaluation: &Evaluation<'a>) -> Result<bool, TooCostly> {
        self.0.logic.holds(Scope::of(evaluation))
    }

    /// Finds a key that stands more than once where the expression looks: its path.
    pub(crate) fn repeated_key<'a>(
        &'a self,
        evaluation: &Evaluation<'a>,
    ) -> Result<Option<String>, TooCostly> {
        repeats::in_logic(&self.0.logic, evaluation)
    }

    /// Tells what each distinct query of the packet finds, in the order of the text.
    pub(crate) fn findings<'a>(
        &'a self,
        evaluation: &Evaluation<'a>,
    ) -> Result<Vec<Finding>, TooCostly> {
        let mut queries = Vec::new();
        in_logic(&self.0.logic, &mut queries);
        let mut findings: Vec<Finding> = Vec::with_capacity(queries.len());
        for query in queries {
            let text = query.to_string();
            if findings.iter().all(|finding| finding.query != text) {
                let nodes = query.nodes(Scope::of(evaluation))?;
                for node in nodes.iter().take(MAX_VALUE) {
                    evaluation.spend(if node.raw().is_none() { node.size() } else { MAX_VALUE })?;
                }
                findings.push(Finding { query: text, value: shortened(&nodes) });
            }
        }
        Ok(findings)
    }

    #[cfg(test)]
    pub(super) fn queries(&self) -> Vec<String> {
        let mut queries = Vec::new();
        in_logic(&self.0.logic, &mut queries);
        queries.iter().map(|query| query.to_string()).collect()
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.text())
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Expression").field(&self.text()).finish()
    }
}

/// Collects the queries that begin at the packet.
fn in_logic<'e>(logic: &'e Logic, queries: &mut Vec<&'e Query>) {
    match logic {
        Logic::Or(parts) | Logic::And(parts) => {
            parts.iter().for_each(|part| in_logic(part, queries));
        }
        Logic::Not(part) | Logic::Fixed(part) => in_logic(part, queries),
        Logic::Exists(query) => in_query(query, queries),
        Logic::Compare { left, right, .. } => {
            in_value(left, queries);
            in_value(right, queries);
        }
        Logic::Matches { value, pattern, .. } => {
            in_value(value, queries);
            if let Pattern::Found(found) = pattern {
                in_value(found, queries);
            }
        }
    }
}

fn in_value<'e>(value: &'e Value, queries: &mut Vec<&'e Query>) {
    match value {
        Value::Literal(_) => {}
        Value::Length(value) | Value::Fixed(value) => in_value(value, queries),
        Value::Query(query) | Value::Count(query) | Value::Only(query) => {
            in_query(query, queries);
        }
    }
}

fn in_query<'e>(query: &'e Query, queries: &mut Vec<&'e Query>) {
    if query.origin == Origin::Packet {
        queries.push(query);
    }
    for segment in &query.segments {
        let (Segment::Child(selectors) | Segment::Descendants(selectors)) = segment;
        for selector in selectors {
            if let Selector::Filter(logic) = selector {
                in_logic(logic, queries);
            }
        }
    }
}

/// Writes what was found, no further than it will be shown.
fn shortened(nodes: &[Node<'_>]) -> Option<String> {
    let mut value = match nodes {
        [] => return None,
        [node] => start_of(&node.text()),
        nodes => {
            let mut list = String::from("[");
            // A node takes two characters at least, so these are more than will be shown.
            for (position, node) in nodes.iter().take(MAX_VALUE).enumerate() {
                list.push_str(if position == 0 { "" } else { "," });
                list.push_str(&start_of(&node.text()));
            }
            list.push(']');
            list
        }
    };
    if let Some((end, _)) = value.char_indices().nth(MAX_VALUE) {
        value.truncate(end);
        value.push('…');
    }
    Some(value)
}

/// One character more than is shown, so that the cut is noticed.
fn start_of(text: &str) -> String {
    text.chars().take(MAX_VALUE + 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::RawValue;

    fn findings(expression: &str, body: &str) -> Vec<(String, Option<String>)> {
        let raw = RawValue::from_string(body.to_owned()).unwrap();
        let expression = Expression::parse(expression).unwrap();
        let findings = expression.findings(&Evaluation::of(Node::Raw(raw.get()), 1)).unwrap();
        findings.into_iter().map(|finding| (finding.query, finding.value)).collect()
    }

    fn found(query: &str, value: &str) -> (String, Option<String>) {
        (query.to_owned(), Some(value.to_owned()))
    }

    #[test]
    fn each_distinct_query_of_the_packet_is_told_once_in_order() {
        let body = r#"{"total": 1.50, "limit":{"q": 2}, "items":[{"q":1},{"q":3},{"q":4}]}"#;
        let expression = "@.items[?@.q > $.limit.q] && $.total < 2 || @['total'] == @.none";
        assert_eq!(
            findings(expression, body),
            [
                found("@.items[?@.q > $.limit.q]", r#"[{"q":3},{"q":4}]"#),
                found("@.limit.q", "2"),
                found("@.total", "1.50"),
                ("@.none".to_owned(), None),
            ]
        );
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        let body = format!(r#"{{"a":"{}","b":[{}0]}}"#, "é".repeat(200), "0,".repeat(200));
        for query in ["@.a", "@.b", "@.b.*", "@.*"] {
            let value = findings(query, &body).remove(0).1.unwrap();
            assert_eq!(value.chars().count(), 81, "{query}");
            assert!(value.ends_with('…'), "{query}");
        }
        let exact = format!("{{\"a\":{}}}", "1".repeat(80));
        assert_eq!(findings("@.a", &exact), [found("@.a", &"1".repeat(80))]);
    }

    #[test]
    fn expression_prints_as_it_was_written() {
        let expression = Expression::parse(" $.a==1 ").unwrap();
        assert_eq!(expression.to_string(), " $.a==1 ");
        assert_eq!(format!("{expression:?}"), r#"Expression(" $.a==1 ")"#);
    }
}
