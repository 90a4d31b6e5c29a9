//! An expression, which is parsed once and evaluated on every packet.

use std::fmt;
use std::sync::Arc;

use super::budget::TooCostly;
use super::error::ExpressionError;
use super::evaluate::Scope;
use super::evaluation::Evaluation;
use super::findings::{self, Findings};
use super::tree::Logic;
use super::{parse, repeats};

/// A filter expression of RFC 9535; cloning it is cheap.
#[derive(Clone)]
pub(crate) struct Expression(Arc<Parsed>);

struct Parsed {
    text: String,
    logic: Logic,
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

    /// The compiled form, for the matcher.
    pub(crate) fn logic(&self) -> &Logic {
        &self.0.logic
    }

    /// Tells whether the expression is true of a packet. Of repeated keys the first counts.
    ///
    /// # Errors
    /// [`TooCostly`]
    pub(crate) fn holds<'a>(&'a self, evaluation: &Evaluation<'a>) -> Result<bool, TooCostly> {
        self.0.logic.holds(Scope::of(evaluation))
    }

    /// Finds a key that stands more than once where the expression looks, and returns its path.
    pub(crate) fn repeated_key<'a>(
        &'a self,
        evaluation: &Evaluation<'a>,
    ) -> Result<Option<String>, TooCostly> {
        repeats::in_logic(&self.0.logic, evaluation)
    }

    /// Tells what each distinct query of the packet finds, in the order of the text;
    /// `with_elements` also what its filters found in each element.
    pub(crate) fn findings<'a>(
        &'a self,
        evaluation: &Evaluation<'a>,
        with_elements: bool,
        shows_values: bool,
    ) -> Result<Findings, TooCostly> {
        findings::of(&self.0.logic, evaluation, with_elements, shows_values)
    }

    #[cfg(test)]
    pub(super) fn queries(&self) -> Vec<String> {
        findings::queries(&self.0.logic)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Node;
    use serde_json::value::RawValue;

    fn findings(expression: &str, body: &str) -> Vec<(String, Option<String>)> {
        let raw = RawValue::from_string(body.to_owned()).unwrap();
        let expression = Expression::parse(expression).unwrap();
        let evaluation = Evaluation::of(Node::Raw(raw.get()), 1);
        let findings = expression.findings(&evaluation, false, true).unwrap();
        findings.found.into_iter().map(|finding| (finding.query, finding.value)).collect()
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
